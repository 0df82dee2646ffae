"""Random and regular graphs to train and test on, each a function of its sizes and a generator's state."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.spatial import Delaunay

from placezoo.datasets.partition.graph import Graph


def delaunay(num_nodes: int, rng: Generator, *, name: str = "delaunay") -> Graph:
    """Triangulate uniform random points of the unit square (Delaunay): a small two-dimensional mesh.

    Raises:
        ValueError: fewer than 3 nodes.
    """
    _require(num_nodes >= 3, f"a triangulation needs at least 3 nodes, not {num_nodes}")
    points = rng.random((num_nodes, 2))
    triangles = Delaunay(points).simplices
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]])
    edges = np.unique(np.sort(pairs, axis=1), axis=0)
    return Graph.from_edges(num_nodes, edges, name=name, positions=points)


def grid(rows: int, columns: int, *, name: str | None = None) -> Graph:
    """Return the rows x columns lattice.

    Raises:
        ValueError: a side is below 1.
    """
    _require(rows >= 1 and columns >= 1, f"a grid needs sides of at least 1, not {rows} x {columns}")
    nodes = np.arange(rows * columns).reshape(rows, columns)
    across = np.stack([nodes[:, :-1].ravel(), nodes[:, 1:].ravel()], axis=1)
    down = np.stack([nodes[:-1].ravel(), nodes[1:].ravel()], axis=1)
    y, x = np.divmod(np.arange(rows * columns), columns)
    positions = np.stack([x, rows - 1 - y], axis=1).astype(np.float64)
    return Graph.from_edges(
        rows * columns, np.concatenate([across, down]), name=name or f"grid-{rows}x{columns}", positions=positions
    )


def erdos_renyi(num_nodes: int, num_edges: int, rng: Generator, *, name: str = "erdos-renyi") -> Graph:
    """Draw G(n, m): a graph with exactly ``num_edges`` edges, all such graphs equally likely (Erdos & Renyi 1959).

    Raises:
        ValueError: more edges than pairs of nodes.
    """
    pairs = num_nodes * (num_nodes - 1) // 2
    _require(0 <= num_edges <= pairs, f"{num_nodes} nodes have room for 0 to {pairs} edges, not {num_edges}")
    chosen = np.sort(rng.choice(pairs, size=num_edges, replace=False))
    # Pair number p of the strictly upper triangle, row by row: row u starts at u * n - u * (u + 1) / 2.
    row_starts = np.arange(num_nodes) * num_nodes - np.arange(num_nodes) * (np.arange(num_nodes) + 1) // 2
    u = np.searchsorted(row_starts, chosen, side="right") - 1
    v = chosen - row_starts[u] + u + 1
    return Graph.from_edges(num_nodes, np.stack([u, v], axis=1), name=name)


def barabasi_albert(num_nodes: int, edges_per_node: int, rng: Generator, *, name: str = "barabasi-albert") -> Graph:
    """Grow a scale-free graph by preferential attachment from a star (Barabasi & Albert 1999).

    Raises:
        ValueError: ``edges_per_node`` is not in 1..num_nodes-1.
    """
    m = edges_per_node
    _require(1 <= m < num_nodes, f"edges_per_node must be in 1..{num_nodes - 1}, not {m}")
    ends = [(0, target) for target in range(1, m + 1)]
    endpoints = [node for edge in ends for node in edge]  # each node as often as its degree
    for node in range(m + 1, num_nodes):
        targets: set[int] = set()
        while len(targets) < m:
            targets.add(endpoints[int(rng.integers(len(endpoints)))])
        for target in sorted(targets):
            ends.append((target, node))
            endpoints += [target, node]
    return Graph.from_edges(num_nodes, np.array(ends), name=name)


def planted_partition(
    num_nodes: int, num_groups: int, inside: float, between: float, rng: Generator, *, name: str = "planted-partition"
) -> Graph:
    """Join nodes of one group with probability ``inside``, of two groups with ``between`` (Condon & Karp 2001).

    Node i belongs to group i % num_groups.

    Raises:
        ValueError: a probability outside [0, 1], or more groups than nodes.
    """
    _require(1 <= num_groups <= num_nodes, f"num_groups must be in 1..{num_nodes}, not {num_groups}")
    for label, probability in (("inside", inside), ("between", between)):
        _require(0 <= probability <= 1, f"{label} must be a probability, not {probability}")
    u, v = np.triu_indices(num_nodes, k=1)
    kept = rng.random(u.size) < np.where(u % num_groups == v % num_groups, inside, between)
    return Graph.from_edges(num_nodes, np.stack([u[kept], v[kept]], axis=1), name=name)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
