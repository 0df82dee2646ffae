"""Graphs to and from NetworkX and SciPy, and from points."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from placezoo.datasets.partition.graph import Graph


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
            if not isinstance(value, (int, float, np.number)):
                raise ValueError(f"edge {a!r} - {b!r}: its {weight} must be a whole number, not {value!r}")
            summed[u, v] = summed.get((u, v), 0) + value
    return Graph.from_edges(
        len(number),
        np.array(list(summed), dtype=np.int64).reshape(-1, 2),
        edge_weights=np.array(list(summed.values())),
        node_weights=np.array([value for _, value in graph.nodes(data=node_weight, default=1)]),
        name=name or graph.name or "graph",
    )


def as_graph(given: Any) -> Any:
    """Return the graph of a NetworkX graph or of a matrix (SciPy sparse or NumPy); anything else as it is.

    Raises:
        ValueError: weights that are no positive whole numbers; says how to make some.
    """
    try:
        if isinstance(given, nx.Graph):
            return from_networkx(given)
        if sp.issparse(given) or isinstance(given, np.ndarray):
            return from_scipy(given)
    except ValueError as error:
        hint = "; multiply and round them" if "whole numbers" in str(error) else ""
        raise ValueError(f"{type(given).__module__.partition('.')[0]} {type(given).__name__}: {error}{hint}") from None
    return given


def to_networkx(graph: Graph) -> nx.Graph:
    """Return the graph with ``weight`` on edges and nodes."""
    result = nx.Graph(name=graph.name)
    result.add_nodes_from((node, {"weight": int(weight)}) for node, weight in enumerate(graph.node_weights))
    once = graph.rows < graph.indices
    result.add_weighted_edges_from(
        zip(graph.rows[once].tolist(), graph.indices[once].tolist(), graph.edge_weights[once].tolist(), strict=True)
    )
    return result


def from_scipy(matrix: sp.sparray | sp.spmatrix | NDArray, *, name: str = "graph") -> Graph:
    """Convert a symmetric matrix, sparse or not: each non-zero off the diagonal is an edge with that weight.

    Raises:
        ValueError: the matrix is not square and symmetric, or its values are not positive whole numbers.
    """
    if getattr(matrix, "ndim", 2) != 2 or matrix.dtype.kind not in "biuf":
        raise ValueError(f"an adjacency matrix holds real numbers in two dimensions, not {matrix.dtype} {matrix.shape}")
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


def similarity_graph(points: ArrayLike, neighbours: int = 10, *, scale: int = 1000, name: str = "points") -> Graph:
    """Return the graph of points and their nearest neighbours, weighted by similarity: what clustering cuts.

    Two points are linked if either is among the other's nearest; the weight is ``scale`` times exp(-d^2 / (s t)), where
    s and t are the two points' distances to their own farthest neighbour, and at least 1.

    Args:
        points: float [num_points, dimensions].
        neighbours: how many nearest ones.
        scale: of the whole-number weights.
        name: the instance's name.

    Raises:
        ValueError: no such array, or not more points than neighbours.

    Source: Zelnik-Manor & Perona 2004 (self-tuning spectral clustering), for the local scale.
    """
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise ValueError(f"points must be finite numbers [num_points, dimensions], not of shape {array.shape}")
    if not 1 <= neighbours < len(array):
        raise ValueError(f"neighbours must be between 1 and {len(array) - 1}, not {neighbours}")
    distances, nearest = cKDTree(array).query(array, neighbours + 1)
    distances, nearest = distances[:, 1:], nearest[:, 1:]
    local = np.maximum(distances[:, -1], 1e-12)
    rows = np.repeat(np.arange(len(array)), neighbours)
    columns = nearest.ravel()
    weights = np.exp(-(distances.ravel() ** 2) / (local[rows] * local[columns]))
    pairs = np.sort(np.stack([rows, columns], axis=1), axis=1)
    pairs, first = np.unique(pairs[rows != columns], axis=0, return_index=True)
    whole = np.maximum(1, np.rint(scale * weights[rows != columns][first])).astype(np.int64)
    positions = array if array.shape[1] == 2 else None
    return Graph.from_edges(len(array), pairs, edge_weights=whole, name=name, positions=positions)
