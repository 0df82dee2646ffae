"""Message passing along a directed acyclic graph: each node hears from its inputs after they have heard from theirs.

Source: Hu et al. 2023 (GiPH), section 4.2: ``y_v = relu(U mean_u relu(W [y_u, x_uv])) + y0_v``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from placezoo.agents.networks.topological_kernels import pass_backward, pass_forward


@dataclass
class PassPlan:
    """Which nodes and edges are handled together. Nodes and edges are those of a batch of graphs.

    Attributes:
        source: int64 [E], the node that a message comes from.
        target: int64 [E], the node it goes to; edges are in the order in which their targets are handled.
        nodes: for each step the range of nodes.
        edges: for each step the range of edges, those into these nodes.
        inverse_degree: float32 [N], 1 over the messages that each node gets, 0 where it gets none.
    """

    source: Tensor
    target: Tensor
    nodes: list[tuple[int, int]]
    edges: list[tuple[int, int]]
    inverse_degree: Tensor


class _Pass(torch.autograd.Function):
    """The recurrence with its derivative written out: autograd would keep some ten tensors for each of 60 steps."""

    @staticmethod
    def forward(
        ctx: Any, start: Tensor, edge_term: Tensor, message: Tensor, update: Tensor, bias: Tensor, plan: PassPlan
    ) -> Tensor:
        """Return y [N, d].

        Args:
            ctx: of autograd.
            start: y0, [N, d].
            edge_term: the edges' part of W [y, x] with its bias, [E, d].
            message: the nodes' part of W, [d, d].
            update: U, [d, d].
            bias: of U, [d].
            plan: the order.
        """
        result = start.clone(memory_format=torch.contiguous_format)
        mean = torch.zeros_like(start)
        messages = torch.empty_like(edge_term)
        updates = torch.empty_like(start)
        if start.device.type == "cpu" and start.dtype == torch.float32:
            pass_forward(
                *_arrays(edge_term, message, update, bias, plan.source, plan.target), *_ranges(plan),
                *_arrays(plan.inverse_degree, result, mean, messages, updates),
            )  # fmt: skip
            ctx.plan = plan
            ctx.save_for_backward(result, mean, messages, updates, message, update)
            return result
        for (first, last), (begin, end) in zip(plan.nodes, plan.edges, strict=True):
            if end > begin:
                heard = torch.addmm(edge_term[begin:end], result[plan.source[begin:end]], message.T).relu_()
                messages[begin:end] = heard
                mean[first:last].index_add_(0, plan.target[begin:end] - first, heard)
                mean[first:last] *= plan.inverse_degree[first:last, None]
            updated = torch.addmm(bias, mean[first:last], update.T).relu_()
            updates[first:last] = updated
            result[first:last] += updated
        ctx.plan = plan
        ctx.save_for_backward(result, mean, messages, updates, message, update)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the derivatives of start, edge_term, message, update and bias."""
        result, mean, messages, updates, message, update = ctx.saved_tensors
        plan: PassPlan = ctx.plan
        total = gradient.clone(memory_format=torch.contiguous_format)
        of_update = torch.zeros_like(total)
        of_message = torch.zeros_like(messages)
        if gradient.device.type == "cpu" and gradient.dtype == torch.float32:
            of_weight = torch.zeros_like(message)
            pass_backward(
                *_arrays(message, update, plan.source, plan.target), *_ranges(plan),
                *_arrays(plan.inverse_degree, result, messages, updates, total, of_update, of_message, of_weight),
            )  # fmt: skip
            return total, of_message, of_weight, of_update.T @ mean, of_update.sum(0), None
        for (first, last), (begin, end) in zip(reversed(plan.nodes), reversed(plan.edges), strict=True):
            inner = total[first:last] * (updates[first:last] > 0)
            of_update[first:last] = inner
            if end > begin:
                of_mean = (inner @ update) * plan.inverse_degree[first:last, None]
                heard = of_mean[plan.target[begin:end] - first] * (messages[begin:end] > 0)
                of_message[begin:end] = heard
                total.index_add_(0, plan.source[begin:end], heard @ message)
        of_weight = of_message.T @ result[plan.source]
        return total, of_message, of_weight, of_update.T @ mean, of_update.sum(0), None


def _arrays(*tensors: Tensor) -> list[NDArray[Any]]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _ranges(plan: PassPlan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array(plan.nodes, np.int64).reshape(-1, 2), np.array(plan.edges, np.int64).reshape(-1, 2)


class TopologicalPass(nn.Module):
    """One direction of the two-way message passing.

    Args:
        width: d, of the embeddings.
        num_edge_features: of the edges.
    """

    def __init__(self, width: int, num_edge_features: int) -> None:
        super().__init__()
        self.message = nn.Linear(width, width, bias=False)
        self.edge = nn.Linear(num_edge_features, width)
        self.update = nn.Linear(width, width)

    def forward(self, start: Tensor, edge_features: Tensor, plan: PassPlan) -> Tensor:
        """Return embeddings [N, d] from the nodes' own ones [N, d] and edge features [E, F], in the plan's order."""
        result: Tensor = _Pass.apply(
            start, self.edge(edge_features), self.message.weight, self.update.weight, self.update.bias, plan
        )
        return result

    def rounds(self, start: Tensor, edge_features: Tensor, plan: PassPlan, count: int) -> Tensor:
        """Return embeddings after some rounds in which all nodes hear from their inputs at once (GiPH-k)."""
        edge_term = self.edge(edge_features)
        hidden = start
        for _ in range(count):
            heard = torch.relu(self.message(hidden)[plan.source] + edge_term)
            mean = torch.zeros_like(start).index_add(0, plan.target, heard) * plan.inverse_degree[:, None]
            hidden = torch.relu(self.update(mean)) + start
        return hidden
