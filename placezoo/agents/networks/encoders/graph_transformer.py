"""The graph transformer: dot-product attention to neighbours, and a feed-forward network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from placezoo.agents.networks.encoders.geometric import TransformerConv
from placezoo.agents.networks.encoders.links import Links


class GraphTransformerLayer(nn.Module):
    """Multi-head attention along the edges, with a gated residual, then a feed-forward network; normalised.

    Source: Shi et al. 2021 (UniMP), equations 3 to 5; Dwivedi & Bresson 2021.

    Args:
        width: of the embeddings.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        heads = next(number for number in (heads, 2, 1) if width % number == 0)
        self.attention = TransformerConv(width, width // heads, heads, edge_dim=width, beta=True)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        """Return embeddings [N, d] from embeddings [N, d]."""
        hidden = self.first_norm(hidden + self.attention(hidden, links.index, links.hidden))
        return self.second_norm(hidden + self.outer(torch.relu(self.inner(hidden))))
