"""The step time of a placed neural network, and the memory it needs."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.cost_models.assignment import check_assignment
from placezoo.cost_models.cost import Cost
from placezoo.cost_models.device import moves
from placezoo.cost_models.device.moves import StepTimeState
from placezoo.cost_models.device.outlook import BINS, Outlook
from placezoo.cost_models.device.proposals import MOST_NEAR, Guide, nearest_groups
from placezoo.cost_models.device.simulation import Program, Timeline, Workspace
from placezoo.datasets.arrays import as_integers, read_only
from placezoo.datasets.device.topology import DeviceTopology
from placezoo.datasets.op_graphs.op_graph import OpGraph


class StepTime:
    """The cost model of neural-network device placement; ``moves`` says how a placed model runs.

    An operator takes the longer of computing (FLOPs over the device's peak times its efficiency) and moving its bytes
    (over the memory bandwidth), and the launch overhead (the roofline of Williams, Waterman & Patterson 2009).
    A device whose memory is exceeded makes a placement infeasible, which costs more than any feasible one.

    Args:
        op_graph: the model.
        topology: the devices.
        groups: int64 [num_ops], operators of one group share a device; groups are numbered from 0. Default the model's
            own groups, numbered in the order of their first operators.
        priority: float64 [num_ops], which operator a device runs first of those that are ready, default first come
            first served.
        levels: if more than 1, an assignment also says of each group which of so many priorities its operators have;
            larger ones go first.

    Attributes:
        groups: int64 [num_ops].
        num_groups: how many.
        lower_bound: no placement is faster: the critical path on the fastest device, or all work spread evenly.

    Raises:
        ValueError: groups or priorities do not fit the model, or groups split operators that must stay together.
    """

    def __init__(
        self,
        op_graph: OpGraph,
        topology: DeviceTopology,
        groups: ArrayLike | None = None,
        priority: ArrayLike | None = None,
        levels: int = 1,
    ) -> None:
        n = op_graph.num_ops
        own = number_by_first(np.asarray(op_graph.group))
        chosen = own if groups is None else number_by_first(as_integers(groups, np.int64, "groups"))
        if chosen.shape != (n,):
            raise ValueError(f"{n} operators but groups of shape {chosen.shape}")
        first = np.zeros(own.max() + 1, np.int64)
        first[own] = chosen
        if np.any(first[own] != chosen):
            split = np.asarray(op_graph.group)[np.argmax(first[own] != chosen)]
            raise ValueError(f"groups split operators that must stay together, the model's group {split}")
        self.op_graph = op_graph
        self.topology = topology
        self.groups = read_only(chosen)
        self.num_groups = int(chosen.max()) + 1
        self._priority = np.zeros(n) if priority is None else np.array(priority, np.float64)
        if self._priority.shape != (n,) or not np.isfinite(self._priority).all():
            raise ValueError(f"priority must be {n} finite numbers")
        fastest = self.op_time.min(axis=1)
        self.lower_bound = max(op_graph.dag.longest_path(fastest), float(fastest.sum()) / topology.num_devices)
        self.levels = levels
        self._weights = np.array([self.serial_bound, levels])

    @property
    def num_devices(self) -> int:
        """How many devices there are."""
        return self.topology.num_devices

    @cached_property
    def op_time(self) -> NDArray[np.float64]:
        """What each operator takes on each device, seconds: float64 [num_ops, num_devices]."""
        graph, topology = self.op_graph, self.topology
        compute = np.asarray(graph.flops)[:, None] / (np.asarray(topology.peak_flops) * topology.efficiency)
        memory = np.asarray(graph.bytes_moved)[:, None] / np.asarray(topology.memory_bandwidth)
        times = np.empty(memory.shape)
        np.add(np.maximum(compute, memory), topology.launch_overhead, out=times)
        return times

    @cached_property
    def serial_bound(self) -> float:
        """No placement is slower: every operator on its slowest device, every tensor sent everywhere, one by one."""
        bandwidth, latency = self.routes
        apart = ~np.eye(self.num_devices, dtype=bool).ravel()
        outputs = np.asarray(self.op_graph.output_bytes)
        sends = latency[apart].sum() * outputs.size + (1 / bandwidth[apart]).sum() * outputs.sum()
        return float(self.op_time.max(axis=1).sum() + sends)

    @cached_property
    def held_bytes(self) -> NDArray[np.float64]:
        """What each group's parameters take with gradients and optimizer state, bytes: float64 [num_groups]."""
        graph = self.op_graph
        parameters = np.bincount(self.groups, np.asarray(graph.parameter_bytes), minlength=self.num_groups)
        return np.asarray(parameters * (1.0 + graph.state_bytes), np.float64)

    @property
    def num_items(self) -> int:
        """The length of an assignment: the groups, twice where they have priorities."""
        return self.num_groups * (2 if self.levels > 1 else 1)

    def expand(self, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the device of each operator: int64 [num_items] -> int64 [num_ops]."""
        return np.asarray(assignment)[self.groups]

    def evaluate(self, assignment: NDArray[np.int64]) -> Cost:
        """Return the cost of a whole or partial assignment; terms ``step_time`` [s], ``peak_memory``, ``overflow`` [B].

        Args:
            assignment: int64 [num_items], a device or -1 for each group, then, where there are levels, its priority.

        Raises:
            ValueError: wrong shape or type, or a device outside -1..num_devices-1, or a priority outside its levels.
        """
        return self.cost_of(self.state(assignment))

    def timeline(self, assignment: NDArray[np.int64]) -> Timeline:
        """Return when operators run and tensors are sent.

        Raises:
            ValueError: as ``evaluate``.
        """
        return self.state(assignment).timeline

    def state(self, assignment: NDArray[np.int64] | None = None) -> StepTimeState:
        """Return the state that the kernels work on, over a copy of the assignment (default: nothing placed).

        Raises:
            ValueError: as ``evaluate``.
        """
        n, k, groups = self.num_items, self.num_devices, self.num_groups
        checked = check_assignment(np.full(n, -1) if assignment is None else assignment, n, max(k, self.levels))
        for kind, values, count in (("devices", checked[:groups], k), ("priorities", checked[groups:], self.levels)):
            if values.size and values.max() >= count:
                raise ValueError(f"there are {count} {kind}, no number {values.max()}")
        state = StepTimeState(
            assignment=checked,
            timeline=self._timeline(),
            trial=self._timeline(),
            tried=np.full(4, -1),
            workspace=self._workspace(),
            totals=np.zeros(6),
            trial_totals=np.zeros(6),
            program=self.program,
            guide=self._guide(),
            outlook=self._outlook(),
            weights=self._weights,
            device_features=self._device_features,
        )
        moves.initialise(state)
        return state

    def cost_of(self, state: StepTimeState) -> Cost:
        """Return the cost of a state, without simulating it again."""
        values = np.empty(2 + len(moves.TERM_NAMES))
        moves.observe(state, np.empty((self.num_devices, len(moves.DEVICE_FEATURE_NAMES)), np.float32), values)
        memory = np.asarray(self.topology.memory)
        violations = [
            f"device {device} needs {peak / 1e9:.3f} GB, it has {memory[device] / 1e9:.3f}"
            for device, peak in enumerate(state.timeline.peak.tolist())
            if peak > memory[device]
        ]
        if state.totals[moves.UNPLACED]:
            violations.append(f"{int(state.totals[moves.UNPLACED])} groups are on no device")
        terms = dict(zip(moves.TERM_NAMES, values[2:].tolist(), strict=True))
        return Cost(float(values[0]), terms, not violations, tuple(violations))

    @cached_property
    def routes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bandwidth and latency of each pair's route: float64 [K * K]; inf and 0 on the diagonal."""
        start, links = self.topology.routes
        pairs = self.num_devices**2
        bandwidth, latency = np.full(pairs, np.inf), np.zeros(pairs)
        for pair in range(pairs):
            route = links[start[pair] : start[pair + 1]]
            if route.size:
                bandwidth[pair] = np.asarray(self.topology.link_bandwidth)[route].min()
                latency[pair] = np.asarray(self.topology.link_latency)[route].sum()
        return bandwidth, latency

    @cached_property
    def program(self) -> Program:
        """The instance as the kernels read it."""
        graph = self.op_graph
        bandwidth, latency = self.routes
        return Program(
            op_time=self.op_time,
            output_bytes=np.array(graph.output_bytes),
            held_bytes=self.held_bytes,
            **graph.dag.edge_arrays(),
            group=np.array(self.groups),
            route_start=np.array(self.topology.routes[0]),
            route_links=np.array(self.topology.routes[1]),
            route_bandwidth=bandwidth,
            route_latency=latency,
            memory=np.array(self.topology.memory),
            priority=self._priority,
        )

    @cached_property
    def group_links(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The pairs of groups with an edge between them, int64 [E, 2], and the bytes: float64 [E]."""
        groups, edges = np.asarray(self.groups), np.asarray(self.op_graph.edges)
        ends = groups[edges]
        apart = ends[:, 0] != ends[:, 1]
        # A tensor goes to a group once, however many of its operators read it.
        sent = np.unique(np.stack([edges[apart, 0], ends[apart, 0], ends[apart, 1]], axis=1), axis=0)
        keys, inverse = np.unique(sent[:, 1] * self.num_groups + sent[:, 2], return_inverse=True)
        sizes = np.zeros(keys.size)
        np.add.at(sizes, inverse.reshape(-1), np.asarray(self.op_graph.output_bytes)[sent[:, 0]])
        return np.stack(np.divmod(keys, self.num_groups), axis=1).astype(np.int64), sizes

    @cached_property
    def _surroundings(self) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Of the groups: those nearest, where their neighbours start, and their neighbours (``Guide``)."""
        links = self.group_links[0]
        both = np.unique(np.concatenate([links, links[:, ::-1]]), axis=0)
        start = np.zeros(self.num_groups + 1, np.int64)
        np.cumsum(np.bincount(both[:, 0], minlength=self.num_groups), out=start[1:])
        neighbours = both[:, 1].copy()
        near = np.empty((self.num_groups, min(MOST_NEAR, max(self.num_groups - 1, 1))), np.int32)
        nearest_groups(start, neighbours, near)
        return read_only(near), read_only(start), read_only(neighbours)

    def _guide(self) -> Guide:
        near, start, neighbours = self._surroundings
        return Guide(near, start, neighbours, np.zeros(self.num_groups), np.zeros(self.num_devices), np.zeros(1, bool))

    @cached_property
    def _members(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each group's operators start, and the operators by group (``Outlook``)."""
        start = np.zeros(self.num_groups + 1, np.int64)
        np.cumsum(np.bincount(self.groups, minlength=self.num_groups), out=start[1:])
        return read_only(start), read_only(np.argsort(self.groups, kind="stable"))

    @cached_property
    def _links_both_ways(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Where each group's links start, the groups at their other ends, and the bytes sent or read (``Outlook``)."""
        links, sizes = self.group_links
        ends, other = np.concatenate([links[:, 0], links[:, 1]]), np.concatenate([links[:, 1], links[:, 0]])
        order, start = np.argsort(ends, kind="stable"), np.zeros(self.num_groups + 1, np.int64)
        np.cumsum(np.bincount(ends, minlength=self.num_groups), out=start[1:])
        return read_only(start), read_only(other[order]), read_only(np.concatenate([sizes, sizes])[order])

    def _outlook(self) -> Outlook:
        n, edges, k, groups = self.op_graph.num_ops, self.op_graph.num_edges, self.num_devices, self.num_groups
        op_start, ops = self._members
        link_start, link_group, link_bytes = self._links_both_ways
        slack, start, computes, reads, sends, waits, blocks = (np.zeros(groups) for _ in range(7))
        return Outlook(
            op_start, ops, link_start, link_group, link_bytes,
            after=np.zeros(n + edges), first_transfer=np.zeros(n, np.int64), slack=slack, start=start,
            computes=computes, reads=reads, sends=sends, waits=waits, blocks=blocks,
            waits_for=np.zeros(groups, np.int64), holds_up=np.zeros(groups, np.int64), load=np.zeros((k, BINS)),
            device_next=np.zeros(k), link_next=np.zeros(len(np.asarray(self.topology.links))),
            is_moved=np.zeros(groups, bool), is_current=np.zeros(1, bool),
        )  # fmt: skip

    def _timeline(self) -> Timeline:
        n, edges, k = self.op_graph.num_ops, self.op_graph.num_edges, self.num_devices
        return Timeline(
            start=np.zeros(n),
            end=np.zeros(n),
            transfer_op=np.zeros(edges, np.int64),
            transfer_to=np.zeros(edges, np.int64),
            transfer_begin=np.zeros(edges),
            transfer_end=np.zeros(edges),
            peak=np.zeros(k),
            busy=np.zeros(k),
            sent=np.zeros(1, np.int64),
            cause=np.zeros(n, np.int64),
            transfer_cause=np.zeros(edges, np.int64),
            order=np.full(n + edges, -1),
        )

    def _workspace(self) -> Workspace:
        n, edges, k = self.op_graph.num_ops, self.op_graph.num_edges, self.num_devices
        links = len(np.asarray(self.topology.links))

        def integers(size: int) -> NDArray[np.int64]:
            return np.zeros(size, np.int64)

        return Workspace(
            device=integers(n), waiting=integers(n), uses=integers(n), received=integers(edges),
            readers=integers(edges), stamp=integers(k), stamp_of=integers(k), running=integers(k), used=np.zeros(k),
            link_free=np.zeros(links), link_last=integers(links), ready=integers(n), queue=integers(n),
            queue_first=integers(k + 1), queue_size=integers(k), event_time=np.zeros(n + edges),
            event_number=integers(n + edges), event=integers(n + edges), priority=self._priority.copy(),
        )  # fmt: skip

    @cached_property
    def _device_features(self) -> NDArray[np.float32]:
        topology = self.topology
        features = np.empty((self.num_devices, moves.DEVICE_MEMORY_USED), np.float32)
        for column, values in (
            (moves.DEVICE_SPEED, topology.peak_flops),
            (moves.DEVICE_MEMORY_BANDWIDTH, topology.memory_bandwidth),
            (moves.DEVICE_MEMORY, topology.memory),
        ):
            features[:, column] = np.asarray(values) / max(float(np.max(values)), 1e-300)
        return features


def number_by_first(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return labels renumbered from 0 in the order in which they first occur."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse.reshape(-1)]
