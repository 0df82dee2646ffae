"""placezoo's environments as RLlib's workers make them."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym

from placezoo.agents.learning.learner import mean_greedy_cost
from placezoo.envs.registration import make_env
from placezoo.envs.wrappers.pack_graphs import PackGraphs
from placezoo.envs.wrappers.relative_reward import RelativeReward

ENV_NAME = "placezoo-training"


class TrainingEnv(gym.Wrapper):
    """Packed observations and rewards relative to greedy construction; the last ``info`` of an episode sums it up.

    Its ``placezoo`` entry holds ``cost``, ``relative_cost`` (over greedy construction's) and ``feasible``.

    Args:
        env: any placezoo environment.
        worst: no step's reward is below minus this.
    """

    def __init__(self, env: gym.Env, worst: float) -> None:
        super().__init__(PackGraphs(RelativeReward(env, mean_greedy_cost)))
        self._worst = worst

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        return self.env.reset(seed=seed, options=options)[0], {}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        summary = {}
        if terminated or truncated:
            total = info["cost"]["total"]
            relative = total / mean_greedy_cost(self.env.unwrapped.problem)  # type: ignore[attr-defined]
            summary = {"placezoo": {"cost": total, "relative_cost": relative, "feasible": info["feasible"]}}
        return observation, max(float(reward), -self._worst), terminated, truncated, summary


def make_training_env(config: dict[str, Any]) -> TrainingEnv:
    """Return an environment: what is registered with RLlib.

    Args:
        config: ``env_id``, ``worst_reward`` and the keyword arguments of ``gym.make``.
    """
    settings = dict(config)
    return TrainingEnv(make_env(settings.pop("env_id"), **settings.pop("settings")), settings.pop("worst_reward"))
