"""Kernels of the pipeline interval: what a partition onto chiplets costs, which rules it breaks, and moves.

Time of a chiplet: its operators one after another, and the bytes that it receives and sends over its links. A tensor
crosses each link between its operator and its farthest reader once. Sets of chiplets are the bits of a word.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit

TERM_NAMES = ("interval", "compute", "communication", "overflow", "violations")
CHIPLET_FEATURE_NAMES = ("compute", "communication", "memory", "items", "before", "after")
(  # columns of those features
    CHIPLET_COMPUTE, CHIPLET_COMMUNICATION, CHIPLET_MEMORY, CHIPLET_ITEMS, CHIPLET_BEFORE, CHIPLET_AFTER,
) = range(6)  # fmt: skip
TOTAL, INTERVAL, COMPUTE, COMMUNICATION, OVERFLOW, VIOLATIONS, UNPLACED = range(7)  # of PipelineState.totals
BACKWARD, SKIPPED, LONGER = range(3)  # of PipelineState.broken
PENALTY, BANDWIDTH, LATENCY, SRAM = range(4)  # of PipelineState.weights
FORWARD_BLOCK, BACKWARD_BLOCK = -2, -3  # partners: the item goes with what follows it on its chiplet, or precedes it
_ONE = np.uint64(1)


class PipelineProgram(NamedTuple):
    """The instance as the kernels read it. n items, E edges between them, R replicated operators."""

    seconds: NDArray[np.float64]  # [n], of each item
    output_bytes: NDArray[np.float64]  # [n]
    held_bytes: NDArray[np.float64]  # [n], parameters
    working_bytes: NDArray[np.float64]  # [n], what an item reads and writes
    source: NDArray[np.int64]  # [E]
    target: NDArray[np.int64]  # [E]
    out_start: NDArray[np.int64]  # [n + 1]
    out_edges: NDArray[np.int64]  # [E]
    in_start: NDArray[np.int64]  # [n + 1]
    in_edges: NDArray[np.int64]  # [E]
    need_start: NDArray[np.int64]  # [n + 1]
    needs: NDArray[np.int64]  # the replicated operators behind each item
    replica_seconds: NDArray[np.float64]  # [R]


class PipelineState(NamedTuple):
    """An assignment of items with its loads. C chiplets."""

    assignment: NDArray[np.int64]  # [n], -1 = unplaced
    compute: NDArray[np.float64]  # [C], seconds
    sent: NDArray[np.float64]  # [C + 1], bytes into each chiplet, so that sent[c + 1] leaves chiplet c
    memory: NDArray[np.float64]  # [C], bytes
    working: NDArray[np.float64]  # [C], bytes of the largest item
    items: NDArray[np.int64]  # [C], how many
    replicated: NDArray[np.int64]  # [R, C], which chiplets have a replica
    direct: NDArray[np.uint64]  # [C], the chiplets that one sends to
    reach: NDArray[np.uint64]  # [C], the chiplets that its data reaches
    moved: NDArray[np.int64]  # [n], the items of the last block moved
    moved_count: NDArray[np.int64]  # [1]
    broken: NDArray[np.int64]  # BACKWARD edges, SKIPPED chiplets, pairs with a LONGER way
    totals: NDArray[np.float64]
    program: PipelineProgram
    weights: NDArray[np.float64]
    outlook: NDArray[np.float64]  # [n, 4], what is known of each item before anything is placed


@jit.kernel
def reachable(direct, reach):
    """Write which chiplets each one's data reaches, given where it is sent directly, always upwards."""
    chiplets = direct.size
    for chiplet in range(chiplets - 1, -1, -1):
        found = direct[chiplet]
        for other in range(chiplet + 1, chiplets):
            if direct[chiplet] >> np.uint64(other) & _ONE:
                found |= reach[other]
        reach[chiplet] = found


@jit.kernel
def longer_ways(direct, reach):
    """Return how many pairs of chiplets have both a direct way and a longer one: the triangle rule forbids them."""
    pairs = 0
    chiplets = direct.size
    for chiplet in range(chiplets):
        longer = np.uint64(0)
        for other in range(chiplet + 1, chiplets):
            if direct[chiplet] >> np.uint64(other) & _ONE:
                longer |= reach[other]
        both = direct[chiplet] & longer
        while both:
            both &= both - _ONE
            pairs += 1
    return pairs


