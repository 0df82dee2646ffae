"""Encoders by name: from what items are to embeddings that know their neighbourhood."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from placezoo.agents.networks.encoders.edge_gnn import EdgeGNNLayer
from placezoo.agents.networks.encoders.gat import GATLayer
from placezoo.agents.networks.encoders.gin import GINLayer
from placezoo.agents.networks.encoders.graph_sage import GraphSAGELayer
from placezoo.agents.networks.encoders.graph_transformer import GraphTransformerLayer
from placezoo.agents.networks.encoders.links import Links
from placezoo.agents.networks.encoders.segment_recurrent import SegmentRecurrentLayer
from placezoo.agents.networks.encoders.two_way import TwoWayLayer
from placezoo.datasets.suggestion import unknown_name

ENCODERS: dict[str, Callable[[int], nn.Module]] = {
    "graph-sage": GraphSAGELayer,
    "gat": GATLayer,
    "gin": GINLayer,
    "edge-gnn": EdgeGNNLayer,
    "two-way": TwoWayLayer,
    "segment-recurrent": SegmentRecurrentLayer,
    "graph-transformer": GraphTransformerLayer,
}


class Encoder(nn.Module):
    """Some layers of one kind, one after the other.

    Args:
        name: of the kind.
        width: of the embeddings.
        layers: how many.

    Raises:
        ValueError: no such encoder.
    """

    def __init__(self, name: str, width: int, layers: int) -> None:
        super().__init__()
        if name not in ENCODERS:
            raise ValueError(unknown_name("encoder", name, ENCODERS))
        self.layers = nn.ModuleList(ENCODERS[name](width) for _ in range(layers))

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        """Return embeddings [N, d] of items that start with [N, d]."""
        for layer in self.layers:
            hidden = layer(hidden, links)
        return hidden


__all__ = ["ENCODERS", "Encoder", "Links"]
