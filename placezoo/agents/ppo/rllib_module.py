"""The policy network as an RLlib module."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical, TorchMultiCategorical
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from torch import Tensor

from placezoo.agents.networks.heads import make_network
from placezoo.agents.networks.observation_reader import ObservationReader
from placezoo.agents.networks.policy_network import NetworkConfig
from placezoo.agents.ragged.rllib import ModuleStore

_FORBIDDEN = -1e9  # logit of an action that the mask forbids
_MOST_AT_ONCE = 4096  # observations in one forward pass: a whole training batch is asked for its values at once


class PlacementModule(ModuleStore, TorchRLModule, ValueFunctionAPI):
    """Actor and critic over packed observations; ``network`` is the module that all learners share.

    ``model_config`` holds ``network`` (a dict of ``NetworkConfig``) and ``formulation``.
    """

    def setup(self) -> None:
        """Build the network (called by RLlib)."""
        settings: Any = self.model_config
        self.network = make_network(NetworkConfig(**settings["network"]))
        every_item = settings["formulation"] != "construct"
        self.__dict__["_reader"] = ObservationReader(self.network, every_item)

    def get_initial_state(self) -> dict[str, Any]:
        """Return no state: the policy has no memory."""
        return {}

    def set_state(self, state: Any) -> None:
        """Take new weights; embeddings made with the old ones are forgotten."""
        super().set_state(state)
        self.__dict__["_reader"].forget()

    def _distribution_class(self) -> Any:
        if isinstance(self.action_space, spaces.MultiDiscrete):
            several: Any = TorchMultiCategorical
            return several.get_partial_dist_cls(input_lens=self.action_space.nvec.tolist())
        return TorchCategorical

    def get_inference_action_dist_cls(self) -> Any:
        """Return the distribution over actions."""
        return self._distribution_class()

    def get_exploration_action_dist_cls(self) -> Any:
        """Return the distribution over actions."""
        return self._distribution_class()

    def get_train_action_dist_cls(self) -> Any:
        """Return the distribution over actions."""
        return self._distribution_class()

    def _scored(self, batch: dict[str, Any], learning: bool) -> tuple[Tensor, Tensor]:
        """Return masked logits [B, actions] and values [B]."""
        observations = self.packed(batch[Columns.OBS])
        device = next(self.network.parameters()).device
        scores, values = self.__dict__["_reader"].scores(observations, device, learning)
        masks = [torch.tensor(observation["action_mask"]).flatten() for observation in observations]
        return scores.masked_fill(torch.stack(masks).to(device) == 0, _FORBIDDEN), values

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        with torch.no_grad():
            return {Columns.ACTION_DIST_INPUTS: self._scored(batch, False)[0]}

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        logits, values = self._scored(batch, True)
        return {Columns.ACTION_DIST_INPUTS: logits, Columns.EMBEDDINGS: values}

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> Tensor:
        """Return the values [B]; the forward pass of training has them already."""
        if embeddings is not None:
            return embeddings
        with torch.no_grad():
            handles = batch[Columns.OBS].split(_MOST_AT_ONCE)
            self.__dict__["_reader"].forget()
            return torch.cat([self._scored({Columns.OBS: part}, False)[1] for part in handles])
