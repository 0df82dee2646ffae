"""placezoo's own observations, unpadded, as the policy network reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import GraphInstance
from torch import Tensor

from placezoo.agents.networks.graph_batch import Graphs, Samples
from placezoo.agents.networks.graph_memory import Entry, GraphMemory


class ObservationReader:
    """Scores lists of observations; encodes each distinct item graph once.

    Args:
        network: a policy network.
        every_item: whether an action concerns any item (``improve``, ``one-shot``) or the current one.
    """

    def __init__(self, network: Any, every_item: bool) -> None:
        self._network, self._every_item = network, every_item
        self._memory = GraphMemory(network)

    def forget(self) -> None:
        """Forget the embeddings: the weights have changed."""
        self._memory.forget()

    def scores(self, observations: list[Any], device: torch.device, learning: bool) -> tuple[Tensor, Tensor]:
        """Return scores of the flattened mask's shape and values.

        Args:
            observations: of an environment, packed or not.
            device: where the network is.
            learning: whether weights are about to change; else embeddings are kept until they do.
        """
        opened = [getattr(observation, "value", observation) for observation in observations]
        entries = [graph_entry(observation["items"]) for observation in opened]
        self._memory.move_to(device)
        if learning:
            self._memory.forget()
            graphs, which = self._memory.side_by_side(entries)
            encoded = self._network.encode(graphs)
        else:
            graphs, encoded, which = self._memory.recall(entries)
        return self._network(graphs, encoded, join_samples(opened, which, self._every_item, device))


def graph_entry(graph: GraphInstance) -> Entry:
    """Return an observed graph, known by the array of its nodes: environments return the same one at every step."""
    return Entry(id(graph.nodes), graph.nodes, lambda: observed_graph(graph))


def observed_graph(graph: GraphInstance) -> Graphs:
    """Return an observed item graph as tensors."""
    return Graphs.of(torch.tensor(graph.nodes), torch.tensor(graph.edge_links), torch.tensor(graph.edges))


def join_samples(
    observations: list[dict[str, Any]], which: np.ndarray, every_item: bool, device: torch.device
) -> Samples:
    """Return what changes from step to step; only the batch's own largest number of resources pads their features.

    Args:
        observations: of one environment or one dataset's split.
        which: int64 [B], the graph of each.
        every_item: as for ``ObservationReader``.
        device: where to.
    """
    nodes = [observation["resources"].nodes for observation in observations]
    mask = np.stack([observation["action_mask"] for observation in observations]).astype(bool)
    assignment = np.stack([observation["assignment"] for observation in observations])
    batch, items = assignment.shape
    resources = mask.reshape(batch, -1).shape[1] // (items if every_item else 1)
    features = np.zeros((batch, resources, nodes[0].shape[1]), np.float32)
    for row, rows in zip(features, nodes, strict=True):
        row[: len(rows)] = rows
    current = np.array([int(observation["current_item"]) for observation in observations])
    arrays = (which, assignment, current, features, mask.reshape((batch, items, -1) if every_item else (batch, -1)))
    return Samples(*(torch.from_numpy(array).to(device) for array in arrays))
