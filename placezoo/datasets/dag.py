"""Directed acyclic graphs: order, rows of edges, depth, and what is wrong with one that has a cycle."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import read_only


class Dag:
    """The structure of a directed graph; ``check`` says whether it is simple and acyclic.

    Args:
        num_nodes: how many nodes.
        links: int64 [num_edges, 2], source and target.
    """

    def __init__(self, num_nodes: int, links: NDArray[np.int64]) -> None:
        self.num_nodes = num_nodes
        self.links = links

    def check(self, owner: str) -> None:
        """Check that edges stay inside the graph, occur once, and make no loop or cycle.

        Args:
            owner: what a node is, for errors: ``task``.

        Raises:
            ValueError: they do not.
        """
        links, n = self.links, self.num_nodes
        outside = (links < 0) | (links >= n)
        if outside.any():
            edge = int(np.flatnonzero(outside.any(axis=1))[0])
            raise ValueError(f"edge {edge} is {links[edge].tolist()}, {owner}s are 0..{n - 1}")
        loops = links[:, 0] == links[:, 1]
        if loops.any():
            raise ValueError(f"{owner} {links[np.argmax(loops), 0]} has an edge to itself")
        keys, counts = np.unique(links[:, 0] * n + links[:, 1], return_counts=True)
        if np.any(counts > 1):
            source, target = divmod(int(keys[np.argmax(counts > 1)]), n)
            raise ValueError(f"the edge from {owner} {source} to {owner} {target} is given twice")
        if self.order.size < n:
            cycle = self._find_cycle()
            shown = " -> ".join(map(str, cycle if len(cycle) <= 12 else [*cycle[:10], "...", cycle[-1]]))
            raise ValueError(f"the {owner}s have a cycle: {shown}")

    @cached_property
    def successors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each node's outgoing edges start, int64 [num_nodes + 1], and their numbers, int64 [num_edges]."""
        return self._rows(self.links[:, 0])

    @cached_property
    def predecessors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each node's incoming edges start, int64 [num_nodes + 1], and their numbers, int64 [num_edges]."""
        return self._rows(self.links[:, 1])

    def edge_arrays(self) -> dict[str, NDArray[np.int64]]:
        """Return fresh arrays of the edges, as kernels read them: their ends, and those out of and into each node."""
        return {
            "source": self.links[:, 0].copy(),
            "target": self.links[:, 1].copy(),
            "out_start": self.successors[0].copy(),
            "out_edges": self.successors[1].copy(),
            "in_start": self.predecessors[0].copy(),
            "in_edges": self.predecessors[1].copy(),
        }

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The nodes in topological order, by depth and then number; int64, shorter than the nodes with a cycle."""
        start, edges = self.successors
        targets = self.links[edges, 1]
        waiting = np.bincount(self.links[:, 1], minlength=self.num_nodes)
        layer = np.flatnonzero(waiting == 0)
        layers = []
        while layer.size:
            layers.append(layer)
            after = np.concatenate([targets[start[node] : start[node + 1]] for node in layer])
            np.subtract.at(waiting, after, 1)
            layer = np.unique(after[waiting[after] == 0])
        return read_only(np.concatenate(layers) if layers else np.zeros(0, np.int64))

    @cached_property
    def depth(self) -> NDArray[np.int64]:
        """The most edges on a path from any node without inputs to each node: int64 [num_nodes]."""
        depth = np.zeros(self.num_nodes, np.int64)
        start, edges = self.successors
        for node in self.order:
            targets = self.links[edges[start[node] : start[node + 1]], 1]
            depth[targets] = np.maximum(depth[targets], depth[node] + 1)
        return read_only(depth)

    def longest_path(self, node_times: NDArray[np.float64]) -> float:
        """Return the length of the longest path, each node taking its time and edges none."""
        finish = np.zeros(self.num_nodes)
        start, edges = self.successors
        for node in self.order:
            finish[node] += node_times[node]
            targets = self.links[edges[start[node] : start[node + 1]], 1]
            finish[targets] = np.maximum(finish[targets], finish[node])
        return float(finish.max())

    def longest_to_end(self, node_times: ArrayLike, edge_times: ArrayLike = 0) -> NDArray:
        """Return the length of the longest path from each node's start to the end: [num_nodes], of the times' type.

        Args:
            node_times: [num_nodes].
            edge_times: [num_edges], or one for all.
        """
        length = np.array(node_times)
        over_edge = np.broadcast_to(edge_times, len(self.links))
        start, edges = self.successors
        for node in self.order[::-1]:
            out = edges[start[node] : start[node + 1]]
            if out.size:
                length[node] += (over_edge[out] + length[self.links[out, 1]]).max()
        return length

    def _rows(self, ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        start = np.zeros(self.num_nodes + 1, np.int64)
        start[1:] = np.cumsum(np.bincount(ends, minlength=self.num_nodes))
        return read_only(start), read_only(np.argsort(ends, kind="stable"))

    def _find_cycle(self) -> list[int]:
        """Return the nodes of a cycle, the first also at its end."""
        left = np.ones(self.num_nodes, bool)
        left[self.order] = False
        edges = self.links[left[self.links].all(axis=1)]
        before = dict(edges[:, ::-1].tolist())  # each node that is left has an edge into it from another one
        path = [int(np.flatnonzero(left)[0])]
        while path[-1] not in path[:-1]:
            path.append(before[path[-1]])
        return path[path.index(path[-1]) :][::-1]


LINK_FEATURE_NAMES = ("bytes", "forward")


def both_directions(
    links: NDArray[np.int64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return links [E, 2] in both directions, sorted by head: [2 E, 2]; and their features: float32 [2 E, 2].

    The features are ``LINK_FEATURE_NAMES``: bytes over the most, and 1 along the data or -1 against it.
    """
    both = np.concatenate([links, links[:, ::-1]])
    scaled = np.tile(sizes / max(sizes.max(initial=0.0), 1e-300), 2)
    features = np.stack([scaled, np.repeat([1.0, -1.0], len(links))], axis=1)
    order = np.lexsort((both[:, 0], both[:, 1]))
    return read_only(both[order]), read_only(features[order].astype(np.float32))
