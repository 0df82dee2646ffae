"""Proximal policy optimisation in one process: one forward pass for all environments, graphs never padded."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from placezoo.agents.learning.learner import Batch, UpdateLearner, mean_greedy_cost
from placezoo.agents.learning.transfer import transfer_network
from placezoo.agents.networks.checkpoint import Checkpoint, sizes_to_train
from placezoo.agents.networks.graph_batch import Samples
from placezoo.agents.networks.graph_memory import GraphMemory, problem_entry
from placezoo.agents.networks.heads import make_network
from placezoo.agents.networks.pair_distribution import PairDistribution
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.group_episodes import GroupEpisodes, set_advantages
from placezoo.agents.ppo.rollout import Chunk, Segment, collate, cut, minibatches
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.vector import PlacementVectorEnv

_CHUNK = 128  # consecutive steps that stay together in a minibatch: they share a graph, which is encoded once


class PPOLearner(UpdateLearner):
    """One training run of masked PPO, the same algorithm and network as ``SB3PPOLearner`` trains by MaskablePPO.

    Environments are stepped in one compiled call, all of them are answered by one forward pass over embeddings that are
    kept until the weights change, and transitions are stored by episode in arrays of the instance's own size. A
    minibatch consists of runs of consecutive steps, so that few graphs are encoded for many transitions.

    Beside the arguments of every learner it takes a ``network`` to train, possibly with frozen parameters; the
    ``method``, what of ``start`` learns on (see ``transfer_network``; the policy may be of another environment); and
    the keyword arguments of the formulation.

    Source: Schulman et al. 2017; Huang & Ontanon 2022 for the masks.
    """

    agent = "ppo"
    config_class = PPOConfig

    def _make(self, start: Checkpoint | None, network: Any = None, method: str = "full", **settings: Any) -> None:
        if start is not None:
            network = transfer_network(start, self.source.first(), method)
        elif network is None:
            network = make_network(sizes_to_train(self.source.first(), self.config, None))
        self.adopt(network.train(), eps=1e-5, fused=True)
        # What the policy said before it went on learning, to be held to (Lifelong-MoE's regularisation).
        self._anchor = copy.deepcopy(self.network).eval() if self.config.hold > 0 and start is not None else None
        self._env = PlacementVectorEnv(self.config.num_envs, self.source, self.formulation, **settings)
        self._memory = GraphMemory(self.network, self.device)
        self._begun = False
        if self.config.baseline == "group" and self.formulation != "construct":
            raise ValueError(f"ppo: baseline=group compares constructions, not what {self.formulation} does")
        self._groups = GroupEpisodes(self.config.group)
        self._running: list[Segment] = []  # with baseline=group episodes go on from update to update

    def _check_start(self, start: Checkpoint) -> None:
        if start.env_id == self.source.problem_class.env_id:  # else its trunk alone goes on
            super()._check_start(start)

    def update(self, done: float, room: int | None = None) -> Batch:
        """Collect transitions once and learn from them.

        Args:
            done: the share of training that is over; the entropy bonus falls with it.
            room: no more timesteps than so many, rounded up to whole steps of all environments; None for any.
        """
        if self.config.baseline == "group":
            return self._update_by_groups(done, room)
        config = self.config
        steps = config.num_steps if room is None else min(config.num_steps, -(-room // config.num_envs))
        segments, costs = self.collect(steps)
        for segment in segments:
            segment.estimate_advantages(config.gamma, config.gae_lambda)
        self._learn_from(cut(segments, _CHUNK), config.entropy_coefficient * (1.0 - done))
        return Batch(steps * config.num_envs, len(costs), float(np.mean(costs)) if costs else np.nan)

    def _update_by_groups(self, done: float, room: int | None) -> Batch:
        """Finish groups of whole constructions, for about as many steps as otherwise, and learn from them."""
        config = self.config
        wanted = config.num_envs * config.num_steps
        groups, costs, made = self._finish_groups(wanted if room is None else min(wanted, room))
        self._learn_from(cut(set_advantages(groups), _CHUNK), config.entropy_coefficient * (1.0 - done))
        return Batch(made, len(costs), float(np.mean(costs)))

    @torch.no_grad()
    def _finish_groups(self, transitions: int) -> tuple[list[list[tuple[float, Segment]]], list[float], int]:
        """Step until so many transitions are made and a group is finished: the groups, all costs, the transitions."""
        env, count = self._env, self.config.num_envs
        self._memory.forget()
        self._begin()
        if not self._running:
            self._running = [self._segment(problem, problem.num_items) for problem in env.problems]
        made = 0
        groups: list[list[tuple[float, Segment]]] = []
        costs: list[float] = []
        while made < transitions or not groups:
            actions, chosen, log_probs, values = self._act(env)
            self._note(env, self._running, chosen, log_probs, values)
            rewards, terminated, _ = env.advance(actions)
            made += count
            scales = np.array([segment.scale for segment in self._running])
            self._returns += np.maximum(rewards / scales, -self.config.worst_reward)
            for segment in self._running:
                segment.length += 1
            for index in np.flatnonzero(terminated).tolist():
                segment, cost = self._running[index], float(-self._returns[index])
                costs.append(cost)
                self._keep_best(index, segment.problem)
                group = self._groups.add(index, cost, segment)
                if group is not None:
                    groups.append(group)
                self._returns[index] = 0.0
                env.restart(index)
                self._running[index] = self._segment(env.problems[index], env.problems[index].num_items)
        return groups, costs, made

    def _begin(self) -> None:
        """Start the environments, those of a group on the same instances."""
        if not self._begun:
            self._env.reset(seed=[self.seed + index // self.config.group for index in range(self.config.num_envs)])
            self._returns, self._begun = np.zeros(self.config.num_envs), True

    @torch.no_grad()
    def collect(self, steps: int) -> tuple[list[Segment], list[float]]:
        """Step all environments so many times.

        Returns:
            The segments, and the relative costs of the episodes that ended.
        """
        env = self._env
        self._memory.forget()
        self._begin()
        costs: list[float] = []
        done: list[Segment] = []
        running = [self._segment(problem, steps) for problem in env.problems]
        for step in range(steps):
            actions, chosen, log_probs, values = self._act(env)
            for index, problem in enumerate(env.problems):
                if problem is not running[index].problem:  # the world has changed within the episode
                    if running[index].length:
                        running[index].last_value = float(values[index])
                        done.append(running[index])
                    running[index] = self._segment(problem, steps - step)
            self._note(env, running, chosen, log_probs, values)
            rewards, terminated, truncated = env.advance(actions)
            scales = np.array([segment.scale for segment in running])
            rewards = np.maximum(rewards / scales, -self.config.worst_reward)
            self._returns += rewards
            arrays = env.arrays()
            if truncated.any():
                last = self._act(env)[3]
            for index, segment in enumerate(running):
                segment.reward[segment.length] = rewards[index]
                segment.length += 1
            for index in np.flatnonzero(terminated | truncated).tolist():
                segment = running[index]
                segment.last_value = float(last[index]) if truncated[index] else 0.0
                costs.append(self._episode_cost(index, float(arrays.total[index] / scales[index])))
                self._keep_best(index, segment.problem)
                self._returns[index] = 0.0
                done.append(segment)
                env.restart(index)
                running[index] = self._segment(env.problems[index], steps - step - 1)
        last = self._act(env)[3]
        for index, segment in enumerate(running):
            if segment.length:
                segment.last_value = float(last[index])
                done.append(segment)
        return done, costs

    def _segment(self, problem: PlacementProblem, room: int) -> Segment:
        graph = self._memory.graph(problem_entry(problem))
        return Segment.begin(problem, graph, mean_greedy_cost(problem), self.formulation, room)

    def _act(
        self, env: PlacementVectorEnv
    ) -> tuple[NDArray[np.int64], list[Any], NDArray[np.float32], NDArray[np.float32]]:
        """Draw an action for each environment.

        Returns:
            Actions as the environments take them; the same in the numbering of each instance; their log-probabilities;
            the values of the states.
        """
        count, each_item = env.num_envs, self.formulation == "one-shot"
        graphs, encoded, which = self._memory.recall([problem_entry(problem) for problem in env.problems])
        arrays = env.arrays()
        samples = Samples.of(
            which, arrays.assignment, arrays.current_item, arrays.resource_features, env.action_masks(),
            self.formulation != "construct", self.device,
        )  # fmt: skip
        pairs = samples.pairs(graphs)
        scores, values = self.network.score_pairs(graphs, encoded, samples, pairs)
        distribution = PairDistribution(scores, pairs, count, each_item)
        picked = distribution.sample(self._rng)
        sample = pairs.row_sample[pairs.row[picked]].cpu().numpy()
        resource = pairs.resource[picked].cpu().numpy()
        first = np.array(graphs.start)[which]
        item = pairs.row_item[pairs.row[picked]].cpu().numpy() - first[sample]
        own = np.array([problem.num_resources for problem in env.problems])
        if each_item:
            actions: NDArray[np.int64] = np.zeros((count, env.source.max_items), np.int64)
            actions[sample, item] = resource
            chosen: list[Any] = [actions[index, : problem.num_items] for index, problem in enumerate(env.problems)]
        else:
            actions, local = np.zeros((count,), np.int64), np.zeros((count,), np.int64)
            construct = self.formulation == "construct"
            actions[sample] = resource if construct else item * env.source.max_resources + resource
            local[sample] = resource if construct else item * own[sample] + resource
            chosen = local.tolist()
        return actions, chosen, distribution.log_prob(picked).cpu().numpy(), values.cpu().numpy()

    def _note(
        self,
        env: PlacementVectorEnv,
        running: list[Segment],
        chosen: list[Any],
        log_probs: NDArray[np.float32],
        values: NDArray[np.float32],
    ) -> None:
        """Write the states and actions of a step into the segments."""
        arrays = env.arrays()
        masks = env.action_masks()
        if self.formulation != "construct":
            masks = masks.reshape(env.num_envs, env.source.max_items, env.source.max_resources)
        for index, segment in enumerate(running):
            step, n, k = segment.length, segment.problem.num_items, segment.problem.num_resources
            segment.assignment[step] = arrays.assignment[index, :n]
            segment.features[step] = arrays.resource_features[index, :k]
            segment.mask[step] = masks[index, :k] if masks.ndim == 2 else masks[index, :n, :k]
            segment.current_item[step] = arrays.current_item[index]
            segment.action[step] = chosen[index]
            segment.log_prob[step] = log_probs[index]
            segment.value[step] = values[index]

    def _episode_cost(self, index: int, relative: float) -> float:
        # A construction's rewards sum to minus its cost and the price of breaking off; others start somewhere.
        return float(-self._returns[index]) if self.formulation == "construct" else relative

    def _keep_best(self, index: int, problem: PlacementProblem) -> None:
        arrays = self._env.arrays()
        if self.source.is_one_problem and arrays.feasible[index]:
            total = float(arrays.total[index])
            if self.best is None or total < self.best[0]:
                self.best = total, arrays.assignment[index, : problem.num_items].copy()

    def _learn_from(self, chunks: list[Chunk], entropy_coefficient: float) -> None:
        config = self.config
        for _ in range(config.num_epochs):
            for group in minibatches(chunks, config.batch_size, self._rng):
                batch = collate(group, self.formulation, self.device)
                loss = self._loss(batch, entropy_coefficient)
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), config.max_grad_norm)
                self.optimizer.step()

    def _loss(self, batch: Any, entropy_coefficient: float) -> torch.Tensor:
        """Return PPO's loss: clipped surrogate, squared error of values, entropy (Schulman et al. 2017, equation 9)."""
        config, samples = self.config, batch.samples
        pairs = samples.pairs(batch.graphs)
        scores, values = self.network.score_pairs(batch.graphs, self.network.encode(batch.graphs), samples, pairs)
        distribution = PairDistribution(scores, pairs, len(values), self.formulation == "one-shot")
        chosen = torch.searchsorted(pairs.action, batch.action)
        # A state without allowed actions has no pair to find; whatever was done there has probability 1.
        chosen = chosen[pairs.action[chosen.clamp(max=len(pairs.action) - 1)] == batch.action]
        ratio = (distribution.log_prob(chosen) - batch.log_prob).exp()
        advantage = batch.advantage
        if len(advantage) > 1:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        clipped = ratio.clamp(1.0 - config.clip_range, 1.0 + config.clip_range)
        gain = torch.minimum(ratio * advantage, clipped * advantage).mean()
        value_loss = nn.functional.mse_loss(values, batch.target)
        critic = config.value_coefficient if config.baseline == "critic" else 0.0
        loss = -gain + critic * value_loss - entropy_coefficient * distribution.entropy().mean()
        if self._anchor is None:
            return loss
        with torch.no_grad():
            before, _ = self._anchor.score_pairs(batch.graphs, self._anchor.encode(batch.graphs), samples, pairs)
            said = PairDistribution(before, pairs, len(values), self.formulation == "one-shot").log_probs
        divergence = (said.exp() * (said - distribution.log_probs)).sum() / len(values)
        return loss + config.hold * divergence
