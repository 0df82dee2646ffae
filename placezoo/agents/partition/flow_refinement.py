"""Refinement by minimum cuts between pairs of parts: what single moves cannot reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.partition.cost import Balance
from placezoo.datasets.partition.graph import Graph

_SLACK = 16.0  # a region may weigh what its part could lose if the imbalance were so many times as large
_PIERCINGS = 30  # at most, of one pair
_LAYERS = 8  # of a region on each side of the cut, at most


def refine_by_flow(
    graph: Graph, balance: Balance, assignment: NDArray[np.int64], rng: np.random.Generator, max_rounds: int = 4
) -> int:
    """Replace the cuts between pairs of parts by smaller ones, in place; return by how much the cut fell.

    Around the cut between two parts a region is grown. Everything outside it stays: one part's rest is the source, the
    other's the sink of a flow network. Its minimum cuts are balanced by turning nodes beside the smaller side into
    terminals, first those that do not raise the flow, until the cut is balanced or no better than the present one.
    Pairs of which a part has changed are tried again, for some rounds. A partition within balance stays so.

    Args:
        graph: what is partitioned.
        balance: how heavy parts may be.
        assignment: int64 [num_nodes], whole; changed.
        rng: orders the pairs.
        max_rounds: over all pairs.

    Source: Sanders & Schulz 2011 (KaFFPa), section 4.1, for the regions and pairs; Hamann & Strasser 2018 (FlowCutter)
    for the balancing; Dinic 1970 for the flow.
    """
    if balance.num_parts == 1:
        return 0
    pairs = balance.num_parts * (balance.num_parts - 1) // 2
    orders = np.stack([rng.permutation(pairs) for _ in range(max_rounds)])
    return int(
        cut_pairs_of_parts(
            graph.indptr, graph.indices, graph.edge_weights, graph.node_weights, assignment,
            np.full(balance.num_parts, balance.max_part_weight), np.full(balance.num_parts, balance.ideal_part_weight),
            balance.epsilon, orders,
        )
    )  # fmt: skip


@jit.kernel
def cut_pairs_of_parts(indptr, indices, edge_weights, node_weights, assignment, limits, ideals, epsilon, orders):
    """Do what ``refine_by_flow`` does where each part has a limit and an ideal weight of its own, int64 [num_parts].

    ``orders``, int64 [rounds, pairs], numbers the pairs in the order in which each round tries them.
    """
    n, k = assignment.size, limits.size
    reaches = ((1.0 + _SLACK * epsilon) * ideals).astype(np.int64)
    part_weights = np.zeros(k, np.int64)
    on_boundary = np.zeros(n, np.bool_)
    boundary = np.empty(n, np.int64)
    size = 0
    cuts = np.zeros((k, k), np.int64)
    for node in range(n):
        own = assignment[node]
        part_weights[own] += node_weights[node]
        for entry in range(indptr[node], indptr[node + 1]):
            other = assignment[indices[entry]]
            if other != own:
                cuts[own, other] += edge_weights[entry]
                on_boundary[node] = True
        if on_boundary[node]:
            boundary[size] = node
            size += 1
    local = np.full(n, -1, np.int64)  # the number of a node in the network, all -1 between calls
    nodes = np.empty(n + 2, np.int64)
    depth = np.zeros(n + 2, np.int64)
    active = np.ones(k, np.bool_)
    gained = 0
    for turn in range(orders.shape[0]):
        following = np.zeros(k, np.bool_)
        for number in orders[turn]:
            first, rest = 0, number
            while rest >= k - 1 - first:
                rest -= k - 1 - first
                first += 1
            second = first + 1 + rest
            if cuts[first, second] == 0 or not (active[first] or active[second]):
                continue
            changed, gain = _cut_between(
                first, second, indptr, indices, edge_weights, node_weights, assignment, part_weights, limits,
                reaches, boundary[:size], local, nodes, depth,
            )  # fmt: skip
            if changed == 0:
                continue
            gained += gain
            following[first] |= gain > 0
            following[second] |= gain > 0
            for node in nodes[:changed]:
                own = first + second - assignment[node]  # where it goes
                for entry in range(indptr[node], indptr[node + 1]):
                    neighbour = np.int64(indices[entry])
                    other, weight = assignment[neighbour], edge_weights[entry]
                    before = assignment[node]
                    if other != before:
                        cuts[before, other] -= weight
                        cuts[other, before] -= weight
                    if other != own:
                        cuts[own, other] += weight
                        cuts[other, own] += weight
                        for end in (node, neighbour):
                            if not on_boundary[end]:
                                on_boundary[end] = True
                                boundary[size] = end
                                size += 1
                part_weights[assignment[node]] -= node_weights[node]
                part_weights[own] += node_weights[node]
                assignment[node] = own
        active = following
        if not active.any():
            break
    return gained


@jit.kernel
def _grow(part, other, room, indptr, indices, node_weights, assignment, boundary, local, nodes, depth, count):
    """Number the nodes of a part around its cut with another, layer by layer; return how many there are and weight."""
    weight = 0
    begin = count
    for node in boundary:
        if assignment[node] != part or weight + node_weights[node] > room:
            continue
        for entry in range(indptr[node], indptr[node + 1]):
            if assignment[indices[entry]] == other:
                local[node] = count
                nodes[count] = node
                depth[count] = 1
                weight += node_weights[node]
                count += 1
                break
    at = begin
    while at < count and depth[at] < _LAYERS:
        node = nodes[at]
        for entry in range(indptr[node], indptr[node + 1]):
            neighbour = indices[entry]
            if assignment[neighbour] == part and local[neighbour] < 0 and weight + node_weights[neighbour] <= room:
                local[neighbour] = count
                nodes[count] = neighbour
                depth[count] = depth[at] + 1
                weight += node_weights[neighbour]
                count += 1
        at += 1
    return count, weight


@jit.kernel
def _network(first, second, indptr, indices, edge_weights, assignment, nodes, count, local):
    """Return the network of the region, node 0 the source and node 1 the sink: arcs in rows, and each one's reverse."""
    degrees = np.zeros(count + 1, np.int64)
    to_ends = np.zeros((count, 2), np.int64)
    for u in range(2, count):
        for entry in range(indptr[nodes[u]], indptr[nodes[u] + 1]):
            v = local[indices[entry]]
            if v >= 0:
                degrees[u + 1] += 1
            elif assignment[indices[entry]] == first:
                to_ends[u, 0] += edge_weights[entry]
            elif assignment[indices[entry]] == second:
                to_ends[u, 1] += edge_weights[entry]
        for end in range(2):
            if to_ends[u, end] > 0:
                degrees[u + 1] += 1
                degrees[end + 1] += 1
    rows = np.cumsum(degrees)
    place = rows.copy()
    heads = np.empty(rows[count], np.int64)
    reverse = np.empty(rows[count], np.int64)
    residual = np.empty(rows[count], np.int64)
    for u in range(2, count):
        for entry in range(indptr[nodes[u]], indptr[nodes[u] + 1]):
            v = local[indices[entry]]
            if v > u:
                _join(u, v, edge_weights[entry], place, heads, reverse, residual)
        for end in range(2):
            if to_ends[u, end] > 0:
                _join(u, end, to_ends[u, end], place, heads, reverse, residual)
    return rows, heads, reverse, residual


