"""RLlib's new API stack on environments whose observations are graphs of any size.

``PackGraphs`` lets graphs through RLlib's episodes; the two connectors here put them into the store of the module that
is about to look them up, and handles into the batch. What RLlib then does with observations, it does with numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns

from placezoo.agents.ragged.store import MOST_HANDLES, GraphStore


class ModuleStore:
    """What a module that reads packed observations has: ``store``, filled by the connectors.

    Mix it into a ``TorchRLModule`` and look observations up by ``self.packed(batch[Columns.OBS])``.
    """

    @property
    def store(self) -> GraphStore:
        """The observations of the batch at hand."""
        if "_store" not in self.__dict__:
            self.__dict__["_store"] = GraphStore(MOST_HANDLES)
        return self.__dict__["_store"]

    def packed(self, handles: Any) -> list[Any]:
        """Return the observations, unpacked, of handles [B, 2]."""
        return [observation.value for observation in self.store.get(np.asarray(handles.detach().cpu()))]


def _stores(rl_module: Any) -> list[GraphStore]:
    """Return the stores of a module or of the modules in a multi-module."""
    modules = list(rl_module.values()) if hasattr(rl_module, "values") else [rl_module]
    return [(module.unwrapped() if hasattr(module, "unwrapped") else module).store for module in modules]


class LatestGraphs(ConnectorV2):
    """Environment to module: the latest observation of each environment goes into the module's store."""

    def __call__(self, *, rl_module: Any, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Add handles to the batch."""
        (store,) = _stores(rl_module)
        store.clear()
        for episode in self.single_agent_episode_iterator(episodes):
            handle = np.array(store.add(episode.get_observations(-1)), np.int64)
            self.add_batch_item(batch, Columns.OBS, item_to_add=handle, single_agent_episode=episode)
        return batch


class EpisodeGraphs(ConnectorV2):
    """Learner: all observations of all episodes go into the module's store; those of earlier batches leave it."""

    def __call__(self, *, rl_module: Any, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Add handles to the batch."""
        (store,) = _stores(rl_module)
        store.clear()
        for number, episode in enumerate(self.single_agent_episode_iterator(episodes, agents_that_stepped_only=False)):
            if "_" not in episode.id_:
                episode.id_ += f"_{number}"  # pieces of one episode must stay apart, as RLlib's own connector sees to
            steps = len(episode)
            observations = episode.get_observations(slice(0, steps))
            handles = np.array([store.add(observation) for observation in observations], np.int64)
            self.add_n_batch_items(
                batch, Columns.OBS, items_to_add=handles, num_items=steps, single_agent_episode=episode
            )
        return batch


def latest_graphs(env: Any = None, spaces: Any = None, device: Any = None) -> ConnectorV2:
    """Return the connector for ``AlgorithmConfig.env_runners(env_to_module_connector=...)``."""
    return LatestGraphs()


def episode_graphs(observation_space: Any = None, action_space: Any = None, device: Any = None) -> ConnectorV2:
    """Return the connector for ``AlgorithmConfig.training(learner_connector=...)``."""
    return EpisodeGraphs()
