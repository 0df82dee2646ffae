"""Neural-network device placement: the operators of a model onto accelerators, for a short step within memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from placezoo.cost_models.device import moves
from placezoo.cost_models.device.move_features import HAND_MADE, MOVE_FEATURE_NAMES, move_features
from placezoo.cost_models.device.step_time import StepTime
from placezoo.datasets.arrays import read_only
from placezoo.datasets.dag import LINK_FEATURE_NAMES, both_directions
from placezoo.datasets.device.topology import DeviceTopology
from placezoo.datasets.device.topology_format import load_topology
from placezoo.datasets.files import write_atomically
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.op_graphs.op_graph_format import write_op_graph
from placezoo.datasets.op_graphs.op_grouping import GROUPINGS
from placezoo.envs.device.chrome_trace import chrome_trace
from placezoo.envs.device.drawing import draw_timeline
from placezoo.envs.device.framework_formats import device_map, pipeline_split
from placezoo.envs.device.list_scheduling import list_placement
from placezoo.envs.op_graphs.features import KINDS, kind_flags
from placezoo.envs.problem import TABLES, Candidates, CutGraph, FeatureNames, FeatureRoles, PlacementProblem, StepKernel
from placezoo.parameters import above, below, between, check_parameters, one_of

_CUT_STEPS = 10_000  # partitioners want whole numbers
_CUT_IMBALANCE = 0.05


class DevicePlaceProblem(PlacementProblem):
    """Place a neural network's operators on devices so that a step takes little time and memory suffices.

    Items are groups of operators that share a device, in topological order of their first operators.

    Args:
        instance: the operator graph.
        topology: a name (``topology_names``) or the path of a YAML file.
        memory_gb: what each device has, instead of its data sheet's; or
        memory_share: of what the model needs on the first device alone.
        priorities: if more than 1, items are the groups twice: where each runs, then which of so many priorities its
            operators have over others that are ready (GO's joint placement and schedule); 1 is first come first served.
        grouping: ``own``: what shares a parameter stays together; ``chains``: chains of operators too; ``layers``:
            what holds no parameters goes with what it reads; ``modules``: layers of one module too.

    Raises:
        ValueError: a parameter is out of range, or even all devices together do not hold the parameters.

    Source: Mirhoseini et al. 2018; Zhou et al. 2019 (GDP).
    """

    env_id = "DevicePlace-v0"
    short_name = "device"
    default_formulation = "construct"
    instance_format = (".json", lambda path, instance: write_op_graph(instance, path))
    default_instance = "torch:inception-v3"
    feature_names = FeatureNames(
        items=(
            "flops", "bytes_moved", "output_bytes", "held_bytes", "operators", "backward", "depth", "rank", "time",
            "memory", "transfer", "time_before", "memory_before", *KINDS, "is_priority",
        ),
        item_edges=LINK_FEATURE_NAMES,
        resources=moves.DEVICE_FEATURE_NAMES,
        resource_edges=("inverse_bandwidth", "latency"),
    )  # fmt: skip
    feature_roles = FeatureRoles(pace="time_before", positions=("time_before", "memory_before"), priority="is_priority")
    cheap_moves = False
    exports = MappingProxyType({
        **TABLES, ".json": "a timeline for Chrome and Perfetto",
        ".device_map.json": "a device_map for accelerate and transformers",
        ".pipeline.json": "the split points of torch.distributed.pipelining",
    })  # fmt: skip
    term_names = moves.TERM_NAMES
    step_kernel = StepKernel(moves.allowed, moves.movable, moves.observe)
    moves: Any = moves
    candidates = Candidates(moves.draw, move_features, MOVE_FEATURE_NAMES, MappingProxyType(HAND_MADE))

    def __init__(
        self,
        instance: OpGraph,
        topology: str = "v100x4-nvlink",
        memory_gb: Annotated[float | None, above(0), below(1e9)] = None,
        grouping: Annotated[str, one_of(*GROUPINGS)] = "own",
        memory_share: Annotated[float | None, above(0), below(1e9)] = None,
        priorities: Annotated[int, between(1, 1024)] = 1,
    ) -> None:
        if not isinstance(instance, OpGraph):
            how = "placezoo.datasets.model_tracing.trace_module traces a torch module, load(PATH) reads an .onnx file"
            raise self.refusal(instance, "places an OpGraph", how)
        self.parameters = check_parameters(
            DevicePlaceProblem, self.env_id, topology=str(topology), memory_gb=memory_gb, grouping=grouping,
            memory_share=memory_share, priorities=priorities,
        )  # fmt: skip
        if memory_gb is not None and memory_share is not None:
            raise ValueError("either memory_gb or memory_share, not both")
        groups = GROUPINGS[grouping](instance)
        memory = None if memory_gb is None else 1e9 * memory_gb
        if memory_share is not None:
            memory = memory_share * _need(instance, load_topology(topology, None), groups)
        self.topology = load_topology(topology, memory)
        self.cost_model = StepTime(instance, self.topology, groups, levels=priorities)
        needed, there = self.cost_model.held_bytes.sum(), np.asarray(self.topology.memory).sum()
        if needed > there:
            raise ValueError(
                f"{instance.name} needs {needed / 1e9:.2f} GB for its parameters, {topology} has {there / 1e9:.2f}"
            )
        self.instance = instance
        self.num_items = self.cost_model.num_items
        self.num_resources = max(self.topology.num_devices, priorities if priorities > 1 else 0)

    @cached_property
    def item_order(self) -> NDArray[np.int64]:
        """The groups by the topological position of their first operators, then their priorities likewise."""
        order = self.group_order
        return read_only(order.copy() if self.num_items == order.size else np.concatenate([order, order + order.size]))

    @cached_property
    def group_order(self) -> NDArray[np.int64]:
        """The groups by the topological position of their first operators: int64 [num_groups]."""
        first = np.full(self.cost_model.num_groups, self.instance.num_ops)
        position = np.empty(self.instance.num_ops, np.int64)
        position[self.instance.dag.order] = np.arange(self.instance.num_ops)
        np.minimum.at(first, np.asarray(self.cost_model.groups), position)
        return read_only(np.argsort(first, kind="stable"))

    @cached_property
    def exists(self) -> NDArray[np.bool_]:
        """The devices for groups, the levels for priorities."""
        resource = np.arange(self.num_resources)
        is_priority = np.arange(self.num_items)[:, None] >= self.cost_model.num_groups
        return read_only(np.where(is_priority, resource < self.cost_model.levels, resource < self.topology.num_devices))

    @property
    def group_links(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The pairs of groups with an edge between them, int64 [E, 2], and the bytes: float64 [E]."""
        return self.cost_model.group_links

    @cached_property
    def item_features(self) -> NDArray[np.float32]:
        """Features of the items: float32 [num_items, 20].

        FLOPs, bytes moved, output and held bytes and operators over the most; the share of its operators that are of
        the backward pass; mean depth and longest way to the end over the most; its share of all time, of all memory for
        parameters and outputs, and how long its outputs take to be sent over all time, at most 1; the shares of time
        and memory of the groups before it; the share of each kind; and whether the item is a group's priority.
        """
        graph, groups = self.instance, np.asarray(self.cost_model.groups)
        num_groups = self.cost_model.num_groups
        counts = np.bincount(groups, minlength=num_groups).astype(float)

        def total(values: Any) -> NDArray[np.float64]:
            return np.bincount(groups, np.asarray(values, float), minlength=num_groups).astype(np.float64)

        kinds = kind_flags(graph.kinds).T
        sums = [
            total(graph.flops),
            total(graph.bytes_moved),
            total(graph.output_bytes),
            self.cost_model.held_bytes,
            counts,
        ]
        sums += [total(graph.dag.depth) / counts, total(self._time_to_end) / counts]
        scaled = [column / max(column.max(), 1e-300) for column in sums]
        columns = [*scaled[:5], total(graph.backward) / counts, *scaled[5:], *self._shares(total)]
        columns += [total(kind) / counts for kind in kinds]
        features = np.stack([*columns, np.zeros(num_groups)], axis=1).astype(np.float32)
        if self.num_items > num_groups:
            features = np.concatenate([features, features])
            features[num_groups:, -1] = 1.0
        return read_only(features)

    def _shares(self, total: Callable[[Any], NDArray[np.float64]]) -> list[NDArray[np.float64]]:
        """Return shares of time, memory and transfers, and of the time and memory before each group."""
        model = self.cost_model
        time = total(model.op_time.mean(axis=1))
        memory = model.held_bytes + total(self.instance.output_bytes)
        bandwidth, latency = model.routes
        apart = bandwidth < np.inf
        rate = float((1.0 / bandwidth[apart]).mean()) if apart.any() else 0.0
        wait = float(latency[apart].mean()) if apart.any() else 0.0
        transfer = np.minimum(total(rate * np.asarray(self.instance.output_bytes) + wait) / time.sum(), 1.0)
        time, memory = time / time.sum(), memory / max(memory.sum(), 1e-300)
        columns = [time, memory, transfer]
        for values in (time, memory):
            before = np.empty(values.size)
            before[self.group_order] = np.cumsum(values[self.group_order]) - values[self.group_order]
            columns.append(np.clip(before, 0.0, 1.0))
        return columns

    @cached_property
    def _time_to_end(self) -> NDArray[np.float64]:
        """The longest path from each operator to the end, on the fastest device: float64 [num_ops]."""
        return self.instance.dag.longest_to_end(self.cost_model.op_time.min(axis=1))

    @cached_property
    def _rank_levels(self) -> NDArray[np.int64]:
        """The priority of each group by its longest way to the end, in levels of as many groups: int64 [num_groups]."""
        groups, count = np.asarray(self.cost_model.groups), self.cost_model.num_groups
        longest = np.zeros(count)
        np.maximum.at(longest, groups, self._time_to_end)
        levels = np.empty(count, np.int64)
        levels[np.argsort(longest, kind="stable")] = np.arange(count) * self.cost_model.levels // count
        return levels

    def with_priorities(self, placement: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the assignment of a placement of groups [num_groups]: critical paths first, where there are levels."""
        return placement if self.cost_model.levels == 1 else np.concatenate([placement, self._rank_levels])

    @cached_property
    def item_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Each link of groups in both directions, sorted by head: bytes over the most, and 1 along the data or -1.

        Priorities are linked like their groups, and each to its group.
        """
        links, sizes = self.group_links
        if self.num_items > self.cost_model.num_groups:
            own = np.arange(self.cost_model.num_groups)[:, None] + np.array([0, self.cost_model.num_groups])
            links = np.concatenate([links, links + self.cost_model.num_groups, own])
            sizes = np.concatenate([sizes, sizes, np.zeros(len(own))])
        return both_directions(links, sizes)

    @cached_property
    def resource_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Each ordered pair of devices: inverse bandwidth and latency of the route over the largest."""
        k = self.topology.num_devices
        links = np.argwhere(~np.eye(k, dtype=bool))
        bandwidth, latency = (values.reshape(k, k)[links[:, 0], links[:, 1]] for values in self.cost_model.routes)
        columns = [values / max(values.max(initial=0.0), 1e-300) for values in (1.0 / bandwidth, latency)]
        return read_only(links), read_only(np.stack(columns, axis=1).astype(np.float32))

    @property
    def infeasible_penalty(self) -> float:
        """What a placement costs that exceeds a memory: more than any that does not."""
        return 2.0 * self.cost_model.serial_bound

    @property
    def lower_bound(self) -> float | None:
        """The cost model's bound."""
        return float(self.cost_model.lower_bound) or None

    def initial_assignment(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw a device for each group, the largest parameters first, among those with room for them.

        Priorities, where there are any, follow critical paths.
        """
        held, memory = self.cost_model.held_bytes, np.asarray(self.topology.memory).copy()
        assignment = rng.integers(0, self.topology.num_devices, self.cost_model.num_groups)
        for item in np.argsort(-held, kind="stable"):
            room = np.flatnonzero(memory >= held[item])
            if room.size and memory[assignment[item]] < held[item]:
                assignment[item] = rng.choice(room)
            memory[assignment[item]] -= held[item]
        return self.with_priorities(assignment)

    def legalize(self, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return an assignment whose memories suffice, or overflow least: the fullest device gives to the emptiest.

        Each time it gives the largest group that fits there, by parameters and outputs; at most as often as there are
        groups.
        """
        kernel = self.kernel(assignment)
        state = kernel.state
        memory, groups = np.asarray(self.topology.memory), np.asarray(self.cost_model.groups)
        num_groups = self.cost_model.num_groups
        outputs = np.bincount(groups, np.asarray(self.instance.output_bytes), minlength=num_groups)
        size = self.cost_model.held_bytes + outputs
        best, least = state.assignment.copy(), state.totals[moves.OVERFLOW]
        for _ in range(num_groups):
            room = memory - state.timeline.peak
            source, target = int(np.argmin(room)), int(np.argmax(room))
            if room[source] >= 0 or source == target:
                break
            there = np.flatnonzero(state.assignment[:num_groups] == source)
            if there.size == 0:
                break
            fits = there[size[there] <= room[target]]
            item = int(fits[np.argmax(size[fits])] if fits.size else there[np.argmin(size[there])])
            kernel.apply(state, (item, source, target, -1))
            if state.totals[moves.OVERFLOW] < least:
                best, least = state.assignment.copy(), state.totals[moves.OVERFLOW]
        return best

    @cached_property
    def cut_graph(self) -> CutGraph:
        """Groups weigh their mean time, links the bytes sent, both in 10,000 steps of the largest."""
        model, (links, sizes) = self.cost_model, self.group_links
        seconds = np.bincount(model.groups, model.op_time.mean(axis=1), minlength=model.num_groups)
        nodes, edges = (
            np.ceil(_CUT_STEPS * values / max(values.max(initial=0.0), 1e-300)).astype(np.int64)
            for values in (seconds, sizes)
        )
        # Both directions of a pair of groups are one edge.
        shape = (model.num_groups, model.num_groups)
        sent = csr_array((np.maximum(edges, 1), (links[:, 0], links[:, 1])), shape)
        both = csr_array(sent + sent.T)
        both.sort_indices()
        indptr, indices, weights = (np.asarray(part, np.int64) for part in (both.indptr, both.indices, both.data))
        return CutGraph(indptr, indices, weights, nodes, self.topology.num_devices, _CUT_IMBALANCE)

    def from_parts(self, parts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the assignment of a device for each group."""
        return self.with_priorities(parts)

    def greedy(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return Baechi's m-ETF, legalised; the same for every generator."""
        return self.legalize(self.with_priorities(list_placement(self.cost_model, earliest_first=True)))

    def table(self, assignment: NDArray[np.int64]) -> dict[str, Any]:
        """Return when each operator runs where: a row an operator, seconds."""
        graph, model = self.instance, self.cost_model
        timeline, device = model.timeline(assignment), model.expand(assignment)
        kinds = [*self.topology.kinds, ""]
        return {
            "operator": range(graph.num_ops),
            "name": graph.names,
            "kind": graph.kinds,
            "group": model.groups.tolist(),
            "device": device.tolist(),
            "device_kind": [kinds[place] for place in device],
            "start": timeline.start.tolist(),
            "end": timeline.end.tolist(),
        }

    def _export(self, assignment: NDArray[np.int64], path: Path, suffix: str) -> None:
        if suffix == ".json":
            write_atomically(path, chrome_trace(self.cost_model, assignment))
            return
        content = device_map if suffix == ".device_map.json" else pipeline_split
        device = self.cost_model.expand(assignment)
        write_atomically(path, json.dumps(content(self.instance, device), indent=2) + "\n")

    def draw(self, assignment: NDArray[np.int64], axes: Any) -> None:
        """Draw when each device computes and each transfer runs."""
        draw_timeline(self.cost_model, assignment, axes)


def _need(graph: OpGraph, topology: DeviceTopology, groups: NDArray[np.int64]) -> float:
    """Return the memory that the first device needs to run a model alone, bytes."""
    model = StepTime(graph, topology, groups)
    return float(model.timeline(np.zeros(model.num_groups, np.int64)).peak[0])
