"""Coarsening graphs by heavy-edge matching or by clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.datasets.arrays import made_of
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.hypergraph import Hypergraph

_NONE = -1
_HARDLY_ANY = 0.8  # of the nodes left by clusters: a matching pairs what stands around a common neighbour too


@dataclass(frozen=True)
class Level:
    """A graph and what it was contracted from.

    Attributes:
        graph: the coarser graph or hypergraph.
        coarse: int64 [nodes of the finer one], the coarser node that each became part of.
    """

    graph: Graph | Hypergraph
    coarse: NDArray[np.int64]


def coarsen(
    graph: Graph | Hypergraph,
    down_to: int,
    max_node_weight: int,
    rng: np.random.Generator,
    within: NDArray[np.int64] | None = None,
    by: str = "matching",
    is_over: Callable[[], bool] = lambda: False,
) -> list[Level]:
    """Contract matchings or clusters until so few nodes are left, or hardly any are joined any more.

    Args:
        graph: to coarsen; of a hypergraph, nodes are joined in the graph in its place.
        down_to: stop at so many nodes.
        max_node_weight: no node becomes heavier.
        rng: orders the nodes.
        within: int64 [num_nodes], only nodes of one part are joined, so that the partition survives; default any.
        by: ``matching``, of heavy edges, which suits meshes; or ``clusters``, at most half as many as nodes, which
            suits graphs with hubs.
        is_over: asked before each level; coarsening ends where it says so.

    Returns:
        The levels from fine to coarse.

    Source: Karypis & Kumar 1998, section 3.1 (heavy-edge matching); Schlag et al. 2022, section 4 (clusters, rated by
    what ties a node to them over their weight).
    """
    levels: list[Level] = []
    part = np.zeros(graph.num_nodes, np.int64) if within is None else np.asarray(within, np.int64)
    while graph.num_nodes > down_to and not is_over():
        ties = graph if isinstance(graph, Graph) else graph.expansion
        n, order = graph.num_nodes, rng.permutation(graph.num_nodes)
        arrays = ties.indptr, ties.indices, ties.edge_weights, ties.node_weights, part, order, max_node_weight
        count = n
        if by == "clusters":
            coarse, count = cluster_kernel(*arrays, max(down_to, n // 2))
        if count > _HARDLY_ANY * n:
            coarse, count = match_kernel(*arrays)
        if count > 0.95 * n:
            break
        coarser = contract(graph, coarse, count) if isinstance(graph, Graph) else graph.contracted(coarse, count)
        following = np.empty(count, np.int64)
        following[coarse] = part
        levels.append(Level(coarser, coarse))
        graph, part = coarser, following
    return levels


def contract(graph: Graph, coarse: NDArray[np.int64], count: int) -> Graph:
    """Return the graph of groups of nodes: weights add up, edges within a group vanish. Takes linear time.

    Args:
        graph: to contract.
        coarse: int64 [num_nodes], each node's group; every group has a node.
        count: how many groups there are.
    """
    indptr, indices, edge_weights, node_weights = contract_kernel(
        graph.indptr, graph.indices, graph.edge_weights, graph.node_weights, coarse, count
    )
    return made_of(
        Graph, indptr=indptr, indices=indices, edge_weights=edge_weights, node_weights=node_weights,
        name=f"{graph.name},coarse", positions=None,
    )  # fmt: skip


@jit.kernel
def contract_kernel(indptr, indices, edge_weights, node_weights, coarse, count):
    """Do what ``contract`` does; return rows, heads, edge weights and node weights."""
    n = node_weights.size
    weights = np.zeros(count, np.int64)
    starts = np.zeros(count + 1, np.int64)
    for node in range(n):
        weights[coarse[node]] += node_weights[node]
        starts[coarse[node] + 1] += 1
    starts = np.cumsum(starts)
    place = starts[:-1].copy()
    members = np.empty(n, np.int64)
    for node in range(n):
        members[place[coarse[node]]] = node
        place[coarse[node]] += 1
    # Rows with their neighbours in the order in which they are met.
    rows = np.zeros(count + 1, np.int64)
    heads = np.empty(indices.size, np.int32)
    summed = np.empty(indices.size, np.int64)
    where = np.full(count, -1, np.int64)
    degrees = np.zeros(count + 1, np.int64)
    size = 0
    for group in range(count):
        for node in members[starts[group] : starts[group + 1]]:
            for entry in range(indptr[node], indptr[node + 1]):
                other = coarse[indices[entry]]
                if other == group:
                    continue
                if where[other] < rows[group]:
                    where[other] = size
                    heads[size], summed[size] = other, edge_weights[entry]
                    degrees[other + 1] += 1
                    size += 1
                else:
                    summed[where[other]] += edge_weights[entry]
        rows[group + 1] = size
    # The transpose of a symmetric matrix is itself, and its rows come out sorted.
    place = np.cumsum(degrees)
    sorted_rows = place.copy()
    sorted_heads = np.empty(size, np.int32)
    sorted_weights = np.empty(size, np.int64)
    for group in range(count):
        for entry in range(rows[group], rows[group + 1]):
            at = place[heads[entry]]
            sorted_heads[at], sorted_weights[at] = group, summed[entry]
            place[heads[entry]] += 1
    return sorted_rows, sorted_heads, sorted_weights, weights


@jit.kernel
def cluster_kernel(indptr, indices, edge_weights, node_weights, part, order, limit, fewest):
    """Join each single node to the cluster beside it that it is tied to most for that one's weight.

    Returns groups and their number, which is at least ``fewest`` if it was so before.
    """
    n = node_weights.size
    cluster = np.arange(n)
    weights = node_weights.copy()
    is_single = np.ones(n, np.bool_)
    ties = np.zeros(n, np.int64)
    met = np.empty(n, np.int64)
    count = n
    for node in order:
        if count <= fewest:
            break
        if not is_single[node]:
            continue
        size = 0
        for entry in range(indptr[node], indptr[node + 1]):
            other = indices[entry]
            if part[other] == part[node]:
                into = cluster[other]
                if ties[into] == 0:
                    met[size] = into
                    size += 1
                ties[into] += edge_weights[entry]
        best, best_rating = -1, 0.0
        for into in met[:size]:
            rating = ties[into] / max(1, weights[into])
            if weights[into] + weights[node] <= limit and rating > best_rating:
                best, best_rating = into, rating
            ties[into] = 0
        if best >= 0:
            cluster[node] = best
            weights[best] += weights[node]
            is_single[node] = is_single[best] = False
            count -= 1
    return _numbered(cluster)


@jit.kernel
def _numbered(cluster):
    """Return clusters, each named by a member, numbered in the order of their first nodes, and how many there are."""
    number = np.full(cluster.size, _NONE, np.int64)
    coarse = np.empty(cluster.size, np.int64)
    count = 0
    for node in range(cluster.size):
        if number[cluster[node]] == _NONE:
            number[cluster[node]] = count
            count += 1
        coarse[node] = number[cluster[node]]
    return coarse, count


@jit.kernel
def match_kernel(indptr, indices, edge_weights, node_weights, part, order, limit):
    """Match each node with the neighbour that it shares the heaviest edge with; return groups and their number."""
    n = node_weights.size
    partner = np.full(n, _NONE, np.int64)
    for node in order:
        if partner[node] != _NONE:
            continue
        best, best_weight = node, np.int64(-1)
        for entry in range(indptr[node], indptr[node + 1]):
            other = indices[entry]
            if (
                partner[other] == _NONE
                and part[other] == part[node]
                and node_weights[node] + node_weights[other] <= limit
            ):
                weight = edge_weights[entry]
                if weight > best_weight or (weight == best_weight and node_weights[other] < node_weights[best]):
                    best, best_weight = other, weight
        partner[node] = best
        partner[best] = node
    # Nodes that found nobody pair up with others like them around a common neighbour, or stars would never shrink.
    # So do nodes without neighbours.
    waiting = np.full(n + 1, _NONE, np.int64)
    for node in order:
        if partner[node] != node:
            continue
        hub = np.int64(indices[indptr[node]]) if indptr[node] < indptr[node + 1] else n
        other = waiting[hub]
        if other != _NONE and part[other] == part[node] and node_weights[node] + node_weights[other] <= limit:
            partner[node], partner[other] = other, node
            waiting[hub] = _NONE
        else:
            waiting[hub] = node
    coarse = np.full(n, _NONE, np.int64)
    count = 0
    for node in range(n):
        if coarse[node] == _NONE:
            coarse[node] = count
            coarse[partner[node]] = count
            count += 1
    return coarse, count
