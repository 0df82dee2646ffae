"""Training the policy network by sb3-contrib's MaskablePPO."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback

from placezoo.agents.learning.learner import Progress, TrainingStatus, check_device, mean_greedy_cost, share_done
from placezoo.agents.networks.architectures import feature_record
from placezoo.agents.networks.checkpoint import Checkpoint, sizes_to_train
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.sb3_policy import GraphPolicy
from placezoo.agents.ppo.sb3_vec_env import PaddedVecEnv
from placezoo.envs.source import ProblemSource


class PPOLearner:
    """One training run.

    Args:
        source: where problems come from.
        formulation: ``construct``, ``improve`` or ``one-shot``.
        config: hyperparameters.
        seed: of networks, environments and actions.
        device: ``cpu``, ``cuda`` or ``auto``.
        start: a policy to go on from; it decides the network's sizes.
        settings: keyword arguments of the formulation.

    Attributes:
        best: the cost and assignment of the best feasible episode, where the source is one instance; else None.

    Raises:
        ValueError: the policy to start from is for another problem or formulation.
    """

    def __init__(
        self,
        source: ProblemSource,
        formulation: str,
        config: PPOConfig | None = None,
        seed: int = 0,
        device: str = "cpu",
        start: Checkpoint | None = None,
        **settings: Any,
    ) -> None:
        self.config = config or PPOConfig()
        check_device(device, "ppo")
        self.source = source
        self.formulation = formulation
        self.best: tuple[float, NDArray[np.int64]] | None = None
        problem = source.first()
        # Relative to greedy construction, returns of easy and hard instances lie close together, which spares the
        # critic most of what it would have to learn about instances.
        self._env = PaddedVecEnv(
            self.config.num_envs, source, formulation, mean_greedy_cost, self.config.worst_reward, **settings
        )
        network = sizes_to_train(problem, formulation, self.config, start)
        self.model = MaskablePPO(
            GraphPolicy,
            self._env,
            n_steps=self.config.num_steps,
            batch_size=min(self.config.batch_size, self.config.num_envs * self.config.num_steps),
            n_epochs=self.config.num_epochs,
            learning_rate=self.config.learning_rate,
            gamma=self.config.gamma,
            gae_lambda=self.config.gae_lambda,
            clip_range=self.config.clip_range,
            ent_coef=self.config.entropy_coefficient,
            vf_coef=self.config.value_coefficient,
            max_grad_norm=self.config.max_grad_norm,
            policy_kwargs={"network": network.to_json(), "formulation": formulation},
            seed=seed,
            device=device,
        )
        if start is not None:
            self.model.policy.network.load_state_dict(start.network.state_dict())

    @property
    def network(self) -> torch.nn.Module:
        """The policy network, as it is being trained."""
        return self.model.policy.network

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """What trains it."""
        return self.model.policy.optimizer

    def note_episode(self, info: dict[str, Any]) -> None:
        """Keep an episode's assignment if it is feasible and the best so far, where there is one instance."""
        if self.source.dataset is None and info["feasible"] and (self.best is None or info["cost"] < self.best[0]):
            self.best = info["cost"], info["assignment"][: self.source.first().num_items].copy()

    def checkpoint(self, **training: Any) -> Checkpoint:
        """Return a copy of the policy as it is now, on the CPU."""
        problem = self.source.first()
        network = copy.deepcopy(self.model.policy.network).cpu().eval()
        return Checkpoint(network, problem.env_id, self.formulation, feature_record(problem), training)

    def learn(
        self,
        timesteps: int | None = None,
        seconds: float | None = None,
        on_update: Callable[[TrainingStatus], None] | None = None,
        begun: Progress | None = None,
    ) -> TrainingStatus:
        """Train until so many steps are made or so many seconds are over.

        Args:
            timesteps: environment steps, None for no limit.
            seconds: wall time, None for no limit.
            on_update: called after each update.
            begun: what had been done when a run that goes on was broken off.

        Raises:
            ValueError: neither limit is given.
        """
        if timesteps is None and seconds is None:
            raise ValueError("training needs timesteps, seconds or both")
        begun = begun or Progress()
        self.model.num_timesteps = max(self.model.num_timesteps, begun.timesteps)
        callback = _Progress(self, timesteps, seconds, on_update, begun)
        left = 2**62 if timesteps is None else max(1, timesteps - begun.timesteps)
        self.model.learn(left, callback=callback, reset_num_timesteps=False)
        callback.finish()
        assert callback.status is not None
        return callback.status


class _Progress(BaseCallback):
    """Counts episodes, keeps the time limit, and lets the learning rate and the entropy bonus fall."""

    def __init__(
        self,
        learner: PPOLearner,
        timesteps: int | None,
        seconds: float | None,
        on_update: Callable[[TrainingStatus], None] | None,
        begun: Progress,
    ) -> None:
        super().__init__()
        self._learner, self._timesteps, self._seconds, self._on_update = learner, timesteps, seconds, on_update
        self._started = time.perf_counter() - begun.seconds
        self._costs: list[float] = []
        self._episodes = begun.episodes
        self._updates = 0
        self.status: TrainingStatus | None = None

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                # A construction's rewards sum to minus its cost and the price of breaking off; others start somewhere.
                constructs = self._learner.formulation == "construct"
                self._costs.append(-info["episode"]["r"] if constructs else info["relative_cost"])
                self._episodes += 1
                self._learner.note_episode(info)
        return self._seconds is None or time.perf_counter() - self._started < self._seconds

    def _on_rollout_start(self) -> None:
        if self._updates:
            self.finish()
        self._updates += 1
        self._decay()

    def _done(self, seconds: float) -> float:
        return share_done(self.num_timesteps, seconds, self._timesteps, self._seconds)

    def _decay(self) -> None:
        left = 1.0 - self._done(time.perf_counter() - self._started)
        config, model = self._learner.config, self._learner.model
        model.ent_coef = config.entropy_coefficient * left
        model.lr_schedule = lambda _: config.learning_rate * (0.1 + 0.9 * left)

    def finish(self) -> None:
        """Report the update that has just ended."""
        seconds = time.perf_counter() - self._started
        mean = float(np.mean(self._costs)) if self._costs else math.nan
        self.status = TrainingStatus(self.num_timesteps, seconds, mean, self._episodes, self._done(seconds))
        self._costs.clear()
        if self._on_update is not None:
            self._on_update(self.status)
