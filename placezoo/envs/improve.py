"""``improve``: move one item at a time, from a whole assignment."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from placezoo import jit
from placezoo.envs.actions import OUTSIDE
from placezoo.envs.env_batch import EnvBatch, Outcome
from placezoo.envs.observation import UNPLACED
from placezoo.envs.placement_env import PlacementEnv
from placezoo.envs.reward import cost_decrease
from placezoo.envs.source import ProblemSource
from placezoo.parameters import at_least, check_parameters


class ImproveEnv(PlacementEnv):
    """A fixed number of moves; an action is a pair (item, resource): that item goes there.

    Action: Discrete(max_items * max_resources), numbered ``item * max_resources + resource``; ``encode_action`` and
    ``decode_action`` translate. The mask, of the same shape, holds the problem's valid moves. A move that it forbids,
    or that is outside of the space, changes nothing and counts.

    Ends (truncated): after ``num_moves`` moves, default twice the number of items (Hu et al. 2023, GiPH). Starts from
    a random assignment, or from ``options={"assignment": ...}``. Where the problem changes within episodes
    (``EdgePlace-v0`` with churn), it does so after the reward of a move, which compares costs of the same world.
    """

    formulation = "improve"
    follows_changes = True

    def __init__(
        self,
        source: ProblemSource,
        render_mode: str | None = None,
        num_moves: Annotated[int | None, at_least(1)] = None,
    ) -> None:
        self._num_moves = check_parameters(ImproveEnv, self.formulation, num_moves=num_moves)["num_moves"]
        super().__init__(source, render_mode)

    @staticmethod
    def _spaces(max_items: int, max_resources: int) -> tuple[spaces.Space, tuple[int, ...]]:
        return spaces.Discrete(max_items * max_resources), (max_items * max_resources,)

    def encode_action(self, item: int, resource: int) -> int:
        """Return the action that moves an item to a resource.

        Raises:
            ValueError: there is no such item or resource.
        """
        if not (0 <= item < self.source.max_items and 0 <= resource < self.source.max_resources):
            most = f"items are 0..{self.source.max_items - 1} and resources 0..{self.source.max_resources - 1}"
            raise ValueError(f"{most}, not {item} and {resource}")
        return int(item) * self.source.max_resources + int(resource)

    def decode_action(self, action: int) -> tuple[int, int]:
        """Return the item and the resource of an action.

        Raises:
            ValueError: there is no such action.
        """
        if not 0 <= action < self._mask.size:
            raise ValueError(f"actions are 0..{self._mask.size - 1}, not {action}")
        return divmod(int(action), self.source.max_resources)

    def _begin(self, assignment: NDArray[np.int64] | None) -> None:
        if assignment is None:
            assignment = self.problem.initial_assignment(self.np_random)
        self._kernel = self.problem.kernel(assignment)
        if np.any(self._kernel.state.assignment == UNPLACED):
            raise ValueError("improve starts from a whole assignment, this one has unplaced items")
        self._moves_left = self._num_moves or 2 * self.problem.num_items
        self._update_mask()

    def _update_mask(self) -> None:
        pairs = self._mask.reshape(self.source.max_items, self.source.max_resources)
        pairs[:] = 0
        self.problem.step_kernel.movable(self._state(), pairs[: self.problem.num_items, : self.problem.num_resources])

    def follow_change(self) -> bool:
        """Let the world go on by one step; return whether it has changed."""
        changed = self.problem if self.source.stands_still else self.problem.next_step(self.np_random)
        if changed is self.problem:
            return False
        self.problem = changed
        self._kernel = changed.kernel(self._state().assignment)
        self._update_mask()
        return True

    def _act(self, action: NDArray[np.int64]) -> tuple[float, bool, bool]:
        state = self._state()
        reward = 0.0
        if action != OUTSIDE and self._mask[action]:
            item, resource = self.decode_action(int(action))
            move = (item, int(state.assignment[item]), resource, -1)
            reward = cost_decrease(0.0, self._kernel.delta(state, move))  # type: ignore[union-attr]
            self._kernel.apply(state, move)  # type: ignore[union-attr]
            self._update_mask()
        self._moves_left -= 1
        if self.problem.changes_between_steps and self._moves_left > 0:
            self.follow_change()
        return reward, False, self._moves_left <= 0


class ImproveBatch(EnvBatch):
    """Improvements side by side; equal to ``ImproveEnv`` in each environment."""

    def __init__(self, envs: list[PlacementEnv], source: ProblemSource) -> None:
        super().__init__(envs, source)
        self._moves_left = np.zeros(len(envs), np.int64)

    def _begin_episode(self, index: int) -> None:
        env: Any = self.envs[index]
        self._moves_left[index] = env._moves_left

    def advance(self, actions: NDArray[np.int64], active: NDArray[np.bool_]) -> Outcome:
        """Move one item of each active environment."""
        legal = active & (actions != OUTSIDE) & (self.masks[self.everyone, actions] > 0)
        items, resources = np.divmod(actions, self.source.max_resources)
        moves = np.stack([items, self.assignment[self.everyone, items], resources, np.full_like(items, -1)], axis=1)
        rewards = np.zeros(len(self.envs))
        kernel, step_kernel = self.functions
        pairs = self.masks.reshape(len(self.envs), self.source.max_items, self.source.max_resources)
        _move_batch(
            self.states, moves, legal, rewards, self._num_resources, pairs, self.features, self.values,
            self.assignment, kernel.delta, kernel.apply, step_kernel.movable, step_kernel.observe,
            self._own_columns,
        )  # fmt: skip
        self._moves_left -= active
        for index in np.flatnonzero(active & (self._moves_left > 0)).tolist():
            env: Any = self.envs[index]
            if env.problem.changes_between_steps and env.follow_change():
                self.take_over(index)
        return Outcome(rewards, np.zeros(len(self.envs), np.bool_), active & (self._moves_left <= 0))


@jit.generic_loop
def _move_batch(
    states,
    moves,
    legal,
    rewards,
    counts,
    masks,
    features,
    values,
    assignments,
    delta,
    apply,
    movable,
    observe,
    own_columns,
):
    for i in range(len(states)):
        if legal[i]:
            state = states[i]
            move = (moves[i, 0], moves[i, 1], moves[i, 2], moves[i, 3])
            rewards[i] = 0.0 - delta(state, move)
            apply(state, move)
            assignments[i, move[0]] = move[2]
            masks[i] = 0
            movable(state, masks[i, : state.assignment.size, : counts[i]])
            observe(state, features[i, : counts[i], :own_columns], values[i])
