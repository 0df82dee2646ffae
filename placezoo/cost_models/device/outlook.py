"""What the current timeline says of moves before they are simulated: slack, who waits for whom, where devices are idle.

The events of a simulation (operators and transfers, each after those that it waited for) are a schedule. Followed back
from the end of the step, in its own order on devices and links, it says how late each event could end without the step
taking longer: the classical tails of job-shop scheduling, from which a move's effect is estimated (Taillard 1994).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.device.simulation import NONE

BINS = 32  # into which a step is cut for the load of devices over time


class Outlook(NamedTuple):
    """What a timeline says of moves. n operators, E edges, G groups, K devices; seconds."""

    op_start: NDArray[np.int64]  # [G + 1]
    ops: NDArray[np.int64]  # [n], by group
    link_start: NDArray[np.int64]  # [G + 1]
    link_group: NDArray[np.int64]  # the groups that each sends to or reads from
    link_bytes: NDArray[np.float64]  # in both directions
    after: NDArray[np.float64]  # [n + E], from the latest end of each event until the end of the step
    first_transfer: NDArray[np.int64]  # [n], of each operator's output, or -1
    slack: NDArray[np.float64]  # [G], the least of its operators: how much later they could end
    start: NDArray[np.float64]  # [G], of its first operator
    computes: NDArray[np.float64]  # [G], of the critical path: in its operators,
    reads: NDArray[np.float64]  # [G], in transfers to it,
    sends: NDArray[np.float64]  # [G], in transfers of what it makes,
    waits: NDArray[np.float64]  # [G], in operators for whose device its own waited, not for their data,
    blocks: NDArray[np.float64]  # [G], and in those of its own for which others waited so
    waits_for: NDArray[np.int64]  # [G], a group that it waited for so, or -1
    holds_up: NDArray[np.int64]  # [G], one that waited so for it, or -1
    load: NDArray[np.float64]  # [K, BINS], the share of each part of the step in which a device computes
    device_next: NDArray[np.float64]  # [K], overwritten
    link_next: NDArray[np.float64]  # [L], overwritten
    is_moved: NDArray[np.bool_]  # [G], false but while a move is looked at
    is_current: NDArray[np.bool_]  # [1], whether all of this is of the current timeline


@jit.ieee_kernel
def look_ahead(state):
    """Bring the outlook up to date with the timeline."""
    program, timeline, outlook = state.program, state.timeline, state.outlook
    _follow_back(program, timeline, outlook, state.assignment)
    _critical_path(program, timeline, outlook)
    group, slack, start = program.group, outlook.slack, outlook.start
    end, after = timeline.end, outlook.after
    step = end.max()
    slack[:] = step
    start[:] = step
    for op in range(end.size):
        slack[group[op]] = min(slack[group[op]], step - after[op] - end[op])
        start[group[op]] = min(start[group[op]], timeline.start[op])
    _spread(program, timeline, outlook, state.assignment, step)
    outlook.is_current[0] = True


@jit.ieee_kernel
def _follow_back(program, timeline, outlook, assignment):
    """Write how long the step goes on at least after each event, in the order of the timeline."""
    after, first = outlook.after, outlook.first_transfer
    device_next, link_next = outlook.device_next, outlook.link_next
    group, source, in_start, in_edges = program.group, program.source, program.in_start, program.in_edges
    transfer_op, transfer_to = timeline.transfer_op, timeline.transfer_to
    begin, finish, order = timeline.transfer_begin, timeline.transfer_end, timeline.order
    n, devices = timeline.end.size, device_next.size
    after[:] = 0.0
    device_next[:] = 0.0
    link_next[:] = 0.0
    first[:] = NONE
    for transfer in range(timeline.sent[0] - 1, -1, -1):
        first[transfer_op[transfer]] = transfer
    handled = 0
    while handled < order.size and order[handled] != NONE:
        handled += 1
    for position in range(handled - 1, -1, -1):
        event = order[position]
        if event < n:
            place = assignment[group[event]]
            after[event] = max(after[event], device_next[place])
            before = after[event] + timeline.end[event] - timeline.start[event]
            device_next[place] = before
            for entry in range(in_start[event], in_start[event + 1]):
                maker = source[in_edges[entry]]
                there = assignment[group[maker]]
                if there < 0:
                    continue
                cause = maker
                if there != place:
                    transfer = first[maker]
                    while transfer_to[transfer] != place:
                        transfer += 1
                    cause = n + transfer
                after[cause] = max(after[cause], before)
        else:
            transfer = event - n
            maker = transfer_op[transfer]
            pair = assignment[group[maker]] * devices + transfer_to[transfer]
            for hop in range(program.route_start[pair], program.route_start[pair + 1]):
                after[event] = max(after[event], link_next[program.route_links[hop]])
            before = after[event] + finish[transfer] - begin[transfer]
            for hop in range(program.route_start[pair], program.route_start[pair + 1]):
                link_next[program.route_links[hop]] = before
            after[maker] = max(after[maker], before)


@jit.ieee_kernel
def _critical_path(program, timeline, outlook):
    """Write what the critical path spends where, by group."""
    group, source, in_start, in_edges = program.group, program.source, program.in_start, program.in_edges
    computes, reads, sends = outlook.computes, outlook.reads, outlook.sends
    waits, blocks, waits_for, holds_up = outlook.waits, outlook.blocks, outlook.waits_for, outlook.holds_up
    computes[:] = 0.0
    reads[:] = 0.0
    sends[:] = 0.0
    waits[:] = 0.0
    blocks[:] = 0.0
    waits_for[:] = NONE
    holds_up[:] = NONE
    n = timeline.end.size
    event, reader = np.argmax(timeline.end), NONE
    while event != NONE:
        if event >= n:
            transfer = event - n
            took = timeline.transfer_end[transfer] - timeline.transfer_begin[transfer]
            sends[group[timeline.transfer_op[transfer]]] += took
            if reader != NONE:
                reads[group[reader]] += took
            event, reader = timeline.transfer_cause[transfer], NONE
            continue
        mine, cause = group[event], timeline.cause[event]
        computes[mine] += timeline.end[event] - timeline.start[event]
        if cause != NONE and cause < n:
            is_read = False
            for entry in range(in_start[event], in_start[event + 1]):
                is_read = is_read or source[in_edges[entry]] == cause
            if not is_read:
                took, other = timeline.end[cause] - timeline.start[cause], group[cause]
                waits[mine] += took
                blocks[other] += took
                waits_for[mine] = other
                holds_up[other] = mine
        event, reader = cause, event


@jit.ieee_kernel
def _spread(program, timeline, outlook, assignment, step):
    """Write the load of each device in each part of the step."""
    load = outlook.load
    load[:] = 0.0
    if not step > 0.0:
        return
    rate = BINS / step
    for op in range(timeline.end.size):
        place = assignment[program.group[op]]
        if place < 0:
            continue
        begin, end = timeline.start[op] * rate, timeline.end[op] * rate
        part = min(int(begin), BINS - 1)
        while part < BINS and part < end:
            load[place, part] += min(end, part + 1.0) - max(begin, part)
            part += 1
