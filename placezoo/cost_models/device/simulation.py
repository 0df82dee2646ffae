"""The simulation of a placed model, compiled.

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

NONE = -1  # no operator, transfer or event


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
    cause: NDArray[np.int64]  # [n], the event at whose moment each operator starts: an operator, n + a transfer, or -1
    transfer_cause: NDArray[np.int64]  # [E], likewise: the sender, or the transfer that held a link until then
    order: NDArray[np.int64]  # [n + E], the events in the order of their ends, each after its causes; then -1


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
    link_last: NDArray[np.int64]  # [L], the transfer that holds each link until it is free
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
    start, end, cause, peak, busy, sent = (
        timeline.start, timeline.end, timeline.cause, timeline.peak, timeline.busy, timeline.sent
    )  # fmt: skip
    transfer_op, transfer_to, transfer_cause = timeline.transfer_op, timeline.transfer_to, timeline.transfer_cause
    transfer_begin, transfer_end, order = timeline.transfer_begin, timeline.transfer_end, timeline.order
    device, waiting, uses, received, readers = work.device, work.waiting, work.uses, work.received, work.readers
    stamp, stamp_of, running, used = work.stamp, work.stamp_of, work.running, work.used
    link_free, link_last = work.link_free, work.link_last
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
        cause[op] = NONE
        waiting[op] = uses[op] = 0
        if device[op] >= 0:
            queue_first[device[op] + 1] += 1
    for place in range(num_devices):
        queue_first[place + 1] += queue_first[place]
        peak[place] = used[place]
        running[place] = stamp_of[place] = NONE
    for edge in range(source.size):
        received[edge] = -1
        if device[source[edge]] >= 0 and device[target[edge]] >= 0:
            waiting[target[edge]] += 1
    link_free[:] = 0.0
    size = number = transfers = arrived = handled = 0
    for op in range(n):
        if device[op] >= 0 and waiting[op] == 0:
            place = device[op]
            ready[op] = arrived
            arrived += 1
            _push_ready(queue, queue_first[place], queue_size[place], op, priority, ready)
            queue_size[place] += 1
    now, event = 0.0, NONE
    first_place, last_place = 0, num_devices  # the devices on which something may start
    while True:
        for place in range(first_place, last_place):
            if running[place] < 0 and queue_size[place] > 0:
                op = _pop_ready(queue, queue_first[place], queue_size[place], priority, ready)
                queue_size[place] -= 1
                running[place] = op
                start[op], cause[op] = now, event
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
        order[handled] = event
        handled += 1
        size -= 1
        if size > 0:
            _sink_event(times, numbers, events, size)
        if event < n:
            op = event
            place = device[op]
            first_place, last_place = place, place + 1
            end[op] = now
            running[place] = NONE
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
                    begin, awaited = now, op
                    for hop in range(route_start[pair], route_start[pair + 1]):
                        link = route_links[hop]
                        if link_free[link] > begin:
                            begin, awaited = link_free[link], n + link_last[link]
                    finish = begin + route_latency[pair] + output_bytes[op] / route_bandwidth[pair]
                    for hop in range(route_start[pair], route_start[pair + 1]):
                        link_free[route_links[hop]], link_last[route_links[hop]] = finish, transfers
                    transfer_op[transfers], transfer_to[transfers] = op, to
                    transfer_begin[transfers], transfer_end[transfers] = begin, finish
                    transfer_cause[transfers] = awaited
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
    order[handled:] = NONE
    latest = 0.0
    for op in range(n):
        latest = max(latest, end[op])
    return latest


@jit.kernel
def copy_timeline(made, kept):
    """Overwrite a timeline with another of the same model."""
    sent = made.sent[0]
    kept.start[:], kept.end[:], kept.cause[:] = made.start, made.end, made.cause
    kept.peak[:], kept.busy[:], kept.sent[:], kept.order[:] = made.peak, made.busy, made.sent, made.order
    kept.transfer_op[:sent], kept.transfer_to[:sent] = made.transfer_op[:sent], made.transfer_to[:sent]
    kept.transfer_begin[:sent], kept.transfer_end[:sent] = made.transfer_begin[:sent], made.transfer_end[:sent]
    kept.transfer_cause[:sent] = made.transfer_cause[:sent]
