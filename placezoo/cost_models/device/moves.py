"""Kernels of the step time: simulation of a placed model, and the moves of one group of operators at a time.

An operator is ready when its inputs have arrived on its device; devices run one operator at a time, first come first
served, or by priority. A tensor is sent once to each other device that reads it, when its operator ends; a transfer
holds every link of its route until it is done, begins when all of them are free, and transfers get links in the order
in which they were asked for. Events at one moment are handled in the order in which they were caused.

Memory of a device: the parameters of its operators with gradients and optimizer state; each output on it from its
operator's start until its last reader there has ended and all its transfers have arrived; each received tensor from the
request until its last reader there has ended.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit

TERM_NAMES = ("step_time", "peak_memory", "overflow")
TOTAL, STEP_TIME, PEAK_MEMORY, OVERFLOW, OVERFULL, UNPLACED = range(6)  # of StepTimeState.totals
PENALTY, LEVELS = range(2)  # of StepTimeState.weights; LEVELS: how many priorities groups may have
_NONE = -1  # no operator

DEVICE_FEATURE_NAMES = ("speed", "memory_bandwidth", "memory", "memory_used", "load", "groups", "finish")
(  # columns of those features
    DEVICE_SPEED, DEVICE_MEMORY_BANDWIDTH, DEVICE_MEMORY, DEVICE_MEMORY_USED, DEVICE_LOAD, DEVICE_GROUPS, DEVICE_FINISH,
) = range(7)  # fmt: skip


class Timeline(NamedTuple):
    """When what happens in one simulation. n operators, T transfers at most as many as edges, K devices."""

    start: NDArray[np.float64]  # [n]
    end: NDArray[np.float64]  # [n]
    transfer_op: NDArray[np.int64]  # [E], whose output is sent
    transfer_to: NDArray[np.int64]  # [E], to which device
    transfer_begin: NDArray[np.float64]  # [E]
    transfer_end: NDArray[np.float64]  # [E]
    peak: NDArray[np.float64]  # [K], bytes
    busy: NDArray[np.float64]  # [K], seconds
    sent: NDArray[np.int64]  # [1], how many transfers


class Workspace(NamedTuple):
    """What a simulation needs besides; overwritten by each."""

    device: NDArray[np.int64]  # [n], of each operator
    waiting: NDArray[np.int64]  # [n], inputs that are not there
    uses: NDArray[np.int64]  # [n], readers and transfers that still need the output where it was made
    received: NDArray[np.int64]  # [E], the transfer by which an edge's tensor comes, or -1
    readers: NDArray[np.int64]  # [E], of each transfer, that have not ended
    stamp: NDArray[np.int64]  # [K], the transfer to each device of the operator that has just ended
    stamp_of: NDArray[np.int64]  # [K], the operator that the stamp is of
    running: NDArray[np.int64]  # [K], or -1
    used: NDArray[np.float64]  # [K], bytes now
    link_free: NDArray[np.float64]  # [L]
    ready: NDArray[np.int64]  # [n], when each operator became ready, counted
    queue: NDArray[np.int64]  # [n], heaps of the devices' ready operators, linked by size
    queue_first: NDArray[np.int64]  # [K + 1], where each device's heap starts
    queue_size: NDArray[np.int64]  # [K]
    event_time: NDArray[np.float64]  # [n + E]
    event_number: NDArray[np.int64]  # [n + E]
    event: NDArray[np.int64]  # [n + E], operator, or n + transfer
    priority: NDArray[np.float64]  # [n], larger first; equal ones first come first served


class Program(NamedTuple):
    """The instance as the kernels read it. G groups."""

    op_time: NDArray[np.float64]  # [n, K]
    output_bytes: NDArray[np.float64]  # [n]
    held_bytes: NDArray[np.float64]  # [G], parameters with their state
    source: NDArray[np.int64]  # [E]
    target: NDArray[np.int64]  # [E]
    out_start: NDArray[np.int64]  # [n + 1]
    out_edges: NDArray[np.int64]  # [E]
    in_start: NDArray[np.int64]  # [n + 1]
    in_edges: NDArray[np.int64]  # [E]
    group: NDArray[np.int64]  # [n]
    route_start: NDArray[np.int64]  # [K * K + 1]
    route_links: NDArray[np.int64]
    route_bandwidth: NDArray[np.float64]  # [K * K], of the slowest link
    route_latency: NDArray[np.float64]  # [K * K]
    memory: NDArray[np.float64]  # [K]
    priority: NDArray[np.float64]  # [n], of each operator where assignments give none


class StepTimeState(NamedTuple):
    """An assignment of groups with its timeline and costs."""

    assignment: NDArray[np.int64]  # [G], a device each, -1 = unplaced; or [2 G], a priority each after them
    timeline: Timeline
    trial: Timeline
    workspace: Workspace
    totals: NDArray[np.float64]  # TOTAL, STEP_TIME, PEAK_MEMORY, OVERFLOW, OVERFULL, UNPLACED
    trial_totals: NDArray[np.float64]
    program: Program
    weights: NDArray[np.float64]  # PENALTY, LEVELS
    device_features: NDArray[np.float32]  # [K, DEVICE_MEMORY_USED], the columns before it: what no placement changes


@jit.inlined
def _earlier(times, numbers, a, b):
    return times[a] < times[b] or (times[a] == times[b] and numbers[a] < numbers[b])


@jit.ieee_kernel
def _push_event(times, numbers, events, size, time, number, event):
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if times[parent] < time or (times[parent] == time and numbers[parent] < number):
            break
        times[child], numbers[child], events[child] = times[parent], numbers[parent], events[parent]
        child = parent
    times[child], numbers[child], events[child] = time, number, event


@jit.ieee_kernel
def _sink_event(times, numbers, events, size):
    """Put the entry after the last in the place of the first."""
    time, number, event = times[size], numbers[size], events[size]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        if child + 1 < size and _earlier(times, numbers, child + 1, child):
            child += 1
        if time < times[child] or (time == times[child] and number < numbers[child]):
            break
        times[parent], numbers[parent], events[parent] = times[child], numbers[child], events[child]
        parent = child
    times[parent], numbers[parent], events[parent] = time, number, event


@jit.inlined
def _goes_first(a, b, priority, ready):
    return priority[a] > priority[b] or (priority[a] == priority[b] and ready[a] < ready[b])


@jit.ieee_kernel
def _push_ready(queue, first, size, op, priority, ready):
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if not _goes_first(op, queue[first + parent], priority, ready):
            break
        queue[first + child] = queue[first + parent]
        child = parent
    queue[first + child] = op


@jit.ieee_kernel
def _pop_ready(queue, first, size, priority, ready):
    """Take the operator that goes first out of a heap of ``size``."""
    taken = queue[first]
    op = queue[first + size - 1]
    size -= 1
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        if child + 1 < size and _goes_first(queue[first + child + 1], queue[first + child], priority, ready):
            child += 1
        if _goes_first(op, queue[first + child], priority, ready):
            break
        queue[first + parent] = queue[first + child]
        parent = child
    if size > 0:
        queue[first + parent] = op
    return taken


@jit.ieee_kernel
def simulate(assignment, program, timeline, work):
    """Run a placed model; operators that are nowhere take no time and their output is there at once.

    Args:
        assignment: int64 [G], the groups' devices, or [2 G], their priorities after them.
        program: the instance.
        timeline: overwritten; unplaced operators have all times 0.
        work: overwritten.

    Returns:
        When the last operator ends.
    """
    start, end, transfer_op, transfer_to, transfer_begin, transfer_end, peak, busy, sent = timeline
    device, waiting, uses, received, readers = work.device, work.waiting, work.uses, work.received, work.readers
    stamp, stamp_of, running, used, link_free = work.stamp, work.stamp_of, work.running, work.used, work.link_free
    ready, queue, queue_first, queue_size = work.ready, work.queue, work.queue_first, work.queue_size
    times, numbers, events = work.event_time, work.event_number, work.event
    op_time, output_bytes, group, priority = program.op_time, program.output_bytes, program.group, work.priority
    source, target, out_start, out_edges = program.source, program.target, program.out_start, program.out_edges
    in_start, in_edges = program.in_start, program.in_edges
    route_start, route_links = program.route_start, program.route_links
    route_bandwidth, route_latency = program.route_bandwidth, program.route_latency
    n, num_devices = device.size, peak.size
    used[:] = 0.0
    busy[:] = 0.0
    queue_size[:] = 0
    queue_first[:] = 0
    for item in range(program.held_bytes.size):
        if assignment[item] >= 0:
            used[assignment[item]] += program.held_bytes[item]
    for op in range(n):
        device[op] = assignment[group[op]]
        start[op] = end[op] = 0.0
        waiting[op] = uses[op] = 0
        if device[op] >= 0:
            queue_first[device[op] + 1] += 1
    for place in range(num_devices):
        queue_first[place + 1] += queue_first[place]
        peak[place] = used[place]
        running[place] = stamp_of[place] = _NONE
    for edge in range(source.size):
        received[edge] = -1
        if device[source[edge]] >= 0 and device[target[edge]] >= 0:
            waiting[target[edge]] += 1
    link_free[:] = 0.0
    size = number = transfers = arrived = 0
    for op in range(n):
        if device[op] >= 0 and waiting[op] == 0:
            place = device[op]
            ready[op] = arrived
            arrived += 1
            _push_ready(queue, queue_first[place], queue_size[place], op, priority, ready)
            queue_size[place] += 1
    now = 0.0
    first_place, last_place = 0, num_devices  # the devices on which something may start
    while True:
        for place in range(first_place, last_place):
            if running[place] < 0 and queue_size[place] > 0:
                op = _pop_ready(queue, queue_first[place], queue_size[place], priority, ready)
                queue_size[place] -= 1
                running[place] = op
                start[op] = now
                took = op_time[op, place]
                busy[place] += took
                used[place] += output_bytes[op]
                peak[place] = max(peak[place], used[place])
                _push_event(times, numbers, events, size, now + took, number, op)
                size += 1
                number += 1
        if size == 0:
            break
        now, event = times[0], events[0]
        size -= 1
        if size > 0:
            _sink_event(times, numbers, events, size)
        if event < n:
            op = event
            place = device[op]
            first_place, last_place = place, place + 1
            end[op] = now
            running[place] = _NONE
            for position in range(in_start[op], in_start[op + 1]):  # what it has read
                edge = in_edges[position]
                origin = source[edge]
                if device[origin] < 0:
                    continue
                transfer = received[edge]
                if transfer < 0:
                    uses[origin] -= 1
                    if uses[origin] == 0:
                        used[place] -= output_bytes[origin]
                else:
                    readers[transfer] -= 1
                    if readers[transfer] == 0:
                        used[place] -= output_bytes[origin]
            for position in range(out_start[op], out_start[op + 1]):
                edge = out_edges[position]
                to = device[target[edge]]
                if to < 0:
                    continue
                if to == place:
                    uses[op] += 1
                    child = target[edge]
                    waiting[child] -= 1
                    if waiting[child] == 0:
                        ready[child] = arrived
                        arrived += 1
                        _push_ready(queue, queue_first[place], queue_size[place], child, priority, ready)
                        queue_size[place] += 1
                    continue
                if stamp_of[to] != op:
                    stamp_of[to], stamp[to] = op, transfers
                    pair = place * num_devices + to
                    begin = now
                    for hop in range(route_start[pair], route_start[pair + 1]):
                        begin = max(begin, link_free[route_links[hop]])
                    finish = begin + route_latency[pair] + output_bytes[op] / route_bandwidth[pair]
                    for hop in range(route_start[pair], route_start[pair + 1]):
                        link_free[route_links[hop]] = finish
                    transfer_op[transfers], transfer_to[transfers] = op, to
                    transfer_begin[transfers], transfer_end[transfers] = begin, finish
                    readers[transfers] = 0
                    uses[op] += 1
                    used[to] += output_bytes[op]
                    peak[to] = max(peak[to], used[to])
                    _push_event(times, numbers, events, size, finish, number, n + transfers)
                    size += 1
                    number += 1
                    transfers += 1
                received[edge] = stamp[to]
                readers[stamp[to]] += 1
            if uses[op] == 0:
                used[place] -= output_bytes[op]
        else:
            transfer = event - n
            op = transfer_op[transfer]
            place = transfer_to[transfer]
            first_place, last_place = place, place + 1
            uses[op] -= 1
            if uses[op] == 0:
                used[device[op]] -= output_bytes[op]
            for position in range(out_start[op], out_start[op + 1]):
                edge = out_edges[position]
                if received[edge] == transfer:
                    child = target[edge]
                    waiting[child] -= 1
                    if waiting[child] == 0:
                        ready[child] = arrived
                        arrived += 1
                        _push_ready(queue, queue_first[place], queue_size[place], child, priority, ready)
                        queue_size[place] += 1
    sent[0] = transfers
    latest = 0.0
    for op in range(n):
        latest = max(latest, end[op])
    return latest


@jit.ieee_kernel
def evaluate_into(assignment, program, weights, timeline, work, totals):
    """Write timeline and totals of an assignment."""
    groups = program.held_bytes.size
    if assignment.size > groups:
        for op in range(work.priority.size):
            work.priority[op] = assignment[groups + program.group[op]]
    step_time = simulate(assignment, program, timeline, work)
    memory = program.memory
    overflow, overfull, fullest = 0.0, 0, 0.0
    for place in range(memory.size):
        fullest = max(fullest, timeline.peak[place])
        if timeline.peak[place] > memory[place]:
            overflow += timeline.peak[place] - memory[place]
            overfull += 1
    unplaced = 0
    for item in range(groups):
        unplaced += assignment[item] < 0
    totals[STEP_TIME] = step_time
    totals[PEAK_MEMORY] = fullest
    totals[OVERFLOW] = overflow
    totals[OVERFULL] = overfull
    totals[UNPLACED] = unplaced
    # Flat, so that no feasible placement is worse; rising, so that search finds its way out.
    share = overflow / max(memory.sum(), 1.0)
    totals[TOTAL] = step_time + (weights[PENALTY] * (1.0 + share) if overfull > 0 else 0.0)


@jit.kernel
def initialise(state):
    """Compute timeline and totals from the assignment."""
    evaluate_into(state.assignment, state.program, state.weights, state.timeline, state.workspace, state.totals)


@jit.kernel
def evaluate_all(state, assignments, totals):
    """Write the total cost of each assignment, [count, items]; the state is of the last one then."""
    for number in range(totals.size):
        state.assignment[:] = assignments[number]
        initialise(state)
        totals[number] = state.totals[TOTAL]


@jit.kernel
def _choices(state, item):
    """Return how many devices, or priorities, an item can have."""
    return state.timeline.peak.size if item < state.program.held_bytes.size else int(state.weights[LEVELS])


@jit.kernel
def propose(state, rng):
    """Draw a group and another device, or another priority."""
    items = state.assignment.size
    item = min(int(rng.random() * items), items - 1)
    source, choices = state.assignment[item], _choices(state, item)
    if choices == 1:
        return item, source, source, -1
    target = min(int(rng.random() * (choices - 1)), choices - 2)
    return item, source, target + (target >= source), -1


@jit.kernel
def _place(assignment, move, here, there):
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
    """Write 1 for the devices whose memory holds the group's parameters beside those there; or for every priority."""
    assignment, held = state.assignment, state.program.held_bytes
    mask[:] = 0
    mask[: _choices(state, item)] = 1
    if item >= held.size:
        return
    any_fits = False
    for place in range(state.timeline.peak.size):
        used = held[item]
        for other in range(held.size):
            if other != item and assignment[other] == place:
                used += held[other]
        mask[place] = used <= state.program.memory[place]
        any_fits = any_fits or mask[place] > 0
    if not any_fits:  # the cost says what is wrong; a construction goes on
        mask[: _choices(state, item)] = 1


