"""Ranks of tasks by mean times: what list schedulers order tasks by.

Source: Topcuoglu, Hariri & Wu 2002, equations 4 to 9. Means are over the devices that can run a task, and over all
pairs of different devices that can run the two ends of an edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.edge.task_graph import TaskGraph


def mean_times(instance: EdgeInstance) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean compute time of each task, [num_tasks], and the mean transfer time of each edge, [num_edges]."""
    graph, cluster = instance.task_graph, instance.cluster
    allowed = instance.allowed.astype(np.float64)
    compute = np.asarray(graph.compute) * (allowed @ (1.0 / np.asarray(cluster.speed))) / allowed.sum(axis=1)
    source, target = allowed[graph.links[:, 0]], allowed[graph.links[:, 1]]
    pairs = source.sum(axis=1) * target.sum(axis=1) - (source * target).sum(axis=1)  # of different devices
    delay = np.einsum("ea,ab,eb->e", source, np.asarray(cluster.delay), target, optimize=True)
    per_byte = np.einsum("ea,ab,eb->e", source, np.asarray(cluster.inverse_bandwidth), target, optimize=True)
    return compute, (delay + np.asarray(graph.bytes) * per_byte) / np.maximum(pairs, 1.0)


def upward_rank(graph: TaskGraph, compute: NDArray[np.float64], transfer: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length of the longest path from each task's start to the end (equation 8): float64 [num_tasks]."""
    return graph.dag.longest_to_end(compute, transfer)


def downward_rank(graph: TaskGraph, compute: NDArray[np.float64], transfer: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length of the longest path to each task's start (equation 9): float64 [num_tasks]."""
    rank = np.zeros(graph.num_tasks)
    start, edges = graph.predecessors
    for task in graph.order:
        into = edges[start[task] : start[task + 1]]
        if into.size:
            before = graph.links[into, 0]
            rank[task] = (rank[before] + compute[before] + transfer[into]).max()
    return rank


def optimistic_costs(instance: EdgeInstance, compute_time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return PEFT's optimistic cost table, float64 [num_tasks, num_devices] (Arabnejad & Barbosa 2014, equation 3).

    The longest path from a task on a device to the end, every later task on the device that is best for it.

    Args:
        instance: task graph and cluster.
        compute_time: float64 [num_tasks, num_devices], of each task on each device.
    """
    graph = instance.task_graph
    start, edges = graph.successors
    table = np.zeros(compute_time.shape)
    _fill_optimistic(
        np.ascontiguousarray(graph.order), np.array(start), np.array(edges), np.array(graph.links[:, 1]),
        instance.allowed, compute_time, mean_times(instance)[1], table,
    )  # fmt: skip
    return table


@jit.kernel
def _fill_optimistic(order, out_start, out_edges, target, allowed, compute_time, transfer, table):
    devices = table.shape[1]
    later = np.empty(devices)
    for position in range(order.size - 1, -1, -1):
        task = order[position]
        for edge in out_edges[out_start[task] : out_start[task + 1]]:
            child = target[edge]
            least = np.inf
            for device in range(devices):
                later[device] = table[child, device] + compute_time[child, device] if allowed[child, device] else np.inf
                least = min(least, later[device])
            for device in range(devices):
                table[task, device] = max(table[task, device], min(later[device], least + transfer[edge]))


def by_decreasing(rank: NDArray[np.float64], graph: TaskGraph) -> NDArray[np.int64]:
    """Return the tasks by decreasing rank, equal ones in topological order: int64 [num_tasks]."""
    position = np.empty(graph.num_tasks, np.int64)
    position[graph.order] = np.arange(graph.num_tasks)
    return np.lexsort((position, -rank))
