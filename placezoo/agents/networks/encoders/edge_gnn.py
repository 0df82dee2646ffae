"""AlphaChip's edge-based graph network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from placezoo.agents.networks.encoders.geometric import MessagePassing
from placezoo.agents.networks.encoders.links import Links


class _EdgeConv(MessagePassing):
    """Edges look at both their ends, items at the mean of their edges."""

    def __init__(self, width: int) -> None:
        super().__init__(aggr="mean")
        self.edge = nn.Linear(3 * width, width)

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        return self.propagate(links.index, x=hidden, edge_attr=links.hidden)

    def message(self, x_i: Tensor, x_j: Tensor, edge_attr: Tensor) -> Tensor:
        return torch.relu(self.edge(torch.cat([x_i, x_j, edge_attr], 1)))


class EdgeGNNLayer(nn.Module):
    """One round: an edge's embedding is a dense layer of those of its ends and its own; residual, normalised.

    Source: Mirhoseini et al. 2021, "A graph placement methodology for fast chip design", Methods.

    Args:
        width: of the embeddings.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = _EdgeConv(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        """Return embeddings [N, d] from embeddings [N, d]."""
        return self.norm(hidden + self.convolution(hidden, links))
