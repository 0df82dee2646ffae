"""GraphSAGE: the mean of the neighbours beside the item itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from placezoo.agents.networks.encoders.geometric import SAGEConv
from placezoo.agents.networks.encoders.links import Links


class GraphSAGELayer(nn.Module):
    """One round of GraphSAGE with mean aggregation; residual, normalised. It does not read edges.

    Source: Hamilton, Ying & Leskovec 2017, algorithm 1.

    Args:
        width: of the embeddings.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = SAGEConv(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        """Return embeddings [N, d] from embeddings [N, d]."""
        return self.norm(hidden + torch.relu(self.convolution(hidden, links.index)))
