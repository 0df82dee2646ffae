"""Graphs to and from NetworkX and SciPy."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp

from placezoo.datasets.graph import Graph


def from_networkx(
    graph: nx.Graph, *, weight: str = "weight", node_weight: str = "weight", name: str | None = None
) -> Graph:
    """Convert any NetworkX graph; nodes are numbered in its own order.

    Directions are dropped, parallel edges (and the two directions of an edge) are summed, loops are left out since
    no partition can cut them.

    Args:
        graph: Graph, DiGraph, MultiGraph or MultiDiGraph.
        weight: the edge attribute that holds the weight; edges without it weigh 1.
        node_weight: the node attribute that holds the weight; nodes without it weigh 1.
        name: the instance's name, default the graph's own.

    Raises:
        ValueError: a weight is not a positive whole number.
    """
    number = {node: index for index, node in enumerate(graph.nodes)}
    summed: dict[tuple[int, int], Any] = {}
    for a, b, value in graph.edges(data=weight, default=1):
        u, v = sorted((number[a], number[b]))
        if u != v:
            summed[u, v] = summed.get((u, v), 0) + value
    return Graph.from_edges(
        len(number),
        np.array(list(summed), dtype=np.int64).reshape(-1, 2),
        edge_weights=np.array(list(summed.values())),
        node_weights=np.array([value for _, value in graph.nodes(data=node_weight, default=1)]),
        name=name or graph.name or "graph",
    )


def to_networkx(graph: Graph) -> nx.Graph:
    """Return the graph with ``weight`` on edges and nodes."""
    result = nx.Graph(name=graph.name)
    result.add_nodes_from((node, {"weight": int(weight)}) for node, weight in enumerate(graph.node_weights))
    once = graph.rows < graph.indices
    result.add_weighted_edges_from(
        zip(graph.rows[once].tolist(), graph.indices[once].tolist(), graph.edge_weights[once].tolist(), strict=True)
    )
    return result


def from_scipy(matrix: sp.sparray | sp.spmatrix, *, name: str = "graph") -> Graph:
    """Convert a symmetric sparse matrix: each non-zero off the diagonal is an edge with that weight.

    Raises:
        ValueError: the matrix is not square and symmetric, or its values are not positive whole numbers.
    """
    coo = sp.coo_array(matrix)
    if coo.shape[0] != coo.shape[1]:
        raise ValueError(f"an adjacency matrix is square, this one is {coo.shape[0]} x {coo.shape[1]}")
    csr = sp.csr_array(coo)
    csr.sum_duplicates()
    if abs(csr - csr.T).nnz:
        raise ValueError("the matrix is not symmetric")
    coo = csr.tocoo()
    keep = (coo.row < coo.col) & (coo.data != 0)
    return Graph.from_edges(
        coo.shape[0], np.stack([coo.row[keep], coo.col[keep]], axis=1), edge_weights=coo.data[keep], name=name
    )


def to_scipy(graph: Graph) -> sp.csr_array:
    """Return the weighted adjacency matrix: int64 [num_nodes, num_nodes]."""
    return sp.csr_array((graph.edge_weights, graph.indices, graph.indptr), shape=(graph.num_nodes, graph.num_nodes))