@jit.kernel
def movable(state, mask):
    """Write 1 for every move to another device or priority."""
    for item in range(state.assignment.size):
        choices = _choices(state, item)
        for place in range(mask.shape[1]):
            mask[item, place] = place < choices and place != state.assignment[item]


@jit.ieee_kernel
def observe(state, features, values):
    """Write the devices' features, each in [0, 1], and total, feasibility and terms.

    Features: peak FLOP/s, memory bandwidth and memory over the largest; the peak use of memory; busy time over the step
    time; its share of the groups; when it is done over the step time.
    """
    features[:] = 0.0
    features[: state.timeline.peak.size, :DEVICE_MEMORY_USED] = state.device_features
    totals, timeline = state.totals, state.timeline
    scale = 1.0 / totals[STEP_TIME] if totals[STEP_TIME] > 0.0 else 0.0
    groups = state.program.held_bytes.size
    for place in range(timeline.peak.size):
        features[place, DEVICE_MEMORY_USED] = min(timeline.peak[place] / max(state.program.memory[place], 1.0), 1.0)
        features[place, DEVICE_LOAD] = min(timeline.busy[place] * scale, 1.0)
    for item in range(groups):
        if state.assignment[item] >= 0:
            features[state.assignment[item], DEVICE_GROUPS] += 1.0 / groups
    for op in range(timeline.end.size):
        place = state.assignment[state.program.group[op]]
        if place >= 0:
            features[place, DEVICE_FINISH] = max(features[place, DEVICE_FINISH], min(timeline.end[op] * scale, 1.0))
    for place in range(features.shape[0]):  # sums of shares may exceed 1 by a rounding
        features[place, DEVICE_GROUPS] = min(features[place, DEVICE_GROUPS], 1.0)
    values[0] = totals[TOTAL]
    values[1] = totals[OVERFULL] == 0 and totals[UNPLACED] == 0
    values[2] = totals[STEP_TIME]
    values[3] = totals[PEAK_MEMORY]
    values[4] = totals[OVERFLOW]
