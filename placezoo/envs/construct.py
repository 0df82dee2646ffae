"""``construct``: place the items one by one, in the problem's order."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from placezoo.envs.observation import UNPLACED
from placezoo.envs.placement_env import PlacementEnv
from placezoo.envs.reward import cost_decrease


class ConstructEnv(PlacementEnv):
    """One step per item; the action is the resource of ``current_item``.

    Action: Discrete(max_resources). The mask holds the resources that are allowed for the item; an action that it
    forbids ends the episode and costs the problem's ``infeasible_penalty``.

    Ends (terminated): when every item is placed; by a forbidden action; or when the next item is allowed nowhere, which
    costs the same. Starting from ``options={"assignment":
    ...}`` only its unplaced items are placed.

    Source: Mirhoseini et al. 2021 (AlphaChip); Addanki et al. 2019 (Placeto).

    Example:
        >>> import gymnasium as gym, placezoo
        >>> env = gym.make("GraphPartition-v0", instance="karate", num_parts=2, formulation="construct")
        >>> observation, info = env.reset(seed=0)
        >>> terminated = False
        >>> while not terminated:
        ...     action = int(observation["action_mask"].argmax())
        ...     observation, reward, terminated, truncated, info = env.step(action)
        >>> info["feasible"]
        True
    """

    formulation = "construct"

    @staticmethod
    def _spaces(max_items: int, max_resources: int) -> tuple[spaces.Space, tuple[int, ...]]:
        return spaces.Discrete(max_resources), (max_resources,)

    def _begin(self, assignment: NDArray[np.int64] | None) -> None:
        self._kernel = self.problem.kernel(assignment)
        order = self.problem.item_order
        self._pending = order[self._kernel.state.assignment[order] == UNPLACED]
        if self._pending.size == 0:
            raise ValueError("every item of the assignment is placed already, there is nothing to construct")
        self._cursor = 0
        self._advance()

    def _advance(self) -> None:
        self._mask[:] = 0
        if self._cursor == self._pending.size:
            self._current_item = UNPLACED
            return
        self._current_item = int(self._pending[self._cursor])
        self.problem.step_kernel.allowed(self._state(), self._current_item, self._mask[: self.problem.num_resources])

    def _act(self, action: Any) -> tuple[float, bool, bool]:
        state = self._state()
        resource = int(action)
        if self._current_item == UNPLACED or not self._mask[resource]:
            self._mask[:] = 0
            self._current_item = UNPLACED
            return -self.problem.infeasible_penalty, True, False
        move = (self._current_item, UNPLACED, resource, -1)
        reward = cost_decrease(0.0, self._kernel.delta(state, move))  # type: ignore[union-attr]
        self._kernel.apply(state, move)  # type: ignore[union-attr]
        self._cursor += 1
        self._advance()
        if self._cursor == self._pending.size:
            return reward + self._completed(), True, False
        if not self._mask.any():  # nowhere to go on
            self._current_item = UNPLACED
            return reward - self.problem.infeasible_penalty, True, False
        return reward, False, False

    def _completed(self) -> float:
        """Return the reward for what follows from the whole assignment, after deriving it."""
        kernel = self._kernel
        assert kernel is not None
        return 0.0 if kernel.complete is None else cost_decrease(0.0, float(kernel.complete(kernel.state)))
