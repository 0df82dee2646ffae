"""The compiled moves of graph partitioning; each change of the cost is exact and takes a visit to a node's neighbours.

A move is four integers ``(item, source, target, partner)``: the node goes from part ``source`` to part ``target``,
either of which may be -1 (unplaced); ``partner``, if not -1, is a node of ``target`` that goes to ``source`` at the
same time, both then being parts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from placezoo import jit

TERM_NAMES = ("cut", "imbalance", "normalized_cut", "balancedness")
PART_FEATURE_NAMES = ("load", "cut_share", "volume_share", "is_empty")
PART_LOAD, PART_CUT_SHARE, PART_VOLUME_SHARE, PART_IS_EMPTY = range(4)  # columns of those features

CUT, NUM_BOUNDARY, NUM_UNPLACED = range(3)  # entries of PartitionState.totals
LIMIT, PENALTY, IDEAL = range(3)  # entries of PartitionState.bounds


class PartitionState(NamedTuple):
    """A partition and everything that makes the cost of a move cheap to know.

    n = nodes, k = parts, m = edges.
    """

    assignment: NDArray[np.int64]  # [n], part of each node or -1
    part_weights: NDArray[np.int64]  # [k]
    part_cuts: NDArray[np.int64]  # [k], weight of the edges that leave each part
    part_volumes: NDArray[np.int64]  # [k], summed weighted degrees
    outside: NDArray[np.int64]  # [n], neighbours that lie in another part
    boundary: NDArray[np.int64]  # [n], the nodes with outside > 0 come first, in no order
    boundary_rank: NDArray[np.int64]  # [n], where a node stands in boundary, or -1
    totals: NDArray[np.int64]  # [3]: cut, number of boundary nodes, number of unplaced nodes
    indptr: NDArray[np.int64]  # [n + 1]
    indices: NDArray[np.int32]  # [2m]
    edge_weights: NDArray[np.int64]  # [2m]
    node_weights: NDArray[np.int64]  # [n]
    weighted_degrees: NDArray[np.int64]  # [n]
    bounds: NDArray[
        np.int64
    ]  # [3]: heaviest allowed part, penalty per unit beyond, weight of a perfectly balanced part


@jit.inlined
def initialise(state):
    """Fill in every count of a state whose assignment and constants are set and whose counts are zero."""
    for node in range(state.assignment.size):
        part = state.assignment[node]
        if part < 0:
            state.totals[NUM_UNPLACED] += 1
            continue
        state.part_weights[part] += state.node_weights[node]
        state.part_volumes[part] += state.weighted_degrees[node]
        for entry in range(state.indptr[node], state.indptr[node + 1]):
            other = state.assignment[state.indices[entry]]
            if other >= 0 and other != part:
                state.outside[node] += 1
                state.part_cuts[part] += state.edge_weights[entry]
        if state.outside[node] > 0:
            enter_boundary(state, node)
    state.totals[CUT] = state.part_cuts.sum() // 2


@jit.inlined
def enter_boundary(state, node):
    """Add a node to the boundary."""
    rank = state.totals[NUM_BOUNDARY]
    state.boundary[rank] = node
    state.boundary_rank[node] = rank
    state.totals[NUM_BOUNDARY] = rank + 1


@jit.inlined
def leave_boundary(state, node):
    """Take a node off the boundary."""
    last = state.boundary[state.totals[NUM_BOUNDARY] - 1]
    rank = state.boundary_rank[node]
    state.boundary[rank] = last
    state.boundary_rank[last] = rank
    state.boundary_rank[node] = -1
    state.totals[NUM_BOUNDARY] -= 1


@jit.inlined
def excess(state, part, change):
    """What a part weighs beyond the limit after its weight changes."""
    return max(0, state.part_weights[part] + change - state.bounds[LIMIT])


@jit.inlined
def cost_of_excess(state, overweight):
    """What weight beyond the limit costs; a float64, since heavy edges of light nodes make products beyond int64."""
    return float(state.bounds[PENALTY]) * overweight


@jit.inlined
def _cut_change(state, node, source, target):
    change = 0
    for entry in range(state.indptr[node], state.indptr[node + 1]):
        other = state.assignment[state.indices[entry]]
        if other >= 0:
            if target >= 0 and other != target:
                change += state.edge_weights[entry]
            if source >= 0 and other != source:
                change -= state.edge_weights[entry]
    return change


@jit.inlined
def delta(state, move):
    """Return what a move adds to the total cost, exactly, in the time of visiting the moved nodes' neighbours."""
    item, source, target, partner = move
    if source == target:
        return 0.0
    change = _cut_change(state, item, source, target)
    weight = state.node_weights[item]
    if partner >= 0:
        change += _cut_change(state, partner, target, source)
        for entry in range(state.indptr[item], state.indptr[item + 1]):
            if state.indices[entry] == partner:  # counted as mended twice, but it stays as it was
                change += 2 * state.edge_weights[entry]
        weight -= state.node_weights[partner]
    overweight = 0
    if source >= 0:
        overweight += excess(state, source, -weight) - excess(state, source, 0)
    if target >= 0:
        overweight += excess(state, target, weight) - excess(state, target, 0)
    return float(change + cost_of_excess(state, overweight))


