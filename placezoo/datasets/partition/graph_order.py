"""Orders in which to visit a graph's nodes, so that each comes after nodes near it."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse import csgraph

from placezoo import jit
from placezoo.datasets.heap import heap_pop, heap_push
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_conversion import to_scipy
from placezoo.datasets.partition.laplacian import laplacian_coordinates

_LEAF = 16  # so many nodes are ordered by their Fiedler coordinates alone
_DENSE_UP_TO = 200  # nodes; below, dense matrices are faster than sparse ones


def breadth_first_order(graph: Graph) -> NDArray[np.int64]:
    """Visit each component breadth first from a node far outside (George & Liu 1979), the largest component first."""
    return _breadth_first(graph.indptr, graph.indices)


def heavy_edge_order(graph: Graph) -> NDArray[np.int64]:
    """Visit next the node most tied to those visited (maximum adjacency order, Nagamochi & Ibaraki 1992)."""
    start = int(breadth_first_order(graph)[0])
    return _heavy_edge(graph.indptr, graph.indices, graph.edge_weights, start)


def fiedler_order(graph: Graph) -> NDArray[np.int64]:
    """Return the nodes of the largest component by their Fiedler coordinate, then the other components."""
    _, labels = csgraph.connected_components(to_scipy(graph), directed=False)
    sizes = np.bincount(labels)
    return np.lexsort((laplacian_coordinates(graph, 1)[:, 0], labels, -sizes[labels]))


def spectral_order(graph: Graph) -> NDArray[np.int64]:
    """Order the nodes so that any run of them is compact: bisect by the Fiedler vector, recursively.

    Each half starts at its end that is tied more to what comes before. Pothen, Simon & Liou 1990, used as an order.
    """
    adjacency = to_scipy(graph).astype(np.float64)
    order = np.empty(graph.num_nodes, np.int64)
    filled = 0
    stack = [np.arange(graph.num_nodes)]
    while stack:
        nodes = stack.pop()
        if nodes.size > _DENSE_UP_TO:
            nodes = nodes[fiedler_order(graph.subgraph(nodes))]
            halves = [nodes[: nodes.size // 2], nodes[nodes.size // 2 :]]
            if _tie(adjacency, halves[1], order[:filled]) > _tie(adjacency, halves[0], order[:filled]):
                halves.reverse()
            stack += halves[::-1]
            continue
        # What is tied to the nodes before decides which way round a small set comes.
        before = np.asarray(adjacency[nodes][:, order[:filled]].sum(axis=1), dtype=np.float64).ravel()
        order[filled : filled + nodes.size] = nodes[_dense_order(adjacency[nodes][:, nodes].toarray(), before)]
        filled += nodes.size
    return order


def _dense_order(adjacency: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order a small graph recursively; ``before`` is each node's tie to what comes before all of them."""
    size = len(adjacency)
    if size <= 2:
        return np.argsort(-before, kind="stable")
    degrees = np.maximum(adjacency.sum(axis=1), 1e-9)
    scale = 1.0 / np.sqrt(degrees)
    normalised = np.eye(size) - adjacency * scale[:, None] * scale
    # In a disconnected graph this vector is constant on components, which keeps each of them together.
    _, vectors = scipy.linalg.eigh(normalised, subset_by_index=[1, 1])
    nodes: NDArray[np.int64] = np.argsort(vectors[:, 0] * scale, kind="stable")
    half = size // 2
    if before[nodes[half:]].sum() > before[nodes[:half]].sum():
        nodes = nodes[::-1]
    if size <= _LEAF:
        return nodes
    left, right = nodes[:half], nodes[half:]
    left = left[_dense_order(adjacency[np.ix_(left, left)], before[left])]
    tie = before[right] + adjacency[np.ix_(right, left)].sum(axis=1)
    return np.concatenate([left, right[_dense_order(adjacency[np.ix_(right, right)], tie)]])


def _tie(adjacency: sp.csr_array, nodes: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    """Return the edge weight between two sets of nodes."""
    is_other = np.zeros(adjacency.shape[0])
    is_other[others] = 1.0
    return float((adjacency[nodes] @ is_other).sum())


def cuts_along_order(graph: Graph, rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each position of an order, the weight of the edges from before it to it or beyond.

    Args:
        graph: the graph.
        rank: int64 [num_nodes], each node's position.

    Returns:
        int64 [num_nodes]; the first is 0.
    """
    once = graph.rows < graph.indices
    ends = rank[graph.edges]
    steps = np.zeros(graph.num_nodes + 1, np.int64)
    np.add.at(steps, ends.min(axis=1) + 1, graph.edge_weights[once])
    np.subtract.at(steps, ends.max(axis=1) + 1, graph.edge_weights[once])
    return np.cumsum(steps)[: graph.num_nodes]


@jit.kernel
def _sweep(indptr, indices, start, seen, mark, queue):
    """Search breadth first over nodes with seen != mark; return how many it reached (in queue, in order)."""
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


@jit.kernel
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


@jit.kernel
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
