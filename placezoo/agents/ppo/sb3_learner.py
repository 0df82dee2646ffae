"""Training the policy network by sb3-contrib's MaskablePPO."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback

from placezoo.agents.learning.learner import Batch, UpdateLearner, mean_greedy_cost
from placezoo.agents.networks.checkpoint import Checkpoint, sizes_to_train
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.sb3_policy import GraphPolicy
from placezoo.agents.ppo.sb3_vec_env import PaddedVecEnv


class SB3PPOLearner(UpdateLearner):
    """One training run of MaskablePPO, on padded observations: the yardstick of the other learners of ``ppo``.

    Beside the arguments of every learner it takes the keyword arguments of the formulation.
    """

    agent = "ppo"
    config_class = PPOConfig

    def _make(self, start: Checkpoint | None, **settings: Any) -> None:
        self.config.refuse_groups("sb3")
        config, source = self.config, self.source
        # Relative to greedy construction, returns of easy and hard instances lie close together, which spares the
        # critic most of what it would have to learn about instances.
        self._env = PaddedVecEnv(
            config.num_envs, source, self.formulation, mean_greedy_cost, config.worst_reward, **settings
        )
        self.model = MaskablePPO(
            GraphPolicy,
            self._env,
            n_steps=config.num_steps,
            batch_size=min(config.batch_size, config.num_envs * config.num_steps),
            n_epochs=config.num_epochs,
            learning_rate=config.learning_rate,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
            clip_range=config.clip_range,
            ent_coef=config.entropy_coefficient,
            vf_coef=config.value_coefficient,
            max_grad_norm=config.max_grad_norm,
            policy_kwargs={
                "network": sizes_to_train(source.first(), config, start).to_json(), "formulation": self.formulation,
            },
            seed=self.seed,
            device=self.device,
        )  # fmt: skip
        self.network, self.optimizer = self.model.policy.network, self.model.policy.optimizer
        if start is not None:
            self.network.load_state_dict(start.network.state_dict())
        self._episodes = _Episodes(self)

    def set_learning_rate(self, done: float) -> None:
        """Set the learning rate for a share of the training that is over; SB3 sets it anew before each update."""
        rate = self.config.learning_rate * (1.0 - 0.9 * done)
        self.model.lr_schedule = lambda _: rate

    def update(self, done: float, room: int | None = None) -> Batch:
        """Let MaskablePPO collect transitions once and learn from them."""
        before, self._episodes.costs = self.model.num_timesteps, []
        self.model.ent_coef = self.config.entropy_coefficient * (1.0 - done)
        self.model.learn(1, callback=self._episodes, reset_num_timesteps=False)  # whole rollouts, so exactly one
        costs = self._episodes.costs
        return Batch(self.model.num_timesteps - before, len(costs), float(np.mean(costs)) if costs else math.nan)


class _Episodes(BaseCallback):
    """Notes what the episodes that end came to."""

    def __init__(self, learner: SB3PPOLearner) -> None:
        super().__init__()
        self._learner = learner
        self.costs: list[float] = []

    def _on_step(self) -> bool:
        learner = self._learner
        for info in self.locals["infos"]:
            if "episode" not in info:
                continue
            # A construction's rewards sum to minus its cost and the price of breaking off; others start somewhere.
            constructs = learner.formulation == "construct"
            self.costs.append(-info["episode"]["r"] if constructs else info["relative_cost"])
            is_best = learner.best is None or info["cost"] < learner.best[0]
            if learner.source.is_one_problem and info["feasible"] and is_best:
                learner.best = info["cost"], info["assignment"][: learner.source.first().num_items].copy()
        return True
