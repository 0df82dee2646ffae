"""Eigenvectors of a graph's Laplacian: coordinates in which near nodes are near."""

from __future__ import annotations

import functools

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray
from scipy.sparse import csgraph

from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_conversion import to_scipy

_DENSE_UP_TO = 400  # nodes; below, a dense eigensolver is faster than an iterative one and never fails to converge
_MAX_RESTARTS = 20  # of Lanczos; meshes and networks need 1 to 5


@functools.lru_cache(maxsize=4096)
def laplacian_coordinates(graph: Graph, dimensions: int) -> NDArray[np.float64]:
    """Return the eigenvectors of the normalised Laplacian with the smallest non-trivial eigenvalues.

    The trivial first eigenvector is left out, each other is divided by the square root of the degree (so that a
    component is constant in it) and scaled to a largest magnitude of 1. Nodes outside the largest component lie at 0,
    and what a small graph lacks is 0 as well. The result is read-only and remembered per graph.

    Args:
        graph: the graph.
        dimensions: how many eigenvectors.

    Returns:
        float64 [num_nodes, dimensions], in [-1, 1].

    Source: von Luxburg, A Tutorial on Spectral Clustering, 2007, section 3.2 (random-walk Laplacian).
    """
    coordinates = np.zeros((graph.num_nodes, dimensions))
    nodes = _largest_component(graph)
    wanted = min(dimensions, nodes.size - 1)
    if wanted > 0:
        adjacency = to_scipy(graph).astype(np.float64)[nodes][:, nodes]
        vectors = _smallest_eigenvectors(adjacency, wanted + 1)[:, 1:]
        vectors = vectors / np.abs(vectors).max(axis=0)
        # An eigenvector has no sign of its own; fixing it by the first node that is not near zero keeps it from
        # changing between runs.
        signs = np.sign([column[np.abs(column) > 1e-3][0] for column in vectors.T])
        coordinates[nodes, :wanted] = vectors * signs
    coordinates.flags.writeable = False
    return coordinates


def _largest_component(graph: Graph) -> NDArray[np.int64]:
    _, labels = csgraph.connected_components(to_scipy(graph), directed=False)
    return np.flatnonzero(labels == np.argmax(np.bincount(labels)))


def _smallest_eigenvectors(adjacency: sp.csr_array, count: int) -> NDArray[np.float64]:
    """Return eigenvectors of D^-1/2 (D - A) D^-1/2, smallest first, times D^-1/2: [n, count]; A is connected."""
    n = adjacency.shape[0]
    degrees = np.asarray(adjacency.sum(axis=1)).ravel()
    scale = sp.diags_array(1.0 / np.sqrt(degrees))
    normalised = sp.csc_array(sp.eye_array(n) - scale @ adjacency @ scale)
    if n <= _DENSE_UP_TO or count >= n - 1:
        _, vectors = scipy.linalg.eigh(normalised.toarray(), subset_by_index=[0, count - 1])
    else:
        try:
            vectors = _by_shift_and_invert(normalised, count, 1e-4, _MAX_RESTARTS)
        except spla.ArpackNoConvergence:  # eigenvalues much nearer to 0 than that: long paths, cycles, thin meshes
            vectors = _by_shift_and_invert(normalised, count, 1e-9)
    return vectors / np.sqrt(degrees)[:, None]


def _by_shift_and_invert(
    normalised: sp.csc_array, count: int, shift: float, max_restarts: int | None = None
) -> NDArray[np.float64]:
    """Return the first eigenvectors, [n, count]; the matrix is singular, hence a small shift."""
    n = normalised.shape[0]
    # An ordering for symmetric matrices keeps the factors of three-dimensional meshes small (wing: 4 s, not 12 s).
    shifted = sp.csc_array(normalised + shift * sp.eye_array(n))
    factors = spla.splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    inverse = spla.LinearOperator(shifted.shape, matvec=factors.solve, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(n)
    values, vectors = spla.eigsh(normalised, k=count, sigma=-shift, OPinv=inverse, v0=start, maxiter=max_restarts)
    return vectors[:, np.argsort(values)]
