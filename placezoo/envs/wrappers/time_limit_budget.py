"""``TimeLimitBudget``: end episodes when seconds or steps are spent."""

from __future__ import annotations

import time
from typing import Annotated, Any, SupportsFloat

import gymnasium as gym

from placezoo.parameters import above, at_least, check_parameters


class TimeLimitBudget(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """Truncate an episode once it has taken so many seconds of wall time or so many evaluations (steps).

    Args:
        env: any environment.
        seconds: wall time from ``reset`` on, above 0, or None for no limit.
        evaluations: steps, at least 1, or None for no limit.

    Raises:
        ValueError: both are None, or one is out of range.

    Example:
        >>> import gymnasium as gym, placezoo
        >>> from placezoo.envs.wrappers import TimeLimitBudget
        >>> env = gym.make("GraphPartition-v0", instance="karate", num_parts=2, formulation="improve")
        >>> env = TimeLimitBudget(env, evaluations=10)
    """

    def __init__(
        self,
        env: gym.Env,
        seconds: Annotated[float | None, above(0)] = None,
        evaluations: Annotated[int | None, at_least(1)] = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, seconds=seconds, evaluations=evaluations)
        gym.Wrapper.__init__(self, env)
        if seconds is None and evaluations is None:
            raise ValueError("TimeLimitBudget needs seconds, evaluations or both")
        check_parameters(TimeLimitBudget, "TimeLimitBudget", seconds=seconds, evaluations=evaluations)
        self._seconds, self._evaluations = seconds, evaluations

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode and its budget."""
        result = self.env.reset(seed=seed, options=options)
        self._started, self._steps = time.perf_counter(), 0
        return result

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if "_started" in state:  # by the clock of this process: a copy goes on with what is left
            state["_started"] -= time.perf_counter()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_started" in state:
            self._started += time.perf_counter()

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step; truncated once the budget is spent."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._steps += 1
        spent = self._evaluations is not None and self._steps >= self._evaluations
        late = self._seconds is not None and time.perf_counter() - self._started >= self._seconds
        return observation, reward, terminated, truncated or ((spent or late) and not terminated), info
