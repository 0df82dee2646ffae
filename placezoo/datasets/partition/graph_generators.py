"""Random and regular graphs to train and test on, each a function of its sizes and a generator's state."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree
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


def rmat(
    scale: int, edge_factor: int, rng: Generator, *, shares: tuple[float, float, float] = (0.57, 0.19, 0.19),
    name: str = "rmat",
) -> Graph:  # fmt: skip
    """Draw a recursive-matrix graph of 2^scale nodes, skewed as Graph500 draws them (Chakrabarti et al. 2004).

    Each of 2^scale x edge_factor draws falls into a quarter of the adjacency matrix, then into a quarter of that, and
    so on. Loops and repeated edges are dropped, and nodes are numbered at random.

    Args:
        scale: logarithm to base 2 of the number of nodes.
        edge_factor: draws for each node.
        rng: draws everything.
        shares: probabilities of the upper left, upper right and lower left quarter.
        name: of the graph.

    Raises:
        ValueError: a parameter is out of range.
    """
    _require(1 <= scale <= 30 and edge_factor >= 1, f"scale {scale} or edge_factor {edge_factor} is out of range")
    a, b, c = shares
    _require(min(shares) >= 0 and a + b + c <= 1, f"shares must be probabilities of at most 1 in all, not {shares}")
    num_nodes = 2**scale
    u, v = np.zeros((2, num_nodes * edge_factor), np.int64)
    for _ in range(scale):
        drawn = rng.random(u.size)
        u = 2 * u + (drawn >= a + b)
        v = 2 * v + (((drawn >= a) & (drawn < a + b)) | (drawn >= a + b + c))
    u, v = rng.permutation(num_nodes)[np.stack([u, v])]
    keys = np.unique(np.minimum(u, v)[u != v] * num_nodes + np.maximum(u, v)[u != v])
    return Graph.from_edges(num_nodes, np.stack(np.divmod(keys, num_nodes), axis=1), name=name)


def road_like(rows: int, columns: int, rng: Generator, *, crossings: float = 0.3, name: str = "road-like") -> Graph:
    """Return a connected plane graph of low degree, as road networks are: a random spanning tree of a lattice and more.

    Nodes lie near the points of a lattice. The tree is the lattice's minimum spanning tree under random weights; of the
    other lattice edges each is kept with the probability ``crossings``: the mean degree is about 2 + 2 x crossings.

    Args:
        rows: of the lattice.
        columns: of the lattice.
        rng: draws everything.
        crossings: in [0, 1].
        name: of the graph.

    Raises:
        ValueError: a side is below 1, or ``crossings`` is no probability.
    """
    _require(0 <= crossings <= 1, f"crossings must be a probability, not {crossings}")
    lattice = grid(rows, columns)
    n = lattice.num_nodes
    u, v = lattice.rows, lattice.indices.astype(np.int64)
    u, v = u[u < v], v[u < v]
    weights = 1.0 + rng.random(u.size)
    kept = rng.random(u.size) < crossings
    tree = minimum_spanning_tree(coo_matrix((weights, (u, v)), shape=(n, n))).tocoo()
    keys = np.union1d(
        np.minimum(tree.row, tree.col).astype(np.int64) * n + np.maximum(tree.row, tree.col), u[kept] * n + v[kept]
    )
    assert lattice.positions is not None
    positions = lattice.positions + rng.uniform(-0.3, 0.3, (n, 2))
    return Graph.from_edges(n, np.stack(np.divmod(keys, n), axis=1), name=name, positions=positions)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
