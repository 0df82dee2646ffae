"""Partitioning a neural network over the chiplets of a multi-chip module, for a short pipeline interval."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.mcm import moves, outlook
from placezoo.cost_models.mcm.constraint_solver import MAX_BACKTRACKS, SolverGraph, solve, solver_graph
from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval
from placezoo.datasets.arrays import read_only
from placezoo.datasets.dag import LINK_FEATURE_NAMES, both_directions
from placezoo.datasets.mcm.package import load_package
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.op_graphs.op_graph_format import write_op_graph
from placezoo.envs.mcm.drawing import draw_pipeline
from placezoo.envs.op_graphs.features import KINDS, kind_flags
from placezoo.envs.problem import FeatureNames, FeatureRoles, PlacementProblem, StepKernel
from placezoo.parameters import above, at_least, below, check_parameters


class MCMPartitionProblem(PlacementProblem):
    """Give each operator a chiplet so that the pipeline takes inputs at short intervals, by the rules of the hardware.

    Items are the operators that are not replicated. Edges lead to the same or a later chiplet, the chiplets used are
    0..max, and where a chiplet sends to another there is no longer way over others (Xie et al. 2022).

    Args:
        instance: the operator graph.
        package: a name (``placezoo.datasets.package_names``) or the path of a YAML file.
        sram_mb: what each chiplet has, instead of the package's.
        max_backtracks: how often the constraint solver takes a choice back before it answers with a chain.

    Raises:
        ValueError: a parameter is out of range, there are more chiplets than operators, or an operator fits nowhere.
    """

    env_id = "MCMPartition-v0"
    short_name = "mcm"
    default_formulation = "one-shot"
    instance_format = (".json", lambda path, instance: write_op_graph(instance, path))
    default_instance = "transformers:bert-base,decomposed"
    feature_names = FeatureNames(
        items=(
            "seconds",
            "output_bytes",
            "held_bytes",
            "replicas",
            "depth",
            "to_end",
            "time_before",
            "memory_before",
            *KINDS,
        ),
        item_edges=LINK_FEATURE_NAMES,
        resources=moves.CHIPLET_FEATURE_NAMES,
        resource_edges=(),
        pairs=outlook.PAIR_FEATURE_NAMES,
    )
    feature_roles = FeatureRoles(prior="pace", pace="time_before", positions=("time_before", "memory_before"))
    term_names = moves.TERM_NAMES
    presentation = ("max_backtracks",)
    step_kernel = StepKernel(moves.allowed, moves.movable, moves.observe, outlook.look)
    moves: Any = moves

    def __init__(
        self,
        instance: OpGraph,
        package: str = "mcm36",
        sram_mb: Annotated[float | None, above(0), below(1e9)] = None,
        max_backtracks: Annotated[int, at_least(0)] = MAX_BACKTRACKS,
    ) -> None:
        if not isinstance(instance, OpGraph):
            how = "placezoo.datasets.model_tracing.trace_module traces a torch module, load(PATH) reads an .onnx file"
            raise self.refusal(instance, "partitions an OpGraph", how)
        self.parameters = check_parameters(
            MCMPartitionProblem, self.env_id, package=str(package), sram_mb=sram_mb, max_backtracks=max_backtracks
        )
        self.package = load_package(package, None if sram_mb is None else 1e6 * sram_mb)
        self.cost_model = PipelineInterval(instance, self.package)
        self.instance = instance
        self.num_items, self.num_resources = self.cost_model.num_items, self.package.count
        if self.num_resources > self.num_items:
            raise ValueError(
                f"{instance.name} has {self.num_items} operators to place, {package} has {self.num_resources} chiplets"
            )
        held, there = self.cost_model.program.held_bytes.sum(), self.package.sram * self.num_resources
        if held > there:
            raise ValueError(
                f"{instance.name} needs {held / 1e6:.1f} MB for its parameters, {package} has {there / 1e6:.1f}"
            )

    @property
    def item_order(self) -> NDArray[np.int64]:
        """The operators in topological order, as late as their readers allow: int64 [num_items]."""
        return self.cost_model.order

    @cached_property
    def solver(self) -> SolverGraph:
        """The graph as the constraint solver reads it."""
        return solver_graph(self.cost_model.dag)

    @cached_property
    def item_features(self) -> NDArray[np.float32]:
        """Features of the operators: float32 [num_items, 14].

        Seconds, output and held bytes, and replicated operators needed, over the most; edges from the start and to the
        end over the most; the shares of all time and all parameters that come before in the order; and kinds, 0 or 1.
        """
        program, dag = self.cost_model.program, self.cost_model.dag
        columns = [
            program.seconds, program.output_bytes, program.held_bytes, np.diff(program.need_start).astype(float),
            dag.depth.astype(float), self.cost_model.edges_to_end.astype(float),
        ]  # fmt: skip
        scaled = np.stack([column / max(column.max(), 1e-300) for column in columns], axis=1)
        kinds = kind_flags([self.instance.kinds[op] for op in self.cost_model.items])
        before = np.empty((self.num_items, 2))
        for column, values in enumerate((program.seconds, program.held_bytes)):
            ordered = values[self.item_order]
            before[self.item_order, column] = (np.cumsum(ordered) - ordered) / max(ordered.sum(), 1e-300)
        return read_only(np.concatenate([scaled, np.clip(before, 0.0, 1.0), kinds], axis=1).astype(np.float32))

    @cached_property
    def item_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Each edge in both directions, sorted by head: bytes over the most, and 1 along the data or -1."""
        links = np.asarray(self.cost_model.dag.links)
        sizes = self.cost_model.program.output_bytes[links[:, 0]]
        return both_directions(links, sizes)

    @property
    def infeasible_penalty(self) -> float:
        """What a partition costs that breaks a rule: more than any that does not."""
        return 2.0 * self.cost_model.penalty

    @property
    def lower_bound(self) -> float | None:
        """The cost model's bound."""
        return float(self.cost_model.lower_bound) or None

    def initial_assignment(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw a valid partition: SAMPLE from even probabilities."""
        even = np.full((self.num_items, self.num_resources), 1.0 / self.num_resources)
        return self.sample(even, 1, rng)[0]

    def sample(self, probabilities: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw valid partitions by the constraint solver (SAMPLE), items in random order."""
        drawn = np.empty((count, self.num_items), np.int64)
        nothing = np.full(self.num_items, -1)
        weights = np.ascontiguousarray(probabilities, np.float64)
        for row in drawn:
            visits = rng.permutation(self.num_items)
            solve(self.solver, visits, nothing, weights, self.parameters["max_backtracks"], rng, row)
        return drawn

    def realize(self, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the valid partition that the constraint solver makes of any (FIX), itself if it is valid."""
        fixed = np.empty(self.num_items, np.int64)
        even = np.ones((self.num_items, self.num_resources))
        candidate = np.ascontiguousarray(assignment, np.int64)
        budget, rng = self.parameters["max_backtracks"], np.random.default_rng(0)
        solve(self.solver, self.item_order, candidate, even, budget, rng, fixed)
        return fixed

    def legalize(self, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a valid partition near one: ``realize``."""
        return self.realize(assignment)

    @property
    def item_names(self) -> list[str]:
        """The operators' names."""
        return [self.instance.names[op] for op in self.cost_model.items]

    def equal_blocks(self) -> NDArray[np.int64]:
        """Return contiguous blocks of the item order of about equal time, made valid by the constraint solver."""
        seconds = self.cost_model.program.seconds[self.item_order]
        middle = np.cumsum(seconds) - seconds / 2
        block = (middle / max(seconds.sum(), 1e-300) * self.num_resources).astype(np.int64)
        assignment = np.empty(self.num_items, np.int64)
        assignment[self.item_order] = np.minimum(block, self.num_resources - 1)
        return self.realize(assignment)

    def greedy(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return blocks of equal time."""
        return self.equal_blocks()

    def draw(self, assignment: NDArray[np.int64], axes: Any) -> None:
        """Draw what each chiplet computes and sends, and its memory."""
        draw_pipeline(self.cost_model, assignment, axes)
