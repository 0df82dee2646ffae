"""Many environments in one process, stepped by one compiled call."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.actions import MaskedMultiDiscrete, read_actions
from placezoo.envs.construct import ConstructBatch, ConstructEnv
from placezoo.envs.env_batch import EnvBatch, Outcome
from placezoo.envs.improve import ImproveBatch, ImproveEnv
from placezoo.envs.memory import check_memory
from placezoo.envs.one_shot import OneShotBatch, OneShotEnv
from placezoo.envs.placement_env import PlacementEnv
from placezoo.envs.source import ProblemSource
from placezoo.parameters import at_least, check_parameters

FORMULATIONS: dict[str, type[PlacementEnv]] = {env.formulation: env for env in (ConstructEnv, ImproveEnv, OneShotEnv)}
BATCHES: dict[str, type[EnvBatch]] = {"construct": ConstructBatch, "improve": ImproveBatch, "one-shot": OneShotBatch}


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

    Environment i of ``reset(seed=s)`` is seeded with s + i. Observations and ``info`` are batched as Gymnasium batches
    them: a tuple of graphs for ``items`` and ``resources``, arrays for the rest; beside each array of ``info`` there is
    another, its name with ``_`` before it, that says which environments it is about.

    Args:
        num_envs: how many.
        source: where problems come from.
        formulation: ``construct``, ``improve`` or ``one-shot``.
        autoreset_mode: ``NEXT_STEP`` (Gymnasium's default: the step after the last resets) or ``SAME_STEP`` (the last
            step returns the next episode's first observation; ``info["final_obs"]`` is an array of the last
            observations, None where no episode has ended, and ``info["final_info"]`` the last ``info``).
        settings: keyword arguments of the formulation (``num_moves``, ``refinements``).

    Raises:
        ValueError: something in these is wrong, or so many environments take more memory than is free.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - declared so by VectorEnv

    def __init__(
        self,
        num_envs: Annotated[int, at_least(1)],
        source: ProblemSource,
        formulation: str,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **settings: Any,
    ) -> None:
        num_envs = check_parameters(PlacementVectorEnv, "the batched environment", num_envs=num_envs)["num_envs"]
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
        self.envs = [FORMULATIONS[formulation](source, **settings)]
        check_memory(self.envs[0], num_envs)
        self.envs += [FORMULATIONS[formulation](source, **settings) for _ in range(num_envs - 1)]
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        if isinstance(self.action_space, spaces.MultiDiscrete):  # a Box for whole assignments, as Gymnasium has it
            self.action_space = MaskedMultiDiscrete(self.action_space.nvec)
        self._batch = BATCHES[formulation](self.envs, source)
        self.problems = self._batch.problems
        self._ended = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode in every environment; ``options`` as for the scalar environment, the same for all."""
        seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        for index, (env, number) in enumerate(zip(self.envs, seeds, strict=True)):
            gym.Env.reset(env, seed=number)
            self._batch.begin(index, options)
        self._ended[:] = False
        return self._observe(), self._info()

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[dict[str, Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step every environment; those whose episode has ended are reset instead, as the autoreset mode says.

        Raises:
            ValueError: the actions are no whole numbers, or not as many as the space says.
        """
        fresh = np.flatnonzero(self._ended)
        for index in fresh:
            self._batch.begin(int(index))
        rewards, terminated, truncated = self._batch.advance(self._read(actions), ~self._ended)
        self._ended[:] = False
        ended = terminated | truncated
        info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._ended = ended
        elif ended.any():
            last = self._observe()
            info["final_obs"] = np.full(self.num_envs, None, object)
            for index in np.flatnonzero(ended):
                info["final_obs"][index] = {name: part[index] for name, part in last.items()}
            info["final_info"] = self._info(ended)
            info["_final_obs"], info["_final_info"] = ended.copy(), ended.copy()
            for index in np.flatnonzero(ended):
                self._batch.begin(int(index))
        return self._observe(), rewards, terminated, truncated, {**self._info(), **info}

    def advance(self, actions: NDArray[np.int64]) -> Outcome:
        """Step every environment without building observations and without resetting: what fast learners call.

        Read ``arrays`` before and after; whoever has ended is to be ``restart``ed before the next step.

        Returns:
            Rewards, terminated, truncated, as from ``step``.
        """
        return self._batch.advance(self._read(actions), np.ones(self.num_envs, np.bool_))

    def restart(self, index: int) -> None:
        """Begin a new episode in one environment."""
        self._batch.begin(index)

    def arrays(self) -> VectorArrays:
        """Return what changes from step to step; the arrays are the environment's own and change with the next step."""
        batch = self._batch
        return VectorArrays(
            batch.assignment, batch.current_items, batch.features, batch.masks, batch.values[:, 0],
            batch.values[:, 1] > 0,
        )  # fmt: skip

    def action_masks(self) -> NDArray[np.int8]:
        """Return the current action masks of all environments (the name that sb3-contrib looks for)."""
        return self._batch.action_masks

    def _observe(self) -> dict[str, Any]:
        return {
            "items": tuple([problem.item_graph for problem in self.problems]),
            "resources": self._batch.resource_graphs(),
            "assignment": self._batch.assignment.copy(),
            "current_item": self._batch.current_items,
            "action_mask": self._batch.action_masks,
        }

    def _info(self, about: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """Return ``info`` as Gymnasium batches it, zeros where it is not about an environment: bool [num_envs]."""
        about = np.ones(self.num_envs, np.bool_) if about is None else about

        others = None if about.all() else ~about

        def batched(name: str, values: Any) -> dict[str, Any]:
            if isinstance(values, np.ndarray):
                values = values.copy()
                if others is not None:
                    values[others] = None if values.dtype == object else 0
            return {name: values, f"_{name}": about.copy()}

        # The columns of values are total, feasible and the terms, for all environments at once.
        values, cost = self._batch.values, {}
        cost.update(batched("total", values[:, 0]))
        for column, name in enumerate(self.problems[0].term_names):
            cost.update(batched(name, values[:, 2 + column]))
        return {
            **batched("cost", cost),
            **batched("feasible", values[:, 1] > 0),
            **batched("assignment", self._batch.assignment),
            **batched("instance", self._batch.names),
        }

    def _read(self, actions: Any) -> NDArray[np.int64]:
        return read_actions(actions, self.single_action_space, self.num_envs)