@jit.kernel
def _join(u, v, weight, place, heads, reverse, residual):
    there, back = place[u], place[v]
    heads[there], heads[back] = v, u
    reverse[there], reverse[back] = back, there
    residual[there] = residual[back] = weight
    place[u] += 1
    place[v] += 1


@jit.kernel
def _search(side, start, rows, heads, reverse, residual, terminal, reached, level, queue):
    """Go from a terminal of a side along arcs with room; return whether the other side is met.

    ``reached`` becomes what the side's terminals and this search meet; ``level`` holds the distances from the start.
    """
    found = False
    for node in range(level.size):
        level[node] = -1
        reached[side, node] = terminal[node] == side
    level[start] = 0
    queue[0] = start
    at, size = 0, 1
    while at < size:
        node = queue[at]
        at += 1
        for arc in range(rows[node], rows[node + 1]):
            other = heads[arc]
            if level[other] >= 0 or terminal[other] == side:
                continue
            if (residual[arc] if side == 0 else residual[reverse[arc]]) > 0:
                level[other] = level[node] + 1
                if terminal[other] == 1 - side:
                    found = True
                else:
                    reached[side, other] = True
                    queue[size] = other
                    size += 1
    return found


@jit.kernel
def _augment(side, start, rows, heads, reverse, residual, terminal, reached, level, queue, bound):
    """Push what can flow between a terminal of a side and the other side, or until it exceeds a bound (Dinic 1970)."""
    pushed = np.int64(0)
    current = np.empty(level.size, np.int64)
    path = np.empty(level.size + 1, np.int64)
    while pushed <= bound and _search(side, start, rows, heads, reverse, residual, terminal, reached, level, queue):
        current[:] = rows[:-1]
        node, length = start, 0
        while pushed <= bound:
            if terminal[node] == 1 - side:
                least = np.int64(1) << 62
                for arc in path[:length]:
                    least = min(least, residual[arc] if side == 0 else residual[reverse[arc]])
                kept = length
                for step in range(length - 1, -1, -1):
                    arc = path[step]
                    ahead, back = (arc, reverse[arc]) if side == 0 else (reverse[arc], arc)
                    residual[ahead] -= least
                    residual[back] += least
                    if residual[ahead] == 0:
                        kept = step
                pushed += least
                length = kept  # go on from where the path is full
                node = heads[reverse[path[length]]]
                continue
            advanced = False
            while current[node] < rows[node + 1]:
                arc = current[node]
                room = residual[arc] if side == 0 else residual[reverse[arc]]
                if room > 0 and level[heads[arc]] == level[node] + 1:
                    path[length] = arc
                    length += 1
                    node = heads[arc]
                    advanced = True
                    break
                current[node] += 1
            if not advanced:
                if length == 0:
                    break
                length -= 1
                node = heads[reverse[path[length]]]
                current[node] += 1
    return pushed


