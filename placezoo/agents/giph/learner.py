"""Training GiPH, its variants and Placeto: policy gradients on groups of improvement episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from placezoo.agents.giph.episodes import ImprovementEpisodes, draw
from placezoo.agents.giph.gp_net_batch import GpNetBatch
from placezoo.agents.giph.network import GpNetConfig, GpNetNetwork
from placezoo.agents.giph.placeto_network import PlacetoNetwork
from placezoo.agents.giph.selections import MAX_DEVICES, moves_of
from placezoo.agents.learning.learner import Batch, UpdateLearner, mean_greedy_cost
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.envs.edge.gp_net import EDGE_FEATURES, NODE_FEATURES
from placezoo.envs.edge.problem import EdgePlaceProblem
from placezoo.parameters import above, at_least, at_most, check_fields, one_of

BASELINES = ("group", "running-mean")


@dataclass(frozen=True)
class GiPHConfig:
    """Hyperparameters of training.

    The paper's own learner, REINFORCE on one episode at a time, is ``instances=1, group=1, epochs=1, minibatches=1,
    baseline="running-mean", learning_rate=0.01``; its network is ``width=10, hidden=16``. The defaults learn from
    groups of episodes that start alike: what the others of its group reached from there is an episode's baseline, which
    leaves only the choices to explain the difference; and each batch is used for several clipped steps (PPO).

    Args:
        encoder: ``two-way``, ``no-edge``, ``radial`` or ``graph-sage`` (``GpNetConfig``).
        selection: ``pair``, or ``task-eft`` for a task that goes to its earliest finish device.
        width: of the embedding.
        rounds: of ``radial`` and ``graph-sage``.
        hidden: of the score.
        instances: in each batch.
        group: episodes on each, from the same start.
        epochs: passes over each batch.
        minibatches: gradient steps in each pass.
        learning_rate: of Adam at the start; falls linearly to a tenth.
        gamma: discount.
        clip_range: of the probability ratio.
        max_grad_norm: gradients are scaled down to this norm.
        baseline: ``group``, or ``running-mean`` of the rewards of an episode (Hu et al. 2023).
    """

    encoder: str = "two-way"
    selection: str = "pair"
    width: int = 20
    rounds: int = 3
    hidden: int = 32
    instances: Annotated[int, at_least(1)] = 8
    group: Annotated[int, at_least(1)] = 8
    epochs: Annotated[int, at_least(1)] = 2
    minibatches: Annotated[int, at_least(1)] = 8
    learning_rate: Annotated[float, above(0)] = 5e-3
    gamma: Annotated[float, above(0), at_most(1)] = 0.97
    clip_range: Annotated[float, above(0)] = 0.2
    max_grad_norm: Annotated[float, above(0)] = 0.5
    baseline: Annotated[str, one_of(*BASELINES)] = "group"

    def __post_init__(self) -> None:
        check_fields(self, "giph")
        if self.baseline == "group" and self.group < 2:
            raise ValueError("giph: a group of one has no others to compare with: baseline=running-mean")
        moves_of(self.selection)
        if self.selection == "traversal":
            raise ValueError("giph: selection 'traversal' is placeto's")
        self.network()

    def network(self) -> GpNetConfig:
        """Return the network's config."""
        return GpNetConfig(
            len(NODE_FEATURES), len(EDGE_FEATURES), self.encoder, self.width, self.rounds, self.hidden,
            selection=self.selection,
        )  # fmt: skip


@dataclass(frozen=True)
class PlacetoConfig:
    """Hyperparameters of training Placeto; as ``GiPHConfig``, whose learner trains it.

    Args:
        width: of the embedding.
        hidden: of the scores.
        instances: in each batch.
        group: episodes on each, from the same start.
        epochs: passes over each batch.
        minibatches: gradient steps in each pass.
        learning_rate: of Adam at the start; falls linearly to a tenth.
        gamma: discount.
        clip_range: of the probability ratio.
        max_grad_norm: gradients are scaled down to this norm.
        baseline: ``group`` or ``running-mean``.
    """

    width: int = 32
    hidden: int = 64
    instances: int = 8
    group: int = 8
    epochs: int = 2
    minibatches: int = 8
    learning_rate: float = 5e-3
    gamma: float = 0.97
    clip_range: float = 0.2
    max_grad_norm: float = 0.5
    baseline: str = "group"

    def __post_init__(self) -> None:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        GiPHConfig(**fields)  # checks them

    def network(self) -> GpNetConfig:
        """Return the network's config."""
        return GpNetConfig(
            len(NODE_FEATURES) + 2 + MAX_DEVICES, len(EDGE_FEATURES), width=self.width, hidden=self.hidden,
            outputs=MAX_DEVICES, selection="traversal",
        )  # fmt: skip


