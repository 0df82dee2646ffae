"""Observations as the policy network reads them, padded or not, each distinct graph encoded once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import GraphInstance
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.networks.graph_batch import Graphs, Samples, padded_graph
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
            observations: of an environment, packed or of ``PadGraph`` or as they are.
            device: where the network is.
            learning: whether weights are about to change; else embeddings are kept until they do.
        """
        opened = [getattr(observation, "value", observation) for observation in observations]
        entries = [_entry_of(observation) for observation in opened]
        self._memory.move_to(device)
        if learning:
            self._memory.forget()
            graphs, which = self._memory.side_by_side(entries)
            encoded = self._network.encode(graphs)
        else:
            graphs, encoded, which = self._memory.recall(entries)
        return self._network(graphs, encoded, join_samples(opened, which, self._every_item, device))

    @torch.no_grad()
    def act(self, observation: Any, rng: np.random.Generator | None = None) -> int | NDArray[np.int64]:
        """Return the most likely allowed action for an observation, or with a generator one drawn."""
        mask = np.asarray(getattr(observation, "value", observation)["action_mask"])
        device = next(self._network.parameters()).device
        scores, _ = self.scores([observation], device, learning=False)
        chosen = choose(scores[0].cpu().reshape(mask.shape), mask, rng)
        return int(chosen) if mask.ndim == 1 else chosen


def choose(
    scores: Tensor, masks: NDArray[np.int8], rng: np.random.Generator | None, temperature: float = 1.0
) -> NDArray[np.int64]:
    """Return the most likely allowed action of each row, or with a generator one drawn from the softmax.

    Args:
        scores: [..., actions].
        masks: of the same shape, above 0 where allowed.
        rng: draws, or None.
        temperature: what scores are divided by before drawing; above 1 draws are more even.
    """
    logits = np.where(masks > 0, scores.numpy().astype(np.float64), -np.inf)
    if rng is not None:
        logits = logits / temperature + rng.gumbel(size=logits.shape)  # the largest of these is a draw from the softmax
    return np.argmax(logits, axis=-1)


def _entry_of(observation: dict[str, Any]) -> Entry:
    if "items" in observation:
        return graph_entry(observation["items"])
    batch = {name: torch.as_tensor(np.array(values))[None] for name, values in observation.items()}
    return Entry(int(batch["instance_key"][0, 0]), None, lambda: padded_graph(batch, 0))


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
    nodes = [
        observation["resources"].nodes if "resources" in observation else observation["resource_features"]
        for observation in observations
    ]
    mask = np.stack([observation["action_mask"] for observation in observations])
    assignment = np.stack([observation["assignment"] for observation in observations])
    resources = mask[0].size // (assignment.shape[1] if every_item else 1)
    features = np.zeros((len(nodes), resources, nodes[0].shape[1]), np.float32)
    for row, rows in zip(features, nodes, strict=True):
        row[: len(rows)] = rows
    current = np.array([int(np.asarray(observation["current_item"]).reshape(())) for observation in observations])
    return Samples.of(which, assignment, current, features, mask, every_item, device)
