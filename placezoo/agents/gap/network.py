"""The network of GAP: from a graph to the probabilities of its nodes' parts, trained on the expected cut."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from placezoo.agents.networks.encoders import Encoder, Links
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.landmarks import landmark_distances


@dataclass(frozen=True)
class GapConfig:
    """What rebuilds the network.

    Args:
        num_parts: into how many parts; a network knows one number.
        landmarks: distances to so many landmarks are the nodes' features.
        encoder: the encoder's name.
        width: of the embeddings.
        layers: of the encoder.
    """

    num_parts: int
    landmarks: int = 8
    encoder: str = "graph-sage"
    width: int = 64
    layers: int = 3

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass
class GapGraph:
    """A graph as the network reads it. n nodes, E directed edges."""

    features: Tensor  # float32 [n, F]
    edge_index: Tensor  # int64 [2, E]
    edge_weights: Tensor  # float32 [E]
    degrees: Tensor  # float32 [n], weighted
    node_weights: Tensor  # float32 [n], sums to 1

    @classmethod
    def of(cls, graph: Graph, landmarks: int, device: str = "cpu") -> GapGraph:
        """Return a graph as tensors; its features take time linear in its edges."""
        weights = graph.edge_weights.astype(np.float32)
        degrees = graph.weighted_degrees.astype(np.float32)
        node_weights = graph.node_weights.astype(np.float32)
        columns = [
            landmark_distances(graph, landmarks),
            degrees[:, None] / max(degrees.max(), 1.0),
            node_weights[:, None] / max(node_weights.max(), 1.0),
        ]
        tensors = (
            np.concatenate(columns, axis=1).astype(np.float32),
            np.stack([graph.rows, graph.indices.astype(np.int64)]),
            weights, degrees, node_weights / node_weights.sum(),
        )  # fmt: skip
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in tensors))


class GapNetwork(nn.Module):
    """Graph convolutions over the nodes, then a softmax over parts.

    Source: Nazi et al. 2019, "GAP: Generalizable approximate graph partitioning framework".

    Args:
        config: the sizes.
    """

    architecture = "gap"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"nodes": ("landmark_distances", "weighted_degree", "weight")}

    def __init__(self, config: GapConfig) -> None:
        super().__init__()
        d = config.width
        self.config = config
        self.project = nn.Linear(config.landmarks + 2, d)
        self.edges = nn.Linear(1, d)
        self.encoder = Encoder(config.encoder, d, config.layers)
        self.head = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, config.num_parts))

    def forward(self, graph: GapGraph) -> Tensor:
        """Return log-probabilities of the parts: [n, num_parts]."""
        weights = graph.edge_weights[:, None] / graph.edge_weights.max().clamp(min=1.0)
        reads_edges = self.config.encoder != "graph-sage"  # spares large graphs an array that nobody looks at
        hidden = self.edges(weights) if reads_edges else graph.features.new_zeros(1, 1)
        links = Links(graph.edge_index, hidden, [0, len(graph.features)])
        return torch.log_softmax(self.head(self.encoder(torch.relu(self.project(graph.features)), links)), 1)


def expected_cut(log_probabilities: Tensor, graph: GapGraph) -> Tensor:
    """Return the expected normalised cut: sum((Y / Gamma) (1 - Y)^T * A) with Gamma = Y^T D.

    Source: Nazi et al. 2019, equation 5.

    Args:
        log_probabilities: [n, K].
        graph: the graph.
    """
    y = log_probabilities.exp()
    volume = y.T @ graph.degrees
    tail, head = graph.edge_index
    crossing = (y[tail] * (1.0 - y[head]) * graph.edge_weights[:, None]).sum(0)
    return (crossing / volume.clamp(min=1e-6)).sum()


def imbalance(log_probabilities: Tensor, graph: GapGraph) -> Tensor:
    """Return the squared deviation of the parts' expected shares of the weight from 1 / K, times K.

    Source: Nazi et al. 2019, equation 7, with weights, and over n^2 so that graphs of all sizes count alike.

    Args:
        log_probabilities: [n, K].
        graph: the graph.
    """
    parts = log_probabilities.shape[1]
    shares = log_probabilities.exp().T @ graph.node_weights
    return parts * ((shares - 1.0 / parts) ** 2).sum()
