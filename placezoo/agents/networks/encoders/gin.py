"""GIN: sums of neighbours, which tell multisets apart."""

from __future__ import annotations

from torch import Tensor, nn

from placezoo.agents.networks.encoders.geometric import GINEConv
from placezoo.agents.networks.encoders.links import Links


class GINLayer(nn.Module):
    """One round of the graph isomorphism network with edge embeddings; residual, normalised.

    Source: Xu et al. 2019, equation 4.1; Hu et al. 2020 for the edges.

    Args:
        width: of the embeddings.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.convolution = GINEConv(inner, train_eps=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        """Return embeddings [N, d] from embeddings [N, d]."""
        return self.norm(hidden + self.convolution(hidden, links.index, links.hidden))
