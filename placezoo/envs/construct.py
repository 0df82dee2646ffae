"""``construct``: place the items one by one, in the problem's order."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from placezoo import jit
from placezoo.envs.actions import OUTSIDE
from placezoo.envs.env_batch import EnvBatch, Outcome
from placezoo.envs.kernel import look_nowhere
from placezoo.envs.observation import UNPLACED
from placezoo.envs.placement_env import PlacementEnv
from placezoo.envs.reward import cost_decrease
from placezoo.envs.source import ProblemSource


class ConstructEnv(PlacementEnv):
    """One step per item; the action is the resource of ``current_item``.

    Action: Discrete(max_resources). The mask holds the resources that are allowed for the item; an action that it
    forbids, or that is outside of the space, ends the episode and costs the problem's ``infeasible_penalty``.

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

    def _act(self, action: NDArray[np.int64]) -> tuple[float, bool, bool]:
        state = self._state()
        resource = int(action)
        if self._current_item == UNPLACED or resource == OUTSIDE or not self._mask[resource]:
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


class ConstructBatch(EnvBatch):
    """Constructions side by side; equal to ``ConstructEnv`` in each environment."""

    def __init__(self, envs: list[PlacementEnv], source: ProblemSource) -> None:
        super().__init__(envs, source)
        self._order = np.full((len(envs), source.max_items + 1), UNPLACED, np.int64)  # items still to place, then -1
        self._cursor = np.zeros(len(envs), np.int64)
        self._penalties = np.zeros(len(envs))

    def _begin_episode(self, index: int) -> None:
        env: Any = self.envs[index]
        self._order[index] = UNPLACED
        self._order[index, : env._pending.size] = env._pending
        self._cursor[index] = 0
        self._penalties[index] = env.problem.infeasible_penalty
        look = env.problem.step_kernel.look
        if look is not None:
            count = env.problem.num_resources
            look(
                self.states[index], env._current_item, self.masks[index, :count],
                self.features[index, :count, self._own_columns :],
            )  # fmt: skip

    @property
    def current_items(self) -> NDArray[np.int64]:
        """The item to place in each environment, int64 [num_envs]; -1 where there is none."""
        return self._order[self.everyone, self._cursor]

    @property
    def action_masks(self) -> NDArray[np.int8]:
        """A copy of the masks, all 0 where nothing is left to place."""
        masks = self.masks.copy()
        masks[self.current_items == UNPLACED] = 0
        return masks

    def advance(self, actions: NDArray[np.int64], active: NDArray[np.bool_]) -> Outcome:
        """Place the current item of each active environment."""
        items = self.current_items
        legal = active & (items >= 0) & (actions != OUTSIDE) & (self.masks[self.everyone, actions] > 0)
        following = self._order[self.everyone, np.minimum(self._cursor + 1, self.source.max_items)]
        next_items = np.where(legal, following, UNPLACED)
        moves = np.stack([items, np.full_like(items, UNPLACED), actions, np.full_like(items, -1)], axis=1)
        rewards = np.zeros(len(self.envs))
        kernel, step_kernel = self.functions
        _place_batch(
            self.states, moves, legal, active, next_items, rewards, self._num_resources, self.masks, self.features,
            self.values, self.assignment, kernel.delta, kernel.apply, step_kernel.allowed, step_kernel.observe,
            step_kernel.look or look_nowhere, self._own_columns,
        )  # fmt: skip
        for index in np.flatnonzero(legal & (next_items == UNPLACED)).tolist():
            self._complete(index, rewards)
        stuck = legal & (next_items != UNPLACED) & ~self.masks.any(axis=1)
        rewards = np.where(active & ~legal, -self._penalties, rewards - np.where(stuck, self._penalties, 0.0))
        self._cursor = np.where(legal, self._cursor + 1, self._cursor)
        # A forbidden action leaves nothing to place; an episode that has just begun keeps its first item.
        self._order[active & ~legal | stuck] = UNPLACED
        ended = active & (next_items == UNPLACED) | stuck
        return Outcome(rewards, ended, np.zeros(len(self.envs), np.bool_))

    def _complete(self, index: int, rewards: NDArray[np.float64]) -> None:
        """Derive what follows from an environment's whole assignment, and add its reward."""
        kernel = self.envs[index]._kernel
        if kernel is not None and kernel.complete is not None:
            rewards[index] += cost_decrease(0.0, float(kernel.complete(self.states[index])))
            self.read(index)


@jit.generic_loop
def _place_batch(
    states,
    moves,
    legal,
    active,
    next_items,
    rewards,
    counts,
    masks,
    features,
    values,
    assignments,
    delta,
    apply,
    allowed,
    observe,
    look,
    own_columns,
):
    for i in range(len(states)):
        if not active[i]:
            continue
        state = states[i]
        if legal[i]:
            move = (moves[i, 0], moves[i, 1], moves[i, 2], moves[i, 3])
            rewards[i] = 0.0 - delta(state, move)
            apply(state, move)
            assignments[i, move[0]] = move[2]
            observe(state, features[i, : counts[i], :own_columns], values[i])
        masks[i] = 0
        features[i, :, own_columns:] = 0.0
        if next_items[i] >= 0:
            allowed(state, next_items[i], masks[i, : counts[i]])
            look(state, next_items[i], masks[i, : counts[i]], features[i, : counts[i], own_columns:])
