"""Greedy graph growing: each part grows from a random node by the neighbour that leaves the smallest cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.datasets.heap import heap_pop, heap_push
from placezoo.datasets.partition.graph import Graph


def grow_parts(graph: Graph, num_parts: int, max_part_weight: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Grow all parts but the last, which takes the rest (Karypis & Kumar 1998, section 3.2, k-way).

    Args:
        graph: what to partition.
        num_parts: into how many parts.
        max_part_weight: no part but the last grows beyond this.
        rng: draws the nodes from which parts grow.

    Returns:
        int64 [num_nodes].
    """
    return _grow(
        graph.indptr, graph.indices, graph.edge_weights, graph.node_weights, graph.weighted_degrees,
        num_parts, max_part_weight, rng,
    )  # fmt: skip


@jit.kernel
def _grow(indptr, indices, edge_weights, node_weights, weighted_degrees, num_parts, limit, rng):
    n = indptr.size - 1
    assignment = np.full(n, num_parts - 1, np.int64)
    taken = np.zeros(n, np.bool_)
    tie = np.zeros(n, np.int64)  # edge weight to the growing part and to finished parts
    free = rng.permutation(n)  # nodes in random order, to draw the next seed from
    next_free = 0
    keys = np.empty(indices.size + n, np.int64)
    nodes = np.empty(indices.size + n, np.int64)
    weight_left = node_weights.sum()
    for part in range(num_parts - 1):
        target = weight_left / (num_parts - part)
        weight = 0
        size = 0
        while weight < target:
            node = -1
            while size > 0:
                key, candidate = keys[0], nodes[0]
                size = heap_pop(keys, nodes, size)
                # Only the newest entry of a node counts, and nodes too heavy for what is left are passed over.
                if not taken[candidate] and key == 2 * tie[candidate] - weighted_degrees[candidate]:
                    if weight + node_weights[candidate] <= limit:
                        node = candidate
                        break
            if node < 0:
                while next_free < n and (taken[free[next_free]] or weight + node_weights[free[next_free]] > limit):
                    next_free += 1
                if next_free == n:
                    break
                node = free[next_free]
            taken[node] = True
            assignment[node] = part
            weight += node_weights[node]
            for entry in range(indptr[node], indptr[node + 1]):
                neighbour = indices[entry]
                if not taken[neighbour]:
                    # Ties to finished parts count too: they fill pockets that would otherwise be left to the last part.
                    tie[neighbour] += edge_weights[entry]
                    size = heap_push(keys, nodes, size, 2 * tie[neighbour] - weighted_degrees[neighbour], neighbour)
        weight_left -= weight
        next_free = 0
    return assignment
