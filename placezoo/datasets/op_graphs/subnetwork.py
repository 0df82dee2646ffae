"""Parts of neural networks, as instances of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.op_graphs.op_graph import OpGraph


def subnetwork(
    graph: OpGraph, groups: NDArray[np.int64], share: float, start: float, scale: float, name: str
) -> OpGraph:
    """Return some neighbouring groups of a network, with what flows between them.

    Args:
        graph: the network.
        groups: int64 [num_ops], what is kept whole.
        share: of the groups, in (0, 1].
        start: where in the order of the groups' first operators the part begins, in [0, 1 - share].
        scale: of operations, tensors and traffic; parameters stay as they are.
        name: of the part.
    """
    position = np.empty(graph.num_ops, np.int64)
    position[graph.dag.order] = np.arange(graph.num_ops)
    labels, own = np.unique(groups, return_inverse=True)
    own = own.reshape(-1)
    first = np.full(labels.size, graph.num_ops)
    np.minimum.at(first, own, position)
    ordered = np.argsort(first, kind="stable")
    begin = min(int(start * labels.size), labels.size - 1)
    count = max(1, round(share * labels.size))
    chosen = np.zeros(labels.size, bool)
    chosen[ordered[begin : begin + count]] = True
    kept = np.flatnonzero(chosen[own])
    number = np.full(graph.num_ops, -1)
    number[kept] = np.arange(kept.size)
    edges = number[np.asarray(graph.edges)]
    return OpGraph(
        flops=scale * np.asarray(graph.flops)[kept],
        bytes_moved=scale * np.asarray(graph.bytes_moved)[kept],
        output_bytes=scale * np.asarray(graph.output_bytes)[kept],
        parameter_bytes=np.asarray(graph.parameter_bytes)[kept],
        edges=edges[(edges >= 0).all(axis=1)],
        kinds=tuple(graph.kinds[op] for op in kept),
        names=tuple(graph.names[op] for op in kept),
        backward=np.asarray(graph.backward)[kept],
        group=np.asarray(graph.group)[kept],
        state_bytes=graph.state_bytes,
        parameters=tuple(graph.parameters[op] for op in kept),
        name=name,
    )
