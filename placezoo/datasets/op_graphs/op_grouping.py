"""Coarsening operator graphs: which operators are placed as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.connected import connected_groups
from placezoo.datasets.op_graphs.op_graph import OpGraph


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
    """Return the chains' groups, with what has no parameters joined to what it reads first: int64 [num_ops].

    A group has parameters if one of its operators holds them: gradients and updates stay with their layer.
    """
    edges = np.asarray(graph.edges)
    _, first = np.unique(edges[:, 1], return_index=True)
    links = edges[first]
    chains = chain_groups(graph)
    held = np.bincount(chains, np.asarray(graph.parameter_bytes))
    free = held[chains] == 0
    # Only the first of a group's operators decides with whom it goes: two would join their sources to each other.
    deciding = links[free[links[:, 1]]]
    _, which = np.unique(chains[deciding[:, 1]], return_index=True)
    inside = np.stack([np.arange(graph.num_ops), np.unique(chains, return_index=True)[1][chains]], axis=1)
    return _join(graph, np.concatenate([inside, deciding[which]]))


GROUPINGS = {"own": own_groups, "chains": chain_groups, "layers": layer_groups}


def _join(graph: OpGraph, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return groups in which the model's own groups and these pairs of operators are together."""
    _, first, own = np.unique(np.asarray(graph.group), return_index=True, return_inverse=True)
    together = np.stack([np.arange(graph.num_ops), first[own.reshape(-1)]], axis=1)
    return connected_groups(graph.num_ops, np.concatenate([together, pairs]))
