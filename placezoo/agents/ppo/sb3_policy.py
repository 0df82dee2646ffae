"""The policy network inside sb3-contrib's MaskablePPO."""

from __future__ import annotations

from typing import Any

import torch
from sb3_contrib.common.maskable.distributions import MaskableDistribution
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import Tensor

from placezoo.agents.networks.graph_batch import Graphs, padded_graph, samples_of, unpad
from placezoo.agents.networks.graph_memory import Entry, GraphMemory
from placezoo.agents.networks.heads import make_network
from placezoo.agents.networks.observation_reader import ObservationReader
from placezoo.agents.networks.policy_network import NetworkConfig
from placezoo.agents.ragged.store import GraphStore, look_up


class GraphPolicy(MaskableMultiInputActorCriticPolicy):
    """Actor and critic over the observations of ``PadGraph``: removes the padding and encodes each distinct graph once.

    While transitions are collected the weights stand still, so the embeddings of graphs are kept until the next update.

    Args:
        network: the network's sizes, as a dict of ``NetworkConfig``.
        formulation: ``construct`` scores the current item, the others every item.
    """

    def __init__(
        self, *args: Any, network: dict[str, Any] | None = None, formulation: str = "construct", **kwargs: Any
    ) -> None:
        self._network_config = NetworkConfig(**(network or {}))
        self._every_item = formulation != "construct"
        super().__init__(*args, **kwargs)

    def _build(self, lr_schedule: Any) -> None:
        self.network = make_network(self._network_config)
        self._memory = GraphMemory(self.network)
        # The extractor of the base class would flatten the graph; nothing of it is used or trained.
        self.features_extractor = self.pi_features_extractor = self.vf_features_extractor = torch.nn.Identity()
        self.optimizer = self.optimizer_class(self.network.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _scores(self, observations: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        first, graph = unpad(observations)
        if torch.is_grad_enabled():
            self._memory.forget()
            graphs = Graphs.join([padded_graph(observations, sample) for sample in first])
            encoded = self.network.encode(graphs)
        else:
            self._memory.move_to(self.device)
            entries = [_entry(observations, sample) for sample in first]
            graphs, encoded, number = self._memory.recall(entries)
            graph = torch.as_tensor(number, device=graph.device)[graph]
        return self.network(graphs, encoded, samples_of(observations, graph, self._every_item))

    def _distribution(self, scores: Tensor, action_masks: Any) -> MaskableDistribution:
        distribution = self.action_dist.proba_distribution(action_logits=scores)
        if action_masks is not None:
            distribution.apply_masking(action_masks)
        return distribution

    def forward(self, obs: Any, deterministic: bool = False, action_masks: Any = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions, values [B, 1] and log probabilities."""
        scores, values = self._scores(obs)
        distribution = self._distribution(scores, action_masks)
        actions = distribution.get_actions(deterministic=deterministic)
        log_prob = distribution.log_prob(actions)
        return actions.reshape((-1, *(self.action_space.shape or ()))), values[:, None], log_prob

    def evaluate_actions(
        self, obs: Any, actions: Tensor, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return values [B, 1], log probabilities and entropies of given actions."""
        scores, values = self._scores(obs)
        distribution = self._distribution(scores, action_masks)
        return values[:, None], distribution.log_prob(actions), distribution.entropy()

    def get_distribution(self, obs: Any, action_masks: Any = None) -> MaskableDistribution:
        """Return the masked distribution over actions."""
        return self._distribution(self._scores(obs)[0], action_masks)

    def predict_values(self, obs: Any) -> Tensor:
        """Return values [B, 1]."""
        return self._scores(obs)[1][:, None]


def _entry(observations: dict[str, Tensor], sample: int) -> Entry:
    """Return the graph of a sample, known by its instance's key."""

    def make() -> Graphs:
        graph = padded_graph(observations, sample)
        graph.features = graph.features.clone()  # a slice shares the memory of the environment's buffers
        return graph

    return Entry(int(observations["instance_key"][sample, 0]), None, make)


class RaggedGraphPolicy(GraphPolicy):
    """Actor and critic over the handles of ``GraphVecEnv``: the graphs of a batch side by side, nothing padded.

    Args:
        store: not needed, handles name theirs; taken for what was written when they did not.
    """

    def __init__(self, *args: Any, store: GraphStore | None = None, **kwargs: Any) -> None:
        super().__init__(*args, features_extractor_class=FlattenExtractor, **kwargs)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self._reader = ObservationReader(self.network, self._every_item)

    def _scores(self, observations: Any) -> tuple[Tensor, Tensor]:
        found = look_up(observations.detach().cpu().numpy())
        return self._reader.scores(found, self.device, torch.is_grad_enabled())
