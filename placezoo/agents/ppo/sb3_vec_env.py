"""The batched environment as Stable-Baselines3 wants it: padded observations, relative rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from placezoo.envs.problem import PlacementProblem
from placezoo.envs.source import ProblemSource
from placezoo.envs.vector import PlacementVectorEnv
from placezoo.envs.wrappers.pad_graph import Arrays, instance_key, pad_graph, padded_space
from placezoo.envs.wrappers.relative_reward import reward_scale

_CHANGING = ("resource_features", "assignment", "current_item", "action_mask")


class PaddedVecEnv(VecEnv):
    """``PlacementVectorEnv`` as an SB3 VecEnv, with padded observations and relative rewards.

    Equal to a DummyVecEnv over wrapped scalar environments, without padding the static part of an observation again at
    each step.

    Args:
        num_envs: how many environments.
        source: where problems come from.
        formulation: ``construct``, ``improve`` or ``one-shot``.
        reference: what an instance's rewards are divided by, problem -> cost above 0; as in ``RelativeReward``.
        worst: no step's relative reward is below minus this: a construction that jams should not drown all others.
        settings: keyword arguments of the formulation.
    """

    def __init__(
        self,
        num_envs: int,
        source: ProblemSource,
        formulation: str,
        reference: Callable[[PlacementProblem], float] = reward_scale,
        worst: float = np.inf,
        **settings: Any,
    ) -> None:
        self._reference = reference
        self._worst = worst
        self.inner = PlacementVectorEnv(
            num_envs, source, formulation, autoreset_mode=AutoresetMode.SAME_STEP, **settings
        )
        problem, single = self.inner.problems[0], self.inner.single_observation_space
        assert isinstance(single, spaces.Dict)
        space = padded_space(
            problem.feature_names, source.max_items, source.max_edges, source.max_resources,
            source.max_resource_edges, dict(single.spaces),
        )  # fmt: skip
        super().__init__(num_envs, space, self.inner.single_action_space)
        self._buffers: Arrays = {
            name: np.zeros((num_envs, *(box.shape or ())), box.dtype) for name, box in space.spaces.items()
        }
        self._scales = np.ones(num_envs)
        self._returns = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, np.int64)
        self._seed: int | None = None
        self._actions: NDArray[np.int64] = np.zeros(num_envs, np.int64)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the next reset; environment i gets seed + i."""
        self._seed = seed
        return [None if seed is None else seed + index for index in range(self.num_envs)]

    def reset(self) -> Arrays:
        """Start an episode in every environment."""
        observation, _ = self.inner.reset(seed=self._seed)
        self._buffers = {name: values.copy() for name, values in self._buffers.items()}
        self._seed = None
        self._returns[:] = 0.0
        self._lengths[:] = 0
        for index in range(self.num_envs):
            self._write_static(index, observation)
        return self._padded(observation)

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> tuple[Arrays, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step; environments whose episode ends return the next one's first observation."""
        observation, rewards, terminated, truncated, info = self.inner.step(self._actions)
        rewards = np.maximum(rewards / self._scales, -self._worst)
        ended = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for index in np.flatnonzero(ended):
            final = info["final_info"]
            infos[index] = {
                "TimeLimit.truncated": bool(truncated[index]),
                "episode": {"r": float(self._returns[index]), "l": int(self._lengths[index]), "t": 0.0},
                "cost": float(final["cost"]["total"][index]),
                "relative_cost": float(final["cost"]["total"][index] / self._scales[index]),
                "feasible": bool(final["feasible"][index]),
                "assignment": final["assignment"][index],
            }
            if truncated[index]:  # SB3 bootstraps from the last observation of a truncated episode only
                infos[index]["terminal_observation"] = self._terminal(int(index), info["final_obs"][index])
            self._returns[index] = 0.0
            self._lengths[index] = 0
        if ended.any():
            self._buffers = {name: values.copy() for name, values in self._buffers.items()}
            for index in np.flatnonzero(ended):
                self._write_static(int(index), observation)
        return self._padded(observation), rewards.astype(np.float32), ended, infos

    def _write_static(self, index: int, observation: dict[str, Any]) -> None:
        row = {name: values[index] for name, values in self._buffers.items() if name not in _CHANGING}
        for values in row.values():
            values[...] = 0
        row["resource_features"] = self._buffers["resource_features"][index]
        pad_graph(observation["items"][index], "item", row)
        pad_graph(observation["resources"][index], "resource", row)
        problem = self.inner.problems[index]
        row["instance_key"][:] = instance_key(problem)
        self._scales[index] = self._reference(problem)

    def _padded(self, observation: dict[str, Any]) -> Arrays:
        """Return the observation; SB3 keeps it until after the next step, so no array of it may change later."""
        features = np.zeros_like(self._buffers["resource_features"])
        for index, graph in enumerate(observation["resources"]):
            features[index, : len(graph.nodes)] = graph.nodes
        self._buffers.update(
            resource_features=features,
            assignment=observation["assignment"],
            current_item=observation["current_item"][:, None],
            action_mask=observation["action_mask"],
        )
        return dict(self._buffers)

    def _terminal(self, index: int, last: dict[str, Any]) -> Arrays:
        """Return the last observation of an environment, padded: what stands still of it is in the buffers yet."""
        padded = {name: values[index].copy() for name, values in self._buffers.items()}
        padded["resource_features"][:] = 0
        padded["resource_features"][: len(last["resources"].nodes)] = last["resources"].nodes
        for name in ("assignment", "current_item", "action_mask"):
            padded[name][...] = last[name]
        return padded

    def close(self) -> None:
        """Do nothing: there is no other process."""

    def has_attr(self, attr_name: str) -> bool:
        """Whether the environments have an attribute."""
        return hasattr(self.inner.envs[0], attr_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of each environment."""
        return [getattr(self.inner.envs[index], attr_name) for index in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of each environment."""
        for index in self._get_indices(indices):
            setattr(self.inner.envs[index], attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of each environment."""
        if method_name == "action_masks":
            return [self._buffers["action_mask"][index].ravel() for index in self._get_indices(indices)]
        return [
            getattr(self.inner.envs[index], method_name)(*method_args, **method_kwargs)
            for index in self._get_indices(indices)
        ]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False for each environment: padding and scaling are built in."""
        return [False for _ in self._get_indices(indices)]
