"""The compiled moves of hypergraph partitioning; each change of the cost is exact and takes a visit to a node's nets.

A net spans the parts that its placed pins lie in. It is cut if these are two or more, and it counts once for each of
them beyond the first in the connectivity objective (km1). Moves are as in ``moves``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.partition.moves import (
    CUT,
    IDEAL,
    LIMIT,
    NUM_BOUNDARY,
    NUM_UNPLACED,
    PART_CUT_SHARE,
    PART_IS_EMPTY,
    PART_LOAD,
    PART_VOLUME_SHARE,
    allowed,
    change_part,
    cost_of_excess,
    enter_boundary,
    excess,
    leave_boundary,
    movable,
)

__all__ = ["TERM_NAMES", "HypergraphState", "allowed", "apply", "delta", "movable", "observe", "propose", "undo"]

TERM_NAMES = ("cut_net", "km1", "imbalance", "balancedness")
KM1 = 3  # entry of HypergraphState.totals, after those of PartitionState
OBJECTIVE = 3  # entry of HypergraphState.bounds, after those of PartitionState: 1 for km1, 0 for the cut nets


class HypergraphState(NamedTuple):
    """A partition and everything that makes the cost of a move cheap to know.

    n = nodes, k = parts, m = nets, p = pins. Fields that ``PartitionState`` has mean the same here.
    """

    assignment: NDArray[np.int64]  # [n], part of each node or -1
    part_weights: NDArray[np.int64]  # [k]
    part_cuts: NDArray[np.int64]  # [k], weight of the cut nets that span each part
    part_volumes: NDArray[np.int64]  # [k], summed weighted degrees
    outside: NDArray[np.int64]  # [n], cut nets of a placed node
    boundary: NDArray[np.int64]  # [n], the nodes with outside > 0 come first, in no order
    boundary_rank: NDArray[np.int64]  # [n], where a node stands in boundary, or -1
    totals: NDArray[np.int64]  # [4]: weight of cut nets, number of boundary nodes, number of unplaced nodes, km1
    counts: NDArray[np.int32]  # [m, k], pins of each net in each part
    spans: NDArray[np.int64]  # [m], how many parts each net spans
    net_ptr: NDArray[np.int64]  # [m + 1]
    pins: NDArray[np.int32]  # [p]
    node_ptr: NDArray[np.int64]  # [n + 1]
    node_nets: NDArray[np.int32]  # [p]
    net_weights: NDArray[np.int64]  # [m]
    node_weights: NDArray[np.int64]  # [n]
    weighted_degrees: NDArray[np.int64]  # [n]
    bounds: NDArray[np.int64]  # [4]: as in PartitionState, and the objective


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
        for entry in range(state.node_ptr[node], state.node_ptr[node + 1]):
            net = state.node_nets[entry]
            state.spans[net] += state.counts[net, part] == 0
            state.counts[net, part] += 1
    for net in range(state.spans.size):
        if state.spans[net] < 2:
            continue
        state.totals[CUT] += state.net_weights[net]
        state.totals[KM1] += state.net_weights[net] * (state.spans[net] - 1)
        for part in range(state.part_cuts.size):
            if state.counts[net, part] > 0:
                state.part_cuts[part] += state.net_weights[net]
        for pin in range(state.net_ptr[net], state.net_ptr[net + 1]):
            node = state.pins[pin]
            if state.assignment[node] >= 0:
                state.outside[node] += 1
                if state.outside[node] == 1:
                    enter_boundary(state, node)


@jit.inlined
def _counted(state, span):
    """How often a net that spans so many parts counts."""
    if state.bounds[OBJECTIVE] == 1:
        return max(span - 1, 0)
    return 1 if span > 1 else 0


@jit.inlined
def _has_net(state, node, net):
    """Whether a net joins a node, whose nets are sorted."""
    low, high = state.node_ptr[node], state.node_ptr[node + 1]
    while low < high:
        middle = (low + high) // 2
        if state.node_nets[middle] < net:
            low = middle + 1
        else:
            high = middle
    return low < state.node_ptr[node + 1] and state.node_nets[low] == net


@jit.inlined
def _cost_change(state, node, source, target, partner):
    """What moving a node adds to the objective; nets that join its partner too stay as they are."""
    change = 0
    for entry in range(state.node_ptr[node], state.node_ptr[node + 1]):
        net = state.node_nets[entry]
        if partner >= 0 and _has_net(state, partner, net):
            continue
        span = state.spans[net]
        after = span
        if target >= 0 and state.counts[net, target] == 0:
            after += 1
        if source >= 0 and state.counts[net, source] == 1:
            after -= 1
        if after != span:
            change += state.net_weights[net] * (_counted(state, after) - _counted(state, span))
    return change


@jit.inlined
def delta(state, move):
    """Return what a move adds to the total cost, exactly, in the time of visiting the moved nodes' nets."""
    item, source, target, partner = move
    if source == target:
        return 0.0
    change = _cost_change(state, item, source, target, partner)
    weight = state.node_weights[item]
    if partner >= 0:
        change += _cost_change(state, partner, target, source, item)
        weight -= state.node_weights[partner]
    overweight = 0
    if source >= 0:
        overweight += excess(state, source, -weight) - excess(state, source, 0)
    if target >= 0:
        overweight += excess(state, target, weight) - excess(state, target, 0)
    return float(change + cost_of_excess(state, overweight))


