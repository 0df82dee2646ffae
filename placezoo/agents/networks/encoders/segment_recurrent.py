"""A transformer over the items in segments, each of which also attends to the one before it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from placezoo.agents.networks.encoders.graph_sage import GraphSAGELayer
from placezoo.agents.networks.encoders.links import Links
from placezoo.agents.networks.segment_transformer import SegmentTransformer


class SegmentRecurrentLayer(nn.Module):
    """A round of GraphSAGE, then attention among the items that stand near in the instance's numbering.

    Source: Zhou et al. 2019 (GDP), sections 3.2 and 3.3; Dai et al. 2019 (Transformer-XL).

    Args:
        width: of the embeddings.
        heads: of the attention.
        segment: how many items attend to each other and to as many before them.
    """

    def __init__(self, width: int, heads: int = 4, segment: int = 128) -> None:
        super().__init__()
        heads = next(number for number in (heads, 2, 1) if width % number == 0)
        self.neighbourhood = GraphSAGELayer(width)
        self.sequence = SegmentTransformer(width, 1, heads, segment, superposition=True)

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        """Return embeddings [N, d] from embeddings [N, d]."""
        hidden = self.neighbourhood(hidden, links)
        parts = [hidden[begin:end] for begin, end in pairwise(links.start)]
        return torch.cat([self.sequence(part, part.mean(0)) for part in parts])
