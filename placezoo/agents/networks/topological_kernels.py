"""The recurrence of ``topological_pass`` as compiled loops, for the CPU.

Graphs have some hundred pairs and up to fifty steps: tensors are so small that calling torch takes longer than the
arithmetic.
"""

from __future__ import annotations

import numpy as np

from placezoo import jit


@jit.fastmath_kernel
def pass_forward(
    edge_term, message, update, bias, source, target, nodes, edges, inverse_degree, result, mean, messages, updates
):
    """Run the recurrence; ``result`` holds y0 and becomes y.

    Args:
        edge_term: float32 [E, d].
        message: float32 [d, d].
        update: float32 [d, d].
        bias: float32 [d].
        source: int64 [E].
        target: int64 [E].
        nodes: int64 [S, 2], the range of nodes of each step.
        edges: int64 [S, 2], the range of edges of each step.
        inverse_degree: float32 [N].
        result: float32 [N, d], y0, overwritten.
        mean: float32 [N, d], zeros, overwritten with the mean messages.
        messages: float32 [E, d], overwritten.
        updates: float32 [N, d], overwritten with y - y0.
    """
    d = bias.size
    for step in range(nodes.shape[0]):
        for edge in range(edges[step, 0], edges[step, 1]):
            origin, to = source[edge], target[edge]
            for i in range(d):
                value = edge_term[edge, i]
                for j in range(d):
                    value += message[i, j] * result[origin, j]
                value = max(value, np.float32(0.0))
                messages[edge, i] = value
                mean[to, i] += value
        for node in range(nodes[step, 0], nodes[step, 1]):
            for i in range(d):
                mean[node, i] *= inverse_degree[node]
            for i in range(d):
                value = bias[i]
                for j in range(d):
                    value += update[i, j] * mean[node, j]
                value = max(value, np.float32(0.0))
                updates[node, i] = value
                result[node, i] += value


@jit.fastmath_kernel
def pass_backward(
    message, update, source, target, nodes, edges, inverse_degree, result, messages, updates, total, of_update,
    of_message, of_weight,
):  # fmt: skip
    """Run the derivative; ``total`` holds that of y and becomes that of y0.

    Args:
        message: float32 [d, d].
        update: float32 [d, d].
        source: int64 [E].
        target: int64 [E].
        nodes: int64 [S, 2].
        edges: int64 [S, 2].
        inverse_degree: float32 [N].
        result: float32 [N, d], y.
        messages: float32 [E, d], of the forward pass.
        updates: float32 [N, d], of the forward pass.
        total: float32 [N, d], overwritten.
        of_update: float32 [N, d], overwritten with the derivative of U z + b.
        of_message: float32 [E, d], overwritten with that of W [y, x].
        of_weight: float32 [d, d], zeros, overwritten with that of the nodes' part of W.
    """
    d = message.shape[0]
    of_mean = np.empty((total.shape[0], d), np.float32)
    for step in range(nodes.shape[0] - 1, -1, -1):
        for node in range(nodes[step, 0], nodes[step, 1]):
            for i in range(d):
                of_update[node, i] = total[node, i] if updates[node, i] > 0 else np.float32(0.0)
                of_mean[node, i] = 0.0
            for i in range(d):
                for j in range(d):
                    of_mean[node, j] += of_update[node, i] * update[i, j]
            for j in range(d):
                of_mean[node, j] *= inverse_degree[node]
        for edge in range(edges[step, 0], edges[step, 1]):
            origin, to = source[edge], target[edge]
            for i in range(d):
                of_message[edge, i] = of_mean[to, i] if messages[edge, i] > 0 else np.float32(0.0)
            for i in range(d):
                for j in range(d):
                    total[origin, j] += of_message[edge, i] * message[i, j]
                    of_weight[i, j] += of_message[edge, i] * result[origin, j]
