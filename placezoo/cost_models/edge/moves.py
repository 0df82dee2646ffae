"""Kernels of the makespan: simulation of a placement, and the moves of one task at a time.

A transfer begins when its source ends. A task is ready when all its inputs have arrived; it joins the queue of its
device, which runs one task at a time, first come first served. Tasks that become ready at the same moment come in the
order of their last arrivals' events: whose transfer began earlier, then whose edge comes earlier in the task graph;
tasks without inputs come first, by number.

Source: Hu et al. 2023 (GiPH), section 3 and its published simulator.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit

TERM_NAMES = ("makespan", "slr", "total_cost")
TOTAL, MAKESPAN, TOTAL_COST, VIOLATIONS, UNPLACED = range(5)  # of MakespanState.totals
MAKESPAN_WEIGHT, COST_WEIGHT, PENALTY, BOUND = range(4)  # of MakespanState.weights

DEVICE_FEATURE_NAMES = ("speed", "present", "types", "delay", "inverse_bandwidth", "load", "tasks", "finish")
(  # columns of those features
    DEVICE_SPEED, DEVICE_PRESENT, DEVICE_TYPES, DEVICE_DELAY, DEVICE_INVERSE_BANDWIDTH, DEVICE_LOAD, DEVICE_TASKS,
    DEVICE_FINISH,
) = range(8)  # fmt: skip

NOTHING = -1  # MakespanState.cause of a task that waited for nothing


class Schedule(NamedTuple):
    """When each task runs.

    Attributes:
        ready: float64 [num_tasks], when the last input arrived.
        start: float64 [num_tasks].
        end: float64 [num_tasks].
        cause: int64 [num_tasks], what the start waited for: e >= 0 for the arrival over edge e, -1 for nothing,
            -2 - t for task t, which was on the device before it.
    """

    ready: NDArray[np.float64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    cause: NDArray[np.int64]


class Workspace(NamedTuple):
    """What one simulation needs besides; overwritten by each."""

    begin: NDArray[np.float64]  # [num_tasks], when the transfer began that arrived last
    via: NDArray[np.int64]  # [num_tasks], its edge
    waiting: NDArray[np.int64]  # [num_tasks], inputs that have not arrived
    queue: NDArray[np.int64]  # [num_tasks], heap of the tasks that are ready
    free: NDArray[np.float64]  # [num_devices], when the device is free
    last: NDArray[np.int64]  # [num_devices], the task that it ran last, or -1


class Program(NamedTuple):
    """The instance as the kernels read it. n tasks, E edges, K devices, R repeats with noise."""

    compute_time: NDArray[np.float64]  # [n, K]
    delay: NDArray[np.float64]  # [K, K]
    inverse_bandwidth: NDArray[np.float64]  # [K, K]
    source: NDArray[np.int64]  # [E]
    target: NDArray[np.int64]  # [E]
    bytes: NDArray[np.float64]  # [E]
    out_start: NDArray[np.int64]  # [n + 1]
    out_edges: NDArray[np.int64]  # [E], numbers of edges by source
    in_degree: NDArray[np.int64]  # [n]
    supported: NDArray[np.int8]  # [n, K]
    compute_noise: NDArray[np.float64]  # [R + 1, n], factors; row 0 is 1
    transfer_noise: NDArray[np.float64]  # [R + 1, E], factors; row 0 is 1


class MakespanState(NamedTuple):
    """An assignment with its schedule (the one without noise) and costs."""

    assignment: NDArray[np.int64]  # [n], -1 = unplaced
    schedule: Schedule  # of the assignment
    trial: Schedule  # of an assignment that is only tried
    workspace: Workspace
    totals: NDArray[np.float64]  # TOTAL, MAKESPAN, TOTAL_COST, VIOLATIONS, UNPLACED
    trial_totals: NDArray[np.float64]
    program: Program
    movers: NDArray[np.int64]  # tasks that have somewhere to go
    weights: NDArray[np.float64]  # MAKESPAN_WEIGHT, COST_WEIGHT, PENALTY, BOUND
    device_features: NDArray[np.float32]  # [K, DEVICE_LOAD], the columns before it: what no placement changes
    optimistic: NDArray[np.float64]  # [n, K], PEFT's optimistic costs of what follows a task


@jit.inlined
def _comes_before(a, b, ready, begin, via):
    if ready[a] != ready[b]:
        return ready[a] < ready[b]
    if begin[a] != begin[b]:
        return begin[a] < begin[b]
    return via[a] < via[b]


@jit.ieee_kernel
def push(queue, size, task, ready, begin, via):
    """Add a task to the heap of ``size`` ready tasks, of which the first is the next to run."""
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if not _comes_before(task, queue[parent], ready, begin, via):
            break
        queue[child] = queue[parent]
        child = parent
    queue[child] = task


@jit.ieee_kernel
def sink(queue, size, ready, begin, via):
    """Put the entry after the last in the place of the first."""
    task = queue[size]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        if child + 1 < size and _comes_before(queue[child + 1], queue[child], ready, begin, via):
            child += 1
        if _comes_before(task, queue[child], ready, begin, via):
            break
        queue[parent] = queue[child]
        parent = child
    queue[parent] = task


@jit.ieee_kernel
def simulate(assignment, program, compute_noise, transfer_noise, schedule, workspace):
    """Run a placement; tasks that are nowhere take no time and their data is there at once.

    Args:
        assignment: int64 [num_tasks].
        program: the instance.
        compute_noise: float64 [num_tasks], factors of the compute times.
        transfer_noise: float64 [num_edges], factors of the transfer times.
        schedule: overwritten; unplaced tasks have all times 0.
        workspace: overwritten.

    Returns:
        The makespan, and the sum of all compute and transfer times.
    """
    ready, start, end, cause = schedule
    begin, via, waiting, queue, free, last = workspace
    compute_time, delay, inverse_bandwidth = program.compute_time, program.delay, program.inverse_bandwidth
    target, sizes, out_start, out_edges = program.target, program.bytes, program.out_start, program.out_edges
    in_degree = program.in_degree
    n = assignment.size
    placed = n
    for task in range(n):
        ready[task] = begin[task] = start[task] = end[task] = 0.0
        via[task] = task - n  # before any arrival, by number
        waiting[task] = in_degree[task]
        cause[task] = NOTHING
        placed -= assignment[task] < 0
    if placed < n:
        for task in range(n):
            if assignment[task] < 0:
                for position in range(out_start[task], out_start[task + 1]):
                    waiting[target[out_edges[position]]] -= 1
    free[:] = 0.0
    last[:] = NOTHING
    size = 0
    for task in range(n):
        if waiting[task] == 0 and assignment[task] >= 0:
            push(queue, size, task, ready, begin, via)
            size += 1
    makespan = total = 0.0
    while size > 0:
        task = queue[0]
        size -= 1
        if size > 0:
            sink(queue, size, ready, begin, via)
        device = assignment[task]
        if free[device] > ready[task]:
            start[task] = free[device]
            cause[task] = -2 - last[device]
        else:
            start[task] = ready[task]
            if via[task] >= 0:
                cause[task] = via[task]
        took = compute_time[task, device] * compute_noise[task]
        finish = start[task] + took
        end[task] = free[device] = finish
        last[device] = task
        total += took
        makespan = max(makespan, finish)
        for position in range(out_start[task], out_start[task + 1]):
            edge = out_edges[position]
            child = target[edge]
            other = assignment[child]
            if other < 0:
                continue
            arrival = finish
            if other != device:
                took = (delay[device, other] + sizes[edge] * inverse_bandwidth[device, other]) * transfer_noise[edge]
                arrival += took
                total += took
            # The later event of two at the same time is the one that completes the inputs.
            if arrival > ready[child] or (
                arrival == ready[child] and (finish > begin[child] or (finish == begin[child] and edge > via[child]))
            ):
                ready[child], begin[child], via[child] = arrival, finish, edge
            waiting[child] -= 1
            if waiting[child] == 0:
                push(queue, size, child, ready, begin, via)
                size += 1
    return makespan, total


@jit.ieee_kernel
def evaluate_into(assignment, program, weights, schedule, workspace, totals):
    """Write schedule and totals of an assignment."""
    repeats = program.compute_noise.shape[0] - 1
    makespan = total = 0.0
    for repeat in range(1, repeats + 1):
        one, both = simulate(
            assignment, program, program.compute_noise[repeat], program.transfer_noise[repeat], schedule, workspace
        )
        makespan += one / repeats
        total += both / repeats
    one, both = simulate(assignment, program, program.compute_noise[0], program.transfer_noise[0], schedule, workspace)
    if repeats == 0:
        makespan, total = one, both
    violations = unplaced = 0
    for task in range(assignment.size):
        device = assignment[task]
        if device < 0:
            unplaced += 1
        elif not program.supported[task, device]:
            violations += 1
    totals[MAKESPAN] = makespan
    totals[TOTAL_COST] = total
    totals[VIOLATIONS] = violations
    totals[UNPLACED] = unplaced
    totals[TOTAL] = weights[MAKESPAN_WEIGHT] * makespan + weights[COST_WEIGHT] * total + weights[PENALTY] * violations


@jit.ieee_kernel
def simulate_all(assignments, program, weights, schedule, workspace, totals):
    """Write the totals of many assignments: int64 [B, num_tasks] -> float64 [B, 5]."""
    for row in range(assignments.shape[0]):
        evaluate_into(assignments[row], program, weights, schedule, workspace, totals[row])


@jit.kernel
def initialise(state):
    """Compute schedule and totals from the assignment."""
    evaluate_into(state.assignment, state.program, state.weights, state.schedule, state.workspace, state.totals)


@jit.kernel
def propose(state, rng):
    """Draw a task that has somewhere to go, and one of the other devices that can run it."""
    movers = state.movers
    if movers.size == 0:
        return 0, state.assignment[0], state.assignment[0], -1
    task = movers[min(int(rng.random() * movers.size), movers.size - 1)]
    source = state.assignment[task]
    supported = state.program.supported[task]
    choices = 0
    for device in range(supported.size):
        choices += supported[device] and device != source
    if choices == 0:
        return task, source, source, -1
    choice = min(int(rng.random() * choices), choices - 1)
    for device in range(supported.size):
        if supported[device] and device != source:
            if choice == 0:
                return task, source, device, -1
            choice -= 1
    return task, source, source, -1


@jit.kernel
def _place(assignment, move, here, there):
    """Put a move's item on ``there``, and its partner, if it has one, on ``here``."""
    assignment[move[0]] = there
    if move[3] >= 0:
        assignment[move[3]] = here