@jit.inlined
def change_part(state, node, source, target, before, outside):
    """Count a node in another part, and on the boundary where ``outside`` is above 0; ``before`` is what that was."""
    state.outside[node] = outside
    if outside > 0 and before == 0:
        enter_boundary(state, node)
    elif outside == 0 and before > 0:
        leave_boundary(state, node)
    state.assignment[node] = target
    for part, sign in ((source, -1), (target, 1)):
        if part >= 0:
            state.part_weights[part] += sign * state.node_weights[node]
            state.part_volumes[part] += sign * state.weighted_degrees[node]
        else:
            state.totals[NUM_UNPLACED] += sign


@jit.inlined
def _transfer(state, node, source, target):
    """Move one node, keeping every count of the state."""
    outside_before = state.outside[node]
    outside = 0
    for entry in range(state.indptr[node], state.indptr[node + 1]):
        neighbour = state.indices[entry]
        other = state.assignment[neighbour]
        if other < 0:
            continue
        weight = state.edge_weights[entry]
        was_outside = source >= 0 and other != source
        is_outside = target >= 0 and other != target
        if was_outside:
            state.part_cuts[source] -= weight
        if is_outside:
            state.part_cuts[target] += weight
            outside += 1
        if is_outside and not was_outside:
            state.part_cuts[other] += weight
            state.totals[CUT] += weight
            state.outside[neighbour] += 1
            if state.outside[neighbour] == 1:
                enter_boundary(state, neighbour)
        elif was_outside and not is_outside:
            state.part_cuts[other] -= weight
            state.totals[CUT] -= weight
            state.outside[neighbour] -= 1
            if state.outside[neighbour] == 0:
                leave_boundary(state, neighbour)
    change_part(state, node, source, target, outside_before, outside)


@jit.inlined
def apply(state, move):
    """Make a move."""
    item, source, target, partner = move
    if source != target:
        _transfer(state, item, source, target)
        if partner >= 0:
            _transfer(state, partner, target, source)


@jit.inlined
def undo(state, move):
    """Take a move back that was just made."""
    item, source, target, partner = move
    if source != target:
        if partner >= 0:
            _transfer(state, partner, source, target)
        _transfer(state, item, target, source)


@jit.inlined
def propose(state: PartitionState, rng: Generator):
    """Draw a move that does not worsen the balance: a boundary node joins a neighbour's part.

    Where that part has no room, the two neighbours change places instead; where nothing is on the boundary, any node
    goes to any part with room. The move may be void (source = target) where the draw has no room.
    """
    num_boundary = state.totals[NUM_BOUNDARY]
    n, k = state.assignment.size, state.part_weights.size
    limit = state.bounds[LIMIT]
    # One draw in 64 goes to any part: it lets parts move to where no neighbour is, and empties overweight parts.
    if num_boundary == 0 or rng.random() < 0.015625:
        item = int(rng.random() * n)
        source, target = state.assignment[item], int(rng.random() * k)
        weight = state.part_weights[target] + state.node_weights[item]
        if target != source and weight > limit and (source < 0 or weight >= state.part_weights[source]):
            target = source
        return item, source, target, -1
    item = state.boundary[int(rng.random() * num_boundary)]
    source = state.assignment[item]
    first, degree = state.indptr[item], state.indptr[item + 1] - state.indptr[item]
    offset = int(rng.random() * degree)
    neighbour = item
    for step in range(degree):
        neighbour = state.indices[first + (offset + step) % degree]
        other = state.assignment[neighbour]
        if other >= 0 and other != source:
            break
    target = state.assignment[neighbour]
    weight = state.part_weights[target] + state.node_weights[item]
    if weight <= limit or weight < state.part_weights[source]:
        return item, source, target, -1
    shift = state.node_weights[item] - state.node_weights[neighbour]
    if excess(state, target, shift) + excess(state, source, -shift) <= excess(state, target, 0) + excess(
        state, source, 0
    ):
        return item, source, target, neighbour
    return item, source, source, -1


