"""Padded observations as one large graph without padding, in which each distinct instance occurs once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor


@dataclass
class Graphs:
    """Some item graphs side by side, as PyTorch Geometric batches them. N items, E directed edges, G graphs.

    Edges are sorted by their head, so that the edges into item i are ``edge_start[i]`` to ``edge_start[i + 1]``.
    """

    features: Tensor  # float32 [N, F]
    edge_index: Tensor  # int64 [2, E], tail and head
    edge_features: Tensor  # float32 [E, Fe]
    edge_start: Tensor  # int64 [N + 1]
    start: list[int]  # [G + 1], where each graph's items start

    @property
    def owner(self) -> Tensor:
        """Which graph each item is of: int64 [N]."""
        sizes = torch.tensor([end - begin for begin, end in pairwise(self.start)], device=self.features.device)
        return torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)

    def means(self, values: Tensor) -> Tensor:
        """Return the mean over each graph's items: [N, d] -> [G, d]."""
        owner, count = self.owner, len(self.start) - 1
        sums = values.new_zeros(count, values.shape[1]).index_add(0, owner, values)
        return sums / torch.bincount(owner, minlength=count)[:, None]

    def to(self, device: torch.device | str) -> Graphs:
        """Return the graphs on a device."""
        return Graphs(
            self.features.to(device), self.edge_index.to(device), self.edge_features.to(device),
            self.edge_start.to(device), self.start,
        )  # fmt: skip

    @classmethod
    def of(cls, features: Tensor, links: Tensor, edge_features: Tensor) -> Graphs:
        """Return one graph.

        Args:
            features: [n, F].
            links: int64 [e, 2], tail and head.
            edge_features: [e, Fe].
        """
        order = torch.argsort(links[:, 1], stable=True)
        edge_start = torch.zeros(len(features) + 1, dtype=torch.int64, device=links.device)
        edge_start[1:] = torch.cumsum(torch.bincount(links[:, 1], minlength=len(features)), 0)
        return cls(features, links[order].T.contiguous(), edge_features[order], edge_start, [0, len(features)])

    @classmethod
    def join(cls, parts: list[Graphs]) -> Graphs:
        """Put graphs side by side."""
        start, edges = [0], [0]
        for part in parts:
            start.append(start[-1] + part.start[-1])
            edges.append(edges[-1] + part.edge_index.shape[1])
        return cls(
            features=torch.cat([part.features for part in parts]),
            edge_index=torch.cat([part.edge_index + offset for part, offset in zip(parts, start, strict=False)], 1),
            edge_features=torch.cat([part.edge_features for part in parts]),
            edge_start=torch.cat(
                [parts[0].edge_start[:1]]
                + [part.edge_start[1:] + offset for part, offset in zip(parts, edges, strict=False)]
            ),
            start=start,
        )


@dataclass
class Pairs:
    """The (item, resource) pairs that a batch of samples may choose between, sample by sample and item by item.

    Attributes:
        row_sample: int64 [R], the sample of each row: of each item that has a pair.
        row_item: int64 [R], its item, numbered across graphs.
        row: int64 [P], the row of each pair.
        resource: int64 [P], its resource.
        action: int64 [P], where the flattened mask has it.
    """

    row_sample: Tensor
    row_item: Tensor
    row: Tensor
    resource: Tensor
    action: Tensor


@dataclass
class Samples:
    """Observations over those graphs. B samples of K resources, items padded to M.

    Attributes follow the observation; ``graph`` says which graph each sample is over.
    """

    graph: Tensor  # int64 [B]
    assignment: Tensor  # int64 [B, M], -1 = unplaced or beyond the instance
    current_item: Tensor  # int64 [B], -1 = none
    resource_features: Tensor  # float32 [B, K, Fr]
    mask: Tensor  # bool [B, K], the current item's resources, or [B, M, K], every item's

    @classmethod
    def of(
        cls,
        graph: Any,
        assignment: Any,
        current_item: Any,
        resource_features: Any,
        mask: Any,
        every_item: bool,
        device: torch.device | str = "cpu",
    ) -> Samples:
        """Pack what changes from step to step, arrays or tensors: the one way from observations to the network.

        Args:
            graph: int [B], which graph each sample is over.
            assignment: int [B, M].
            current_item: int [B] or [B, 1].
            resource_features: float32 [B, K, Fr].
            mask: above 0 where an action is allowed: B times K, or M * K in any shape.
            every_item: whether an action concerns any item (``improve``, ``one-shot``) or the current one.
            device: where to.
        """
        features = torch.as_tensor(resource_features).to(device)
        batch, resources = features.shape[:2]
        allowed = torch.as_tensor(mask).to(device).bool()
        return cls(
            graph=torch.as_tensor(graph).to(device),
            assignment=torch.as_tensor(assignment).to(device),
            current_item=torch.as_tensor(current_item).to(device).reshape(-1),
            resource_features=features,
            mask=allowed.reshape((batch, -1, resources) if every_item else (batch, resources)),
        )

    def pairs(self, graphs: Graphs) -> Pairs:
        """Return the pairs to score: those that the mask allows."""
        device = self.mask.device
        start = torch.tensor(graphs.start, device=device)
        if self.mask.ndim == 2:
            row, resource = torch.nonzero(self.mask, as_tuple=True)
            samples = torch.arange(len(self.mask), device=device)
            current = start[self.graph] + self.current_item.clamp(min=0)
            return Pairs(samples, current, row, resource, row * self.mask.shape[1] + resource)
        _, items, resources = self.mask.shape
        sizes = (start[1:] - start[:-1])[self.graph]
        exists = torch.arange(items, device=device) < sizes[:, None]  # what lies beyond an instance is not scored
        allowed = self.mask & exists[:, :, None]
        sample, item, resource = torch.nonzero(allowed, as_tuple=True)
        rows = allowed.any(2)
        row_sample, row_item = torch.nonzero(rows, as_tuple=True)
        number = (torch.cumsum(rows.flatten(), 0) - 1).view(rows.shape)
        return Pairs(
            row_sample=row_sample,
            row_item=start[self.graph[row_sample]] + row_item,
            row=number[sample, item],
            resource=resource,
            action=(sample * items + item) * resources + resource,
        )


def unpad(observations: dict[str, Tensor]) -> tuple[list[int], Tensor]:
    """Find the distinct instances of a padded batch.

    Returns:
        The first sample of each distinct instance, and int64 [B], which instance each sample is of.
    """
    keys = observations["instance_key"].reshape(-1)
    _, inverse = torch.unique(keys, return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), len(keys), dtype=torch.int64, device=keys.device)
    first.scatter_reduce_(0, inverse, torch.arange(len(keys), device=keys.device), "amin")
    return first.tolist(), inverse


def padded_graph(observations: dict[str, Tensor], sample: int) -> Graphs:
    """Return the item graph of one sample of a padded batch, without its padding."""
    items = int(observations["num_items"][sample])
    edges = int(observations["num_item_edges"][sample])
    return Graphs.of(
        observations["item_features"][sample, :items],
        observations["item_edge_links"][sample, :edges],
        observations["item_edge_features"][sample, :edges],
    )


def samples_of(observations: dict[str, Tensor], graph: Tensor, every_item: bool) -> Samples:
    """Return what changes from step to step of a padded batch.

    Args:
        observations: padded, batched.
        graph: int64 [B], which graph each sample is over.
        every_item: whether an action concerns any item (``improve``, ``one-shot``) or the current one.
    """
    return Samples.of(
        graph, observations["assignment"], observations["current_item"], observations["resource_features"],
        observations["action_mask"], every_item, graph.device,
    )  # fmt: skip
