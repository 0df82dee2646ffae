"""List schedulers: HEFT, CPOP and PEFT, with insertion into gaps.

Each takes the ready task of highest priority and gives it to the device on which it ends earliest, in the first gap
that holds it. What counts is where the tasks are then: the placement is scored by the simulator, whose devices are
first come first served, so that its makespan may differ from the planned schedule's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.edge.moves import Program
from placezoo.cost_models.edge.ranks import downward_rank, mean_times, upward_rank

if TYPE_CHECKING:
    from placezoo.envs.edge.problem import EdgePlaceProblem

_FREE = -1  # no device prescribed


def heft_placement(problem: EdgePlaceProblem) -> tuple[NDArray[np.int64], float]:
    """Return HEFT's placement, int64 [num_tasks], and the makespan of its own schedule."""
    instance = problem.instance
    rank = upward_rank(instance.task_graph, *mean_times(instance))
    return _schedule(problem, rank)


def cpop_placement(problem: EdgePlaceProblem) -> tuple[NDArray[np.int64], float]:
    """Return CPOP's placement, int64 [num_tasks], and the makespan of its own schedule."""
    instance = problem.instance
    graph, times = instance.task_graph, mean_times(instance)
    rank = upward_rank(graph, *times) + downward_rank(graph, *times)
    critical = np.isclose(rank, rank.max(), rtol=1e-9, atol=0.0)
    # The device that runs the critical path fastest, among those that support most of it.
    allowed = instance.allowed[critical]
    seconds = np.where(allowed, problem.cost_model.compute_time[critical], 0.0).sum(axis=0)
    device = int(np.lexsort((seconds, -allowed.sum(axis=0)))[0])
    prescribed = np.where(critical & instance.allowed[:, device], device, _FREE)
    return _schedule(problem, rank, prescribed)


def peft_placement(problem: EdgePlaceProblem) -> tuple[NDArray[np.int64], float]:
    """Return PEFT's placement, int64 [num_tasks], and the makespan of its own schedule."""
    table = problem.cost_model.optimistic_costs
    allowed = problem.instance.allowed
    rank = np.where(allowed, table, 0.0).sum(axis=1) / allowed.sum(axis=1)
    return _schedule(problem, rank, bias=table)


def _schedule(
    problem: EdgePlaceProblem,
    priority: NDArray[np.float64],
    prescribed: NDArray[np.int64] | None = None,
    bias: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int64], float]:
    n, k = problem.num_items, problem.num_resources
    program = problem.cost_model.program
    into_start, into_edges = problem.instance.task_graph.predecessors
    return _list_schedule(
        program, np.array(into_start), np.array(into_edges), priority,
        np.full(n, _FREE) if prescribed is None else prescribed, np.zeros((n, k)) if bias is None else bias,
    )  # fmt: skip


@jit.ieee_kernel
def _list_schedule(program: Program, into_start, into_edges, priority, prescribed, bias):
    """Schedule the ready task of highest priority (ties: lowest number) until all are.

    Args:
        program: the instance.
        into_start: int64 [num_tasks + 1].
        into_edges: int64 [num_edges], numbers of edges by target.
        priority: float64 [num_tasks].
        prescribed: int64 [num_tasks], a device or -1.
        bias: float64 [num_tasks, num_devices], added to the end time when devices are compared.

    Returns:
        int64 [num_tasks], the devices, and when the last task ends.
    """
    compute_time, supported = program.compute_time, program.supported
    n, k = compute_time.shape
    waiting = program.in_degree.copy()
    done = np.zeros(n, np.bool_)
    placed = np.full(n, -1, np.int64)
    end = np.zeros(n)
    busy_from, busy_to = np.empty((k, n)), np.empty((k, n))
    counts = np.zeros(k, np.int64)
    makespan = 0.0
    for _ in range(n):
        task = -1
        for other in range(n):
            if not done[other] and waiting[other] == 0 and (task < 0 or priority[other] > priority[task]):
                task = other
        best, best_score, best_start = -1, np.inf, 0.0
        for device in range(k):
            if not supported[task, device] or (prescribed[task] >= 0 and device != prescribed[task]):
                continue
            ready = 0.0
            for edge in into_edges[into_start[task] : into_start[task + 1]]:
                source = program.source[edge]
                arrival = end[source]
                if placed[source] != device:
                    arrival += (
                        program.delay[placed[source], device]
                        + program.bytes[edge] * program.inverse_bandwidth[placed[source], device]
                    )
                ready = max(ready, arrival)
            took = compute_time[task, device]
            start = _first_gap(busy_from[device], busy_to[device], counts[device], ready, took)
            score = start + took + bias[task, device]
            if score < best_score:
                best, best_score, best_start = device, score, start
        placed[task], done[task] = best, True
        end[task] = best_start + compute_time[task, best]
        makespan = max(makespan, end[task])
        position = counts[best]
        while position > 0 and busy_from[best, position - 1] > best_start:
            busy_from[best, position] = busy_from[best, position - 1]
            busy_to[best, position] = busy_to[best, position - 1]
            position -= 1
        busy_from[best, position], busy_to[best, position] = best_start, end[task]
        counts[best] += 1
        for edge in program.out_edges[program.out_start[task] : program.out_start[task + 1]]:
            waiting[program.target[edge]] -= 1
    return placed, makespan


@jit.ieee_kernel
def _first_gap(busy_from, busy_to, count, ready, took):
    """Return the earliest start of at least ``ready`` at which a device is free for so long."""
    start = ready
    for position in range(count):
        if busy_from[position] >= start + took:
            return start
        start = max(start, busy_to[position])
    return start
