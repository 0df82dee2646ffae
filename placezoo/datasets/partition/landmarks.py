"""Coordinates of a graph's nodes by their distances to a few of them; linear in the edges."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.datasets.partition.graph import Graph


@functools.lru_cache(maxsize=4096)
def landmark_distances(graph: Graph, count: int) -> NDArray[np.float32]:
    """Return how many edges away from each of some landmarks nodes are, over the largest such distance.

    The first landmark is as far as can be from the node of most edges, each further one as far as can be from those
    before it (farthest-first traversal). Nodes that cannot be reached are at 1. Read-only, remembered per graph.

    Args:
        graph: the graph.
        count: how many landmarks.

    Returns:
        float32 [num_nodes, count], in [0, 1].

    Source: de Silva & Tenenbaum 2004 (landmark MDS), for the choice of landmarks.
    """
    start = int(np.argmax(np.diff(graph.indptr))) if graph.num_nodes else 0
    distances = _distances(graph.indptr, graph.indices, start, count)
    distances.flags.writeable = False
    return distances


@jit.kernel
def _distances(indptr, indices, start, count):
    n = indptr.size - 1
    result = np.ones((n, count), np.float32)
    nearest = np.full(n, n + 1, np.int64)
    queue = np.empty(n, np.int64)
    away = np.empty(n, np.int64)
    last = 0
    for number in range(-1, count):
        source = start
        if number > 0:
            source = np.argmax(nearest)
        elif number == 0:
            source = queue[last]  # the node that the search from the hub came to last
        away[:] = -1
        away[source] = 0
        queue[0] = source
        head, tail = 0, 1
        while head < tail:
            node = queue[head]
            head += 1
            for entry in range(indptr[node], indptr[node + 1]):
                other = indices[entry]
                if away[other] < 0:
                    away[other] = away[node] + 1
                    queue[tail] = other
                    tail += 1
        last = tail - 1
        if number < 0:
            continue
        longest = max(away[queue[last]], 1)
        for node in range(n):
            if away[node] >= 0:
                result[node, number] = away[node] / longest
                nearest[node] = min(nearest[node], away[node])
    return result
