"""Coarsening operator graphs: which operators are placed as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.op_graph import OpGraph


def own_groups(graph: OpGraph) -> NDArray[np.int64]:
    """Return the model's own groups: what shares a parameter stays together; int64 [num_ops]."""
    return np.array(graph.group)


def chain_groups(graph: OpGraph) -> NDArray[np.int64]:
    """Return the model's own groups, with chains contracted: int64 [num_ops].

    An operator whose output only one operator reads, which reads nothing else, is placed with it: no placement that
    parts them sends less.
    """
    edges = np.asarray(graph.edges)
    outputs = np.bincount(edges[:, 0], minlength=graph.num_ops)
    inputs = np.bincount(edges[:, 1], minlength=graph.num_ops)
    chained = edges[(outputs[edges[:, 0]] == 1) & (inputs[edges[:, 1]] == 1)]
    return _join(graph, chained)


def layer_groups(graph: OpGraph) -> NDArray[np.int64]:
    """Return the chains' groups, with what holds no parameters joined to what it reads first: int64 [num_ops]."""
    edges = np.asarray(graph.edges)
    _, first = np.unique(edges[:, 1], return_index=True)
    links = edges[first]
    free = np.asarray(graph.parameter_bytes)[links[:, 1]] == 0
    return _join(graph, links[free])


GROUPINGS = {"own": own_groups, "chains": chain_groups, "layers": layer_groups}


def _join(graph: OpGraph, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return groups in which the model's own groups and these pairs of operators are together."""
    parent = np.arange(graph.num_ops)

    def root(op: int) -> int:
        while parent[op] != op:
            parent[op] = parent[parent[op]]
            op = int(parent[op])
        return op

    _, first = np.unique(np.asarray(graph.group), return_inverse=True)
    leader: dict[int, int] = {}
    for op, label in enumerate(first.reshape(-1).tolist()):
        parent[root(op)] = root(leader.setdefault(label, op))
    for a, b in pairs.tolist():
        parent[root(b)] = root(a)
    return np.array([root(op) for op in range(graph.num_ops)])
