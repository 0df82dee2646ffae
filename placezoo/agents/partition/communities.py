"""Communities of a graph by Louvain's method: what coarsening should not join across."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.partition.coarsening import contract_kernel
from placezoo.datasets.partition.graph import Graph

_SWEEPS = 4  # over all nodes of a level, at most


def find_communities(graph: Graph, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return each node's community, numbered from 0: int64 [num_nodes].

    Each node in turn goes to the community that raises the modularity most, until hardly any moves; then communities
    are contracted and become the nodes.

    Args:
        graph: of which.
        rng: orders the nodes.

    Source: Blondel, Guillaume, Lambiotte & Lefebvre 2008.
    """
    return communities_kernel(graph.indptr, graph.indices, graph.edge_weights, graph.node_weights, rng)


@jit.kernel
def communities_kernel(indptr, indices, edge_weights, node_weights, rng):
    """Do what ``find_communities`` does."""
    n = node_weights.size
    community = np.arange(n)
    volumes = np.zeros(n, np.int64)  # summed weighted degrees, which contraction keeps
    for node in range(n):
        volumes[node] = edge_weights[indptr[node] : indptr[node + 1]].sum()
    total = max(1.0, float(volumes.sum()))
    while True:
        n = node_weights.size
        joined = _local_moves(indptr, indices, edge_weights, volumes, total, rng.permutation(n))
        number = np.full(n, -1, np.int64)
        count = 0
        for node in range(n):
            if number[joined[node]] < 0:
                number[joined[node]] = count
                count += 1
        coarse = number[joined]
        community = coarse[community]
        if count == n:
            return community
        summed = np.zeros(count, np.int64)
        for node in range(n):
            summed[coarse[node]] += volumes[node]
        volumes = summed
        indptr, indices, edge_weights, node_weights = contract_kernel(
            indptr, indices, edge_weights, node_weights, coarse, count
        )


@jit.kernel
def _local_moves(indptr, indices, edge_weights, volumes, total, order):
    """Return communities, each named by one of the nodes, after moves of single nodes."""
    n = volumes.size
    community = np.arange(n)
    of_communities = volumes.copy()
    ties = np.zeros(n, np.int64)
    for _ in range(_SWEEPS):
        moves = 0
        for node in order:
            own = community[node]
            of_communities[own] -= volumes[node]
            for entry in range(indptr[node], indptr[node + 1]):
                ties[community[indices[entry]]] += edge_weights[entry]
            share = volumes[node] / total
            best, best_gain = own, ties[own] - share * of_communities[own]
            for entry in range(indptr[node], indptr[node + 1]):
                other = community[indices[entry]]
                gain = ties[other] - share * of_communities[other]
                if gain > best_gain:
                    best, best_gain = other, gain
            for entry in range(indptr[node], indptr[node + 1]):
                ties[community[indices[entry]]] = 0
            community[node] = best
            of_communities[best] += volumes[node]
            moves += best != own
        if moves <= n // 20:
            break
    return community
