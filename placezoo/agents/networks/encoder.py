"""Encoders: from the features of items to embeddings that know their neighbourhood."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from placezoo.datasets.suggestion import unknown_name

with warnings.catch_warnings():
    # PyTorch Geometric 2.8 calls torch.jit.script while it is imported, which torch 2.13 says is deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import SAGEConv


class GraphSAGE(nn.Module):
    """GraphSAGE with mean aggregation, residual connections and layer normalisation.

    Source: Hamilton, Ying & Leskovec 2017, algorithm 1.

    Args:
        num_features: of the items.
        width: of the embeddings.
        layers: how many rounds of messages.
    """

    def __init__(self, num_features: int, width: int, layers: int) -> None:
        super().__init__()
        self.project = nn.Linear(num_features, width)
        self.convolutions = nn.ModuleList(SAGEConv(width, width) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))

    def forward(self, features: Tensor, edge_index: Tensor) -> Tensor:
        """Return embeddings [N, width] of items with features [N, F] linked by edges [2, E]."""
        hidden = torch.relu(self.project(features))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = norm(hidden + torch.relu(convolution(hidden, edge_index)))
        return hidden


ENCODERS = {"graph-sage": GraphSAGE}


def make_encoder(name: str, num_features: int, width: int, layers: int) -> nn.Module:
    """Return an encoder by name.

    Raises:
        ValueError: no such encoder.
    """
    if name not in ENCODERS:
        raise ValueError(unknown_name("encoder", name, ENCODERS))
    return ENCODERS[name](num_features, width, layers)
