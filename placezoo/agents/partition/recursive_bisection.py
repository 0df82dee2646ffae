"""Recursive bisection: multilevel bisections of bisections, each the best of several."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.partition.coarsening import cluster_kernel, contract_kernel, match_kernel
from placezoo.agents.partition.communities import communities_kernel
from placezoo.agents.partition.fiduccia_mattheyses import MAX_BUCKETS, pass_over_graph
from placezoo.agents.partition.flow_refinement import cut_pairs_of_parts
from placezoo.agents.partition.local_searches import search_from_boundary
from placezoo.datasets.partition.graph import Graph

_SMALL = 50  # nodes of the coarsest graph of a bisection
_GROWN = 8  # starts on it
_MAX_PASSES = 10
_FLOW_ROUNDS = 4
_LOCAL_ROUNDS = 3


def bisect_recursively(
    graph: Graph,
    num_parts: int,
    max_part_weight: int,
    rng: np.random.Generator,
    tries: int = 4,
    is_over: Callable[[], bool] = lambda: False,
) -> NDArray[np.int64] | None:
    """Return a partition, int64 [num_nodes], or None where ``is_over`` says so before it is done.

    A block of several parts is bisected into blocks of half as many. Each bisection is multilevel: within communities,
    heavy-edge matchings or clusters are contracted down to 50 nodes; sides are grown there and refined on the way back,
    by Fiduccia-Mattheyses passes, local searches and flows. Heavy nodes may keep parts from balance.

    Args:
        graph: to partition.
        num_parts: into how many parts.
        max_part_weight: what a part may weigh. A block may exceed its share by that root of the whole excess which
            leaves as much for each of the bisections that are to come.
        rng: draws orders and starts.
        tries: of each bisection, of which the best one counts.
        is_over: asked before each try.

    Source: Karypis & Kumar 1998, section 3 (multilevel bisection); Schlag et al. 2016, section 4.4 (the excess).
    """
    assignment = np.zeros(graph.num_nodes, np.int64)  # the first part of each node's block
    parts = {0: num_parts}  # how many parts the block that begins there will become
    while parts:
        first, count = parts.popitem()
        if count == 1:
            continue
        left = (count + 1) // 2
        parts[first], parts[first + left] = left, count - left
        nodes = np.flatnonzero(assignment == first)
        if nodes.size == 0:
            continue
        block = graph if nodes.size == graph.num_nodes else graph.subgraph(nodes)
        total, shares = max(1, int(block.node_weights.sum())), np.array([left, count - left]) / count
        excess = max(1.0, max_part_weight * count / total) ** (1 / math.ceil(math.log2(count)))
        ideals = np.ceil(total * shares).astype(np.int64)
        most = np.minimum(excess * total * shares, max_part_weight * np.array([left, count - left]))
        limits = np.maximum(most.astype(np.int64), ideals)
        arrays = block.indptr, block.indices, block.edge_weights, block.node_weights
        best, least = np.zeros(nodes.size, np.int64), (np.inf, np.inf)
        for _ in range(tries):
            if is_over():
                return None
            side = _bisect(*arrays, limits, ideals, excess - 1, rng)
            value = _excess_and_cut(*arrays, side, limits)
            if value < least:
                best, least = side, value
        assignment[nodes] = first + left * best
    return assignment


@jit.kernel
def _excess_and_cut(indptr, indices, edge_weights, node_weights, side, limits):
    """Return by how much the sides exceed their limits, and twice the cut."""
    weights = np.zeros(2, np.int64)
    cut = np.int64(0)
    for node in range(node_weights.size):
        weights[side[node]] += node_weights[node]
        for entry in range(indptr[node], indptr[node + 1]):
            cut += edge_weights[entry] * (side[indices[entry]] != side[node])
    return max(0, weights[0] - limits[0]) + max(0, weights[1] - limits[1]), cut


@jit.kernel
def _bisect(indptr, indices, edge_weights, node_weights, limits, ideals, epsilon, rng):
    """Return a side, 0 or 1, for each node: one multilevel bisection."""
    graphs = [(indptr, indices, edge_weights, node_weights)]
    maps = [np.zeros(0, np.int64)]
    heaviest = max(1, int(1.5 * node_weights.sum() / _SMALL))
    part = communities_kernel(indptr, indices, edge_weights, node_weights, rng)
    while node_weights.size > _SMALL:
        n = node_weights.size
        order = rng.permutation(n)
        count = n
        if rng.random() < 0.5:
            coarse, count = cluster_kernel(
                indptr, indices, edge_weights, node_weights, part, order, heaviest, max(_SMALL, n // 2)
            )
        if count > 0.8 * n:
            coarse, count = match_kernel(indptr, indices, edge_weights, node_weights, part, order, heaviest)
        if count > 0.95 * n:
            if part.max() == 0:
                break
            part = np.zeros(n, np.int64)  # there are more communities than nodes wanted
            continue
        indptr, indices, edge_weights, node_weights = contract_kernel(
            indptr, indices, edge_weights, node_weights, coarse, count
        )
        following = np.empty(count, np.int64)
        following[coarse] = part
        part = following
        graphs.append((indptr, indices, edge_weights, node_weights))
        maps.append(coarse)
    side = _grown(indptr, indices, edge_weights, node_weights, limits, rng)
    _pass_until_no_better(indptr, indices, edge_weights, node_weights, side, limits, ideals, rng)
    value = _excess_and_cut(indptr, indices, edge_weights, node_weights, side, limits)
    for _ in range(_GROWN - 1):
        other = _grown(indptr, indices, edge_weights, node_weights, limits, rng)
        _pass_until_no_better(indptr, indices, edge_weights, node_weights, other, limits, ideals, rng)
        other_value = _excess_and_cut(indptr, indices, edge_weights, node_weights, other, limits)
        if other_value < value:
            side, value = other, other_value
    orders = np.zeros((_FLOW_ROUNDS, 1), np.int64)
    for depth in range(len(graphs) - 1, -1, -1):
        indptr, indices, edge_weights, node_weights = graphs[depth]
        if depth < len(graphs) - 1:
            side = side[maps[depth + 1]]
            _pass_until_no_better(indptr, indices, edge_weights, node_weights, side, limits, ideals, rng)
        for _ in range(_LOCAL_ROUNDS):
            if search_from_boundary(indptr, indices, edge_weights, node_weights, side, limits, rng) == 0:
                break
        cut_pairs_of_parts(indptr, indices, edge_weights, node_weights, side, limits, ideals, epsilon, orders)
    return side


@jit.kernel
def _grown(indptr, indices, edge_weights, node_weights, limits, rng):
    """Grow side 0 from a random node by what is tied to it most and to the rest least; side 1 is the rest."""
    n = node_weights.size
    side = np.ones(n, np.int64)
    gains = np.zeros(n, np.int64)
    for node in range(n):
        gains[node] = -edge_weights[indptr[node] : indptr[node + 1]].sum()
    chosen = rng.integers(0, n)
    weight = 0
    least = max(1, node_weights.sum() - limits[1])
    target = least + min(1.0, max(0.0, 3 * rng.random() - 1)) * (limits[0] - least)  # often the least or the most
    while chosen >= 0:
        side[chosen] = 0
        weight += node_weights[chosen]
        for entry in range(indptr[chosen], indptr[chosen + 1]):
            gains[indices[entry]] += 2 * edge_weights[entry]
        if weight >= target:
            break
        chosen = -1
        for node in range(n):
            if side[node] == 1 and (chosen < 0 or gains[node] > gains[chosen]):
                chosen = node
    return side


@jit.kernel
def _pass_until_no_better(indptr, indices, edge_weights, node_weights, side, limits, ideals, rng):
    largest = np.int64(1)
    for node in range(node_weights.size):
        largest = max(largest, edge_weights[indptr[node] : indptr[node + 1]].sum())
    scale = largest // MAX_BUCKETS + 1
    on_its_way = np.maximum(limits, ideals + node_weights.max())
    for _ in range(_MAX_PASSES):
        order = rng.permutation(node_weights.size)
        if (
            pass_over_graph(
                indptr, indices, edge_weights, node_weights, side, limits, on_its_way, order, scale, largest
            )
            <= 0
        ):
            break
