"""A k-way Fiduccia-Mattheyses pass over a hypergraph, for the cut nets or the connectivity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.partition.gain_buckets import insert, remove
from placezoo.cost_models.partition.cost import Balance
from placezoo.datasets.partition.hypergraph import Hypergraph


def pass_over(
    hypergraph: Hypergraph,
    balance: Balance,
    objective: str,
    assignment: NDArray[np.int64],
    order: NDArray[np.int64],
    scale: int,
    largest: int,
) -> int:
    """Make one pass in place; return by how much it lowered the objective, or 1 if it mended the balance.

    Args:
        hypergraph: what is partitioned.
        balance: how heavy parts may be.
        objective: ``km1`` or ``cut-net``.
        assignment: int64 [num_nodes], whole; changed.
        order: int64 [num_nodes], in which nodes of equal gain are met.
        scale: gains that share a bucket.
        largest: gain that a move may have.
    """
    gained = _pass(
        hypergraph.net_ptr, hypergraph.pins, hypergraph.node_ptr, hypergraph.node_nets, hypergraph.net_weights,
        hypergraph.node_weights, assignment, balance.num_parts, balance.max_part_weight, balance.ideal_part_weight,
        order, scale, largest, objective == "km1",
    )  # fmt: skip
    return int(gained)


@jit.kernel
def _best_target(
    node, own, weight, limit, part_weights, counts, net_ptr, node_ptr, node_nets, net_weights, is_km1, gains
):
    """Return the part with room to which moving a node gains most (-1 if none has room), and the gain."""
    gains[:] = 0
    for entry in range(node_ptr[node], node_ptr[node + 1]):
        net = node_nets[entry]
        size, here = net_ptr[net + 1] - net_ptr[net], counts[net, own]
        if size == 1:
            continue
        if is_km1:
            for part in range(gains.size):
                gains[part] += net_weights[net] * ((here == 1) - (counts[net, part] == 0))
        elif here == size:
            gains -= net_weights[net]
        elif here == 1:
            for part in range(gains.size):
                gains[part] += net_weights[net] * (counts[net, part] == size - 1)
    best, best_gain = -1, np.int64(0)
    for part in range(gains.size):
        if part != own and part_weights[part] + weight <= limit:
            if best < 0 or gains[part] > best_gain:
                best, best_gain = part, gains[part]
            elif gains[part] == best_gain and part_weights[part] < part_weights[best]:
                best = part
    return best, best_gain


@jit.kernel
def _is_critical(size, here, there, is_km1):
    """Whether a move of one pin, before which so many lie here and there, changes what other pins gain."""
    if is_km1:
        return here <= 2 or there <= 1
    return here >= size - 1 or there >= size - 2


@jit.kernel
def _pass(
    net_ptr, pins, node_ptr, node_nets, net_weights, node_weights, assignment, k, limit, ideal, order, scale, largest,
    is_km1,
):  # fmt: skip
    n, m = node_weights.size, net_weights.size
    counts = np.zeros((m, k), np.int32)  # pins of each net in each part
    part_weights = np.zeros(k, np.int64)
    for node in range(n):
        part_weights[assignment[node]] += node_weights[node]
        for entry in range(node_ptr[node], node_ptr[node + 1]):
            counts[node_nets[entry], assignment[node]] += 1
    # Where the limit leaves less room than one node needs, a pass may exceed it by one node on its way.
    in_pass = limit if limit - ideal >= node_weights.max() else ideal + node_weights.max()
    offset = largest // scale
    heads = np.full(2 * offset + 2, -1, np.int64)
    following = np.full(n, -1, np.int64)
    preceding = np.full(n, -1, np.int64)
    bucket_of = np.full(n, -1, np.int64)
    locked = np.zeros(n, np.bool_)
    seen = np.full(n, -1, np.int64)  # the move after which a node's gain was last computed
    gains = np.zeros(k, np.int64)
    top = 0
    overweight = 0
    for part in range(k):
        overweight += max(0, part_weights[part] - limit)
    for node in order:
        own = assignment[node]
        on_boundary = part_weights[own] > limit
        for entry in range(node_ptr[node], node_ptr[node + 1]):
            net = node_nets[entry]
            on_boundary |= counts[net, own] < net_ptr[net + 1] - net_ptr[net]
        if on_boundary:
            target, gain = _best_target(
                node, own, node_weights[node], in_pass, part_weights, counts, net_ptr, node_ptr, node_nets,
                net_weights, is_km1, gains,
            )  # fmt: skip
            if target >= 0:
                bucket = gain // scale + offset + 1
                insert(node, bucket, heads, following, preceding, bucket_of)
                top = max(top, bucket)
    moved = np.empty(n, np.int64)
    came_from = np.empty(n, np.int64)
    count = 0
    best_count = 0
    gained = 0
    best_gained = 0
    start_overweight = overweight
    best_overweight = overweight
    patience = max(200, n // 10)
    while count - best_count < patience:
        while top >= 0 and heads[top] < 0:
            top -= 1
        if top < 0:
            break
        node = heads[top]
        remove(node, heads, following, preceding, bucket_of)
        own = assignment[node]
        target, gain = _best_target(
            node, own, node_weights[node], in_pass, part_weights, counts, net_ptr, node_ptr, node_nets, net_weights,
            is_km1, gains,
        )  # fmt: skip
        if target < 0:
            continue  # no part has room; a neighbour's move may bring the node back
        bucket = gain // scale + offset + 1
        if bucket < top:
            insert(node, bucket, heads, following, preceding, bucket_of)
            continue
        weight = node_weights[node]
        overweight -= max(0, part_weights[own] - limit) + max(0, part_weights[target] - limit)
        part_weights[own] -= weight
        part_weights[target] += weight
        overweight += max(0, part_weights[own] - limit) + max(0, part_weights[target] - limit)
        assignment[node] = target
        locked[node] = True
        gained += gain
        moved[count], came_from[count] = node, own
        for entry in range(node_ptr[node], node_ptr[node + 1]):
            net = node_nets[entry]
            counts[net, own] -= 1
            counts[net, target] += 1
        for entry in range(node_ptr[node], node_ptr[node + 1]):
            net = node_nets[entry]
            size = net_ptr[net + 1] - net_ptr[net]
            if not _is_critical(size, counts[net, own] + 1, counts[net, target] - 1, is_km1):
                continue
            for pin in range(net_ptr[net], net_ptr[net + 1]):
                neighbour = pins[pin]
                if locked[neighbour] or seen[neighbour] == count:
                    continue
                seen[neighbour] = count
                if bucket_of[neighbour] >= 0:
                    remove(neighbour, heads, following, preceding, bucket_of)
                other, new_gain = _best_target(
                    neighbour, assignment[neighbour], node_weights[neighbour], in_pass, part_weights, counts, net_ptr,
                    node_ptr, node_nets, net_weights, is_km1, gains,
                )  # fmt: skip
                if other >= 0:
                    bucket = new_gain // scale + offset + 1
                    insert(neighbour, bucket, heads, following, preceding, bucket_of)
                    top = max(top, bucket)
        count += 1
        if overweight < best_overweight or (overweight == best_overweight and gained > best_gained):
            best_overweight, best_gained, best_count = overweight, gained, count
    for step in range(count - 1, best_count - 1, -1):
        assignment[moved[step]] = came_from[step]
    return 1 if best_overweight < start_overweight else best_gained
