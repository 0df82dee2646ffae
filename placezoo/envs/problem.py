"""The one interface that a problem domain implements; environments and agents know nothing else of it."""

from __future__ import annotations

import csv
import inspect
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium.spaces import GraphInstance
from numpy.typing import NDArray

from placezoo.cost_models.assignment import check_assignment, check_index
from placezoo.cost_models.cost import Cost
from placezoo.datasets.arrays import read_only
from placezoo.datasets.csv_cells import inert
from placezoo.datasets.files import write_atomically
from placezoo.envs.greedy import place_greedily
from placezoo.envs.kernel import Candidates as Candidates
from placezoo.envs.kernel import Kernel as Kernel
from placezoo.envs.kernel import StepKernel as StepKernel
from placezoo.envs.tally import Tally


@dataclass(frozen=True)
class FeatureNames:
    """What each column of an observation's feature arrays is.

    Attributes:
        items: of the items.
        item_edges: of their links.
        resources: of the resources.
        resource_edges: of their links.
        pairs: of the pairs of the current item and each resource. They follow the columns of ``resources``, and are 0
            where the mask forbids the pair or there is no current item.
    """

    items: tuple[str, ...]
    item_edges: tuple[str, ...]
    resources: tuple[str, ...]
    resource_edges: tuple[str, ...]
    pairs: tuple[str, ...] = ()

    @property
    def resource_columns(self) -> tuple[str, ...]:
        """The columns that are observed of resources: their own, then those of pairs with the current item."""
        return self.resources + self.pairs


@dataclass(frozen=True)
class FeatureRoles:
    """Which features general code reads for what they mean, by name; empty where a domain has none.

    Attributes:
        prior: of the resources or of pairs; a fresh policy prefers where it is least.
        grid: two of the resources, which are the cells of a grid: where a cell lies in its row and its column.
        pace: of the items; the share of the work before an item, by which a fresh policy spreads items over a row of
            resources.
        positions: of the items; how far along an item is, in several measures.
        priority: of the items; 1 for those whose resource is a priority, which are scored by a head of their own.
    """

    prior: str = ""
    grid: tuple[str, ...] = ()
    pace: str = ""
    positions: tuple[str, ...] = ()
    priority: str = ""


class CutGraph(NamedTuple):
    """A graph, in CSR form, whose balanced parts with few edges between them are a placement.

    Attributes:
        indptr: int64 [num_nodes + 1].
        indices: int64 [2 num_edges], the neighbours.
        edge_weights: int64 [2 num_edges].
        node_weights: int64 [num_nodes].
        num_parts: into how many.
        imbalance: how much heavier than its share a part may be.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    edge_weights: NDArray[np.int64]
    node_weights: NDArray[np.int64]
    num_parts: int
    imbalance: float


def draw_each(probabilities: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw whole assignments, each item for itself: float64 [num_items, num_resources] -> int64 [count, num_items]."""
    cumulative = np.cumsum(probabilities, axis=1)
    cumulative /= cumulative[:, -1:]
    drawn = (rng.random((count, len(probabilities), 1)) >= cumulative).sum(axis=2)
    return np.asarray(drawn, np.int64)


TABLES: Mapping[str, str] = MappingProxyType({".csv": "a table, a row an item"})  # what every problem exports


