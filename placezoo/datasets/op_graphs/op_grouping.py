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


def module_groups(graph: OpGraph) -> NDArray[np.int64]:
    """Return groups of whole modules: all parameters of a module together, and those of modules in it; int64 [num_ops].

    Each placement of them is a ``device_map``. A module is one that has parameters itself, not only in modules within
    it; the whole model is none. What holds no parameters goes with the last of what it reads, as frameworks run it, in
    the backward pass with the first, which is of the forward pass.

    Raises:
        ValueError: the graph does not say which operator holds which parameter.
    """
    holders = [(owner, op) for op, names in enumerate(graph.parameters) for owner in {owner_of(one) for one in names}]
    if not holders:
        raise ValueError(f"{graph.name}: the operator graph has no names of parameters; trace it again")
    first = {owner: op for owner, op in reversed(holders) if owner}
    pairs = [
        (first[module], op) for owner, op in holders for module in (owner, *modules_above(owner)) if module in first
    ]
    source = np.full(graph.num_ops, -1)
    edges = np.asarray(graph.edges)
    np.maximum.at(source, edges[:, 1], edges[:, 0])
    backward = edges[np.asarray(graph.backward)[edges[:, 1]]]
    source[backward[:, 1]] = graph.num_ops
    np.minimum.at(source, backward[:, 1], backward[:, 0])
    _, deciding, own = np.unique(np.asarray(graph.group), return_index=True, return_inverse=True)
    group = own.reshape(-1)
    held = np.bincount(group, np.asarray(graph.parameter_bytes))
    deciding = deciding[(held[group[deciding]] == 0) & (source[deciding] >= 0)]
    links = np.stack([source[deciding], deciding], axis=1)
    return _join(graph, np.concatenate([links, np.array(pairs, np.int64).reshape(-1, 2)]))


def owner_of(parameter: str) -> str:
    """Return the module that a parameter belongs to, ``""`` for the whole model."""
    return parameter.rpartition(".")[0]


def modules_above(module: str) -> list[str]:
    """Return the modules that a module is in, from the innermost to the outermost, without the whole model."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]


GROUPINGS = {"own": own_groups, "chains": chain_groups, "layers": layer_groups, "modules": module_groups}


def _join(graph: OpGraph, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return groups in which the model's own groups and these pairs of operators are together."""
    _, first, own = np.unique(np.asarray(graph.group), return_index=True, return_inverse=True)
    together = np.stack([np.arange(graph.num_ops), first[own.reshape(-1)]], axis=1)
    return connected_groups(graph.num_ops, np.concatenate([together, pairs]))
