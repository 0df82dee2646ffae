"""``RelativeReward``: rewards on one scale for instances of every size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym

from placezoo.envs.problem import PlacementProblem


class RelativeReward(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """Divide rewards by a cost that stands for the instance, so that one learning rate suits all of them.

    Args:
        env: any placezoo environment.
        reference: problem -> cost, above 0; default the mean cost of random assignments, so that a return of -1 is as
            bad as random and 0 would be free of cost.

    Example:
        >>> import gymnasium as gym, placezoo
        >>> from placezoo.envs.wrappers import RelativeReward
        >>> env = RelativeReward(gym.make("GraphPartition-v0", dataset="delaunay", num_parts=4))
        >>> observation, info = env.reset(seed=0)
    """

    def __init__(self, env: gym.Env, reference: Callable[[PlacementProblem], float] | None = None) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, reference=reference)
        gym.Wrapper.__init__(self, env)
        self._reference = reference or reward_scale
        self._scale = 1.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode and ask for its instance's reference.

        Raises:
            ValueError: the reference is not above 0.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        problem = self.env.unwrapped.problem  # type: ignore[attr-defined]
        self._scale = float(self._reference(problem))
        if not self._scale > 0:
            raise ValueError(f"the reference cost of {problem.instance.name} must be above 0, not {self._scale}")
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and divide the reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward) / self._scale, terminated, truncated, info


def reward_scale(problem: PlacementProblem) -> float:
    """Return what rewards are divided by: the mean cost of random assignments, or 1 where they are free."""
    return problem.reference_cost if problem.reference_cost > 0 else 1.0