def table_text(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return the columns of a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([inert(cell) for cell in row] for row in zip(*columns.values(), strict=True))
    return text.getvalue()


class PlacementProblem(ABC):
    """Items of a graph that each get one resource, under constraints, at a cost.

    A new domain implements this class once; the three formulations, the wrappers, the vectorised environments and every
    general agent then work for it. All features are float32 in [-1, 1].

    Class attributes:
        env_id: the Gymnasium id, ``GraphPartition-v0`` for example.
        default_formulation: ``construct``, ``improve`` or ``one-shot``.
        default_instance: what is placed where no instance or dataset is named: one that ``placezoo.datasets.load``
            gives every installation, without downloads and extras; None: one must be named.
        feature_names: the columns of the features.
        term_names: the cost's terms in the order of ``StepKernel.observe``.
        step_kernel: the compiled functions for environments.
        moves: the module with the jitted ``propose``, ``delta``, ``apply`` and ``undo``, and perhaps ``evaluate_all``
            (state, assignments, totals), over the states of ``cost_model``; a domain without one has its own ``kernel``
            and ``cost_of``. Where there are several kinds of instances, a problem sets ``moves``, ``step_kernel`` and
            ``term_names`` of its own.
        candidates: moves that can be seen before they are evaluated, for ``guided-search``; None where there are none.
        presentation: the parameters that change how a problem is presented and not what an assignment costs.
        short_name: what parts of suites, tables and folders call the environment: ``partition``.
        feature_roles: the features that general code reads for what they mean.
        anneals_from_constructions: whether annealing starts from the best of ``constructions``, not at random.
        cheap_moves: whether evaluating a move is so cheap that infeasible assignments are made feasible move by move,
            and greedy constructions drawn several times to know what they cost.
        instance_format: how a file's name ends that an instance is written to, and (path, instance) -> None.
        exports: the suffixes of the files that ``export`` writes, and what each is.

    Attributes:
        instance: the validated instance, with ``name`` and ``digest``.
        cost_model: what an assignment costs, with ``state(assignment)`` and ``cost_of(state)``.
        parameters: what rebuilds the problem from its instance; JSON values only.
        num_items: how many items must be placed.
        num_resources: how many resources there are.
        tally: how often it was asked for a cost; shared with what it is presented, refined and changed to.
    """

    env_id: ClassVar[str]
    default_formulation: ClassVar[str]
    default_instance: ClassVar[Any] = None
    feature_names: ClassVar[FeatureNames]
    term_names: tuple[str, ...]
    step_kernel: StepKernel
    moves: Any = None
    candidates: Candidates | None = None
    presentation: ClassVar[tuple[str, ...]] = ()
    short_name: ClassVar[str]
    feature_roles: ClassVar[FeatureRoles] = FeatureRoles()
    cheap_moves: ClassVar[bool] = True
    anneals_from_constructions: ClassVar[bool] = False
    exports: ClassVar[Mapping[str, str]] = TABLES
    instance_format: tuple[str, Callable[[Path, Any], None]] | None = None

    instance: Any
    cost_model: Any
    parameters: dict[str, Any]
    num_items: int
    num_resources: int

    @classmethod
    def as_instance(cls, given: Any) -> Any:
        """Return the instance that an object of another package is one step away from (a NetworkX graph, for example).

        By default, and for what it does not know, the object itself, which the class then refuses.

        Raises:
            ValueError: the object's content is none of an instance.
        """
        return given

    @classmethod
    def refusal(cls, given: Any, does: str, how: str) -> ValueError:
        """Return the error that says that an object is no instance.

        Args:
            given: the object.
            does: what the domain does with which instances: ``partitions a Graph``.
            how: what makes an instance.
        """
        kind, package = type(given).__qualname__, type(given).__module__.partition(".")[0]
        name = kind if package in ("builtins", "placezoo") else f"{package}.{kind}"
        return ValueError(f"{cls.env_id} {does}, not a {name}; {how}")

    @property
    @abstractmethod
    def item_order(self) -> NDArray[np.int64]:
        """The order in which ``construct`` places items: a permutation, int64 [num_items]."""

    @property
    @abstractmethod
    def item_features(self) -> NDArray[np.float32]:
        """Features of the items: float32 [num_items, len(feature_names.items)], read-only."""

    @property
    @abstractmethod
    def item_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Directed item links, int64 [num_edges, 2], and their features, float32 [num_edges, F]; read-only."""

    @cached_property
    def item_graph(self) -> GraphInstance:
        """The items as they are observed: the problem's own read-only arrays, the same objects at every step."""
        links, features = self.item_edges
        return GraphInstance(nodes=self.item_features, edges=features, edge_links=links)

    @cached_property
    def resource_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Directed links between resources and their features; none unless the domain has some."""
        return np.zeros((0, 2), np.int64), np.zeros((0, len(self.feature_names.resource_edges)), np.float32)

    @cached_property
    def exists(self) -> NDArray[np.bool_]:
        """Which resources exist for each item: bool [num_items, num_resources], read-only; by default all for all."""
        return read_only(np.ones((self.num_items, self.num_resources), bool))

    @property
    @abstractmethod
    def infeasible_penalty(self) -> float:
        """What a construction pays that breaks off: at least as much as any feasible assignment costs."""

    @cached_property
    def tally(self) -> Tally:
        """How often this problem was asked for a cost."""
        return Tally()

    def kernel(self, assignment: NDArray[np.int64] | None = None) -> Kernel:
        """Return the compiled moves over a fresh state of the assignment (default: nothing placed).

        A domain with a kernel of its own counts here that it hands one out: ``self.tally.kernels += 1``.
        """
        self.tally.kernels += 1
        moves = self.moves
        return Kernel(self.cost_model.state(assignment), moves.propose, moves.delta, moves.apply, moves.undo)

    def cost_of(self, state: Any) -> Cost:
        """Return the cost of a kernel's state."""
        return self.cost_model.cost_of(state)

    @abstractmethod
    def initial_assignment(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw a random assignment, feasible wherever that is easy: int64 [num_items]."""

    @abstractmethod
    def draw(self, assignment: NDArray[np.int64], axes: Any) -> None:
        """Draw an assignment (-1 = unplaced) on matplotlib axes."""

    @property
    def item_names(self) -> Sequence[str]:
        """What the items are called, by default their numbers."""
        return [str(item) for item in range(self.num_items)]

    @property
    def resource_names(self) -> Sequence[str]:
        """What the resources are called, by default their numbers."""
        return [str(resource) for resource in range(self.num_resources)]

    def table(self, assignment: NDArray[np.int64]) -> dict[str, Sequence[Any]]:
        """Return an assignment as a table's columns, a row an item: numbers and names, and what the domain adds."""
        names = [*self.resource_names, ""]  # the last is of what is unplaced, -1
        return {
            "item": range(self.num_items),
            "name": self.item_names,
            "resource": assignment.tolist(),
            "resource_name": [names[resource] for resource in assignment],
        }

    def export(self, assignment: NDArray[np.int64], path: Path) -> None:
        """Write an assignment as a file for other tools, in the format that the end of its name says.

        Raises:
            ValueError: the domain has no such format; says which it has.
        """
        suffix = self.export_suffix(path)
        if suffix is None:
            known = ", ".join(f"{end} ({what})" for end, what in self.exports.items())
            raise ValueError(f"{path}: {self.env_id} is exported as {known}")
        if suffix == ".csv":
            write_atomically(path, table_text(self.table(assignment)))
        else:
            self._export(assignment, path, suffix)

    @classmethod
    def export_suffix(cls, path: Path) -> str | None:
        """Return which of ``exports`` a path is: the longest that its name ends in, None if it ends in none."""
        return max((end for end in cls.exports if path.name.endswith(end)), key=len, default=None)

    def write_instance(self, path: Path) -> None:
        """Write the instance as a file that ``placezoo.datasets.load`` reads, with the same digest.

        Raises:
            ValueError: the domain has no such format, or the path's ending is another one's.
        """
        if self.instance_format is None:
            raise ValueError(f"{self.env_id} has no format to write instances in")
        suffix, write = self.instance_format
        if not path.name.removesuffix(".gz").endswith(suffix):
            raise ValueError(f"{path}: an instance of {self.env_id} is written as {suffix}")
        write(path, self.instance)

    def _export(self, assignment: NDArray[np.int64], path: Path, suffix: str) -> None:
        """Write an assignment in one of ``exports`` besides the table."""
        raise NotImplementedError

    def panels(self, assignment: NDArray[np.int64]) -> list[Callable[[Any], None]]:
        """Return what a picture of a solution shows side by side: functions that draw on matplotlib axes."""
        return [lambda axes: self.draw(assignment, axes)]

    def greedy(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the domain's greedy construction, by default: each item, in order, goes where it adds least.

        Args:
            rng: decides between equals.

        Returns:
            int64 [num_items]; possibly infeasible, to be repaired.
        """
        kernel = self.kernel()
        place_greedily(kernel, self.step_kernel, self.num_resources, self.item_order, rng)
        return kernel.state.assignment

    def constructions(self, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Return, one after another, what the domain's constructive heuristics make; by default ``greedy`` alone.

        Searches start from the best of them.

        Args:
            rng: decides between equals.

        Returns:
            int64 [num_items] each; possibly infeasible, to be repaired.
        """
        yield self.greedy(rng)

    def evaluate(self, assignment: NDArray[np.int64]) -> Cost:
        """Return the cost of an assignment: int64 [num_items], a resource for each item; -1 (unplaced) is infeasible.

        Raises:
            ValueError: wrong shape or type, or a resource that does not exist.
        """
        tally = self.tally
        tally.evaluations += 1
        kernels = tally.kernels
        cost = self.cost_of(self.kernel(assignment).state)
        tally.kernels = kernels  # nobody else has seen this one
        return cost

    def totals(self, assignments: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the total costs of many assignments, int64 [count, num_items]: float64 [count]."""
        if not hasattr(self.moves, "evaluate_all"):
            return np.array([self.evaluate(assignment).total for assignment in assignments])
        rows = np.asarray(assignments)
        if rows.ndim != 2:
            raise ValueError(f"assignments are rows of {self.num_items} whole numbers, not of shape {rows.shape}")
        flat = check_assignment(rows.reshape(-1), len(rows) * self.num_items, self.num_resources)
        found = np.empty(len(rows))
        self.tally.evaluations += len(rows)
        self.moves.evaluate_all(self.cost_model.state(), flat.reshape(rows.shape), found)
        return found

    def allowed(self, assignment: NDArray[np.int64], item: int) -> NDArray[np.bool_]:
        """Return the resources that the item may be placed on, given where the others are: bool [num_resources]."""
        mask = np.zeros(self.num_resources, np.int8)
        item = check_index(item, self.num_items, "item")
        with self.tally.paused():
            state = self.kernel(assignment).state
        self.step_kernel.allowed(state, item, mask)
        return mask.astype(bool)

    @cached_property
    def cut_graph(self) -> CutGraph | None:
        """The graph that a partitioner may cut for the domain, None where there is none."""
        return None

    def from_parts(self, parts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the assignment that a partition of ``cut_graph``, int64 [num_nodes], stands for."""
        return parts

    def refined(self, refinement: NDArray[np.float64] | None) -> PlacementProblem:
        """Return the problem in which assignments are refined as an agent says; None: as they are, which is itself.

        Where a domain's assignment is coarser than its answer (a cell, and not a place within it), an agent may answer
        with a refinement beside the assignment; it is part of what is claimed and scored again. Evaluations, exports,
        tables and drawings of the refined problem go by it; assignments that contradict it are refused there.

        Raises:
            ValueError: the refinement is none of this problem's items, or the domain has no refinements.
        """
        if refinement is not None:
            raise ValueError(f"{self.env_id} has no refinements: an assignment says all")
        return self

    def presented(self, parameters: Mapping[str, Any]) -> PlacementProblem:
        """Return the problem over the same instance, at the same costs, presented as other parameters say.

        Args:
            parameters: of any problem of the class; only those in ``presentation`` count, and one that is not there has
                its default.

        Raises:
            ValueError: one is out of range.
        """
        make: Any = type(self)
        defaults = inspect.signature(make).parameters
        wanted = {name: parameters.get(name, defaults[name].default) for name in self.presentation}
        if all(self.parameters[name] == value for name, value in wanted.items()):
            return self
        presented = make(self.instance, **{**self.parameters, **wanted})
        presented.tally = self.tally
        return presented

    @property
    def changes_between_steps(self) -> bool:
        """Whether the world changes within episodes: whether ``next_step`` may return another problem."""
        return False

    @property
    def changes_between_episodes(self) -> bool:
        """Whether ``next_episode`` may return another problem."""
        return False

    def next_episode(self, rng: np.random.Generator) -> PlacementProblem:
        """Return the problem of the episode that begins: itself, or what the world has become before it."""
        return self

    def next_step(self, rng: np.random.Generator) -> PlacementProblem:
        """Return the problem after a step: itself, or what the world has become, with the same items and resources."""
        return self

    def sample(self, probabilities: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw whole assignments, by default each item for itself.

        Args:
            probabilities: float64 [num_items, num_resources], rows add up to 1.
            count: how many.
            rng: to draw with.

        Returns:
            int64 [count, num_items].
        """
        return draw_each(probabilities, count, rng)

    def realize(self, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what becomes of a whole assignment that was answered at once: by default just that.

        A domain with a solver in the loop returns the valid assignment that it makes of the answer.
        """
        return assignment

    def legalize(self, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return an assignment near an infeasible one with fewer violations, where the domain knows how."""
        return assignment

    def move_cost(self, assignment: NDArray[np.int64], item: int, resource: int) -> float:
        """Return what moving one item to a resource would add to the total cost.

        Builds the kernel's state first; whoever asks more than once keeps a ``kernel()`` instead.
        """
        item, resource = (
            check_index(item, self.num_items, "item"),
            check_index(resource, self.num_resources, "resource"),
        )
        with self.tally.paused():
            kernel = self.kernel(assignment)
        self.tally.evaluations += 1
        return float(kernel.delta(kernel.state, (item, int(kernel.state.assignment[item]), resource, -1)))

    @classmethod  # noqa: B027 - most domains remember nothing
    def forget(cls) -> None:
        """Forget what earlier problems of the domain worked out about instances, so that a timed run starts cold."""

    @property
    def lower_bound(self) -> float | None:
        """What no assignment costs less than, above 0, where the domain knows such a bound; else None."""
        return None

    @cached_property
    def reference_cost(self) -> float:
        """The mean total cost of 8 random assignments: the instance's own scale, for relative rewards and scores."""
        rng = np.random.default_rng(0)
        with self.tally.paused():
            return float(np.mean([self.evaluate(self.initial_assignment(rng)).total for _ in range(8)]))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.instance, self.parameters)  # elsewhere it works out anew what it remembers

    def __deepcopy__(self, memo: dict[int, Any]) -> PlacementProblem:
        return self  # nobody changes a problem: what an episode changes is the state of its kernel

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({self.instance.name!r}, {settings})"


def _rebuilt(problem_class: type[PlacementProblem], instance: Any, parameters: dict[str, Any]) -> PlacementProblem:
    make: Any = problem_class
    return make(instance, **parameters)
