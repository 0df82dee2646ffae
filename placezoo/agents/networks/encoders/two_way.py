"""Two-way topological message passing: along all edges in the items' order, and against it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from placezoo import jit
from placezoo.agents.networks.encoders.links import Links
from placezoo.agents.networks.topological_pass import PassPlan, TopologicalPass


class TwoWayLayer(nn.Module):
    """One round in which news travels the whole depth of the graph; residual, normalised.

    Each item hears from those before it, and from those after it, once these have heard from theirs. Edges are taken
    from the lower to the higher item number, which are topological orders of task and operator graphs as they are read
    here; other graphs become acyclic that way.

    Source: Hu et al. 2023 (GiPH), section 4.2; Addanki et al. 2019 (Placeto).

    Args:
        width: of the embeddings.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.split = nn.Linear(width, 2 * half)
        self.along = TopologicalPass(half, width)
        self.against = TopologicalPass(half, width)
        self.join = nn.Linear(2 * half, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, links: Links) -> Tensor:
        """Return embeddings [N, d] from embeddings [N, d]."""
        starts = torch.relu(self.split(hidden)).chunk(2, 1)
        parts = []
        for start, direction, rising in ((starts[0], self.along, True), (starts[1], self.against, False)):
            tail, head = links.index
            edges = torch.nonzero(tail < head if rising else tail > head)[:, 0]
            plan, nodes, order = pass_plan(links.index[:, edges], len(hidden))
            placed = torch.empty_like(start)
            placed[nodes] = direction(start[nodes], links.hidden[edges[order]], plan)
            parts.append(placed)
        return self.norm(hidden + self.join(torch.cat(parts, 1)))


def pass_plan(index: Tensor, num_nodes: int) -> tuple[PassPlan, Tensor, Tensor]:
    """Return the order in which messages pass along the edges [2, E] of an acyclic graph.

    Returns:
        The plan over reordered nodes and edges; int64 [N], which node each of its nodes is; int64 [E], which edge each
        of its edges is.
    """
    tail, head = index.cpu().numpy()
    rising = bool(np.all(tail < head))
    depth = _depths(*((tail, head) if rising else (num_nodes - 1 - tail, num_nodes - 1 - head)), num_nodes)
    depth = depth if rising else depth[::-1]
    nodes = np.argsort(depth, kind="stable")
    place = np.empty_like(nodes)
    place[nodes] = np.arange(num_nodes)
    edges = np.argsort(place[head], kind="stable")
    source, target = place[tail[edges]], place[head[edges]]
    steps = int(depth.max()) + 1 if num_nodes else 0
    node_bounds = np.searchsorted(depth[nodes], np.arange(steps + 1)).tolist()
    edge_bounds = np.searchsorted(depth[nodes][target], np.arange(steps + 1)).tolist()
    degrees = np.bincount(target, minlength=num_nodes)
    device = index.device
    plan = PassPlan(
        source=torch.from_numpy(source).to(device),
        target=torch.from_numpy(target).to(device),
        nodes=list(pairwise(node_bounds)),
        edges=list(pairwise(edge_bounds)),
        inverse_degree=torch.from_numpy((degrees > 0) / np.maximum(degrees, 1)).float().to(device),
    )
    return plan, torch.from_numpy(nodes).to(device), torch.from_numpy(edges).to(device)


def _depths(tail: np.ndarray, head: np.ndarray, num_nodes: int) -> np.ndarray:
    order = np.argsort(head, kind="stable")
    return _longest_paths(tail[order], head[order], num_nodes)


@jit.kernel
def _longest_paths(tail, head, num_nodes):
    """Return the longest path to each node: edges rise, and are sorted by their head."""
    depth = np.zeros(num_nodes, np.int64)
    for edge in range(len(tail)):
        depth[head[edge]] = max(depth[head[edge]], depth[tail[edge]] + 1)
    return depth
