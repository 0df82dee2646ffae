"""Refinement by many small searches, each from one node on the boundary: hill-climbing where a pass finds one hill."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.partition.cost import Balance
from placezoo.datasets.heap import heap_pop, heap_push
from placezoo.datasets.partition.graph import Graph

_PATIENCE = 25  # moves of a search without a better partition


def refine_locally(
    graph: Graph, balance: Balance, assignment: NDArray[np.int64], rng: np.random.Generator, max_rounds: int = 3
) -> int:
    """Search from every node on the boundary in turn, in place; return by how much the cut fell.

    A search moves the node, then always the node beside those it has moved whose move gains most, also where that
    loses, and goes back to the best partition that it met. Within a round each node moves at most once. Parts with too
    little room take no nodes, so that a partition within balance stays so.

    Args:
        graph: what is partitioned.
        balance: how heavy parts may be.
        assignment: int64 [num_nodes], whole; changed.
        rng: orders the nodes from which searches start.
        max_rounds: over the boundary, or until one brings nothing.

    Source: Osipov & Sanders 2010, section 4 (localised passes); Sanders & Schulz 2011, section 4.2 (k-way).
    """
    limits = np.full(balance.num_parts, balance.max_part_weight)
    gained = 0
    for _ in range(max_rounds):
        gain = search_from_boundary(
            graph.indptr, graph.indices, graph.edge_weights, graph.node_weights, assignment, limits, rng
        )
        gained += int(gain)
        if gain == 0:
            break
    return gained


@jit.kernel
def _best_move(node, indptr, indices, edge_weights, weight, assignment, part_weights, limits, ties):
    """Return the part with room beside a node to which it is tied most (-1 if there is none), and the gain."""
    own = assignment[node]
    for entry in range(indptr[node], indptr[node + 1]):
        ties[assignment[indices[entry]]] += edge_weights[entry]
    best, best_tie, of_own = -1, np.int64(-1), ties[own]
    ties[own] = 0
    for entry in range(indptr[node], indptr[node + 1]):
        part = assignment[indices[entry]]
        tie = ties[part]
        if tie == 0:
            continue
        ties[part] = 0
        if part_weights[part] + weight <= limits[part]:
            if tie > best_tie or (tie == best_tie and part_weights[part] < part_weights[best]):
                best, best_tie = part, tie
    return best, best_tie - of_own


@jit.kernel
def search_from_boundary(indptr, indices, edge_weights, node_weights, assignment, limits, rng):
    """Make one round in place; return by how much the cut fell. ``limits``, int64 [num_parts], are those of parts."""
    n, k = assignment.size, limits.size
    part_weights = np.zeros(k, np.int64)
    boundary = np.empty(n, np.int64)
    count = 0
    for node in range(n):
        part_weights[assignment[node]] += node_weights[node]
        for entry in range(indptr[node], indptr[node + 1]):
            if assignment[indices[entry]] != assignment[node]:
                boundary[count] = node
                count += 1
                break
    ties = np.zeros(k, np.int64)
    locked = np.zeros(n, np.bool_)
    keys = np.empty(indices.size + n + 1, np.int64)
    nodes = np.empty(indices.size + n + 1, np.int64)
    moved = np.empty(n, np.int64)
    came_from = np.empty(n, np.int64)
    total = np.int64(0)
    for start in rng.permutation(boundary[:count]):
        if locked[start]:
            continue
        target, gain = _best_move(
            start, indptr, indices, edge_weights, node_weights[start], assignment, part_weights, limits, ties
        )
        if target < 0:
            continue
        size = heap_push(keys, nodes, 0, gain, start)
        count, best_count = 0, 0
        gained, best_gained = np.int64(0), np.int64(0)
        while size > 0 and count - best_count < _PATIENCE:
            key, node = keys[0], nodes[0]
            size = heap_pop(keys, nodes, size)
            if locked[node]:
                continue
            target, gain = _best_move(
                node, indptr, indices, edge_weights, node_weights[node], assignment, part_weights, limits, ties
            )
            if target < 0:
                continue
            if gain < key and size > 0 and gain < keys[0]:
                size = heap_push(keys, nodes, size, gain, node)
                continue
            own = assignment[node]
            assignment[node] = target
            part_weights[own] -= node_weights[node]
            part_weights[target] += node_weights[node]
            locked[node] = True
            gained += gain
            moved[count], came_from[count] = node, own
            count += 1
            if gained > best_gained:
                best_gained, best_count = gained, count
            for entry in range(indptr[node], indptr[node + 1]):
                other = indices[entry]
                if not locked[other] and size < nodes.size:
                    target, gain = _best_move(
                        other, indptr, indices, edge_weights, node_weights[other], assignment, part_weights, limits,
                        ties,
                    )  # fmt: skip
                    if target >= 0:
                        size = heap_push(keys, nodes, size, gain, other)
        for step in range(count - 1, best_count - 1, -1):
            node = moved[step]
            part_weights[assignment[node]] -= node_weights[node]
            part_weights[came_from[step]] += node_weights[node]
            assignment[node] = came_from[step]
        total += best_gained
    return total