@dataclass
class _Step:
    """One step of all episodes that were active."""

    batch: GpNetBatch
    episodes: NDArray[np.int64]
    chosen: Tensor  # int64 [len(episodes)]
    log_probability: Tensor


class ImprovementLearner(UpdateLearner):
    """One training run, of ``giph`` or ``placeto``: the configuration says which policy."""

    agent = "giph"
    config_class = GiPHConfig
    formulations = ("improve",)
    env_ids = (EdgePlaceProblem.env_id,)

    def _make(self, start: Checkpoint | None) -> None:
        sizes = self.config.network()
        network_class: Any = PlacetoNetwork if sizes.selection == "traversal" else GpNetNetwork
        if start is not None and isinstance(start.network, network_class):
            sizes = start.network.config
        self.adopt(network_class(sizes), start)
        self._moves = moves_of(sizes.selection)
        self._generator = torch.Generator().manual_seed(self.seed)

    def update(self, done: float, room: int | None = None) -> Batch:
        """Play a batch of episodes and learn from it; episodes are whole, whatever room is left."""
        episodes, steps, rewards = self._play()
        self._learn_from(steps, self._advantages(rewards))
        costs = [best / mean_greedy_cost(p) for best, p in zip(episodes.best, episodes.problems, strict=True)]
        return Batch(int(np.isfinite(rewards).sum()), len(episodes.problems), float(np.mean(costs)))

    def _play(self) -> tuple[ImprovementEpisodes, list[_Step], NDArray[np.float64]]:
        """Play a batch of episodes; rewards are [steps, episodes] in units of the lower bound, NaN after the end."""
        problems: list[EdgePlaceProblem] = []
        starts: list[NDArray[np.int64]] = []
        for _ in range(self.config.instances):
            problem: Any = self.source.draw(self._rng)
            problems += [problem] * self.config.group
            starts += [problem.initial_assignment(self._rng)] * self.config.group
        episodes = ImprovementEpisodes(problems, starts, self._moves)
        scale = np.maximum(np.array([problem.cost_model.lower_bound for problem in problems]), 1e-9)
        steps: list[_Step] = []
        rewards: list[NDArray[np.float64]] = []
        while (active := episodes.active).size:
            batch = episodes.observe(active, self.device)
            with torch.no_grad():
                scores = torch.log_softmax(self.network(batch), 1)
            chosen = draw(scores, self._generator)
            row = np.full(len(problems), np.nan)
            row[active] = episodes.step(active, chosen.numpy()) / scale[active]
            rewards.append(row)
            chosen = chosen.clamp(min=0).to(self.device)
            steps.append(_Step(batch, active, chosen, scores.gather(1, chosen[:, None])[:, 0]))
            self._follow_changes(episodes, active)
        return episodes, steps, np.array(rewards)

    def _follow_changes(self, episodes: ImprovementEpisodes, active: NDArray[np.int64]) -> None:
        for episode in active:
            problem = episodes.problems[episode]
            if problem.changes_between_steps:
                changed = problem.next_step(self._rng)
                if changed is not problem:
                    episodes.change(int(episode), changed)

    def _advantages(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much better each choice went than expected, [steps, episodes], scaled to variance 1."""
        config = self.config
        if config.baseline == "running-mean":
            counts = np.arange(1, len(rewards) + 1)[:, None]
            rewards = rewards - np.cumsum(np.nan_to_num(rewards), axis=0) / counts
        returns = np.array(rewards)
        for step in range(len(rewards) - 2, -1, -1):
            returns[step] += config.gamma * np.nan_to_num(returns[step + 1])
        if config.baseline == "group":
            grouped = returns.reshape(len(returns), config.instances, config.group)
            returns = (grouped - grouped.mean(axis=2, keepdims=True)).reshape(returns.shape)
        return returns / (np.nanstd(returns) + 1e-8)

    def _learn_from(self, steps: list[_Step], advantages: NDArray[np.float64]) -> None:
        config = self.config
        for _ in range(config.epochs):
            for chunk in np.array_split(self._rng.permutation(len(steps)), min(config.minibatches, len(steps))):
                losses, count = [], 0
                for number in chunk:
                    step = steps[number]
                    scores = torch.log_softmax(self.network(step.batch), 1)
                    ratio = (scores.gather(1, step.chosen[:, None])[:, 0] - step.log_probability).exp()
                    # Where nothing can be chosen all scores are -inf and there is nothing to learn.
                    ratio = torch.where(torch.isfinite(ratio), ratio, torch.ones_like(ratio))
                    gain = torch.from_numpy(advantages[number, step.episodes]).float().to(self.device)
                    clipped = ratio.clamp(1 - config.clip_range, 1 + config.clip_range)
                    losses.append(-torch.minimum(ratio * gain, clipped * gain).sum())
                    count += len(step.episodes)
                self.optimizer.zero_grad()
                (torch.stack(losses).sum() / count).backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), config.max_grad_norm)
                self.optimizer.step()