@jit.kernel
def delta(state, move):
    """Return what a move adds to the total, by simulating it."""
    if move[1] == move[2]:
        return 0.0
    _place(state.assignment, move, move[1], move[2])
    evaluate_into(state.assignment, state.program, state.weights, state.trial, state.workspace, state.trial_totals)
    _place(state.assignment, move, move[2], move[1])
    return state.trial_totals[TOTAL] - state.totals[TOTAL]


@jit.kernel
def apply(state, move):
    """Make a move."""
    _place(state.assignment, move, move[1], move[2])
    initialise(state)


@jit.kernel
def undo(state, move):
    """Take back the move that was just made."""
    _place(state.assignment, move, move[2], move[1])
    initialise(state)


@jit.kernel
def allowed(state, item, mask):
    """Write 1 for the devices that can run a task."""
    mask[:] = state.program.supported[item]


@jit.kernel
def movable(state, mask):
    """Write 1 for the moves that are open: while tasks are where they cannot run, only theirs."""
    supported, assignment = state.program.supported, state.assignment
    only_stranded = state.totals[VIOLATIONS] > 0
    for task in range(assignment.size):
        here = assignment[task]
        open_to_move = not only_stranded or (here >= 0 and not supported[task, here])
        for device in range(supported.shape[1]):
            mask[task, device] = open_to_move and supported[task, device] and device != here


