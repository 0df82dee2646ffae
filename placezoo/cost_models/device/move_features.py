"""What is seen of a move before it is simulated: cheap features, from the current timeline's ``Outlook``.

Times are over the step time. "Here" is the device that groups leave, "there" the one that they go to.
"""

from __future__ import annotations

from placezoo import jit
from placezoo.cost_models.device.moves import LEVELS
from placezoo.cost_models.device.outlook import BINS, look_ahead
from placezoo.cost_models.device.simulation import NONE

MOVE_FEATURE_NAMES = (
    "alone", "cluster", "swap", "priority",
    "groups", "time", "slack", "start", "computes", "reads", "sends", "waits", "blocks",
    "joins", "bytes_there", "bytes_here", "bytes_elsewhere", "bytes_farther",
    "load_here", "load_there", "busy_here", "busy_there", "balance", "room_here", "room_there",
    "excess", "critical_excess", "partner_computes", "partner_slack",
    "level", "step", "waits_up", "blocks_up", "computes_up", "passes", "lets_pass",
)  # fmt: skip
(
    ALONE, CLUSTER, SWAP, PRIORITY,
    GROUPS, TIME, SLACK, START, COMPUTES, READS, SENDS, WAITS, BLOCKS,
    JOINS, BYTES_THERE, BYTES_HERE, BYTES_ELSEWHERE, BYTES_FARTHER,
    LOAD_HERE, LOAD_THERE, BUSY_HERE, BUSY_THERE, BALANCE, ROOM_HERE, ROOM_THERE,
    EXCESS, CRITICAL_EXCESS, PARTNER_COMPUTES, PARTNER_SLACK,
    LEVEL, STEP, WAITS_UP, BLOCKS_UP, COMPUTES_UP, PASSES, LETS_PASS,
) = range(len(MOVE_FEATURE_NAMES))  # fmt: skip

# A score that needs no training: no new transfers, none on the critical path, and no way through that is too long.
HAND_MADE = {
    "joins": 1.0, "bytes_there": 1.0, "bytes_here": -2.0, "critical_excess": -1.0, "failures": -0.02, "priority": -0.05,
    "passes": 0.05, "lets_pass": 0.05,
}  # fmt: skip

_MOST = 2.0  # to which features are cut: what is longer than two steps is bad enough


@jit.ieee_kernel
def move_features(state, move, features):
    """Write what is seen of a move: float32 [len(MOVE_FEATURE_NAMES)].

    alone, cluster, swap, priority: which kind of move it is. groups: how many go, in twelfths. time: of their
    operators there. slack: the least by which one of them could end later. start: of the first operator.
    computes, reads, sends: what of the critical path is in them and their transfers; waits, blocks: and in operators
    for whose device they waited, or which waited for theirs. joins: critical transfers that end, between them and
    groups there. bytes_there, bytes_here: transfers that end, and that begin; bytes_elsewhere: those with third
    devices, bytes_farther: how much longer they take. load_here, load_there: how busy the devices are while the
    operators run; busy_here, busy_there: in all; balance: there less here, after the move. room_here, room_there:
    what memory's peak leaves, the moved parameters counted, over the memory. excess: how much longer than the step the
    longest way through a moved operator is, if no device keeps it waiting; critical_excess: through one on the critical
    path. partner_computes, partner_slack: of the group that comes in exchange. level, step: the priority and its change
    over the levels; waits_up, blocks_up, computes_up: those of the group, negative where the priority falls;
    passes: it rises above a group that it waited for; lets_pass: it falls below one that waited for it.
    """
    outlook, program, timeline = state.outlook, state.program, state.timeline
    if not outlook.is_current[0]:
        look_ahead(state)
    features[:] = 0.0
    item, source, target, partner = move
    groups, step = program.held_bytes.size, timeline.end.max()
    inverse = 1.0 / step if step > 0.0 else 0.0
    if item >= groups:
        _see_priority(state, item - groups, source, target, inverse, features)
        return
    if source < 0:
        features[ALONE] = 1.0
        return
    near, is_moved, companions = state.guide.near[item], outlook.is_moved, ~partner
    if partner >= 0:
        features[SWAP] = 1.0
        features[PARTNER_COMPUTES] = outlook.computes[partner] * inverse
        features[PARTNER_SLACK] = outlook.slack[partner] * inverse
        companions = 0
    elif companions:
        features[CLUSTER] = 1.0
    else:
        features[ALONE] = 1.0
    is_moved[item] = True
    left, position = companions, 0
    while left:
        is_moved[near[position]] |= left & 1
        left, position = left >> 1, position + 1
    features[SLACK] = features[START] = 1.0
    features[EXCESS] = -1.0
    features[CRITICAL_EXCESS] = -1.0
    taken = _see_group(state, item, source, target, inverse, features)
    held = program.held_bytes[item]
    left, position = companions, 0
    while left:
        if left & 1:
            taken += _see_group(state, near[position], source, target, inverse, features)
            held += program.held_bytes[near[position]]
        left, position = left >> 1, position + 1
    is_moved[item] = False
    left, position = companions, 0
    while left:
        if left & 1:
            is_moved[near[position]] = False
        left, position = left >> 1, position + 1
    if taken > 0.0:
        features[LOAD_HERE] /= taken
        features[LOAD_THERE] /= taken
    if features[COMPUTES] == 0.0:
        features[CRITICAL_EXCESS] = 0.0
    busy, peak, memory = timeline.busy, timeline.peak, program.memory
    features[BUSY_HERE], features[BUSY_THERE] = busy[source] * inverse, busy[target] * inverse
    features[BALANCE] = features[BUSY_THERE] - features[BUSY_HERE] + 2.0 * features[TIME]
    features[ROOM_HERE] = 1.0 - peak[source] / max(memory[source], 1.0)
    features[ROOM_THERE] = 1.0 - (peak[target] + held) / max(memory[target], 1.0)
    for column in range(features.size):
        features[column] = max(min(features[column], _MOST), -_MOST)


