"""Coarsening graphs by heavy-edge matching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.hypergraph import Hypergraph

_NONE = -1


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
) -> list[Level]:
    """Contract heavy-edge matchings until so few nodes are left, or matchings find hardly anything any more.

    Args:
        graph: to coarsen; of a hypergraph, nodes are matched in the graph in its place.
        down_to: stop at so many nodes.
        max_node_weight: no node becomes heavier.
        rng: orders the nodes.
        within: int64 [num_nodes], only nodes of one part are matched, so that the partition survives; default any.

    Returns:
        The levels from fine to coarse.

    Source: Karypis & Kumar 1998, section 3.1 (heavy-edge matching).
    """
    levels: list[Level] = []
    part = np.zeros(graph.num_nodes, np.int64) if within is None else np.asarray(within, np.int64)
    while graph.num_nodes > down_to:
        ties = graph if isinstance(graph, Graph) else graph.expansion
        coarse, count = _match(
            ties.indptr, ties.indices, ties.edge_weights, ties.node_weights, part,
            rng.permutation(graph.num_nodes), max_node_weight,
        )  # fmt: skip
        if count > 0.95 * graph.num_nodes:
            break
        coarser = contract(graph, coarse, count) if isinstance(graph, Graph) else graph.contracted(coarse, count)
        following = np.empty(count, np.int64)
        following[coarse] = part
        levels.append(Level(coarser, coarse))
        graph, part = coarser, following
    return levels


def contract(graph: Graph, coarse: NDArray[np.int64], count: int) -> Graph:
    """Return the graph of groups of nodes: weights add up, edges within a group vanish.

    Args:
        graph: to contract.
        coarse: int64 [num_nodes], each node's group.
        count: how many groups there are.
    """
    first, second = coarse[graph.rows], coarse[graph.indices]
    across = first != second
    keys, place = np.unique(first[across] * count + second[across], return_inverse=True)
    weights = np.bincount(place, graph.edge_weights[across], minlength=keys.size).astype(np.int64)
    rows, columns = np.divmod(keys, count)
    indptr = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=count), out=indptr[1:])
    node_weights = np.bincount(coarse, graph.node_weights, minlength=count).astype(np.int64)
    return Graph(indptr, columns.astype(np.int32), weights, node_weights, name=f"{graph.name},coarse")


@jit.kernel
def _match(indptr, indices, edge_weights, node_weights, part, order, limit):
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
    waiting = np.full(n, _NONE, np.int64)
    for node in order:
        if partner[node] != node or indptr[node] == indptr[node + 1]:
            continue
        hub = indices[indptr[node]]
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
