"""gpNet: the graph of (task, device) pairs that GiPH reads.

Its nodes are all pairs of a task and a device that can run it, and the pairs of tasks with the devices they are on; the
latter are the pivots. For each edge (a, b) of the task graph there is an edge from a's pivot to every pair of b, and
from every pair of a to b's pivot: what the transfer would be if only that task moved.

Source: Hu et al. 2023, section 4.1 and table 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.edge.moves import MakespanState, critical_path
from placezoo.envs.edge.problem import EdgePlaceProblem

NODE_FEATURES = (
    "compute", "inverse_speed", "compute_time", "start_potential", "criticality", "finish_potential", "contention",
)  # fmt: skip
EDGE_FEATURES = ("bytes", "delay", "inverse_bandwidth", "transfer_time", "criticality")
(  # columns of those features
    NODE_COMPUTE, NODE_INVERSE_SPEED, NODE_COMPUTE_TIME, NODE_START_POTENTIAL, NODE_CRITICALITY, NODE_FINISH_POTENTIAL,
    NODE_CONTENTION,
) = range(7)  # fmt: skip
EDGE_BYTES, EDGE_DELAY, EDGE_INVERSE_BANDWIDTH, EDGE_TRANSFER_TIME, EDGE_CRITICALITY = range(5)
_CRITICALITY_STEP = 0.1


class GpNetArrays(NamedTuple):
    """A gpNet of P pairs and E edges."""

    pairs: NDArray[np.int64]  # [P, 2], task and device, by task
    pivots: NDArray[np.bool_]  # [P]
    nodes: NDArray[np.float32]  # [P, 7], in [-1, 1]
    links: NDArray[np.int64]  # [E, 2], from pair, to pair
    edges: NDArray[np.float32]  # [E, 5], in [-1, 1]
    depth: NDArray[np.int64]  # [P], the task's


class GpNetBuilder:
    """The gpNet of one episode's states; remembers which paths have been critical.

    The criticality of an edge of the task graph is how likely the critical path is to leave the edge's source by it:
    at first a soft maximum over bytes, then moved by a tenth towards each critical path that occurs. A task's is how
    likely a walk by these probabilities meets it.

    Args:
        problem: of the episode as it begins.
    """

    def __init__(self, problem: EdgePlaceProblem) -> None:
        graph = problem.instance.task_graph
        self._out_start, self._out_edges = graph.successors
        self._source, self._target = graph.links[:, 0].copy(), graph.links[:, 1].copy()
        self._order = graph.order
        self._bytes = np.asarray(graph.bytes)
        self._edge_criticality = np.zeros(graph.num_edges)
        self._task_criticality = np.zeros(graph.num_tasks)
        self._path = np.zeros(graph.num_tasks, np.int64), np.zeros(graph.num_tasks, np.int64)
        _begin_criticality(self._out_start, self._out_edges, self._bytes, self._edge_criticality)
        self._spread()
        self.follow(problem)

    def follow(self, problem: EdgePlaceProblem) -> None:
        """Go on with what the problem has become: the same tasks on a cluster that has changed."""
        self._problem = problem
        self._compute = np.asarray(problem.instance.task_graph.compute)
        self._speed = np.asarray(problem.instance.cluster.speed)
        self._allowed = problem.instance.allowed
        self._pairs = np.argwhere(self._allowed)

    def update(self, state: MakespanState) -> None:
        """Learn from the critical path of a state."""
        tasks, edges = self._path
        length = critical_path(state.schedule, self._source, tasks, edges)
        _learn(self._edge_criticality, edges[:length], self._source, self._out_start, self._out_edges)
        self._spread()

    def build(self, state: MakespanState, pivots_only: bool = False) -> GpNetArrays:
        """Return the gpNet of a state in which every task is somewhere; or its pivots alone, one for each task."""
        n = self._compute.size
        assignment = state.assignment
        pairs = self._pairs
        if pivots_only:
            pairs = np.stack([np.arange(n), assignment], axis=1)
        elif not self._allowed[np.arange(n), assignment].all():  # where a device has left
            current = np.zeros_like(self._allowed)
            current[np.arange(n), assignment] = True
            pairs = np.argwhere(self._allowed | current)
        start = np.zeros(n + 1, np.int64)
        start[1:] = np.cumsum(np.bincount(pairs[:, 0], minlength=n))
        counts = np.diff(start)
        num_edges = int((counts[self._source] + counts[self._target] - 1).sum())
        nodes = np.empty((len(pairs), len(NODE_FEATURES)), np.float32)
        pivots = np.empty(len(pairs), np.bool_)
        links = np.empty((num_edges, 2), np.int64)
        edges = np.empty((num_edges, len(EDGE_FEATURES)), np.float32)
        _build(
            pairs, start, assignment, state.schedule.start, state.schedule.end, state.program, self._compute,
            self._speed, self._task_criticality, self._edge_criticality, pivots, nodes, links, edges,
        )  # fmt: skip
        depth = self._problem.instance.task_graph.depth[pairs[:, 0]]
        return GpNetArrays(pairs, pivots, nodes, links, edges, depth)

    def _spread(self) -> None:
        _spread_criticality(
            self._order, self._out_start, self._out_edges, self._target, self._edge_criticality, self._task_criticality
        )


@jit.ieee_kernel
def _begin_criticality(out_start, out_edges, sizes, edge_criticality):
    for task in range(out_start.size - 1):
        out = out_edges[out_start[task] : out_start[task + 1]]
        largest = 1e-300
        for edge in out:
            largest = max(largest, sizes[edge])
        total = 0.0
        for edge in out:
            edge_criticality[edge] = np.exp(10.0 * (sizes[edge] / largest - 1.0))
            total += edge_criticality[edge]
        for edge in out:
            edge_criticality[edge] /= total


@jit.ieee_kernel
def _learn(edge_criticality, path_edges, source, out_start, out_edges):
    for edge in path_edges:
        if edge >= 0:
            task = source[edge]
            for other in out_edges[out_start[task] : out_start[task + 1]]:
                goal = 1.0 if other == edge else 0.0
                edge_criticality[other] += _CRITICALITY_STEP * (goal - edge_criticality[other])


@jit.ieee_kernel
def _spread_criticality(order, out_start, out_edges, target, edge_criticality, task_criticality):
    task_criticality[:] = 1.0  # of tasks without inputs
    for edge in range(target.size):
        task_criticality[target[edge]] = 0.0
    for task in order:
        for edge in out_edges[out_start[task] : out_start[task + 1]]:
            task_criticality[target[edge]] += task_criticality[task] * edge_criticality[edge]


@jit.ieee_kernel
def _build(
    pairs, start, assignment, starts, ends, program, compute, speed, task_criticality, edge_criticality, pivots, nodes,
    links, edges,
):  # fmt: skip
    source, target, sizes = program.source, program.target, program.bytes
    delay, inverse_bandwidth, compute_time = program.delay, program.inverse_bandwidth, program.compute_time
    n = assignment.size
    pivot = np.empty(n, np.int64)
    earliest = np.zeros(pairs.shape[0])  # start of the task on the device, given when its inputs end
    for pair in range(pairs.shape[0]):
        task, device = pairs[pair]
        pivots[pair] = assignment[task] == device
        if pivots[pair]:
            pivot[task] = pair
        nodes[pair, NODE_COMPUTE] = compute[task]
        nodes[pair, NODE_INVERSE_SPEED] = 1.0 / speed[device]
        nodes[pair, NODE_COMPUTE_TIME] = compute_time[task, device]
        nodes[pair, NODE_CRITICALITY] = min(task_criticality[task], 1.0)
    row = 0
    for edge in range(source.size):
        a, b = source[edge], target[edge]
        on_a, on_b = assignment[a], assignment[b]
        chance = min(task_criticality[a] * edge_criticality[edge], 1.0)
        for to in range(start[b], start[b + 1]):
            row = _link(
                links, edges, row, pivot[a], to, on_a, pairs[to, 1], sizes[edge], delay, inverse_bandwidth, chance
            )
            arrival = ends[a]
            if pairs[to, 1] != on_a:
                arrival += delay[on_a, pairs[to, 1]] + sizes[edge] * inverse_bandwidth[on_a, pairs[to, 1]]
            earliest[to] = max(earliest[to], arrival)
        for origin in range(start[a], start[a + 1]):
            if origin != pivot[a]:
                row = _link(
                    links, edges, row, origin, pivot[b], pairs[origin, 1], on_b, sizes[edge], delay, inverse_bandwidth,
                    chance,
                )  # fmt: skip
    negligible = 1e-9 * ends.max()  # a difference that is only rounding must not be scaled up
    for pair in range(pairs.shape[0]):
        task, device = pairs[pair]
        begin = starts[task] if pivots[pair] else earliest[pair]
        end = begin + compute_time[task, device]
        nodes[pair, NODE_START_POTENTIAL] = begin - starts[task] if abs(begin - starts[task]) > negligible else 0.0
        nodes[pair, NODE_FINISH_POTENTIAL] = end - ends[task] if abs(end - ends[task]) > negligible else 0.0
        busy = 0.0
        for other in range(n):  # what else the device runs in that time
            if other != task and assignment[other] == device:
                busy += max(0.0, min(ends[other], end) - max(starts[other], begin))
        nodes[pair, NODE_CONTENTION] = busy if busy > negligible else 0.0
    _scale(nodes, NODE_CRITICALITY)
    _scale(edges, EDGE_CRITICALITY)


@jit.ieee_kernel
def _link(links, edges, row, origin, to, device, other, size, delay, inverse_bandwidth, chance):
    links[row, 0], links[row, 1] = origin, to
    edges[row, EDGE_BYTES] = size
    edges[row, EDGE_DELAY] = delay[device, other]
    edges[row, EDGE_INVERSE_BANDWIDTH] = inverse_bandwidth[device, other]
    edges[row, EDGE_TRANSFER_TIME] = (
        delay[device, other] + size * inverse_bandwidth[device, other] if device != other else 0.0
    )
    edges[row, EDGE_CRITICALITY] = chance
    return row + 1


@jit.ieee_kernel
def _scale(features, criticality):
    """Divide the columns by their largest magnitude; criticality is a probability and stays."""
    for column in range(features.shape[1]):
        if column == criticality:
            continue
        largest = 0.0
        for row in range(features.shape[0]):
            largest = max(largest, abs(features[row, column]))
        if largest > 0.0:
            for row in range(features.shape[0]):
                features[row, column] /= largest
