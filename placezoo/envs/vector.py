"""Many environments in one process, stepped by one compiled call."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numba.typed import List as TypedList
from numpy.typing import NDArray

from placezoo import jit
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.construct import ConstructEnv
from placezoo.envs.improve import ImproveEnv
from placezoo.envs.observation import UNPLACED, item_graph, resource_graph
from placezoo.envs.one_shot import OneShotEnv, place_all
from placezoo.envs.placement_env import PlacementEnv, read_options
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.reward import cost_decrease
from placezoo.envs.source import ProblemSource

FORMULATIONS: dict[str, type[PlacementEnv]] = {env.formulation: env for env in (ConstructEnv, ImproveEnv, OneShotEnv)}


class VectorArrays(NamedTuple):
    """Part of what ``PlacementVectorEnv`` observes, as arrays over all environments."""

    assignment: NDArray[np.int64]  # [num_envs, max_items]
    current_item: NDArray[np.int64]  # [num_envs]
    resource_features: NDArray[np.float32]  # [num_envs, max_resources, Fr]
    action_mask: NDArray[np.int8]  # [num_envs, ...], all 0 once nothing is left to place
    total: NDArray[np.float64]  # [num_envs], of the cost
    feasible: NDArray[np.bool_]  # [num_envs]


class PlacementVectorEnv(VectorEnv):
    """``num_envs`` environments of one formulation; equal to ``SyncVectorEnv`` over scalar environments.

    Environment i of ``reset(seed=s)`` is seeded with s + i. Observations are batched as Gymnasium batches them: a
    tuple of graphs for ``items`` and ``resources``, arrays for the rest. ``info`` holds ``cost`` (a dict of float64
    [num_envs]), ``feasible`` and, when an episode has just ended, ``assignment`` (``_assignment`` says where).

    Args:
        num_envs: how many.
        source: where problems come from.
        formulation: ``construct``, ``improve`` or ``one-shot``.
        autoreset_mode: ``NEXT_STEP`` (Gymnasium's default: the step after the last resets) or ``SAME_STEP`` (the last
            step returns the next episode's first observation, ``info["final_obs"]`` and ``info["final_info"]`` the
            last one's).
        settings: keyword arguments of the formulation (``num_moves``, ``refinements``).
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - declared so by VectorEnv

    def __init__(
        self,
        num_envs: int,
        source: ProblemSource,
        formulation: str,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **settings: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs}")
        if formulation not in FORMULATIONS:
            raise ValueError(unknown_name("formulation", formulation, FORMULATIONS))
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise ValueError("autoreset_mode must be NEXT_STEP or SAME_STEP")
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.num_envs = num_envs
        self.source = source
        self.formulation = formulation
        # Each environment is a scalar one: it begins episodes; what happens at every step is done here for all at once.
        self.envs = [FORMULATIONS[formulation](source, **settings) for _ in range(num_envs)]
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.problems: list[PlacementProblem] = [env.problem for env in self.envs]
        names = self.problems[0].feature_names
        self._masks = np.zeros((num_envs, *self.envs[0]._mask.shape), np.int8)
        self._features = np.zeros((num_envs, source.max_resources, len(names.resources)), np.float32)
        self._values = np.zeros((num_envs, 2 + len(self.problems[0].term_names)))
        self._assignments = np.full((num_envs, source.max_items), UNPLACED, np.int64)
        self._order = np.full((num_envs, source.max_items + 1), UNPLACED, np.int64)  # items still to place, then -1
        self._cursor = np.zeros(num_envs, np.int64)
        self._steps_left = np.zeros(num_envs, np.int64)
        self._num_resources = np.zeros(num_envs, np.int64)
        self._penalties = np.zeros(num_envs)
        self._ended = np.zeros(num_envs, np.bool_)
        self._states: Any = None

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode in every environment; ``options`` as for the scalar environment, the same for all."""
        seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        for index, (env, number) in enumerate(zip(self.envs, seeds, strict=True)):
            gym.Env.reset(env, seed=number)
            self._begin(index, options)
        self._ended[:] = False
        return self._observe(), self._info()

    def _begin(self, index: int, options: dict[str, Any] | None = None) -> None:
        env = self.envs[index]
        env.problem, assignment = read_options(self.source, options, env.np_random)
        env._begin(assignment)
        self.problems[index] = env.problem
        kernel = env._kernel
        assert kernel is not None
        if self._states is None:
            self._states = TypedList([kernel.state] * self.num_envs)
        self._states[index] = kernel.state
        self._masks[index] = env._mask
        self._penalties[index] = env.problem.infeasible_penalty
        self._num_resources[index] = env.problem.num_resources
        self._assignments[index] = UNPLACED
        self._assignments[index, : env.problem.num_items] = kernel.state.assignment
        self._cursor[index] = 0
        if isinstance(env, ConstructEnv):
            self._order[index] = UNPLACED
            self._order[index, : env._pending.size] = env._pending
        else:
            self._steps_left[index] = env._moves_left if isinstance(env, ImproveEnv) else env._steps_left  # type: ignore[attr-defined]
        self._read(np.arange(self.num_envs) == index)

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[dict[str, Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step every environment; those whose episode has ended are reset instead, as the autoreset mode says."""
        fresh = np.flatnonzero(self._ended)
        for index in fresh:
            self._begin(int(index))
        rewards, terminated, truncated = self._advance(np.asarray(actions, np.int64), ~self._ended)
        self._ended[:] = False
        ended = terminated | truncated
        info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._ended = ended
        elif ended.any():
            info["final_obs"] = self._observe()
            info["final_info"] = self._info(ended)
            info["_final_obs"] = info["_final_info"] = ended
            for index in np.flatnonzero(ended):
                self._begin(int(index))
        return self._observe(), rewards, terminated, truncated, {**self._info(ended), **info}

    def advance(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Step every environment without building observations and without resetting: what fast learners call.

        Read ``arrays`` before and after; whoever has ended is to be ``restart``ed before the next step.

        Returns:
            Rewards, terminated, truncated, as from ``step``.
        """
        return self._advance(np.asarray(actions, np.int64), np.ones(self.num_envs, np.bool_))

    def restart(self, index: int) -> None:
        """Begin a new episode in one environment."""
        self._begin(index)

    def arrays(self) -> VectorArrays:
        """Return what changes from step to step; the arrays are the environment's own and change with the next step."""
        return VectorArrays(
            self._assignments, self._current_items(), self._features, self._masks, self._values[:, 0],
            self._values[:, 1] > 0,
        )  # fmt: skip

    def _advance(
        self, actions: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        if self.formulation == "construct":
            return self._construct(actions, active)
        return self._improve(actions, active) if self.formulation == "improve" else self._one_shot(actions, active)

    def _construct(self, actions: NDArray[np.int64], active: NDArray[np.bool_]) -> tuple[NDArray, NDArray, NDArray]:
        everyone = np.arange(self.num_envs)
        items = self._order[everyone, self._cursor]
        legal = active & (items >= 0) & (self._masks[everyone, actions] > 0)
        next_items = np.where(
            legal, self._order[everyone, np.minimum(self._cursor + 1, self.source.max_items)], UNPLACED
        )
        moves = np.stack([items, np.full_like(items, UNPLACED), actions, np.full_like(items, -1)], axis=1)
        rewards = np.zeros(self.num_envs)
        kernel, step_kernel = self._functions()
        _place_batch(
            self._states, moves, legal, active, next_items, rewards, self._num_resources, self._masks, self._features,
            self._values, self._assignments, kernel.delta, kernel.apply, step_kernel.allowed, step_kernel.observe,
        )  # fmt: skip
        for index in np.flatnonzero(legal & (next_items == UNPLACED)):
            self._complete(int(index), rewards)
        stuck = legal & (next_items != UNPLACED) & ~self._masks.any(axis=1)
        rewards = np.where(active & ~legal, -self._penalties, rewards - np.where(stuck, self._penalties, 0.0))
        self._cursor = np.where(legal, self._cursor + 1, self._cursor)
        # A forbidden action leaves nothing to place; an episode that has just begun keeps its first item.
        self._order[active & ~legal | stuck] = UNPLACED
        return rewards, active & (next_items == UNPLACED) | stuck, np.zeros(self.num_envs, np.bool_)

    def _complete(self, index: int, rewards: NDArray[np.float64]) -> None:
        """Derive what follows from an environment's whole assignment, and add its reward."""
        kernel = self.envs[index]._kernel
        if kernel is not None and kernel.complete is not None:
            rewards[index] += cost_decrease(0.0, float(kernel.complete(self._states[index])))
            self._read(np.arange(self.num_envs) == index)

    def _improve(self, actions: NDArray[np.int64], active: NDArray[np.bool_]) -> tuple[NDArray, NDArray, NDArray]:
        everyone = np.arange(self.num_envs)
        legal = active & (self._masks[everyone, actions] > 0)
        items, resources = np.divmod(actions, self.source.max_resources)
        moves = np.stack([items, self._assignments[everyone, items], resources, np.full_like(items, -1)], axis=1)
        rewards = np.zeros(self.num_envs)
        kernel, step_kernel = self._functions()
        pairs = self._masks.reshape(self.num_envs, self.source.max_items, self.source.max_resources)
        _move_batch(
            self._states, moves, legal, rewards, self._num_resources, pairs, self._features, self._values,
            self._assignments, kernel.delta, kernel.apply, step_kernel.movable, step_kernel.observe,
        )  # fmt: skip
        self._steps_left -= active
        for index in np.flatnonzero(active & (self._steps_left > 0)):
            self._follow_change(int(index))
        return rewards, np.zeros(self.num_envs, np.bool_), active & (self._steps_left <= 0)

    def _follow_change(self, index: int) -> None:
        """Let the world of one environment go on by a step."""
        env = self.envs[index]
        if env.problem.changes_between_steps and isinstance(env, ImproveEnv) and env.follow_change():
            assert env._kernel is not None
            self.problems[index], self._states[index], self._masks[index] = env.problem, env._kernel.state, env._mask
            self._penalties[index] = env.problem.infeasible_penalty
            self._read(np.arange(self.num_envs) == index)

    def _one_shot(self, actions: NDArray[np.int64], active: NDArray[np.bool_]) -> tuple[NDArray, NDArray, NDArray]:
        rewards = np.zeros(self.num_envs)
        for index in np.flatnonzero(active):
            problem = self.problems[index]
            kernel, rewards[index] = place_all(problem, self._states[index], actions[index])
            self._states[index] = kernel.state
            self._assignments[index, : problem.num_items] = kernel.state.assignment
        self._read(active)
        self._steps_left -= active
        return rewards, active & (self._steps_left <= 0), np.zeros(self.num_envs, np.bool_)

    def _functions(self) -> tuple[Any, Any]:
        return self.envs[0]._kernel, self.problems[0].step_kernel

    def _read(self, which: NDArray[np.bool_]) -> None:
        """Read features and values of some environments from their states."""
        for index in np.flatnonzero(which):
            problem = self.problems[index]
            features = self._features[index, : problem.num_resources]
            problem.step_kernel.observe(self._states[index], features, self._values[index])

    def _current_items(self) -> NDArray[np.int64]:
        if self.formulation != "construct":
            return np.full(self.num_envs, UNPLACED)
        return self._order[np.arange(self.num_envs), self._cursor]

    def _observe(self) -> dict[str, Any]:
        features = self._features.copy()
        return {
            "items": tuple(item_graph(problem) for problem in self.problems),
            "resources": tuple(
                resource_graph(problem, features[index, : problem.num_resources])
                for index, problem in enumerate(self.problems)
            ),
            "assignment": self._assignments.copy(),
            "current_item": self._current_items(),
            "action_mask": self.action_masks(),
        }

    def _info(self, ended: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        # The columns of values are total, feasible and the terms, for all environments at once.
        names = self.problems[0].term_names
        cost = {"total": self._values[:, 0].copy()}
        cost.update({name: self._values[:, 2 + column].copy() for column, name in enumerate(names)})
        info: dict[str, Any] = {"cost": cost, "feasible": self._values[:, 1] > 0}
        if ended is not None and ended.any():
            info["assignment"], info["_assignment"] = self._assignments.copy(), ended.copy()
        return info

    def action_masks(self) -> NDArray[np.int8]:
        """Return the current action masks of all environments (the name that sb3-contrib looks for)."""
        masks = self._masks.copy()
        if self.formulation == "construct":
            masks[self._current_items() == UNPLACED] = 0
        return masks


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
            observe(state, features[i, : counts[i]], values[i])
        masks[i] = 0
        if next_items[i] >= 0:
            allowed(state, next_items[i], masks[i, : counts[i]])


@jit.generic_loop
def _move_batch(
    states, moves, legal, rewards, counts, masks, features, values, assignments, delta, apply, movable, observe
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
            observe(state, features[i, : counts[i]], values[i])
