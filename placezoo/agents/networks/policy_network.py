"""The policy network: an encoder of the item graph and a scorer of (item, resource) pairs; no size is built in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from placezoo.agents.networks.encoder import make_encoder
from placezoo.agents.networks.graph_batch import Graphs, Samples


@dataclass(frozen=True)
class NetworkConfig:
    """What rebuilds a policy network.

    Args:
        item_features: how many features items have.
        edge_features: how many features item edges have.
        resource_features: how many features resources have.
        encoder: the encoder's name.
        width: of all embeddings.
        layers: of the encoder.
        head: what scores actions: ``pair``, or ``deconvolution`` where the resources are the cells of a grid.
        prior: the resource feature that unlikely actions have much of, which a fresh network already goes by (a
            chip's wire mask); -1 for none.
        grid: the resource features that are a cell's x and y, -1 to 1 over the canvas; -1 where there are none.
    """

    item_features: int
    edge_features: int
    resource_features: int
    encoder: str = "graph-sage"
    width: int = 32
    layers: int = 2
    head: str = "pair"
    prior: int = -1
    grid: tuple[int, int] = (-1, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", tuple(self.grid))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass
class Encoded:
    """What the network knows of graphs before anything is placed; N items, width d."""

    query: Tensor  # [N, d], an item as the one to place
    content: Tensor  # [N, d], an item as part of what lies on a resource
    neighbour: Tensor  # [N, d], an item as another's neighbour
    mean: Tensor  # [G, d], the average item of each graph

    @classmethod
    def join(cls, parts: list[Encoded]) -> Encoded:
        """Put the embeddings of graphs side by side."""
        return cls(
            query=torch.cat([part.query for part in parts]),
            content=torch.cat([part.content for part in parts]),
            neighbour=torch.cat([part.neighbour for part in parts]),
            mean=torch.cat([part.mean for part in parts]),
        )


class Prior(nn.Module):
    """What a fresh policy goes by: less of one feature is better, by a weight that is learned like all others."""

    def __init__(self, config: NetworkConfig, start: float = 20.0) -> None:
        super().__init__()
        self._feature, self._start = config.prior, start
        self.weight = nn.Parameter(torch.zeros(())) if config.prior >= 0 else None

    def forward(self, resource_features: Tensor) -> Tensor | float:
        """Return what the scores of resources with features [..., Fr] start from: [...]."""
        if self.weight is None:
            return 0.0
        # A step of the size that suits the other weights changes this one by some per cent.
        return -self._start * torch.exp(10.0 * self.weight) * resource_features[..., self._feature]


class PolicyNetwork(nn.Module):
    """Scores score(item, resource), and the value of the state.

    A pair's score sees the item's embedding; what lies on the resource (the mean embedding of its items, and its
    features); and the item's neighbours on the resource (the mean over all its neighbours of messages from those that
    are there) and not yet anywhere. Resources have no identity, so the network treats them alike and takes any number
    of them.

    Args:
        config: the sizes.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d = config.width
        self.config = config
        self.encoder = make_encoder(config.encoder, config.item_features, config.edge_features, d, config.layers)
        self.prior = Prior(config)
        self.query = nn.Linear(d, d)
        self.content = nn.Linear(d, d)
        self.neighbour = nn.Linear(d, d)
        self.edge = nn.Linear(config.edge_features, d)
        self.resource = nn.Sequential(nn.Linear(config.resource_features + d, d), nn.ReLU())
        self.pair = nn.Linear(2 * d + 1, d)
        self.waiting = nn.Linear(d + 1, d)
        self.value = nn.Sequential(nn.Linear(3 * d, d), nn.ReLU(), nn.Linear(d, 1))
        last = nn.Linear(d, 1)
        nn.init.orthogonal_(last.weight, 0.01)  # near-uniform at the start, as PPO is usually begun
        nn.init.zeros_(last.bias)
        self.score = nn.Sequential(nn.ReLU(), nn.Linear(d, d), nn.ReLU(), last)

    def pair_scores(self, hidden: Tensor, resource_features: Tensor) -> Tensor:
        """Return the scores of pairs, [R, K], from what ``hidden_pairs`` returns and the resources' features."""
        return self.score(hidden)[:, :, 0] + self.prior(resource_features)

    def encode(self, graphs: Graphs) -> Encoded:
        """Return the embeddings of graphs."""
        hidden = self.encoder(graphs.features, graphs.edge_index, graphs.edge_features)
        sizes = [end - begin for begin, end in pairwise(graphs.start)]
        return Encoded(
            query=self.query(hidden),
            content=self.content(hidden),
            neighbour=self.neighbour(hidden),
            mean=torch.stack([part.mean(0) for part in hidden.split(sizes)]),
        )

    def contents(self, graphs: Graphs, encoded: Encoded, samples: Samples) -> Tensor:
        """Return the mean content embedding of what lies on each resource: [B, K, d], 0 where nothing does."""
        resources = samples.resource_features.shape[1]
        placed = torch.nn.functional.one_hot(samples.assignment + 1, resources + 1)[:, :, 1:].transpose(1, 2).float()
        placed = placed / placed.sum(2, keepdim=True).clamp(min=1.0)
        num_graphs = len(graphs.start) - 1
        parts = [encoded.content[begin:end] for begin, end in pairwise(graphs.start)]
        if len(placed) <= 2 * num_graphs:
            padded = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
            return placed[:, :, : padded.shape[1]] @ padded[samples.graph]
        # Many samples of each graph: one product per graph, since the line above would copy the graph for each sample.
        order = torch.argsort(samples.graph, stable=True)
        counts = torch.bincount(samples.graph, minlength=num_graphs).tolist()
        products = [
            chosen[:, :, : len(part)] @ part for chosen, part in zip(placed[order].split(counts), parts, strict=True)
        ]
        return torch.cat(products)[torch.argsort(order)]

    def neighbours(self, graphs: Graphs, encoded: Encoded, samples: Samples, rows: tuple[Tensor, Tensor]) -> Tensor:
        """Return, for each row (sample, item), the messages of its neighbours by where they lie.

        Returns:
            [R, K + 1, d + 1]: averages over all neighbours of the messages and of 1; place 0 is for the unplaced.
        """
        row_sample, row_item = rows
        resources = samples.resource_features.shape[1]
        begin = graphs.edge_start[row_item]
        degrees = graphs.edge_start[row_item + 1] - begin
        row = torch.repeat_interleave(torch.arange(len(row_item), device=row_item.device), degrees)
        first = torch.cumsum(degrees, 0) - degrees
        edge = torch.arange(len(row), device=row.device) - first[row] + begin[row]
        tail = graphs.edge_index[0, edge]
        offset = torch.tensor(graphs.start, device=row.device)[samples.graph[row_sample]]
        place = samples.assignment[row_sample[row], tail - offset[row]] + 1
        message = torch.relu(encoded.neighbour[tail] + self.edge(graphs.edge_features[edge]))
        message = torch.cat([message, torch.ones_like(message[:, :1])], 1) / degrees[row, None]
        gathered = message.new_zeros(len(row_item) * (resources + 1), message.shape[1])
        gathered = gathered.index_add(0, row * (resources + 1) + place, message)
        return gathered.view(len(row_item), resources + 1, -1)

    def hidden_pairs(self, query: Tensor, resource: Tensor, neighbours: Tensor) -> Tensor:
        """Return what the score of each pair is computed from: [R, K, d].

        Args:
            query: [R, d], the rows' items.
            resource: [R, K, d], the resources as the rows' samples see them.
            neighbours: [R, K + 1, d + 1], from ``neighbours``.
        """
        pairs = self.pair(torch.cat([resource, neighbours[:, 1:]], 2))
        return pairs + (query + self.waiting(neighbours[:, 0]))[:, None]

    def forward(self, graphs: Graphs, encoded: Encoded, samples: Samples, every_item: bool) -> tuple[Tensor, Tensor]:
        """Return scores and values.

        Args:
            graphs: that the samples are over.
            encoded: of those graphs, from ``encode``.
            samples: the observations.
            every_item: score all items of each sample (``improve``, ``one-shot``), else its current item
                (``construct``).

        Returns:
            Scores [B, K], or [B, M * K] with 0 beyond each instance, and values [B].
        """
        rows = samples.rows(graphs, every_item)
        resource = self.resource(torch.cat([samples.resource_features, self.contents(graphs, encoded, samples)], 2))
        neighbours = self.neighbours(graphs, encoded, samples, rows)
        hidden = self.hidden_pairs(encoded.query[rows[1]], resource[rows[0]], neighbours)
        scores = self.pair_scores(hidden, samples.resource_features[rows[0]])
        batch, resources = samples.resource_features.shape[:2]
        summary = torch.relu(hidden).mean(1)
        if every_item:
            sums = summary.new_zeros(batch, summary.shape[1]).index_add(0, rows[0], summary)
            summary = sums / torch.bincount(rows[0], minlength=batch)[:, None]
            start = torch.tensor(graphs.start, device=rows[1].device)
            full = scores.new_zeros(batch, samples.assignment.shape[1], resources)
            scores = full.index_put((rows[0], rows[1] - start[samples.graph[rows[0]]]), scores).view(batch, -1)
        value = self.value(torch.cat([summary, resource.mean(1), encoded.mean[samples.graph]], 1))[:, 0]
        return scores, value
