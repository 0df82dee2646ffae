"""Placeto's policy network: embeds the task graph as it is placed, scores the devices for one task."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from placezoo.agents.giph.gp_net_batch import GpNetBatch
from placezoo.agents.giph.network import GpNetConfig, GpNetNetwork
from placezoo.agents.networks.topological_pass import TopologicalPass


class PlacetoNetwork(nn.Module):
    """One score for each device number, from the current task's embedding and the mean of all.

    Device numbers mean nothing on another cluster: that is what GiPH does better.

    Args:
        config: the sizes; ``outputs`` is the number of devices, the current task is marked in the feature that comes
            ``2 + outputs`` before the last.

    Source: Addanki et al. 2019 (Placeto), with two-way message passing along the task graph.
    """

    architecture = "placeto"
    reads = GpNetNetwork.reads

    def __init__(self, config: GpNetConfig) -> None:
        super().__init__()
        self.config = config
        half = config.width // 2
        self._current = config.node_features - 2 - config.outputs
        self.project_forward = nn.Linear(config.node_features, half)
        self.project_backward = nn.Linear(config.node_features, half)
        self.along = TopologicalPass(half, config.edge_features)
        self.against = TopologicalPass(half, config.edge_features)
        self.score = nn.Sequential(
            nn.Linear(2 * config.width, config.hidden), nn.ReLU(), nn.Linear(config.hidden, config.outputs)
        )

    def forward(self, batch: GpNetBatch) -> Tensor:
        """Return the scores of the devices, [B, outputs]; -inf where the task cannot run."""
        starts = torch.relu(self.project_forward(batch.nodes)), torch.relu(self.project_backward(batch.nodes))
        hidden = torch.cat(
            [
                self.along(starts[0], batch.edges, batch.forward),
                self.against(starts[1], batch.edges[batch.backward_order], batch.backward),
            ],
            1,
        )
        sums = hidden.new_zeros(len(batch.selectable), hidden.shape[1])
        mean = sums.index_add(0, batch.graph, hidden) / torch.bincount(batch.graph)[:, None]
        current = sums.index_add(0, batch.graph, hidden * batch.nodes[:, self._current, None])
        return self.score(torch.cat([current, mean], 1)).masked_fill(~batch.selectable, float("-inf"))