@jit.kernel
def rules_broken(assignment, program, direct, reach, count, broken):
    """Write how often an assignment breaks each rule; unplaced items break none."""
    direct[:] = 0
    count[:] = 0
    backward, last = 0, -1
    for item in range(assignment.size):
        if assignment[item] >= 0:
            count[assignment[item]] += 1
            last = max(last, assignment[item])
    for edge in range(program.source.size):
        a, b = assignment[program.source[edge]], assignment[program.target[edge]]
        if a >= 0 and b >= 0:
            if a > b:
                backward += 1
            elif a < b:
                direct[a] |= _ONE << np.uint64(b)
    reachable(direct, reach)
    skipped = 0
    for chiplet in range(last):
        skipped += count[chiplet] == 0
    broken[BACKWARD], broken[SKIPPED], broken[LONGER] = backward, skipped, longer_ways(direct, reach)


@jit.ieee_kernel
def initialise(state):
    """Compute loads, broken rules and totals from the assignment."""
    assignment, program, totals = state.assignment, state.program, state.totals
    compute, sent, memory, working = state.compute, state.sent, state.memory, state.working
    chiplets = compute.size
    rules_broken(assignment, program, state.direct, state.reach, state.items, state.broken)
    compute[:] = 0.0
    sent[:] = 0.0
    memory[:] = 0.0
    working[:] = 0.0
    state.replicated[:] = 0
    unplaced = 0
    for item in range(assignment.size):
        place = assignment[item]
        if place < 0:
            unplaced += 1
            continue
        compute[place] += program.seconds[item]
        memory[place] += program.held_bytes[item]
        working[place] = max(working[place], program.working_bytes[item])
        for position in range(program.need_start[item], program.need_start[item + 1]):
            replica = program.needs[position]
            if state.replicated[replica, place] == 0:
                state.replicated[replica, place] = 1
                compute[place] += program.replica_seconds[replica]
        farthest = place
        for position in range(program.out_start[item], program.out_start[item + 1]):
            farthest = max(farthest, assignment[program.target[program.out_edges[position]]])
        for link in range(place + 1, farthest + 1):
            sent[link] += program.output_bytes[item]
    interval, most_compute, most_link, overflow = 0.0, 0.0, 0.0, 0.0
    for place in range(chiplets):
        seconds = compute[place]
        for link in (place, place + 1):
            if sent[link] > 0.0:
                seconds += sent[link] / state.weights[BANDWIDTH] + state.weights[LATENCY]
        interval = max(interval, seconds)
        most_compute = max(most_compute, compute[place])
        most_link = max(most_link, seconds - compute[place])
        # Tensors on links are buffered twice: one is computed with while the next is under way.
        memory[place] += working[place] + 2.0 * (sent[place] + sent[place + 1])
        overflow += max(0.0, memory[place] - state.weights[SRAM])
    violations = state.broken[BACKWARD] + state.broken[SKIPPED] + state.broken[LONGER]
    totals[INTERVAL], totals[COMPUTE], totals[COMMUNICATION] = interval, most_compute, most_link
    totals[OVERFLOW], totals[VIOLATIONS], totals[UNPLACED] = overflow, violations, unplaced
    penalty = 0.0
    if violations > 0 or overflow > 0.0:
        share = violations / max(program.source.size + chiplets, 1) + overflow / (chiplets * state.weights[SRAM])
        penalty = state.weights[PENALTY] * (1.0 + share)
    totals[TOTAL] = interval + penalty


@jit.kernel
def evaluate_all(state, assignments, totals):
    """Write the total cost of each assignment, [count, items]; the state is of the last one then."""
    for number in range(totals.size):
        state.assignment[:] = assignments[number]
        initialise(state)
        totals[number] = state.totals[TOTAL]


