"""GAT: neighbours weighed by attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from placezoo.agents.networks.encoders.geometric import GATv2Conv
from placezoo.agents.networks.encoders.links import Links


class GATLayer(nn.Module):
    """One round of graph attention (its second version, which can rank neighbours by the item); residual, normalised.

    Source: Velickovic et al. 2018; Brody, Alon & Yahav 2022, equation 7.

    Args:
        width: of the embeddings.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        heads = next(number for number in (heads, 2, 1) if width % number == 0)
        self.convolution = GATv2Conv(width, width // heads, heads, edge_dim=width, add_self_loops=False)
        self.own = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        """Return embeddings [N, d] from embeddings [N, d]."""
        heard = self.convolution(hidden, links.index, links.hidden)
        return self.norm(hidden + torch.relu(heard + self.own(hidden)))
