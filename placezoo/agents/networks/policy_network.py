"""The policy network: inputs of a domain, a trunk that all domains share, scores of (item, resource) pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from placezoo.agents.networks.adapters import make_adapter
from placezoo.agents.networks.encoders import Encoder, Links
from placezoo.agents.networks.gathering import mean_contents, mean_neighbours
from placezoo.agents.networks.graph_batch import Graphs, Pairs, Samples


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
        adapter: what was added to the trunk for a new problem: ``none``, ``superposition`` or ``experts``.
        experts: how many experts each stage has.
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
    adapter: str = "none"
    experts: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", tuple(self.grid))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass
class Encoded:
    """What the network knows of graphs before anything is placed; N items, E edges, width d."""

    query: Tensor  # [N, d], an item as the one to place
    content: Tensor  # [N, d], an item as part of what lies on a resource
    message: Tensor  # [E, d], what an edge's head hears of its tail
    mean: Tensor  # [G, d], the average item of each graph


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


class Inputs(nn.Module):
    """From a domain's features to the width of the trunk: all that a new domain needs of its own.

    Args:
        config: the sizes.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.items = nn.Linear(config.item_features, config.width)
        self.edges = nn.Linear(config.edge_features, config.width)
        self.resources = nn.Linear(config.resource_features, config.width)
        self.prior = Prior(config)


class Trunk(nn.Module):
    """Everything that knows nothing of the domain: encoder, pair scorer, critic.

    Args:
        config: the sizes.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d = config.width
        self.encoder = Encoder(config.encoder, d, config.layers)
        self.adapter = make_adapter(config.adapter, d, config.layers + 2, config.experts)
        self.query = nn.Linear(d, d)
        self.content = nn.Linear(d, d)
        self.neighbour = nn.Linear(d, d)
        self.resource = nn.Linear(d, d, bias=False)
        self.pair = nn.Linear(2 * d + 1, d)
        self.waiting = nn.Linear(d + 1, d)
        self.value = nn.Sequential(nn.Linear(3 * d, d), nn.ReLU(), nn.Linear(d, 1))
        last = nn.Linear(d, 1)
        nn.init.orthogonal_(last.weight, 0.01)  # near-uniform at the start, as PPO is usually begun
        nn.init.zeros_(last.bias)
        self.score = nn.Sequential(nn.ReLU(), nn.Linear(d, d), nn.ReLU(), last)

    def encode(self, hidden: Tensor, links: Links, owner: Tensor) -> Tensor:
        """Return embeddings [N, d] of items that start with [N, d]; ``owner`` is each item's graph."""
        if self.adapter is None:
            return self.encoder(hidden, links)
        for stage, layer in enumerate(self.encoder.layers):
            hidden = layer(self.adapter.before(stage, hidden), links)
            hidden = self.adapter.after(stage, hidden, owner)
        return self.adapter.before(len(self.encoder.layers), hidden)

    def pair_hidden(self, hidden: Tensor) -> Tensor:
        """Return what the last stage makes of pairs, [..., d], before they are scored."""
        if self.adapter is None:
            return hidden
        stage = len(self.encoder.layers) + 1
        return self.adapter.after(stage, self.adapter.before(stage, hidden), None)