@jit.kernel
def bounds(state, item):
    """Return the lowest and the highest chiplet that the placed neighbours of an item leave for it."""
    program, assignment = state.program, state.assignment
    low, high = 0, state.compute.size - 1
    for position in range(program.in_start[item], program.in_start[item + 1]):
        low = max(low, assignment[program.source[program.in_edges[position]]])
    for position in range(program.out_start[item], program.out_start[item + 1]):
        place = assignment[program.target[program.out_edges[position]]]
        if place >= 0:
            high = min(high, place)
    return low, high


@jit.kernel
def _collect(state, move):
    """Write the items that a move takes along."""
    program, assignment, moved = state.program, state.assignment, state.moved
    item, source, partner = move[0], move[1], move[3]
    moved[0] = item
    count, done = 1, 0
    if partner < -1:
        while done < count:
            one = moved[done]
            done += 1
            if partner == FORWARD_BLOCK:
                first, last, edges = program.out_start[one], program.out_start[one + 1], program.out_edges
            else:
                first, last, edges = program.in_start[one], program.in_start[one + 1], program.in_edges
            for position in range(first, last):
                edge = edges[position]
                other = program.target[edge] if partner == FORWARD_BLOCK else program.source[edge]
                if assignment[other] == source:
                    assignment[other] = -1  # so that it is taken once
                    moved[count] = other
                    count += 1
            assignment[one] = -1
    state.moved_count[0] = count


@jit.kernel
def _place(state, place):
    for position in range(state.moved_count[0]):
        state.assignment[state.moved[position]] = place


@jit.kernel
def apply(state, move):
    """Make a move."""
    _collect(state, move)
    _place(state, move[2])
    if move[3] >= 0:
        state.assignment[move[3]] = move[1]
    initialise(state)


@jit.kernel
def undo(state, move):
    """Take back the move that was just made."""
    _place(state, move[1])
    if move[3] >= 0:
        state.assignment[move[3]] = move[2]
    initialise(state)


@jit.kernel
def delta(state, move):
    """Return what a move adds to the total."""
    if move[1] == move[2]:
        return 0.0
    before = state.totals[TOTAL]
    apply(state, move)
    after = state.totals[TOTAL]
    undo(state, move)
    return after - before


@jit.kernel
def propose(state, rng):
    """Draw an item and another chiplet, the item alone or with all that follows or precedes it on its chiplet.

    From an assignment without violations it never leads to one with some: such moves stay where they are.
    """
    assignment = state.assignment
    item = min(int(rng.random() * assignment.size), assignment.size - 1)
    source = assignment[item]
    stay = (item, source, source, -1)
    chiplets = state.compute.size
    if chiplets == 1:
        return stay
    if source < 0:
        return item, source, min(int(rng.random() * chiplets), chiplets - 1), -1
    kind = rng.random()
    if kind < 0.5:
        low, high = bounds(state, item)
        if high - low < 1 or source < low or source > high:
            return stay
        target = low + min(int(rng.random() * (high - low)), high - low - 1)
        move = (item, source, target + (target >= source), -1)
    elif kind < 0.75:
        move = (item, source, source + 1, FORWARD_BLOCK)
    else:
        move = (item, source, source - 1, BACKWARD_BLOCK)
    if move[2] < 0 or move[2] >= chiplets:
        return stay
    if state.totals[VIOLATIONS] > 0:
        return move
    _collect(state, move)
    _place(state, move[2])
    rules_broken(assignment, state.program, state.direct, state.reach, state.items, state.broken)
    valid = state.broken[BACKWARD] + state.broken[SKIPPED] + state.broken[LONGER] == 0
    _place(state, source)
    rules_broken(assignment, state.program, state.direct, state.reach, state.items, state.broken)
    return move if valid else stay


