"""The instance of graph partitioning: an undirected graph with integer weights, in CSR form."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import EqualByDigest, as_integers, read_only

# Sums of weights stay exact in float64, so that costs compare equal whichever way they were added up.
MAX_TOTAL_WEIGHT = 2**53


@dataclass(frozen=True, eq=False)
class Graph(EqualByDigest):
    """An undirected graph without loops or parallel edges, in compressed sparse rows.

    Each edge {u, v} is stored twice, in the rows of u and of v; rows are sorted. Arrays are read-only.
    Two graphs are equal when their structure and weights are, whatever their names.

    Args:
        indptr: int64 [num_nodes + 1], where each node's row starts.
        indices: int32 [2 * num_edges], neighbours.
        edge_weights: int64 [2 * num_edges], at least 1, equal in both directions.
        node_weights: int64 [num_nodes], at least 0.
        name: what the instance is called in results.
        positions: float64 [num_nodes, 2] where nodes lie in the plane, for drawing, or None.

    Raises:
        ValueError: an array has the wrong shape, or the arrays are not such a graph.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    edge_weights: NDArray[np.int64]
    node_weights: NDArray[np.int64]
    name: str = "graph"
    positions: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for field, dtype in (
            ("indptr", np.int64),
            ("indices", np.int32),
            ("edge_weights", np.int64),
            ("node_weights", np.int64),
        ):
            object.__setattr__(self, field, read_only(as_integers(getattr(self, field), dtype, field)))
        if self.positions is not None:
            positions = np.ascontiguousarray(self.positions, dtype=np.float64)
            if positions.shape != (self.num_nodes, 2) or not np.isfinite(positions).all():
                raise ValueError(f"positions must be finite, of shape ({self.num_nodes}, 2), not {positions.shape}")
            object.__setattr__(self, "positions", read_only(positions))
        self._validate()

    def _validate(self) -> None:
        n, entries = self.num_nodes, self.indices.size
        if self.indptr.size != n + 1 or n == 0:
            raise ValueError(f"a graph needs at least one node and indptr of num_nodes + 1 values, not {n} nodes")
        if self.indptr[0] != 0 or self.indptr[-1] != entries or np.any(np.diff(self.indptr) < 0):
            raise ValueError("indptr must rise from 0 to the length of indices")
        if self.edge_weights.size != entries:
            raise ValueError(f"{entries} indices but {self.edge_weights.size} edge weights")
        if entries and (self.indices.min() < 0 or self.indices.max() >= n):
            raise ValueError(f"a neighbour lies outside 0..{n - 1}")
        if entries and self.edge_weights.min() < 1:
            raise ValueError("edge weights must be at least 1")
        if self.node_weights.min() < 0:
            raise ValueError("node weights must be at least 0")
        for weights in (self.edge_weights, self.node_weights):
            if float(weights.sum(dtype=np.float64)) > MAX_TOTAL_WEIGHT:
                raise ValueError("weights sum to more than 2**53, costs would not be exact")
        rows = self.rows
        if np.any(rows == self.indices):
            raise ValueError(f"node {rows[rows == self.indices][0]} has an edge to itself")
        keys = rows * n + self.indices
        if np.any(np.diff(keys) <= 0):
            raise ValueError("rows must be sorted and without parallel edges")
        mirrored = self.indices.astype(np.int64) * n + rows
        order = np.argsort(mirrored)
        if not np.array_equal(mirrored[order], keys) or not np.array_equal(self.edge_weights[order], self.edge_weights):
            raise ValueError("the adjacency is not symmetric")

    @classmethod
    def from_edges(
        cls,
        num_nodes: int,
        edges: ArrayLike,
        *,
        edge_weights: ArrayLike | None = None,
        node_weights: ArrayLike | None = None,
        name: str = "graph",
        positions: NDArray[np.float64] | None = None,
    ) -> Graph:
        """Build a graph from each undirected edge named once, in any order.

        Args:
            num_nodes: how many nodes there are.
            edges: integers [num_edges, 2].
            edge_weights: integers [num_edges], default all 1.
            node_weights: integers [num_nodes], default all 1.
            name: what the instance is called in results.
            positions: float64 [num_nodes, 2] or None.

        Raises:
            ValueError: an edge is a loop, is given twice, or leaves 0..num_nodes-1.
        """
        edges = as_integers(edges, np.int64, "edges").reshape(-1, 2)
        weights = (
            np.ones(len(edges), np.int64)
            if edge_weights is None
            else as_integers(edge_weights, np.int64, "edge_weights")
        )
        if weights.shape != (len(edges),):
            raise ValueError(f"{len(edges)} edges but edge weights of shape {weights.shape}")
        if len(edges) and (edges.min() < 0 or edges.max() >= num_nodes):
            raise ValueError(f"an edge's end lies outside 0..{num_nodes - 1}")
        rows = np.concatenate([edges[:, 0], edges[:, 1]])
        columns = np.concatenate([edges[:, 1], edges[:, 0]])
        order = np.lexsort((columns, rows))
        indptr = np.zeros(num_nodes + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=num_nodes), out=indptr[1:])
        return cls(
            indptr=indptr,
            indices=columns[order].astype(np.int32),
            edge_weights=np.concatenate([weights, weights])[order],
            node_weights=np.ones(num_nodes, np.int64) if node_weights is None else np.asarray(node_weights),
            name=name,
            positions=positions,
        )

    @property
    def num_nodes(self) -> int:
        """How many nodes there are."""
        return int(self.node_weights.size)

    @property
    def num_edges(self) -> int:
        """How many undirected edges there are."""
        return int(self.indices.size // 2)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The node whose row each entry of ``indices`` is in: int64 [2 * num_edges]."""
        return read_only(np.repeat(np.arange(self.num_nodes), np.diff(self.indptr)))

    @cached_property
    def weighted_degrees(self) -> NDArray[np.int64]:
        """The summed weight of each node's edges: int64 [num_nodes]."""
        sums = np.concatenate([[0], np.cumsum(self.edge_weights)])
        return read_only(sums[self.indptr[1:]] - sums[self.indptr[:-1]])

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """Each undirected edge once, smaller end first: int64 [num_edges, 2]."""
        once = self.rows < self.indices
        return read_only(np.stack([self.rows[once], self.indices[once].astype(np.int64)], axis=1))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of structure and weights: the same for equal graphs on every machine."""
        state = hashlib.sha256(b"placezoo.Graph/1")
        for array, dtype in (
            (self.indptr, "<i8"),
            (self.indices, "<i4"),
            (self.edge_weights, "<i8"),
            (self.node_weights, "<i8"),
        ):
            state.update(array.astype(dtype).tobytes())
        return state.hexdigest()

    def subgraph(self, nodes: NDArray[np.int64]) -> Graph:
        """Return the graph of some distinct nodes and the edges among them; its node i is ``nodes[i]``."""
        number = np.full(self.num_nodes, -1, np.int64)
        number[nodes] = np.arange(nodes.size)
        once = (self.rows < self.indices) & (number[self.rows] >= 0) & (number[self.indices] >= 0)
        return Graph.from_edges(
            nodes.size,
            np.stack([number[self.rows[once]], number[self.indices[once]]], axis=1),
            edge_weights=self.edge_weights[once],
            node_weights=self.node_weights[nodes],
            name=self.name,
            positions=None if self.positions is None else self.positions[nodes],
        )

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {self.num_nodes} nodes, {self.num_edges} edges)"
