"""Greedy construction of placements on edge clusters: the simulation is resumed where a new task first changes it.

A task that is placed after its predecessors and before its successors changes nothing that runs before its first
predecessor. So the tasks up to there, in the order in which the simulator started them, stay as they are, and only
those after them are simulated again for each device. Costs equal those of ``moves.delta`` to the last bit, since sums
are continued in the same order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.edge.moves import COST_WEIGHT, MAKESPAN_WEIGHT, Program, push, sink

_NOTHING = -1


class Growth(NamedTuple):
    """The simulation of what has been placed so far, under one draw of the noise. n tasks, K devices."""

    order: NDArray[np.int64]  # [n], the placed tasks as they started
    position: NDArray[np.int64]  # [n], where each task stands in order
    ready: NDArray[np.float64]  # [n]
    begin: NDArray[np.float64]  # [n], when the transfer began that arrived last
    via: NDArray[np.int64]  # [n], its edge
    end: NDArray[np.float64]  # [n]
    before: NDArray[np.int64]  # [n], the task that its device ran before it, or -1
    last: NDArray[np.int64]  # [K], the task that each device ran last, or -1
    sums: NDArray[np.float64]  # [n + 1, 2], makespan and all times before each start


class _Resumed(NamedTuple):
    """The simulation as it stands where it is resumed: in the same arrays, of which only open tasks' entries count."""

    ready: NDArray[np.float64]
    begin: NDArray[np.float64]
    via: NDArray[np.int64]
    waiting: NDArray[np.int64]
    last: NDArray[np.int64]


class _Running(NamedTuple):
    """What one resumed simulation overwrites."""

    ready: NDArray[np.float64]
    begin: NDArray[np.float64]
    via: NDArray[np.int64]
    waiting: NDArray[np.int64]
    free: NDArray[np.float64]
    queue: NDArray[np.int64]


@jit.ieee_kernel
def place_where_cheapest(program: Program, in_start, in_edges, weights, items, rng):
    """Place the tasks one after another, each where it adds least to the total cost; ties at random.

    Args:
        program: the instance.
        in_start: int64 [num_tasks + 1].
        in_edges: int64 [num_edges], numbers of edges by target.
        weights: as ``MakespanState.weights``.
        items: int64 [num_tasks], in a topological order.
        rng: decides between equals.

    Returns:
        int64 [num_tasks].
    """
    n, k = program.compute_time.shape
    rows = program.compute_noise.shape[0]
    draws = max(rows - 1, 1)
    first_row = rows - draws  # without noise the only row, else those after it
    growths = [_empty_growth(n, k) for _ in range(draws)]
    resumed = [
        _Resumed(np.zeros(n), np.zeros(n), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(k, np.int64))
        for _ in range(draws)
    ]
    running = _Running(
        np.zeros(n), np.zeros(n), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(k), np.zeros(n, np.int64)
    )
    starts = np.zeros(draws, np.int64)
    assignment = np.full(n, _NOTHING, np.int64)
    current = 0.0
    for placed in range(items.size):
        task = items[placed]
        for draw in range(draws):
            starts[draw] = _first_change(program, growths[draw], in_start, in_edges, task, placed)
            compute_noise = program.compute_noise[first_row + draw]
            transfer_noise = program.transfer_noise[first_row + draw]
            _rewind(
                program, transfer_noise, growths[draw], resumed[draw], assignment, in_start, in_edges, task,
                starts[draw], placed,
            )  # fmt: skip
        best, best_change, best_total, ties = _NOTHING, np.inf, 0.0, 0
        for device in range(k):
            if not program.supported[task, device]:
                continue
            assignment[task] = device
            makespan = total = 0.0
            for draw in range(draws):
                compute_noise = program.compute_noise[first_row + draw]
                transfer_noise = program.transfer_noise[first_row + draw]
                one, both = _resume(
                    program, compute_noise, transfer_noise, growths[draw], resumed[draw], running, assignment, task,
                    starts[draw], placed, False,
                )  # fmt: skip
                if rows > 1:
                    makespan += one / draws
                    total += both / draws
                else:
                    makespan, total = one, both
            cost = weights[MAKESPAN_WEIGHT] * makespan + weights[COST_WEIGHT] * total
            change = cost - current
            ties = 1 if change < best_change else ties + (change == best_change)
            if change < best_change or (change == best_change and rng.random() * ties < 1.0):
                best, best_change, best_total = device, change, cost
        assignment[task] = best
        current = best_total
        for draw in range(draws):
            compute_noise = program.compute_noise[first_row + draw]
            transfer_noise = program.transfer_noise[first_row + draw]
            _resume(
                program, compute_noise, transfer_noise, growths[draw], resumed[draw], running, assignment, task,
                starts[draw], placed, True,
            )  # fmt: skip
    return assignment


@jit.ieee_kernel
def _empty_growth(n, k):
    return Growth(
        np.zeros(n, np.int64), np.full(n, _NOTHING, np.int64), np.zeros(n), np.zeros(n), np.zeros(n, np.int64),
        np.zeros(n), np.full(n, _NOTHING, np.int64), np.full(k, _NOTHING, np.int64), np.zeros((n + 1, 2)),
    )  # fmt: skip


