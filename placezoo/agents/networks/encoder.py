"""Encoders: from the features of items to embeddings that know their neighbourhood."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from placezoo.datasets.suggestion import unknown_name

with warnings.catch_warnings():
    # PyTorch Geometric 2.8 calls torch.jit.script while it is imported, which torch 2.13 says is deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import MessagePassing, SAGEConv


class GraphSAGE(nn.Module):
    """GraphSAGE with mean aggregation, residual connections and layer normalisation.

    Source: Hamilton, Ying & Leskovec 2017, algorithm 1.

    Args:
        num_features: of the items.
        num_edge_features: of the links between them, which it does not read.
        width: of the embeddings.
        layers: how many rounds of messages.
    """

    def __init__(self, num_features: int, num_edge_features: int, width: int, layers: int) -> None:
        super().__init__()
        self.project = nn.Linear(num_features, width)
        self.convolutions = nn.ModuleList(SAGEConv(width, width) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))

    def forward(self, features: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Return embeddings [N, width] of items with features [N, F] linked by edges [2, E]."""
        hidden = torch.relu(self.project(features))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = norm(hidden + torch.relu(convolution(hidden, edge_index)))
        return hidden


class _EdgeConv(MessagePassing):
    """One round of the edge-based network: edges look at both their ends, items at the mean of their edges."""

    def __init__(self, width: int, num_edge_features: int) -> None:
        super().__init__(aggr="mean")
        self.edge = nn.Linear(2 * width + num_edge_features, width)

    def forward(self, hidden: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        return self.propagate(edge_index, x=hidden, edge_attr=edge_features)

    def message(self, x_i: Tensor, x_j: Tensor, edge_attr: Tensor) -> Tensor:
        return torch.relu(self.edge(torch.cat([x_i, x_j, edge_attr], 1)))


class EdgeGNN(nn.Module):
    """AlphaChip's edge-based graph network, with residual connections and layer normalisation.

    Source: Mirhoseini et al. 2021, "A graph placement methodology for fast chip design", Methods: an edge's embedding
    is a fully connected layer of those of its ends and its weight, an item's the mean of its edges'.

    Args:
        num_features: of the items.
        num_edge_features: of the links between them.
        width: of the embeddings.
        layers: how many rounds of messages.
    """

    def __init__(self, num_features: int, num_edge_features: int, width: int, layers: int) -> None:
        super().__init__()
        self.project = nn.Linear(num_features, width)
        self.convolutions = nn.ModuleList(_EdgeConv(width, num_edge_features) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))

    def forward(self, features: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Return embeddings [N, width] of items with features [N, F] linked by edges [2, E] with features [E, Fe]."""
        hidden = torch.relu(self.project(features))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = norm(hidden + convolution(hidden, edge_index, edge_features))
        return hidden


ENCODERS = {"graph-sage": GraphSAGE, "edge-gnn": EdgeGNN}


def make_encoder(name: str, num_features: int, num_edge_features: int, width: int, layers: int) -> nn.Module:
    """Return an encoder by name.

    Raises:
        ValueError: no such encoder.
    """
    if name not in ENCODERS:
        raise ValueError(unknown_name("encoder", name, ENCODERS))
    return ENCODERS[name](num_features, num_edge_features, width, layers)