@jit.kernel
def chain_intervals(graph, low, high, changed):
    """Reduce the intervals of chains, in which edges lead to the same or the next chiplet, after some have been.

    Args:
        graph: a program, or what else has its rows of edges.
        low: int64 [n], changed in place.
        high: int64 [n], changed in place.
        changed: int64, the items whose intervals were reduced.
    """
    queue, queued, count = np.empty(low.size, np.int64), np.zeros(low.size, np.int8), changed.size
    queue[:count] = changed
    for item in changed:
        queued[item] = 1
    while count > 0:
        count -= 1
        one = queue[count]
        queued[one] = 0
        for position in range(graph.out_start[one], graph.out_start[one + 1]):
            other = graph.target[graph.out_edges[position]]
            if low[other] < low[one] or high[other] > high[one] + 1:
                low[other], high[other] = max(low[other], low[one]), min(high[other], high[one] + 1)
                if not queued[other]:
                    queued[other] = 1
                    queue[count] = other
                    count += 1
        for position in range(graph.in_start[one], graph.in_start[one + 1]):
            other = graph.source[graph.in_edges[position]]
            if low[other] < low[one] - 1 or high[other] > high[one]:
                low[other], high[other] = max(low[other], low[one] - 1), min(high[other], high[one])
                if not queued[other]:
                    queued[other] = 1
                    queue[count] = other
                    count += 1


@jit.kernel
def allowed(state, item, mask):
    """Write 1 for the chiplets that leave every other item a place in a chain, none of them skipped so far.

    A construction in topological order never gets stuck and breaks no rule. Where the placed items are no chain, all
    that the neighbours allow.
    """
    assignment, chiplets = state.assignment, state.compute.size
    low, high = np.zeros(assignment.size, np.int64), np.full(assignment.size, chiplets - 1)
    last, placed = -1, np.empty(assignment.size, np.int64)
    count = 0
    for other in range(assignment.size):
        if assignment[other] >= 0 and other != item:
            low[other] = high[other] = assignment[other]
            last = max(last, assignment[other])
            placed[count] = other
            count += 1
    chain_intervals(state.program, low, high, placed[:count])
    first, end = low[item], min(high[item], last + 1)
    if first > end:
        first, end = bounds(state, item)
    if first > end:
        first, end = 0, chiplets - 1
    for place in range(mask.size):
        mask[place] = first <= place <= end


@jit.kernel
def movable(state, mask):
    """Write 1 for the single moves that break no rule; for all that neighbours allow while some are broken."""
    assignment = state.assignment
    for item in range(assignment.size):
        source = assignment[item]
        low, high = bounds(state, item)
        for place in range(mask.shape[1]):
            if place == source:
                mask[item, place] = 0
            elif state.totals[VIOLATIONS] > 0:
                mask[item, place] = 1
            elif place < low or place > high:
                mask[item, place] = 0
            else:
                assignment[item] = place
                rules_broken(assignment, state.program, state.direct, state.reach, state.items, state.broken)
                mask[item, place] = state.broken[BACKWARD] + state.broken[SKIPPED] + state.broken[LONGER] == 0
        assignment[item] = source
    rules_broken(assignment, state.program, state.direct, state.reach, state.items, state.broken)


@jit.ieee_kernel
def observe(state, features, values):
    """Write the chiplets' features, each in [0, 1], and total, feasibility and terms.

    Features: time to compute and to send over the interval; memory over the SRAM; its share of the items; where it is
    in the row, from the front and from the back.
    """
    totals = state.totals
    scale = 1.0 / totals[INTERVAL] if totals[INTERVAL] > 0.0 else 0.0
    chiplets = features.shape[0]
    for place in range(chiplets):
        seconds = 0.0
        for link in (place, place + 1):
            if state.sent[link] > 0.0:
                seconds += state.sent[link] / state.weights[BANDWIDTH] + state.weights[LATENCY]
        features[place, CHIPLET_COMPUTE] = min(state.compute[place] * scale, 1.0)
        features[place, CHIPLET_COMMUNICATION] = min(seconds * scale, 1.0)
        features[place, CHIPLET_MEMORY] = min(state.memory[place] / state.weights[SRAM], 1.0)
        features[place, CHIPLET_ITEMS] = state.items[place] / state.assignment.size
        features[place, CHIPLET_BEFORE] = (place + 1) / chiplets
        features[place, CHIPLET_AFTER] = (chiplets - place) / chiplets
    values[0] = totals[TOTAL]
    values[1] = totals[VIOLATIONS] == 0 and totals[OVERFLOW] == 0.0 and totals[UNPLACED] == 0
    for term in range(5):
        values[2 + term] = totals[1 + term]