@jit.ieee_kernel
def _first_change(program, growth, in_start, in_edges, task, placed):
    """Return the position from which on a new task may change the simulation."""
    if in_start[task] < in_start[task + 1]:
        first = placed
        for entry in range(in_start[task], in_start[task + 1]):
            first = min(first, growth.position[program.source[in_edges[entry]]])
        return first
    number = task - growth.order.size  # ready at 0, and among such tasks it comes by its number
    for position in range(placed):
        other = growth.order[position]
        if growth.ready[other] > 0.0 or growth.begin[other] > 0.0 or growth.via[other] > number:
            return position
    return placed


@jit.ieee_kernel
def _rewind(program, transfer_noise, growth, resumed, assignment, in_start, in_edges, task, start, placed):
    """Write what the open tasks, those from ``start`` on and the new one, know of what ran before ``start``."""
    n = growth.order.size
    ready, begin, via, waiting, last = resumed
    last[:] = growth.last
    for position in range(placed - 1, start - 1, -1):
        other = growth.order[position]
        last[assignment[other]] = growth.before[other]
    for position in range(start, placed + 1):
        other = growth.order[position] if position < placed else task
        ready[other] = begin[other] = 0.0
        via[other] = other - n
        waiting[other] = 0
        for entry in range(in_start[other], in_start[other + 1]):
            edge = in_edges[entry]
            source = program.source[edge]
            if growth.position[source] >= start:
                waiting[other] += 1
                continue
            finish = growth.end[source]
            arrival = finish
            here, there = assignment[source], assignment[other]
            if here != there:
                size = program.bytes[edge] * program.inverse_bandwidth[here, there]
                arrival += (program.delay[here, there] + size) * transfer_noise[edge]
            if arrival > ready[other] or (
                arrival == ready[other] and (finish > begin[other] or (finish == begin[other] and edge > via[other]))
            ):
                ready[other], begin[other], via[other] = arrival, finish, edge


@jit.ieee_kernel
def _resume(program, compute_noise, transfer_noise, growth, resumed, running, assignment, task, start, placed, keep):
    """Simulate from ``start`` on with the new task on its device; return makespan and the sum of all times.

    Args:
        program: the instance.
        compute_noise: float64 [num_tasks], factors.
        transfer_noise: float64 [num_edges], factors.
        growth: the simulation without the task; with ``keep``, overwritten by the one with it.
        resumed: as ``_rewind`` wrote it.
        running: overwritten.
        assignment: int64 [num_tasks], with the new task.
        task: the new one.
        start: the position from which on it may change the simulation.
        placed: how many were placed before it.
        keep: whether this is where it stays.
    """
    ready, begin, via, waiting, free, queue = running
    compute_time, target = program.compute_time, program.target
    for device in range(free.size):
        free[device] = growth.end[resumed.last[device]] if resumed.last[device] != _NOTHING else 0.0
    size = 0
    for position in range(start, placed + 1):
        other = growth.order[position] if position < placed else task
        ready[other], begin[other], via[other] = resumed.ready[other], resumed.begin[other], resumed.via[other]
        waiting[other] = resumed.waiting[other]
    for position in range(start, placed + 1):
        other = growth.order[position] if position < placed else task
        if waiting[other] == 0:
            push(queue, size, other, ready, begin, via)
            size += 1
    makespan, total = growth.sums[start, 0], growth.sums[start, 1]
    position = start
    if keep:
        growth.last[:] = resumed.last
    while size > 0:
        other = queue[0]
        size -= 1
        if size > 0:
            sink(queue, size, ready, begin, via)
        device = assignment[other]
        took = compute_time[other, device] * compute_noise[other]
        finish = max(free[device], ready[other]) + took
        free[device] = finish
        if keep:
            growth.order[position] = other
            growth.position[other] = position
            growth.ready[other], growth.begin[other], growth.via[other] = ready[other], begin[other], via[other]
            growth.end[other] = finish
            growth.before[other], growth.last[device] = growth.last[device], other
        total += took
        makespan = max(makespan, finish)
        for entry in range(program.out_start[other], program.out_start[other + 1]):
            edge = program.out_edges[entry]
            child = target[edge]
            there = assignment[child]
            if there < 0:
                continue
            arrival = finish
            if there != device:
                took = (
                    program.delay[device, there] + program.bytes[edge] * program.inverse_bandwidth[device, there]
                ) * transfer_noise[edge]
                arrival += took
                total += took
            if arrival > ready[child] or (
                arrival == ready[child] and (finish > begin[child] or (finish == begin[child] and edge > via[child]))
            ):
                ready[child], begin[child], via[child] = arrival, finish, edge
            waiting[child] -= 1
            if waiting[child] == 0:
                push(queue, size, child, ready, begin, via)
                size += 1
        position += 1
        if keep:
            growth.sums[position, 0], growth.sums[position, 1] = makespan, total
    return makespan, total