class PolicyNetwork(nn.Module):
    """Scores score(item, resource), and the value of the state.

    A pair's score sees the item's embedding; what lies on the resource (the mean embedding of its items, and its
    features); and the item's neighbours on the resource (the mean over all its neighbours of messages from those that
    are there) and not yet anywhere. Resources have no identity, so the network treats them alike and takes any number
    of them; nor has it a size for graphs. Only pairs that the mask allows are looked at.

    Args:
        config: the sizes.
        trunk: to share with the networks of other domains; default its own.
    """

    def __init__(self, config: NetworkConfig, trunk: Trunk | None = None) -> None:
        super().__init__()
        self.config = config
        self.inputs = Inputs(config)
        self.trunk = Trunk(config) if trunk is None else trunk

    def encode(self, graphs: Graphs) -> Encoded:
        """Return the embeddings of graphs."""
        trunk, owner = self.trunk, graphs.owner
        edges = self.inputs.edges(graphs.edge_features)
        start = torch.relu(self.inputs.items(graphs.features))
        hidden = trunk.encode(start, Links(graphs.edge_index, edges, graphs.start), owner)
        return Encoded(
            query=trunk.query(hidden),
            content=trunk.content(hidden),
            message=torch.relu(trunk.neighbour(hidden)[graphs.edge_index[0]] + edges),
            mean=graphs.means(hidden),
        )

    def resources(self, features: Tensor, content: Tensor) -> Tensor:
        """Return the embeddings of resources, [..., d], from their features [..., Fr] and mean contents [..., d]."""
        return torch.relu(self.inputs.resources(features) + self.trunk.resource(content))

    def hidden_pairs(self, query: Tensor, resource: Tensor, there: Tensor) -> Tensor:
        """Return what the score of each pair is computed from: [..., d].

        Args:
            query: [..., d], from ``queries``: the item.
            resource: [..., d], from ``resources``.
            there: [..., d + 1], what the item hears from its neighbours on the resource, and their share.
        """
        return self.trunk.pair_hidden(self.trunk.pair(torch.cat([resource, there], -1)) + query)

    def queries(self, query: Tensor, waiting: Tensor) -> Tensor:
        """Return items as those to place, [..., d], knowing [..., d + 1] of neighbours that are nowhere yet."""
        return query + self.trunk.waiting(waiting)

    def pair_scores(self, hidden: Tensor, resource_features: Tensor) -> Tensor:
        """Return the scores of pairs, [...], from what ``hidden_pairs`` returns and the resources' features."""
        return self.trunk.score(hidden)[..., 0] + self.inputs.prior(resource_features)

    def forward(self, graphs: Graphs, encoded: Encoded, samples: Samples) -> tuple[Tensor, Tensor]:
        """Return scores and values.

        Args:
            graphs: that the samples are over.
            encoded: of those graphs, from ``encode``.
            samples: the observations; their mask says whether the current item's pairs or all are scored.

        Returns:
            Scores of the flattened mask's shape, [B, K] or [B, M * K], 0 where it does not allow, and values [B].
        """
        pairs = samples.pairs(graphs)
        scores, values = self.score_pairs(graphs, encoded, samples, pairs)
        full = scores.new_zeros(samples.mask.numel()).index_put((pairs.action,), scores)
        return full.view(len(samples.graph), -1), values

    def score_pairs(self, graphs: Graphs, encoded: Encoded, samples: Samples, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Return the scores of the pairs [P] and the values of the samples [B]; otherwise as ``forward``."""
        waiting, there = mean_neighbours(encoded.message, graphs, samples, pairs)
        sample = pairs.row_sample[pairs.row]
        features = samples.resource_features[sample, pairs.resource]
        contents = mean_contents(encoded.content, graphs, samples)
        if len(sample) <= contents.shape[0] * contents.shape[1]:
            resource = self.resources(features, contents[sample, pairs.resource])
        else:
            resource = self.resources(samples.resource_features, contents)[sample, pairs.resource]
        query = self.queries(encoded.query[pairs.row_item], waiting)
        hidden = self.hidden_pairs(query[pairs.row], resource, there)
        scores = self.pair_scores(hidden, features)
        batch = len(samples.graph)
        seen = torch.cat([torch.relu(hidden), resource], 1)
        sums = seen.new_zeros(batch, seen.shape[1]).index_add(0, sample, seen)
        means = sums / torch.bincount(sample, minlength=batch).clamp(min=1)[:, None]
        values = self.trunk.value(torch.cat([means, encoded.mean[samples.graph]], 1))[:, 0]
        return scores, values