@jit.kernel
def _balanced_cut(rows, heads, reverse, residual, weights, rank, old, total, limits, present):
    """Return which nodes are on the source's side of a better cut within balance (of none, no nodes), and its weight.

    ``rank`` is how deep a node lies on the source's side of the present cut, negative on the sink's; ``limits`` are
    those of the two sides, and ``present`` is by how much the worse of them exceeds its own now.
    """
    n = weights.size
    nothing = np.empty(0, np.bool_)
    terminal = np.full(n, -1, np.int64)
    terminal[0], terminal[1] = 0, 1
    pierced = np.array([0, 1])
    reached = np.zeros((2, n), np.bool_)
    level = np.empty(n, np.int64)
    queue = np.empty(n, np.int64)
    candidates = np.empty(n, np.int64)
    flow = _augment(0, 0, rows, heads, reverse, residual, terminal, reached, level, queue, old)
    for side in range(2):
        _search(side, pierced[side], rows, heads, reverse, residual, terminal, reached, level, queue)
    for _ in range(_PIERCINGS):
        if flow > old:
            break
        inside = np.zeros(2, np.int64)
        for node in range(n):
            inside[0] += reached[0, node] * weights[node]
            inside[1] += reached[1, node] * weights[node]
        best, least = -1, 1
        for side in range(2):
            excess = max(inside[side] - limits[side], total - inside[side] - limits[1 - side])
            if excess < least:
                best, least = side, excess
        if best >= 0:
            if flow == old and least >= present:
                break
            return reached[0].copy() if best == 0 else ~reached[1], flow
        side = 0 if inside[0] / limits[0] <= inside[1] / limits[1] else 1
        size, free, free_weight = 0, 0, 0
        for node in range(n):
            if reached[side, node]:
                terminal[node] = side
            elif terminal[node] < 0:
                for arc in range(rows[node], rows[node + 1]):
                    if reached[side, heads[arc]]:
                        candidates[size] = node
                        size += 1
                        if not reached[1 - side, node]:
                            free += 1
                            free_weight += weights[node]
                        break
        if size == 0:
            break
        chosen, chosen_rank = -1, 0
        for node in candidates[:size]:
            if free and reached[1 - side, node]:
                continue
            value = rank[node] if side == 0 else -rank[node]
            if chosen < 0 or value > chosen_rank:
                chosen, chosen_rank = node, value
        terminal[chosen] = side
        pierced[side] = chosen
        if free:
            _search(side, chosen, rows, heads, reverse, residual, terminal, reached, level, queue)
        else:
            flow += _augment(side, chosen, rows, heads, reverse, residual, terminal, reached, level, queue, old - flow)
            for each in range(2):
                _search(each, pierced[each], rows, heads, reverse, residual, terminal, reached, level, queue)
    return nothing, flow


@jit.kernel
def _cut_between(
    first, second, indptr, indices, edge_weights, node_weights, assignment, part_weights, limits, reaches, boundary,
    local, nodes, depth,
):  # fmt: skip
    """Find a better cut between two parts; put the nodes that change sides first, return how many and the gain."""
    total = part_weights[first] + part_weights[second]
    both = np.array([limits[first], limits[second]])
    if total > both.sum():
        return 0, np.int64(0)
    middle, weight_first = _grow(
        first, second, min(reaches[second] - part_weights[second], part_weights[first] - 1), indptr, indices,
        node_weights, assignment, boundary, local, nodes, depth, 2,
    )  # fmt: skip
    count, weight_second = _grow(
        second, first, min(reaches[first] - part_weights[first], part_weights[second] - 1), indptr, indices,
        node_weights, assignment, boundary, local, nodes, depth, middle,
    )  # fmt: skip
    rows, heads, reverse, residual = _network(
        first, second, indptr, indices, edge_weights, assignment, nodes, count, local
    )
    weights = np.empty(count, np.int64)
    weights[0], weights[1] = part_weights[first] - weight_first, part_weights[second] - weight_second
    rank = depth[:count].copy()
    for u in range(2, count):
        weights[u] = node_weights[nodes[u]]
        local[nodes[u]] = -1
        if u >= middle:
            rank[u] = -rank[u]
    old = np.int64(0)  # what the network's nodes cut now; nodes out of reach may cut more
    for u in range(2, middle):
        for arc in range(rows[u], rows[u + 1]):
            old += residual[arc] * (heads[arc] >= middle or heads[arc] == 1)
    for arc in range(rows[0], rows[1]):
        old += residual[arc] * (heads[arc] >= middle)
    present = max(part_weights[first] - both[0], part_weights[second] - both[1])
    inside, flow = _balanced_cut(rows, heads, reverse, residual, weights, rank, old, total, both, present)
    changed = 0
    for u in range(2, inside.size):
        if inside[u] != (u < middle):
            nodes[changed] = nodes[u]
            changed += 1
    return changed, old - flow
