"""Searching an accelerator, and how networks run on it, for low latency, energy or both within area and power."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.accel import moves
from placezoo.cost_models.accel.accelerator_cost import OBJECTIVES, AcceleratorCost
from placezoo.cost_models.accel.layer_cost import SECONDS
from placezoo.datasets.accel.design_space import LIMITS, QUANTITIES, load_design_space
from placezoo.datasets.accel.nasbench201 import COLUMNS, TABLES, accuracies
from placezoo.datasets.accel.technology import load_technology
from placezoo.datasets.accel.workload import Workload, write_workload
from placezoo.datasets.arrays import read_only
from placezoo.envs.accel.drawing import draw_layers, draw_roofline
from placezoo.envs.problem import FeatureNames, FeatureRoles, PlacementProblem, StepKernel
from placezoo.parameters import above, below, check_parameters, one_of

_KINDS = ("is_hardware", "is_dataflow", "is_choice", "is_layer_dataflow", "is_fusion")
_LIMIT = (above(0), below(1e9))


class AccelSearchProblem(PlacementProblem):
    """Decide about the hardware, the mapping of layers and what networks leave open, at the least cost within limits.

    Items are decisions, resources their options: option r of a decision with fewer does not exist for it.

    Args:
        instance: the workload; a traced network, or several, is one as well.
        space: the decisions of the hardware: a name (``placezoo.datasets.design_space_names``) or a YAML file.
        technology: what it is made of: a name (``placezoo.datasets.technology_names``) or a YAML file.
        objective: ``latency``, ``energy``, ``edp``, ``perf-per-tdp`` or ``throughput``.
        area_mm2: at most, default the space's.
        power_w: peak power at most, default the space's.
        memory_mb: on the chip at most, default the space's.
        accuracy: percent at least, of a network with a table.
        accuracy_of: which accuracy.
        table: ``nasbench201``, or the 1,000 cells of it that come with placezoo, ``nasbench201-sample``.

    Raises:
        ValueError: a parameter is out of range, or no design keeps to a limit.
        OSError: the table is not on this machine.
    """

    env_id = "AccelSearch-v0"
    short_name = "accel"
    default_formulation = "construct"
    instance_format = (".json", lambda path, instance: write_workload(instance, path))
    default_instance = "transformers:resnet-50"
    feature_names = FeatureNames(
        items=(
            *_KINDS, "options", "rank", "multiply_adds", "inputs", "weights", "outputs", "time",
            *(f"sets_{name}" for name in QUANTITIES),
        ),
        item_edges=("is_hardware",),
        resources=moves.OPTION_FEATURE_NAMES,
        resource_edges=(),
        pairs=moves.PAIR_FEATURE_NAMES,
    )  # fmt: skip
    feature_roles = FeatureRoles(prior="cost", positions=("rank",))
    term_names = moves.TERM_NAMES
    step_kernel = StepKernel(moves.allowed, moves.movable, moves.observe, moves.look)
    moves: Any = moves

    def __init__(
        self,
        instance: Workload,
        space: str = "systolic",
        technology: str = "dosa",
        objective: Annotated[str, one_of(*OBJECTIVES)] = "latency",
        area_mm2: Annotated[float | None, *_LIMIT] = None,
        power_w: Annotated[float | None, *_LIMIT] = None,
        memory_mb: Annotated[float | None, *_LIMIT] = None,
        accuracy: Annotated[float | None, above(0), below(100)] = None,
        accuracy_of: Annotated[str, one_of(*COLUMNS)] = "cifar10_valid",
        table: Annotated[str, one_of(*TABLES)] = TABLES[0],
    ) -> None:
        if not isinstance(instance, Workload):
            how = "an OpGraph or LayerGraph of placezoo.datasets, or a list of them, is one too"
            raise self.refusal(instance, "searches accelerators for a Workload", how)
        self.parameters = check_parameters(
            AccelSearchProblem, self.env_id, space=str(space), technology=str(technology), objective=objective,
            area_mm2=area_mm2, power_w=power_w, memory_mb=memory_mb, accuracy=accuracy, accuracy_of=accuracy_of,
            table=table,
        )  # fmt: skip
        self.space, self.technology = load_design_space(space), load_technology(technology)
        given = {name: self.parameters[name] for name in (*LIMITS, "accuracy")}
        limits = {**self.space.limits, **{name: value for name, value in given.items() if value is not None}}
        known = None
        if accuracy is not None and any(network.table for network in instance.networks):
            known = accuracies(table, accuracy_of)
        self.instance = instance
        self.cost_model = AcceleratorCost(instance.networks, self.space, self.technology, objective, limits, known)
        self.num_items = self.cost_model.num_items
        self.num_resources = int(self.cost_model.num_options.max())

    @classmethod
    def as_instance(cls, given: Any) -> Any:
        """Return the workload of a network or of several; anything else as it is."""
        return Workload.of(given)

    @cached_property
    def item_order(self) -> NDArray[np.int64]:
        """The decisions of the hardware, then of networks, of layers, of edges: int64 [num_items]."""
        return read_only(np.arange(self.num_items))

    @cached_property
    def exists(self) -> NDArray[np.bool_]:
        """The options that each decision has."""
        return read_only(np.arange(self.num_resources) < self.cost_model.num_options[:, None])

    @cached_property
    def item_features(self) -> NDArray[np.float32]:
        """Features of the decisions: float32 [num_items, 27].

        Kinds, 0 or 1; options over the most; rank in the order; of the layers that a decision is about, shares of all
        multiply-adds, inputs, weights, outputs, and of the time on the usual design; and the quantities of the hardware
        that it multiplies, 0 or 1.
        """
        model = self.cost_model
        sizes = np.array([(one.multiply_adds, one.inputs, one.weights, one.outputs) for one in model.layers])
        sizes = np.concatenate([sizes, model.state().layers[:, [SECONDS]]], axis=1)
        shares = np.asarray(sizes / np.maximum(sizes.sum(axis=0), 1e-300))
        features = np.zeros((self.num_items, len(self.feature_names.items)))
        for number, item in enumerate(model.items):
            features[number, item.kind] = 1.0
            features[number, 7:12] = shares[self._layers_about[number]].sum(axis=0)
            features[number, 12:] = [name in item.sets for name in QUANTITIES]
        features[:, 5] = model.num_options / self.num_resources
        features[:, 6] = np.arange(self.num_items) / max(self.num_items - 1, 1)
        return read_only(np.clip(features, 0.0, 1.0).astype(np.float32))

    @cached_property
    def _layers_about(self) -> list[list[int]]:
        """The layers that each decision is about; none for those of the hardware."""
        return self.cost_model.layers_of_items

    @cached_property
    def item_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Links both ways, sorted by head, and whether both ends are of the hardware, 0 or 1.

        Every two decisions of the hardware, and of a network's choices, are linked; decisions about the same layer are;
        and each decision about layers is with the first of the hardware.
        """
        kinds = np.array([item.kind for item in self.cost_model.items])
        whole = np.flatnonzero(kinds <= moves.DATAFLOW).tolist()
        pairs = set(itertools.combinations(whole, 2))
        pairs |= set(itertools.combinations(np.flatnonzero(kinds == moves.CHOICE).tolist(), 2))
        pairs |= {(whole[0], item) for item in range(self.num_items) if whole and kinds[item] > moves.DATAFLOW}
        about: dict[int, list[int]] = {}
        for item, layers in enumerate(self._layers_about):
            if kinds[item] in (moves.LAYER_DATAFLOW, moves.FUSION):
                for layer in layers:
                    about.setdefault(layer, []).append(item)
        for items in about.values():
            pairs |= set(itertools.combinations(sorted(items), 2))
        both = sorted({(b, a) for a, b in pairs} | pairs, key=lambda pair: (pair[1], pair[0]))
        links = np.array(both, np.int64).reshape(-1, 2)
        same = (kinds[links] <= moves.DATAFLOW).all(axis=1).astype(np.float32)
        return read_only(links), read_only(same.reshape(-1, 1))

    @property
    def infeasible_penalty(self) -> float:
        """What no design within its limits costs more than."""
        return float(self.cost_model.penalty)

    def initial_assignment(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw an option for each decision, in random order, among those that leave a design within the limits."""
        kernel = self.kernel()
        mask = np.zeros(self.num_resources, np.int8)
        moves.draw_design(kernel.state, rng.permutation(self.num_items), mask, rng)
        return kernel.state.assignment

    @property
    def item_names(self) -> list[str]:
        """What is decided."""
        return [item.name for item in self.cost_model.items]

    def table(self, assignment: NDArray[np.int64]) -> dict[str, Any]:
        """Return each decision and its option: a row a decision."""
        columns = super().table(assignment)
        options = [item.options for item in self.cost_model.items]
        names = [one[taken] if taken >= 0 else "" for one, taken in zip(options, assignment.tolist(), strict=True)]
        return {**columns, "resource_name": names}

    def draw(self, assignment: NDArray[np.int64], axes: Any) -> None:
        """Draw what each layer's time goes into."""
        draw_layers(self.cost_model, assignment, self.instance.name, axes)

    def panels(self, assignment: NDArray[np.int64]) -> list[Callable[[Any], None]]:
        """Return the picture of the layers' time, and the roofline."""
        return [
            lambda axes: self.draw(assignment, axes),
            lambda axes: draw_roofline(self.cost_model, assignment, axes),
        ]
