"""GiPH's policy network: an encoder of the gpNet and a score for each pair."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from placezoo.agents.giph.gp_net_batch import GpNetBatch
from placezoo.agents.networks.topological_pass import TopologicalPass
from placezoo.envs.edge.gp_net import EDGE_FEATURES, NODE_FEATURES
from placezoo.parameters import at_least, check_fields, one_of

with warnings.catch_warnings():
    # PyTorch Geometric 2.8 calls torch.jit.script while it is imported, which torch 2.13 says is deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import SAGEConv

ENCODERS = ("two-way", "no-edge", "radial", "graph-sage")


@dataclass(frozen=True)
class GpNetConfig:
    """What rebuilds a network.

    Args:
        node_features: of the pairs.
        edge_features: of the edges.
        encoder: ``two-way``, message passing in topological order along and against the data (GiPH); ``no-edge``, the
            same without edge features, whose means over a pair's edges are features of the pair instead (GiPH-NE);
            ``radial``, a fixed number of rounds of the same messages instead of topological order (GiPH-k);
            ``graph-sage`` (GraphSAGE-NE).
        width: of the embedding, both directions together.
        rounds: of ``radial`` and ``graph-sage``.
        hidden: of the score.
        outputs: how many devices Placeto's network scores.
        selection: what the scores are of: ``pair``, ``task-eft`` or ``traversal`` (``improvement_moves``).
    """

    node_features: int
    edge_features: int
    encoder: Annotated[str, one_of(*ENCODERS)] = "two-way"
    width: Annotated[int, at_least(2)] = 10
    rounds: Annotated[int, at_least(1)] = 3
    hidden: Annotated[int, at_least(1)] = 16
    outputs: int = 1
    selection: str = "pair"

    def __post_init__(self) -> None:
        check_fields(self, "giph")
        if self.width % 2:
            raise ValueError(f"giph: width must be even, half of it is for each direction, not {self.width}")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


class GpNetNetwork(nn.Module):
    """Scores the pairs of gpNets of any size.

    Args:
        config: the sizes.
    """

    architecture = "gp-net"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"nodes": NODE_FEATURES, "edges": EDGE_FEATURES}

    def __init__(self, config: GpNetConfig) -> None:
        super().__init__()
        self.config = config
        self._reads_edges = config.encoder in ("two-way", "radial")
        own = config.node_features if self._reads_edges else config.node_features + config.edge_features
        edge = config.edge_features if self._reads_edges else 0
        half = config.width // 2
        if config.encoder == "graph-sage":
            self.project = nn.Linear(own, config.width)
            self.convolutions = nn.ModuleList(SAGEConv(config.width, config.width) for _ in range(config.rounds))
        else:
            self.project_forward = nn.Linear(own, half)
            self.project_backward = nn.Linear(own, half)
            self.along = TopologicalPass(half, max(edge, 1))
            self.against = TopologicalPass(half, max(edge, 1))
        self.score = nn.Sequential(nn.Linear(config.width, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1))

    def embed(self, batch: GpNetBatch) -> Tensor:
        """Return the pairs' embeddings [N, width]."""
        nodes, edges = batch.nodes, batch.edges
        if not self._reads_edges:
            mean = torch.zeros(len(nodes), edges.shape[1], device=nodes.device)
            mean = mean.index_add(0, batch.forward.target, edges) * batch.forward.inverse_degree[:, None]
            nodes = torch.cat([nodes, mean], 1)
            edges = torch.zeros(len(edges), 1, device=nodes.device)
        if self.config.encoder == "graph-sage":
            hidden = torch.relu(self.project(nodes))
            links = torch.stack([batch.forward.source, batch.forward.target])
            both = torch.cat([links, links.flip(0)], 1)
            for convolution in self.convolutions:
                hidden = torch.relu(convolution(hidden, both))
            return hidden
        starts = torch.relu(self.project_forward(nodes)), torch.relu(self.project_backward(nodes))
        backward_edges = edges[batch.backward_order]
        if self.config.encoder == "radial":
            along = self.along.rounds(starts[0], edges, batch.forward, self.config.rounds)
            against = self.against.rounds(starts[1], backward_edges, batch.backward, self.config.rounds)
        else:
            along = self.along(starts[0], edges, batch.forward)
            against = self.against(starts[1], backward_edges, batch.backward)
        return torch.cat([along, against], 1)

    def forward(self, batch: GpNetBatch) -> Tensor:
        """Return the scores of the pairs, [B, slots]; -inf where a pair may not be chosen."""
        scores = self.score(self.embed(batch))[:, 0]
        full = scores.new_full(batch.selectable.shape, float("-inf"))
        full = full.index_put((batch.graph, batch.slot), scores)
        return full.masked_fill(~batch.selectable, float("-inf"))
