"""Orders in which to visit a graph's nodes, so that each comes after nodes near it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csgraph

from placezoo.datasets.graph import Graph
from placezoo.datasets.graph_conversion import to_scipy
from placezoo.datasets.heap import heap_pop, heap_push
from placezoo.datasets.laplacian import laplacian_coordinates

_LEAF = 32  # nodes that are ordered by their Fiedler coordinates alone


def breadth_first_order(graph: Graph) -> NDArray[np.int64]:
    """Visit each component breadth first from a node far outside (George & Liu 1979), the largest component first."""
    return _breadth_first(graph.indptr, graph.indices)


def heavy_edge_order(graph: Graph) -> NDArray[np.int64]:
    """Visit next the node with the largest edge weight to those visited (maximum adjacency order, Nagamochi & Ibaraki)."""
    start = int(breadth_first_order(graph)[0])
    return _heavy_edge(graph.indptr, graph.indices, graph.edge_weights, start)


def fiedler_order(graph: Graph) -> NDArray[np.int64]:
    """Return the nodes of the largest component by their Fiedler coordinate, then the other components one after another."""
    _, labels = csgraph.connected_components(to_scipy(graph), directed=False)
    sizes = np.bincount(labels)
    return np.lexsort((laplacian_coordinates(graph, 1)[:, 0], labels, -sizes[labels]))


def spectral_order(graph: Graph) -> NDArray[np.int64]:
    """Order the nodes so that any run of them is compact: bisect by the Fiedler vector, order each half so, recursively.

    Each half starts at its end that is tied more to what comes before. Pothen, Simon & Liou 1990, used as an order.
    """
    order = np.empty(graph.num_nodes, np.int64)
    done = np.zeros(graph.num_nodes, np.bool_)
    filled = 0
    stack = [np.arange(graph.num_nodes)]
    while stack:
        nodes = stack.pop()
        nodes = nodes[fiedler_order(graph.subgraph(nodes))]
        half = nodes.size // 2
        if filled and _tie(graph, nodes[half:], done) > _tie(graph, nodes[:half], done):
            nodes = nodes[::-1]
        if nodes.size <= _LEAF:
            order[filled : filled + nodes.size] = nodes
            done[nodes] = True
            filled += nodes.size
        else:
            stack += [nodes[half:], nodes[:half]]
    return order


def _tie(graph: Graph, nodes: NDArray[np.int64], done: NDArray[np.bool_]) -> int:
    """Return the edge weight between some nodes and those that are done."""
    return int(sum(graph.edge_weights[a:b][done[graph.indices[a:b]]].sum() for a, b in zip(graph.indptr[nodes], graph.indptr[nodes + 1], strict=True)))


@njit(cache=True, nogil=True)
def _sweep(indptr, indices, start, seen, mark, queue):
    """Breadth first search from start over nodes with seen != mark; return how many nodes it reached (in queue, in order)."""
    queue[0] = start
    seen[start] = mark
    head, tail = 0, 1
    while head < tail:
        node = queue[head]
        head += 1
        for entry in range(indptr[node], indptr[node + 1]):
            neighbour = indices[entry]
            if seen[neighbour] != mark:
                seen[neighbour] = mark
                queue[tail] = neighbour
                tail += 1
    return tail


@njit(cache=True, nogil=True)
def _breadth_first(indptr, indices):
    n = indptr.size - 1
    component = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    seen = np.zeros(n, np.int64)
    starts = np.empty(n, np.int64)
    sizes = np.empty(n, np.int64)
    found = 0
    mark = 0
    for root in range(n):
        if component[root] >= 0:
            continue
        mark += 1
        size = _sweep(indptr, indices, root, seen, mark, queue)
        for position in range(size):
            component[queue[position]] = found
        # Twice to the last node of a breadth first search: it lies far outside.
        start = queue[size - 1]
        for _ in range(2):
            mark += 1
            _sweep(indptr, indices, start, seen, mark, queue)
            start = queue[size - 1]
        starts[found], sizes[found] = start, size
        found += 1
    order = np.empty(n, np.int64)
    filled = 0
    for number in np.argsort(-sizes[:found], kind="mergesort"):
        mark += 1
        filled += _sweep(indptr, indices, starts[number], seen, mark, order[filled:])
    return order


@njit(cache=True, nogil=True)
def _heavy_edge(indptr, indices, weights, start):
    n = indptr.size - 1
    tie = np.zeros(n, np.int64)
    done = np.zeros(n, np.bool_)
    order = np.empty(n, np.int64)
    heap_key = np.empty(indices.size + n, np.int64)
    heap_node = np.empty(indices.size + n, np.int64)
    size = 0
    next_root = 0
    node = start
    for position in range(n):
        if position > 0:
            node = -1
            while size > 0:  # entries whose key is out of date are skipped
                key, candidate = heap_key[0], heap_node[0]
                size = heap_pop(heap_key, heap_node, size)
                if not done[candidate] and key == tie[candidate]:
                    node = candidate
                    break
            if node < 0:
                while done[next_root]:
                    next_root += 1
                node = next_root
        done[node] = True
        order[position] = node
        for entry in range(indptr[node], indptr[node + 1]):
            neighbour = indices[entry]
            if not done[neighbour]:
                tie[neighbour] += weights[entry]
                size = heap_push(heap_key, heap_node, size, tie[neighbour], neighbour)
    return order
