"""The network of one-shot placers: scores of every resource for every item at once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from placezoo.agents.networks.encoders import Encoder, Links
from placezoo.agents.networks.segment_transformer import SegmentTransformer
from placezoo.parameters import at_least, check_fields, one_of

_SURENESS = 2.0  # of a fresh policy on a row: how much less likely the next resource is than the one by the share
PLACERS = ("segment-transformer", "feed-forward")


@dataclass(frozen=True)
class OneShotConfig:
    """What rebuilds the network of a one-shot placer.

    Args:
        item_features: how many features items have.
        edge_features: how many features item edges have.
        resource_features: how many features resources have.
        encoder: the encoder's name.
        width: of all embeddings.
        layers: of the encoder.
        placer: ``segment-transformer`` (GDP, GO) or ``feed-forward`` (the chiplet partitioner's).
        placer_layers: how many.
        heads: of the attention.
        segment: how many items attend to each other and to as many before them.
        superposition: let a summary of the graph gate the placer's layers.
        refine: read the last assignment, so that answers can be refined.
        max_resources: numbers of resources that are told apart.
        second_head: the item feature that says which items a head of their own scores (GO's priorities), or -1.
        positions: item features that say how far along an item is, 0 to 1; their sines and cosines are read too.
        frequencies: how many of them, each twice the one before.
        row: where resources stand in a row, the item feature by whose share of the row a fresh policy places; or -1.
    """

    item_features: int
    edge_features: int
    resource_features: int
    encoder: str = "graph-sage"
    width: Annotated[int, at_least(1)] = 64
    layers: Annotated[int, at_least(1)] = 3
    placer: Annotated[str, one_of(*PLACERS)] = "segment-transformer"
    placer_layers: Annotated[int, at_least(1)] = 2
    heads: Annotated[int, at_least(1)] = 4
    segment: Annotated[int, at_least(1)] = 128
    superposition: bool = True
    refine: bool = False
    max_resources: Annotated[int, at_least(1)] = 64
    second_head: int = -1
    positions: tuple[int, ...] = ()
    frequencies: Annotated[int, at_least(1)] = 4
    row: int = -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", tuple(self.positions))
        check_fields(self, "gdp")
        if self.width % self.heads:
            raise ValueError(f"gdp: width {self.width} must be a multiple of the {self.heads} heads")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass
class OneShotGraph:
    """A problem as the network reads it. n items, E directed edges, K resources."""

    features: Tensor  # float32 [n, F]
    edge_index: Tensor  # int64 [2, E], tail and head
    edge_features: Tensor  # float32 [E, Fe]
    order: Tensor  # int64 [n], the items in the problem's order
    resources: Tensor  # float32 [K, Fr], when nothing is placed
    allowed: Tensor  # bool [n, K], what exists for each item


class FeedForward(nn.Module):
    """A placer that looks at each item alone, as the encoder left it."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(layers)))

    def forward(self, sequence: Tensor, context: Tensor) -> Tensor:
        """Return [n, width]; the context is added to every item."""
        return self.layers(sequence + context)


class OneShotNetwork(nn.Module):
    """Encoder of the item graph, placer over the items in their order, scores of (item, resource) pairs.

    Resources are told apart by their numbers, or equal ones would all be scored alike.

    Args:
        config: the sizes.

    Source: Zhou et al. 2019 (GDP); Zhou et al. 2020 (GO) for refinement and several heads; Xie et al. 2022 for the
    feed-forward placer.
    """

    architecture = "one-shot"

    def __init__(self, config: OneShotConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        told = width // 4 if config.refine else 0
        inputs = config.item_features + 2 * config.frequencies * (1 + len(config.positions)) + told
        self.project = nn.Linear(inputs, width)
        self.edges = nn.Linear(config.edge_features, width)
        self.encoder = Encoder(config.encoder, width, config.layers)
        self.last = nn.Embedding(config.max_resources + 1, told) if told else None
        self.placer: Any = (
            SegmentTransformer(width, config.placer_layers, config.heads, config.segment, config.superposition)
            if config.placer == "segment-transformer"
            else FeedForward(width, config.placer_layers)
        )
        self.resource = nn.Linear(config.resource_features, width)
        self.number = nn.Embedding(config.max_resources, width)
        heads = [nn.Linear(width, width) for _ in range(1 if config.second_head < 0 else 2)]
        for head in heads:
            # Near-uniform at the start, as policy gradients are usually begun; or near what it goes by on a row.
            nn.init.orthogonal_(head.weight, 0.1 if config.row < 0 else 0.005)
            nn.init.zeros_(head.bias)
        self.score = nn.ModuleList(heads)
        self.sureness = nn.Parameter(torch.tensor(_SURENESS)) if config.row >= 0 else None

    def forward(self, graph: OneShotGraph, last: Tensor | None = None) -> Tensor:
        """Return log-probabilities [n, K], -inf where an item cannot be.

        Args:
            graph: the problem.
            last: int64 [n], the assignment to refine, -1 or None for none.
        """
        n, resources = graph.allowed.shape
        device = graph.features.device
        place = torch.empty(n, device=device)
        place[graph.order] = torch.arange(n, device=device, dtype=torch.float32) / n
        places = torch.cat([place[:, None], graph.features[:, list(self.config.positions)]], 1)
        angles = (math.pi * places[:, :, None] * 2.0 ** torch.arange(self.config.frequencies, device=device)).flatten(1)
        parts = [graph.features, angles.sin(), angles.cos()]
        if self.last is not None:
            parts.append(self.last(torch.zeros(n, dtype=torch.int64, device=device) if last is None else last + 1))
        links = Links(graph.edge_index, self.edges(graph.edge_features), [0, n])
        hidden = self.encoder(torch.relu(self.project(torch.cat(parts, 1))), links)
        placed = torch.empty_like(hidden)
        placed[graph.order] = self.placer(hidden[graph.order], hidden.mean(0))
        keys = self.resource(graph.resources) + self.number(torch.arange(resources, device=device))
        scores = self.score[0](placed) @ keys.T
        if len(self.score) > 1:
            second = graph.features[:, self.config.second_head, None] > 0
            scores = torch.where(second, self.score[1](placed) @ keys.T, scores)
        if self.sureness is not None:
            middle = torch.arange(resources, device=device) + 0.5
            off = (graph.features[:, self.config.row, None] * resources - middle).abs()
            scores = scores - self.sureness * off
        return torch.log_softmax(scores.masked_fill(~graph.allowed, float("-inf")), 1)