@jit.inlined
def _change_cut(state, net, node, sign):
    """Count a net that was just cut (sign 1) or mended (-1) in the parts that it spans and for its pins but one."""
    weight = state.net_weights[net] * sign
    state.totals[CUT] += weight
    for part in range(state.part_cuts.size):
        if state.counts[net, part] > 0:
            state.part_cuts[part] += weight
    for pin in range(state.net_ptr[net], state.net_ptr[net + 1]):
        other = state.pins[pin]
        if other == node or state.assignment[other] < 0:
            continue
        state.outside[other] += sign
        if sign == 1 and state.outside[other] == 1:
            enter_boundary(state, other)
        elif sign == -1 and state.outside[other] == 0:
            leave_boundary(state, other)


@jit.inlined
def _transfer(state, node, source, target):
    """Move one node, keeping every count of the state."""
    outside_before = state.outside[node]
    outside = 0
    for entry in range(state.node_ptr[node], state.node_ptr[node + 1]):
        net = state.node_nets[entry]
        weight = state.net_weights[net]
        before = state.spans[net]
        enters = target >= 0 and state.counts[net, target] == 0
        leaves = source >= 0 and state.counts[net, source] == 1
        after = before + enters - leaves
        if before > 1 and leaves:  # the net no longer spans the part
            state.part_cuts[source] -= weight
        if before > 1 and after > 1 and enters:
            state.part_cuts[target] += weight
        if source >= 0:
            state.counts[net, source] -= 1
        if before > 1 and after < 2:  # then it enters no part, and spans one at most
            _change_cut(state, net, node, -1)
        if target >= 0:
            state.counts[net, target] += 1
        if before < 2 and after > 1:
            _change_cut(state, net, node, 1)
        state.spans[net] = after
        state.totals[KM1] += weight * (max(after - 1, 0) - max(before - 1, 0))
        if target >= 0 and after > 1:
            outside += 1
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
def propose(state: HypergraphState, rng: Generator):
    """Draw a move that does not worsen the balance: a boundary node joins the part of a node of one of its cut nets.

    Where that part has no room, the two nodes change places instead; where nothing is on the boundary, any node goes to
    any part with room. The move may be void (source = target) where the draw has no room.
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
    first, degree = state.node_ptr[item], state.node_ptr[item + 1] - state.node_ptr[item]
    offset = int(rng.random() * degree)
    net = state.node_nets[first + offset]
    for step in range(degree):
        net = state.node_nets[first + (offset + step) % degree]
        if state.spans[net] > 1:
            break
    first, size = state.net_ptr[net], state.net_ptr[net + 1] - state.net_ptr[net]
    offset = int(rng.random() * size)
    neighbour = item
    for step in range(size):
        neighbour = int(state.pins[first + (offset + step) % size])
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
def observe(state, features, values):
    """Write the parts' features [k, 4] and the values total, feasible, then the terms by TERM_NAMES."""
    k = state.part_weights.size
    limit = max(state.bounds[LIMIT], 1)
    total_volume = max(state.part_volumes.sum(), 1)
    total_cut = max(state.totals[CUT], 1)
    total_weight = state.part_weights.sum()
    overweight = 0
    spread = 0.0
    for part in range(k):
        weight = state.part_weights[part]
        features[part, PART_LOAD] = min(weight / limit, 1.0)
        features[part, PART_CUT_SHARE] = state.part_cuts[part] / total_cut
        features[part, PART_VOLUME_SHARE] = state.part_volumes[part] / total_volume
        features[part, PART_IS_EMPTY] = 1.0 if state.part_volumes[part] == 0 and weight == 0 else 0.0
        overweight += excess(state, part, 0)
        if total_weight > 0:
            spread += (k * weight / total_weight - 1.0) ** 2
    objective = state.totals[KM1] if state.bounds[OBJECTIVE] == 1 else state.totals[CUT]
    values[0] = objective + cost_of_excess(state, overweight)
    values[1] = 1.0 if overweight == 0 and state.totals[NUM_UNPLACED] == 0 else 0.0
    values[2] = state.totals[CUT]
    values[3] = state.totals[KM1]
    values[4] = state.part_weights.max() / state.bounds[IDEAL] - 1.0 if state.bounds[IDEAL] > 0 else 0.0
    values[5] = 1.0 - spread / k
