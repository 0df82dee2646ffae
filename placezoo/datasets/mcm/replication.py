"""Replication: operators so cheap that every chiplet that needs them computes them itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.op_graphs.op_graph import OpGraph

_HEAVY = (
    "mm", "matmul", "linear", "gemm", "einsum", "conv", "attention", "embedding", "norm", "lstm", "gru", "rnn",
)  # fmt: skip


def replicable(graph: OpGraph) -> NDArray[np.bool_]:
    """Return which operators are computed from inputs and parameters by cheap operators alone: bool [num_ops].

    Masks and position numbers are, which every layer reads. A matrix product, convolution, attention, embedding or
    normalisation is not, nor what reads one, nor what has floating-point operations or no known kind, nor what holds
    parameters.
    """
    cheap = (np.asarray(graph.flops) == 0) & (np.asarray(graph.parameter_bytes) == 0)
    for op, kind in enumerate(graph.kinds):
        cheap[op] &= kind != "op" and not any(word in kind.lower() for word in _HEAVY)
    start, edges = graph.dag.predecessors
    links = np.asarray(graph.edges)
    for op in graph.dag.order:
        cheap[op] &= bool(cheap[links[edges[start[op] : start[op + 1]], 0]].all())
    return cheap
