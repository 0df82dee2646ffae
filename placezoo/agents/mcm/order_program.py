"""The dynamic program over contiguous blocks, kept up to date while the order of the items changes.

A partition whose edges lead to the same or the next chiplet, a chain, is contiguous in some topological order, and
blocks of any topological order that no tensor passes over are a chain. So the best blocks over all orders are the best
chain.

Orders are compared by their excess: of the blocks of the best cut, by how much their intervals exceed a target in sum.
It is 0 if and only if the order has blocks within the target. Unlike the longest interval it says when one of several
longest blocks has become shorter. ``forward`` and ``backward`` hold the least excess of all beginnings and ends of the
order; when positions begin..end - 1 are rearranged, only blocks that touch them are looked at again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.mcm.moves import PipelineProgram
from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval

TARGET, CAP, BANDWIDTH, LATENCY, SRAM = range(5)  # of OrderState.limits
_SLACK = 1e-9  # relative: sums in another order
_REFRESH = 100  # moves after which the blocks that exceed the target are looked for again


class OrderState(NamedTuple):
    """A topological order with the least excess of its beginnings and ends. n items, C chiplets, R replicas."""

    order: NDArray[np.int64]  # [n], items
    position: NDArray[np.int64]  # [n], of each item
    last: NDArray[np.int64]  # [n], the position of each item's last reader, or its own
    seconds: NDArray[np.float64]  # [n + 1], of the items before a position, without replicas
    crossing: NDArray[np.float64]  # [n + 1], bytes from before a position to it or later
    tensors: NDArray[np.int64]  # [n + 1], and of how many tensors
    farthest: NDArray[np.int64]  # [n + 1], the last position that is read from before a position
    nearest: NDArray[np.int64]  # [n + 1], the last begin from which a block may end at a position
    fewest: NDArray[np.int64]  # [n + 1], blocks that the items before a position need at least,
    most: NDArray[np.int64]  # [n + 1], and may have so that the others have enough left
    forward: NDArray[np.float64]  # [n + 1, C + 1], least excess of the items before a position in so many blocks
    backward: NDArray[np.float64]  # [n + 1, C + 1], of the others, when so many blocks are before them
    saved: NDArray[np.float64]  # [n + 1, C + 1], what ``forward`` was where it is tried
    stamp: NDArray[np.int64]  # [R + n + 1], marks of replicas and of items; the last is the newest mark
    window: NDArray[np.int64]  # [2, n], items as they were and as they are tried
    limits: NDArray[np.float64]  # TARGET and CAP, seconds; BANDWIDTH, LATENCY and SRAM of the package
    program: PipelineProgram


def order_state(model: PipelineInterval, order: NDArray[np.int64]) -> OrderState:
    """Return the state of an order, int64 [n]; ``aim`` completes it."""
    n, count, package = model.num_items, model.package.count, model.package
    state = OrderState(
        np.array(order), np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(n + 1), np.zeros(n + 1),
        np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64),
        np.zeros(n + 1, np.int64),
        np.zeros((n + 1, count + 1)), np.zeros((n + 1, count + 1)), np.zeros((n + 1, count + 1)),
        np.zeros(model.replicas.size + n + 1, np.int64), np.zeros((2, n), np.int64),
        np.array([np.inf, np.inf, package.link_bandwidth, package.link_latency, package.sram]), model.program,
    )  # fmt: skip
    state.window[1] = order
    _rearrange(state, 0, n)
    return state


@jit.ieee_kernel
def aim(state, target, cap):
    """Set the target and the longest interval that a block may have; compute everything from the order.

    Returns:
        The excess of the order; inf if it has no blocks within the cap.
    """
    n, count = state.order.size, state.forward.shape[1] - 1
    state.limits[TARGET], state.limits[CAP] = target, cap
    _count_blocks(state, 0, n)
    state.forward[0] = np.inf
    state.forward[0, 0] = 0.0
    for end in range(1, n + 1):
        _fill_forward(state, end)
    state.backward[n] = 0.0
    for begin in range(n - 1, -1, -1):
        _fill_backward(state, begin)
    best = np.inf
    for blocks in range(count + 1):
        best = min(best, state.forward[n, blocks])
    return best


@jit.ieee_kernel
def _count_blocks(state, begin, end):
    """Write between which numbers of blocks lie before the positions begin..end."""
    count = state.forward.shape[1] - 1
    cap, total = state.limits[CAP], state.seconds[-1]
    for place in range(begin, end + 1):
        before = state.seconds[place]
        needed, left = np.ceil(before / cap * (1.0 - _SLACK)), np.ceil((total - before) / cap * (1.0 - _SLACK))
        state.fewest[place] = max(int(needed), 1 if place > 0 else 0)
        state.most[place] = min(count - max(int(left), 1 if place < state.order.size else 0), count)


@jit.ieee_kernel
def _rearrange(state, begin, end):
    """Put the items of ``window[1]`` at positions begin..end - 1, and bring up to date what depends on positions."""
    program, order, position, last = state.program, state.order, state.position, state.last
    n = order.size
    for place in range(begin, end):
        item = state.window[1, place]
        order[place] = item
        position[item] = place
    for place in range(begin, end):
        item = order[place]
        _find_last(state, item)
        for at in range(program.in_start[item], program.in_start[item + 1]):
            _find_last(state, program.source[program.in_edges[at]])
    for place in range(begin, end):
        item = order[place]
        state.seconds[place + 1] = state.seconds[place] + program.seconds[item]
        crossing, tensors = state.crossing[place], state.tensors[place]
        if last[item] > place and program.output_bytes[item] > 0.0:
            crossing += program.output_bytes[item]
            tensors += 1
        for at in range(program.in_start[item], program.in_start[item + 1]):
            source = program.source[program.in_edges[at]]
            if last[source] == place and program.output_bytes[source] > 0.0:
                crossing -= program.output_bytes[source]
                tensors -= 1
        state.crossing[place + 1], state.tensors[place + 1] = crossing if tensors > 0 else 0.0, tensors
    farthest, nearest = 0, 0
    for place in range(n):
        farthest = max(farthest, last[order[place]])
        state.farthest[place + 1] = farthest
    for place in range(1, n + 1):
        while nearest + 1 < place and state.farthest[nearest + 1] < place:
            nearest += 1
        state.nearest[place] = nearest
    if state.limits[CAP] < np.inf:
        _count_blocks(state, begin + 1, end - 1)


@jit.ieee_kernel
def _find_last(state, item):
    program, last = state.program, state.position[item]
    for at in range(program.out_start[item], program.out_start[item + 1]):
        last = max(last, state.position[program.target[program.out_edges[at]]])
    state.last[item] = last


@jit.inlined
def _link_seconds(state, place):
    if state.tensors[place] == 0:
        return 0.0
    return state.crossing[place] / state.limits[BANDWIDTH] + state.limits[LATENCY]


@jit.inlined
def _replica_seconds(state, item, mark):
    """Return the time of the replicas that an item needs and that do not have the mark yet, and mark them."""
    program, seconds = state.program, 0.0
    for at in range(program.need_start[item], program.need_start[item + 1]):
        replica = program.needs[at]
        if state.stamp[replica] != mark:
            state.stamp[replica] = mark
            seconds += program.replica_seconds[replica]
    return seconds


@jit.ieee_kernel
def _fill_forward(state, end):
    """Write ``forward`` at a position from those before it."""
    forward, program, limits = state.forward, state.program, state.limits
    forward[end] = np.inf
    if state.seconds[end] - state.seconds[state.nearest[end]] > limits[CAP]:
        return
    state.stamp[-1] += 1
    leaves = _link_seconds(state, end)
    compute = held = largest = 0.0
    begin = end
    while begin > 0:
        begin -= 1
        item = state.order[begin]
        compute += program.seconds[item] + _replica_seconds(state, item, state.stamp[-1])
        held += program.held_bytes[item]
        largest = max(largest, program.working_bytes[item])
        if compute + leaves > limits[CAP]:
            return
        if begin > state.nearest[end]:
            continue
        excess = _excess(state, begin, end, compute + leaves, held + largest)
        if excess < np.inf:
            for blocks in range(state.fewest[begin], min(state.most[begin], forward.shape[1] - 2) + 1):
                forward[end, blocks + 1] = min(forward[end, blocks + 1], forward[begin, blocks] + excess)


@jit.ieee_kernel
def _fill_backward(state, begin):
    """Write ``backward`` at a position from those after it."""
    backward, program, limits, n = state.backward, state.program, state.limits, state.order.size
    backward[begin] = np.inf
    first = state.farthest[begin] + 1 if begin > 0 else 1  # end of a block
    if state.seconds[first] - state.seconds[begin] > limits[CAP]:
        return
    state.stamp[-1] += 1
    arrives = _link_seconds(state, begin)
    compute = held = largest = 0.0
    for end in range(begin + 1, n + 1):
        item = state.order[end - 1]
        compute += program.seconds[item] + _replica_seconds(state, item, state.stamp[-1])
        held += program.held_bytes[item]
        largest = max(largest, program.working_bytes[item])
        if compute + arrives > limits[CAP]:
            return
        if begin > state.nearest[end]:
            continue
        excess = _excess(state, begin, end, compute + _link_seconds(state, end), held + largest)
        if excess < np.inf:
            for blocks in range(state.fewest[begin], min(state.most[begin], backward.shape[1] - 2) + 1):
                backward[begin, blocks] = min(backward[begin, blocks], backward[end, blocks + 1] + excess)


@jit.inlined
def _excess(state, begin, end, compute_and_leaves, memory):
    """Return by how much a block exceeds the target, inf if it exceeds the cap or the memory."""
    interval = compute_and_leaves + _link_seconds(state, begin)
    if interval > state.limits[CAP]:
        return np.inf
    if memory + 2.0 * (state.crossing[begin] + state.crossing[end]) > state.limits[SRAM]:
        return np.inf
    return max(0.0, interval - state.limits[TARGET])


@jit.ieee_kernel
def attempt(state, begin, end):
    """Rearrange positions begin..end - 1 as ``window[1]`` says; return the excess of the new order.

    Either ``accept`` or ``reject`` comes next.
    """
    forward, program, limits, n = state.forward, state.program, state.limits, state.order.size
    state.window[0, begin:end] = state.order[begin:end]
    _rearrange(state, begin, end)
    best = np.inf
    for place in range(begin + 1, end):
        state.saved[place] = forward[place]
        _fill_forward(state, place)
    if end == n:
        _fill_forward(state, n)
        return forward[n].min()
    # The block that holds the position ``end`` or ends there: only its begin, which lies before, may have changed.
    first = end - 1
    while first > 0 and state.seconds[end] - state.seconds[first] <= limits[CAP]:
        first -= 1
    for start in range(first, end):
        first_stop = max(end, state.farthest[start] + 1 if start > 0 else 1)
        if state.seconds[first_stop] - state.seconds[start] > limits[CAP]:
            continue
        state.stamp[-1] += 1
        arrives = _link_seconds(state, start)
        compute = held = largest = 0.0
        low, high = state.fewest[start], min(state.most[start], forward.shape[1] - 2)
        for stop in range(start + 1, n + 1):
            item = state.order[stop - 1]
            compute += program.seconds[item] + _replica_seconds(state, item, state.stamp[-1])
            held += program.held_bytes[item]
            largest = max(largest, program.working_bytes[item])
            if compute + arrives > limits[CAP]:
                break
            if stop < first_stop:
                continue
            excess = _excess(state, start, stop, compute + _link_seconds(state, stop), held + largest)
            if excess < best:
                for blocks in range(low, high + 1):
                    best = min(best, forward[start, blocks] + excess + state.backward[stop, blocks + 1])
    return best


@jit.ieee_kernel
def reject(state, begin, end):
    """Take an attempt back."""
    state.window[1, begin:end] = state.window[0, begin:end]
    _rearrange(state, begin, end)
    for place in range(begin + 1, end):
        state.forward[place] = state.saved[place]
    if end == state.order.size:
        _fill_forward(state, end)


@jit.ieee_kernel
def accept(state, begin, end):
    """Keep an attempt: bring up to date what it left, as far as anything changes."""
    n, count, seconds = state.order.size, state.forward.shape[1] - 1, state.seconds
    reach = state.limits[CAP] * (1.0 + _SLACK)  # no block is longer
    # The last position from which a block's interval or what comes before it has changed: as near as it is, or was.
    before = state.window[0]
    nearest = max(seconds[end - 1], seconds[end] - state.program.seconds[before[end - 1]])
    for place in range(end, n + 1):
        if seconds[place] - nearest > reach:
            break
        state.saved[place] = state.forward[place]
        _fill_forward(state, place)
        for blocks in range(count + 1):
            if state.forward[place, blocks] != state.saved[place, blocks]:
                nearest = seconds[place]
                break
    # The first position up to which, likewise.
    nearest = min(seconds[begin + 1], seconds[begin] + state.program.seconds[before[begin]])
    for place in range(end - 1, -1, -1):
        if nearest - seconds[place] > reach:
            break
        state.saved[place] = state.backward[place]
        _fill_backward(state, place)
        for blocks in range(count + 1):
            if state.backward[place, blocks] != state.saved[place, blocks]:
                nearest = min(nearest, seconds[place])
                break


@jit.ieee_kernel
def shift(state, place, distance):
    """Write into ``window[1]`` an order in which an item stands so many positions later, or earlier if negative.

    What lies between and depends on the item, or the item on it, moves along.

    Returns:
        The window's begin and end; equal if nothing would change.
    """
    order, program, n = state.order, state.program, state.order.size
    begin = max(min(place, place + distance), 0)
    end = min(max(place, place + distance) + 1, n)
    replicas = state.stamp.size - 1 - n
    state.stamp[-1] += 1
    mark = state.stamp[-1]
    state.stamp[replicas + order[place]] = mark
    others = 0
    for step in range(1, end - begin):
        at = place + step if distance > 0 else place - step
        item = order[at]
        if distance > 0:
            rows, edges, ends = program.in_start, program.in_edges, program.source
        else:
            rows, edges, ends = program.out_start, program.out_edges, program.target
        for row in range(rows[item], rows[item + 1]):
            if state.stamp[replicas + ends[edges[row]]] == mark:
                state.stamp[replicas + item] = mark
                break
        others += state.stamp[replicas + item] != mark
    if others == 0:
        return begin, begin
    moved = end - begin - others
    # Later: the others first, then what moves; earlier: what moves first.
    at_moved, at_others = (begin + others, begin) if distance > 0 else (begin, begin + moved)
    for at in range(begin, end):
        item = order[at]
        if state.stamp[replicas + item] == mark:
            state.window[1, at_moved] = item
            at_moved += 1
        else:
            state.window[1, at_others] = item
            at_others += 1
    return begin, end


@jit.ieee_kernel
def exceeding_blocks(state, found):
    """Write begins and ends of the blocks that exceed the target in a cut of least excess; return how many they are.

    Args:
        state: as ``aim`` or ``accept`` left it, with an excess that is finite.
        found: int64 [C, 2], overwritten.
    """
    forward, program = state.forward, state.program
    end, count = state.order.size, 0
    blocks = np.argmin(forward[end])
    while end > 0:
        state.stamp[-1] += 1
        leaves = _link_seconds(state, end)
        compute = held = largest = 0.0
        least, at, over = np.inf, 0, 0.0
        for begin in range(end - 1, -1, -1):
            item = state.order[begin]
            compute += program.seconds[item] + _replica_seconds(state, item, state.stamp[-1])
            held += program.held_bytes[item]
            largest = max(largest, program.working_bytes[item])
            if compute + leaves > state.limits[CAP]:
                break
            if begin > state.nearest[end]:
                continue
            excess = _excess(state, begin, end, compute + leaves, held + largest)
            if forward[begin, blocks - 1] + excess < least:
                least, at, over = forward[begin, blocks - 1] + excess, begin, excess
        if over > 0.0:
            found[count, 0], found[count, 1] = at, end
            count += 1
        end, blocks = at, blocks - 1
    return count


@jit.ieee_kernel
def anneal_orders(state, rng, excess, temperature, reach, moves):
    """Make Metropolis moves of orders until the target is met or so many were tried.

    Every other item that moves is near a block that exceeds the target.

    Args:
        state: as ``aim`` left it.
        rng: a numpy Generator.
        excess: of the order, finite.
        temperature: seconds of excess.
        reach: most positions that an item moves.
        moves: how many are tried.

    Returns:
        How many were tried, and the excess of the order that the state has now.
    """
    n = state.order.size
    found = np.zeros((state.forward.shape[1] - 1, 2), np.int64)
    count = 0
    for tried in range(moves):
        if tried % _REFRESH == 0:
            count = exceeding_blocks(state, found)
        first, final = 0, n
        if count > 0 and rng.random() < 0.5:
            block = min(int(rng.random() * count), count - 1)
            first, final = max(found[block, 0] - reach, 0), min(found[block, 1] + reach, n)
        place = first + min(int(rng.random() * (final - first)), final - first - 1)
        distance = 1 + min(int(rng.random() * reach), reach - 1)
        if rng.random() < 0.5:
            distance = -distance
        begin, end = shift(state, place, distance)
        if begin == end:
            continue
        changed = attempt(state, begin, end)
        if changed <= excess or rng.random() < np.exp((excess - changed) / temperature):
            accept(state, begin, end)
            excess = changed
            if excess <= 0.0:
                return tried + 1, excess
        else:
            reject(state, begin, end)
    return moves, excess
