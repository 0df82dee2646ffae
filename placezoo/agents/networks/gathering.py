"""What the pair scorer reads of an assignment, differentiably: contents of resources, and neighbours by where they lie.

Written out because of their size: as plain tensor operations both would first build arrays of all items (or edges) of
all samples. On the CPU compiled loops do it, on other devices the same sums are scattered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from placezoo.agents.networks.gathering_kernels import (
    average_neighbours,
    average_neighbours_backward,
    sum_contents,
    sum_contents_backward,
)
from placezoo.agents.networks.graph_batch import Graphs, Pairs, Samples


def mean_contents(content: Tensor, graphs: Graphs, samples: Samples) -> Tensor:
    """Return the mean embedding of what lies on each resource, 0 where nothing does.

    Args:
        content: float32 [N, d].
        graphs: that the samples are over.
        samples: B observations of K resources.

    Returns:
        [B, K, d].
    """
    resources = samples.resource_features.shape[1]
    start = torch.tensor(graphs.start, device=content.device)
    first = start[samples.graph]
    if content.device.type == "cpu":
        sums, counts = _Contents.apply(content, first, samples.assignment, start[samples.graph + 1] - first, resources)
        return sums / counts.clamp(min=1.0)[:, :, None]
    return scattered_contents(content, first, samples.assignment, resources)


def scattered_contents(content: Tensor, first: Tensor, assignment: Tensor, resources: int) -> Tensor:
    """Return ``mean_contents`` by tensor operations; ``first`` is where the items of each sample's graph start."""
    sample, item = torch.nonzero(assignment >= 0, as_tuple=True)
    place = sample * resources + assignment[sample, item]
    sums = content.new_zeros(len(first) * resources, content.shape[1])
    sums = sums.index_add(0, place, content[first[sample] + item])
    counts = torch.bincount(place, minlength=len(sums)).clamp(min=1)
    return (sums / counts[:, None]).view(len(first), resources, -1)


class _Contents(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, content: Tensor, first: Tensor, assignment: Tensor, sizes: Tensor, resources: int
    ) -> tuple[Tensor, Tensor]:
        sums = content.new_empty(len(first), resources, content.shape[1])
        counts = content.new_empty(len(first), resources)
        plan = [tensor.contiguous().numpy() for tensor in (first, assignment, sizes)]
        sum_contents(content.detach().contiguous().numpy(), *plan, sums.numpy(), counts.numpy())
        ctx.plan, ctx.shape = plan, content.shape
        ctx.mark_non_differentiable(counts)
        return sums, counts

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_content = np.zeros(ctx.shape, np.float64)
        sum_contents_backward(gradients[0].contiguous().numpy(), *ctx.plan, of_content)
        return torch.from_numpy(of_content.astype(np.float32)), None, None, None, None


def mean_neighbours(message: Tensor, graphs: Graphs, samples: Samples, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return what an item hears from its neighbours, by where they lie: averages over all its neighbours.

    Args:
        message: float32 [E, d], of the edges into each item.
        graphs: that the samples are over.
        samples: the observations.
        pairs: of them.

    Returns:
        [R, d + 1], for each row the messages of unplaced neighbours and their share, and [P, d + 1], for each pair
        those of the neighbours on its resource.
    """
    start = torch.tensor(graphs.start, device=message.device)
    first = start[samples.graph]
    if message.device.type == "cpu":
        counts = torch.bincount(pairs.row, minlength=len(pairs.row_item))
        pair_start = torch.nn.functional.pad(torch.cumsum(counts, 0), (1, 0))
        waiting, there = _Neighbours.apply(
            message, graphs.edge_start, graphs.edge_index[0], pairs.row_sample, pairs.row_item, first, pair_start,
            pairs.resource, samples.assignment,
        )  # fmt: skip
        return waiting, there
    return scattered_neighbours(message, graphs, samples, pairs)


def scattered_neighbours(message: Tensor, graphs: Graphs, samples: Samples, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return ``mean_neighbours`` by tensor operations."""
    first = torch.tensor(graphs.start, device=message.device)[samples.graph]
    begin = graphs.edge_start[pairs.row_item]
    degrees = graphs.edge_start[pairs.row_item + 1] - begin
    row = torch.repeat_interleave(torch.arange(len(degrees), device=message.device), degrees)
    edge = torch.arange(len(row), device=message.device) - (torch.cumsum(degrees, 0) - degrees)[row] + begin[row]
    sample = pairs.row_sample[row]
    place = samples.assignment[sample, graphs.edge_index[0, edge] - first[sample]]
    heard = torch.cat([message, torch.ones_like(message[:, :1])], 1)[edge] / degrees[row, None]
    resources = samples.resource_features.shape[1]
    gathered = message.new_zeros(len(degrees) * (resources + 1), heard.shape[1])
    gathered = gathered.index_add(0, row * (resources + 1) + place + 1, heard).view(len(degrees), resources + 1, -1)
    return gathered[:, 0], gathered[pairs.row, pairs.resource + 1]


class _Neighbours(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, message: Tensor, *plan: Tensor) -> tuple[Tensor, Tensor]:
        arrays = [tensor.contiguous().numpy() for tensor in plan]
        rows, pairs = len(plan[3]), len(plan[6])
        waiting = message.new_zeros(rows, message.shape[1] + 1)
        there = message.new_zeros(pairs, message.shape[1] + 1)
        average_neighbours(message.detach().contiguous().numpy(), *arrays, waiting.numpy(), there.numpy())
        ctx.arrays, ctx.shape = arrays, message.shape
        return waiting, there

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_message = np.zeros(ctx.shape, np.float32)
        of_waiting, of_there = (gradient.contiguous().numpy() for gradient in gradients)
        average_neighbours_backward(of_waiting, of_there, *ctx.arrays, of_message)
        return (torch.from_numpy(of_message), *[None] * len(ctx.arrays))