@jit.inlined
def allowed(state, item, mask):
    """Mark the parts with room for a node; if none has room, the lightest parts."""
    own = state.assignment[item]
    lightest = np.int64(2**62)
    any_room = False
    for part in range(state.part_weights.size):
        weight = state.part_weights[part] - (state.node_weights[item] if part == own else 0)
        lightest = min(lightest, weight)
        mask[part] = weight + state.node_weights[item] <= state.bounds[LIMIT]
        any_room |= mask[part] != 0
    if not any_room:
        for part in range(state.part_weights.size):
            weight = state.part_weights[part] - (state.node_weights[item] if part == own else 0)
            mask[part] = weight == lightest


@jit.inlined
def movable(state, mask):
    """Mark the moves of an improving step: mask [n, k].

    Boundary nodes, and nodes of overweight parts, may go to any other part with room; an unplaced node may go to any
    part with room. If that leaves nothing, balance is lifted for boundary nodes, so that a perfectly full partition
    can still change. If there is no boundary either, staying is the only move.
    """
    n, k = mask.shape
    limit = state.bounds[LIMIT]
    found = False
    for node in range(n):
        own = state.assignment[node]
        is_candidate = own < 0 or state.outside[node] > 0 or state.part_weights[own] > limit
        for part in range(k):
            weight = state.part_weights[part] + state.node_weights[node]
            has_room = weight <= limit or (own >= 0 and weight < state.part_weights[own])
            mask[node, part] = is_candidate and part != own and has_room
            found |= mask[node, part] != 0
    if found:
        return
    for node in range(n):
        own = state.assignment[node]
        for part in range(k):
            mask[node, part] = part != own and (own < 0 or state.outside[node] > 0)
            found |= mask[node, part] != 0
    if not found:
        for node in range(n):
            mask[node, state.assignment[node]] = 1


@jit.inlined
def observe(state, features, values):
    """Write the parts' features [k, 4] and the values total, feasible, then the terms by TERM_NAMES."""
    k = state.part_weights.size
    limit = max(state.bounds[LIMIT], 1)
    total_volume = max(state.part_volumes.sum(), 1)
    total_cut = max(state.totals[CUT], 1)
    total_weight = state.part_weights.sum()
    normalized_cut = 0.0
    overweight = 0
    spread = 0.0
    for part in range(k):
        weight = state.part_weights[part]
        features[part, PART_LOAD] = min(weight / limit, 1.0)
        features[part, PART_CUT_SHARE] = state.part_cuts[part] / total_cut
        features[part, PART_VOLUME_SHARE] = state.part_volumes[part] / total_volume
        features[part, PART_IS_EMPTY] = 1.0 if state.part_volumes[part] == 0 and weight == 0 else 0.0
        if state.part_volumes[part] > 0:
            normalized_cut += state.part_cuts[part] / state.part_volumes[part]
        overweight += excess(state, part, 0)
        if total_weight > 0:
            spread += (k * weight / total_weight - 1.0) ** 2
    values[0] = state.totals[CUT] + cost_of_excess(state, overweight)
    values[1] = 1.0 if overweight == 0 and state.totals[NUM_UNPLACED] == 0 else 0.0
    values[2] = state.totals[CUT]
    values[3] = state.part_weights.max() / state.bounds[IDEAL] - 1.0 if state.bounds[IDEAL] > 0 else 0.0
    values[4] = normalized_cut
    values[5] = 1.0 - spread / k
