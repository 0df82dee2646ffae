"""Padded observations as one large graph without padding, in which each distinct instance occurs once."""

from __future__ import annotations

from dataclasses import dataclass

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
class Samples:
    """Observations over those graphs. B samples of K resources, items padded to M.

    Attributes follow the observation; ``graph`` says which graph each sample is over.
    """

    graph: Tensor  # int64 [B]
    assignment: Tensor  # int64 [B, M], -1 = unplaced or beyond the instance
    current_item: Tensor  # int64 [B], -1 = none
    resource_features: Tensor  # float32 [B, K, Fr]

    def rows(self, graphs: Graphs, every_item: bool) -> tuple[Tensor, Tensor]:
        """Return the (sample, item) pairs to score, the items numbered across graphs.

        Args:
            graphs: that the samples are over.
            every_item: all items of each sample, else its current item (item 0 where there is none).
        """
        device = self.graph.device
        start = torch.tensor(graphs.start, device=device)
        if not every_item:
            samples = torch.arange(len(self.graph), device=device)
            return samples, start[self.graph] + self.current_item.clamp(min=0)
        sizes = (start[1:] - start[:-1])[self.graph]
        samples = torch.repeat_interleave(torch.arange(len(self.graph), device=device), sizes)
        first = torch.cumsum(sizes, 0) - sizes
        return samples, torch.arange(len(samples), device=device) - first[samples] + start[self.graph][samples]


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


def samples_of(observations: dict[str, Tensor], graph: Tensor) -> Samples:
    """Return what changes from step to step of a padded batch."""
    return Samples(
        graph=graph,
        assignment=observations["assignment"],
        current_item=observations["current_item"].reshape(-1),
        resource_features=observations["resource_features"],
    )
