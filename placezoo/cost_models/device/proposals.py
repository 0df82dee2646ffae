"""Which moves are worth simulating: of groups on the critical path, towards their neighbours, and of whole clusters.

Half of the moves drawn evenly cannot help: what is not on the critical path of the current timeline may go anywhere,
and the step takes as long. The path is followed back from the last operator through what each waited for: its device,
its inputs, and the links of their transfers. Groups are drawn by the time that the path spends in them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.device.simulation import NONE

MOST_NEAR = 62  # companions of a move are bits of one integer
LARGEST_CLUSTER = 12
# How often what is drawn:
_PRIORITY = 0.35  # another priority, not another device
_CRITICAL = 0.7  # a group by its time on the critical path, not any
_TO_NEIGHBOUR = 0.6  # the device of a neighbour, not any
_CLUSTER = 0.3  # with its neighbours on the same device
_COMPANION = 0.8  # each of them
_SWAP = 0.05  # against a group of that device, where both may be full
_EVEN = 0.1  # of the weight of the critical path goes to all groups evenly: what waits may be in the way


class Guide(NamedTuple):
    """What moves are drawn by. G groups."""

    near: NDArray[np.int32]  # [G, MOST_NEAR], the groups nearest to each, by links; -1 where there are fewer
    neighbour_start: NDArray[np.int64]  # [G + 1]
    neighbours: NDArray[np.int64]  # of each group, along the data and against it
    weight: NDArray[np.float64]  # [G], by which groups are drawn in the current timeline, cumulative
    held: NDArray[np.float64]  # [K], bytes of parameters with their state on each device
    is_current: NDArray[np.bool_]  # [1], whether weight and held are of the current timeline


@jit.kernel
def nearest_groups(neighbour_start, neighbours, near):
    """Write the groups nearest to each, by links, nearest first; -1 where there are fewer."""
    groups, most = near.shape
    near[:] = NONE
    seen_by = np.full(groups, NONE)
    for group in range(groups):
        seen_by[group] = group
        found, head, center = 0, 0, group
        while found < most:
            for position in range(neighbour_start[center], neighbour_start[center + 1]):
                other = neighbours[position]
                if found < most and seen_by[other] != group:
                    seen_by[other] = group
                    near[group, found] = other
                    found += 1
            if head == found:
                break
            center = near[group, head]
            head += 1


@jit.ieee_kernel
def critical_time(program, timeline, seconds):
    """Write how long the critical path is in each group: its operators, and transfers of what it sends and reads.

    Args:
        program: the instance.
        timeline: of a simulation.
        seconds: float64 [G], overwritten.
    """
    n, group = timeline.end.size, program.group
    seconds[:] = 0.0
    event, reader = np.argmax(timeline.end), NONE
    while event != NONE:
        if event < n:
            seconds[group[event]] += timeline.end[event] - timeline.start[event]
            event, reader = timeline.cause[event], event
        else:
            transfer = event - n
            took = timeline.transfer_end[transfer] - timeline.transfer_begin[transfer]
            seconds[group[timeline.transfer_op[transfer]]] += took
            if reader != NONE:
                seconds[group[reader]] += took
            event, reader = timeline.transfer_cause[transfer], NONE


@jit.ieee_kernel
def look_where_time_is_lost(state):
    """Bring the guide up to date: weigh the groups, and sum up what devices hold.

    Where memories do not suffice, the groups on those devices count, and not time.
    """
    assignment, program, guide = state.assignment, state.program, state.guide
    weight, held, memory = guide.weight, guide.held, program.memory
    held[:] = 0.0
    for group in range(weight.size):
        if assignment[group] >= 0:
            held[assignment[group]] += program.held_bytes[group]
    critical_time(program, state.timeline, weight)
    overflows = False
    for place in range(memory.size):
        overflows = overflows or state.timeline.peak[place] > memory[place]
    if overflows:
        for group in range(weight.size):
            place = assignment[group]
            weight[group] = place >= 0 and state.timeline.peak[place] > memory[place]
    total = weight.sum()
    even = _EVEN * total / weight.size if total > 0.0 else 1.0
    total = 0.0
    for group in range(weight.size):
        total += weight[group] + even
        weight[group] = total
    guide.is_current[0] = True


@jit.inlined
def _below(rng, count):
    """Draw one of 0..count-1."""
    return min(int(rng.random() * count), count - 1)


@jit.inlined
def _another(rng, value, count):
    """Draw one of 0..count-1 that is not the value; -1 is none of them."""
    if value < 0:
        return _below(rng, count)
    drawn = _below(rng, count - 1)
    return drawn + (drawn >= value)


@jit.ieee_kernel
def draw_move(state, levels, rng):
    """Draw a move: of a group to another device, perhaps with neighbours, or to another priority.

    Needs an up-to-date guide.

    Returns:
        (item, source, target, partner). A partner of at least 0 is a group of the target that goes to the source in
        exchange. Where it is below -1, bit i of ~partner says that the i-th of the groups nearest to the item goes with
        it; all of these are on the source. Source and target are equal where there is nothing to choose.
    """
    assignment, guide = state.assignment, state.guide
    groups, devices = guide.weight.size, guide.held.size
    if rng.random() < _CRITICAL:
        group = min(np.searchsorted(guide.weight, rng.random() * guide.weight[-1], side="right"), groups - 1)
    else:
        group = _below(rng, groups)
    if levels > 1 and (devices == 1 or rng.random() < _PRIORITY):
        item = groups + group
        return item, assignment[item], _another(rng, assignment[item], levels), NONE
    source = assignment[group]
    if devices == 1:
        return group, source, max(source, 0), NONE
    target = _another(rng, source, devices)
    first, count = guide.neighbour_start[group], guide.neighbour_start[group + 1] - guide.neighbour_start[group]
    if count > 0 and rng.random() < _TO_NEIGHBOUR:
        offset = _below(rng, count)
        for step in range(count):
            place = assignment[guide.neighbours[first + (offset + step) % count]]
            if place >= 0 and place != source:
                target = place
                break
    if source < 0:
        return group, source, target, NONE
    if rng.random() < _SWAP:
        other = _below(rng, groups)
        return group, source, target, other if assignment[other] == target else NONE
    companions = _draw_companions(assignment, guide, group, rng) if rng.random() < _CLUSTER else 0
    return group, source, target, ~companions


@jit.ieee_kernel
def _draw_companions(assignment, guide, group, rng):
    """Grow a connected cluster around a group on its device; return the companions' bits in ``near``."""
    near, source = guide.near[group], assignment[group]
    size = 2 + int(rng.random() ** 2 * (LARGEST_CLUSTER - 1))
    members = np.empty(LARGEST_CLUSTER, np.int64)
    members[0] = group
    companions, count, head = 0, 1, 0
    while head < count and count < size:
        first = guide.neighbour_start[members[head]]
        degree = guide.neighbour_start[members[head] + 1] - first
        offset = _below(rng, max(degree, 1))
        for step in range(degree):
            other = guide.neighbours[first + (offset + step) % degree]
            if count == size or other == group or assignment[other] != source or rng.random() >= _COMPANION:
                continue
            position = _position(near, other)
            if position >= 0 and not companions >> position & 1:
                companions |= 1 << position
                members[count] = other
                count += 1
        head += 1
    return companions


@jit.inlined
def _position(near, group):
    for position in range(near.size):
        if near[position] == group:
            return position
    return NONE