@jit.ieee_kernel
def observe(state, features, values):
    """Write the devices' features, each in [0, 1], and total, feasibility and terms.

    Features: speed over the fastest; whether it is there; share of the types it supports; mean delay and inverse
    bandwidth of its links over the largest; its compute time over the makespan; its share of the tasks; when it is done
    over the makespan.
    """
    features[:, :DEVICE_LOAD] = state.device_features
    features[:, DEVICE_LOAD:] = 0.0
    end, compute_time = state.schedule.end, state.program.compute_time
    scale = 0.0
    for task in range(end.size):
        scale = max(scale, end[task])
    scale = 1.0 / scale if scale > 0.0 else 0.0
    for task in range(state.assignment.size):
        device = state.assignment[task]
        if device >= 0:
            row = features[device]
            row[DEVICE_LOAD] = min(row[DEVICE_LOAD] + compute_time[task, device] * scale, 1.0)
            row[DEVICE_TASKS] += 1.0 / state.assignment.size
            row[DEVICE_FINISH] = max(row[DEVICE_FINISH], min(end[task] * scale, 1.0))
    for device in range(features.shape[0]):  # sums of shares may exceed 1 by a rounding
        features[device, DEVICE_TASKS] = min(features[device, DEVICE_TASKS], 1.0)
    totals = state.totals
    values[0] = totals[TOTAL]
    values[1] = totals[VIOLATIONS] == 0 and totals[UNPLACED] == 0
    values[2] = totals[MAKESPAN]
    values[3] = totals[MAKESPAN] / state.weights[BOUND]
    values[4] = totals[TOTAL_COST]


@jit.kernel
def critical_path(schedule, source, tasks, edges):
    """Write the critical path, backwards from the task that ends last.

    Args:
        schedule: of a placement.
        source: int64 [num_edges].
        tasks: int64 [num_tasks], overwritten with the path's tasks.
        edges: int64 [num_tasks], overwritten: the edge over which each of them waited for the next, or -1 if it
            waited for its device.

    Returns:
        How many tasks are on it.
    """
    task = np.argmax(schedule.end)
    length = 0
    while True:
        tasks[length] = task
        cause = schedule.cause[task]
        edges[length] = cause if cause >= 0 else -1
        length += 1
        if cause == NOTHING:
            return length
        task = source[cause] if cause >= 0 else -2 - cause