@jit.ieee_kernel
def _see_group(state, group, source, target, inverse, features):
    """Add what a move means for one of its groups; return the seconds of its operators there."""
    outlook, program, timeline, assignment = state.outlook, state.program, state.timeline, state.assignment
    devices, bandwidth = timeline.peak.size, program.route_bandwidth
    features[GROUPS] += 1.0 / 12.0
    features[SLACK] = min(features[SLACK], outlook.slack[group] * inverse)
    features[START] = min(features[START], outlook.start[group] * inverse)
    features[COMPUTES] += outlook.computes[group] * inverse
    features[READS] += outlook.reads[group] * inverse
    features[SENDS] += outlook.sends[group] * inverse
    features[WAITS] += outlook.waits[group] * inverse
    features[BLOCKS] += outlook.blocks[group] * inverse
    for entry in range(outlook.link_start[group], outlook.link_start[group + 1]):
        other = outlook.link_group[entry]
        place = assignment[other]
        if outlook.is_moved[other] or place < 0:
            continue
        sent = outlook.link_bytes[entry] * inverse
        if place == target:
            features[BYTES_THERE] += sent / bandwidth[source * devices + target]
            joined = min(outlook.reads[group], outlook.sends[other]) + min(outlook.sends[group], outlook.reads[other])
            features[JOINS] += joined * inverse
        elif place == source:
            features[BYTES_HERE] += sent / bandwidth[source * devices + target]
        else:
            now, then = sent / bandwidth[source * devices + place], sent / bandwidth[target * devices + place]
            features[BYTES_ELSEWHERE] += now
            features[BYTES_FARTHER] += then - now
    taken = 0.0
    for entry in range(outlook.op_start[group], outlook.op_start[group + 1]):
        op = outlook.ops[entry]
        took = program.op_time[op, target]
        taken += took
        part = min(int(0.5 * (timeline.start[op] + timeline.end[op]) * inverse * BINS), BINS - 1)
        features[LOAD_HERE] += took * outlook.load[source, part]
        features[LOAD_THERE] += took * outlook.load[target, part]
        excess = _way_through(state, op, target) * inverse - 1.0
        features[EXCESS] = max(features[EXCESS], excess)
        if (timeline.end[op] + outlook.after[op]) * inverse >= 1.0 - 1e-9:
            features[CRITICAL_EXCESS] = max(features[CRITICAL_EXCESS], excess)
    features[TIME] += taken * inverse
    return taken


@jit.ieee_kernel
def _way_through(state, op, target):
    """Return the longest way through an operator if it ran there, and no device or link kept it waiting."""
    outlook, program, timeline, assignment = state.outlook, state.program, state.timeline, state.assignment
    group, output_bytes, devices = program.group, program.output_bytes, timeline.peak.size
    bandwidth, latency, end = program.route_bandwidth, program.route_latency, timeline.end
    ready, rest = 0.0, 0.0
    for entry in range(program.in_start[op], program.in_start[op + 1]):
        maker = program.source[program.in_edges[entry]]
        place = assignment[group[maker]]
        arrives = end[maker]
        if place >= 0 and place != target and not outlook.is_moved[group[maker]]:
            pair = place * devices + target
            arrives += latency[pair] + output_bytes[maker] / bandwidth[pair]
        ready = max(ready, arrives)
    for entry in range(program.out_start[op], program.out_start[op + 1]):
        reader = program.target[program.out_edges[entry]]
        place = assignment[group[reader]]
        if place < 0:
            continue
        goes_on = outlook.after[reader] + end[reader] - timeline.start[reader]
        if place != target and not outlook.is_moved[group[reader]]:
            pair = target * devices + place
            goes_on += latency[pair] + output_bytes[op] / bandwidth[pair]
        rest = max(rest, goes_on)
    return ready + program.op_time[op, target] + rest


@jit.ieee_kernel
def _see_priority(state, group, source, target, inverse, features):
    """Write what another priority of a group means."""
    outlook, assignment, groups = state.outlook, state.assignment, state.program.held_bytes.size
    most = max(state.weights[LEVELS] - 1.0, 1.0)
    sign = 1.0 if target > source else -1.0
    features[PRIORITY] = 1.0
    features[SLACK] = outlook.slack[group] * inverse
    features[START] = outlook.start[group] * inverse
    features[COMPUTES] = outlook.computes[group] * inverse
    features[READS] = outlook.reads[group] * inverse
    features[SENDS] = outlook.sends[group] * inverse
    features[WAITS] = outlook.waits[group] * inverse
    features[BLOCKS] = outlook.blocks[group] * inverse
    features[WAITS_UP] = sign * features[WAITS]
    features[BLOCKS_UP] = sign * features[BLOCKS]
    features[COMPUTES_UP] = sign * features[COMPUTES]
    features[LEVEL] = source / most
    features[STEP] = (target - source) / most
    place = assignment[group]
    if place >= 0:
        features[BUSY_HERE] = state.timeline.busy[place] * inverse
    first, last = outlook.waits_for[group], outlook.holds_up[group]
    if first != NONE:
        level = assignment[groups + first]
        features[PASSES] = source <= level < target
    if last != NONE:
        level = assignment[groups + last]
        features[LETS_PASS] = target < level <= source
