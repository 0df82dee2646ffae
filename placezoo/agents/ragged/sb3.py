"""Stable-Baselines3 on environments whose observations are graphs of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from placezoo.agents.ragged.collate import collate
from placezoo.agents.ragged.store import HANDLE_SIZE, MOST_HANDLES, GraphStore, look_up


class GraphVecEnv(VecEnv):
    """Environments side by side for any algorithm of SB3 and sb3-contrib; observations are handles into a store.

    Buffers hold two numbers for each observation, whatever its size, and the store one reference; what a graph has in
    common with the step before is kept once if the environment returns the same arrays (``PackGraphs`` sees to that).
    Handles name their store, so a model may act on any ``GraphVecEnv`` of its process: the one it is trained on, that
    of an ``EvalCallback``, or another one after ``load``, of any number of environments.

    Args:
        env_fns: functions that make the environments.
        capacity: of the store: at least the steps that a rollout (or replay buffer) holds, over all environments.
            Default enough for rollouts of 2,048 steps in each environment.

    Attributes:
        store: the observations.

    Example:
        >>> import gymnasium as gym, placezoo
        >>> from placezoo.agents.ragged.sb3 import GraphVecEnv
        >>> env = GraphVecEnv([lambda: gym.make("GraphPartition-v0", dataset="delaunay")] * 2)
        >>> env.reset().shape
        (2, 2)
        >>> first = env.store.get(env.reset())[0]
        >>> len(first["items"].nodes) > 0
        True
    """

    def __init__(self, env_fns: Sequence[Callable[[], gym.Env]], capacity: int | None = None) -> None:
        self.envs = [make() for make in env_fns]
        if not self.envs:
            raise ValueError("at least one environment is needed")
        steps = 2048 * len(self.envs) if capacity is None else capacity
        # An episode's last observation is kept besides the next one's first; at worst every step ends one.
        self.store = GraphStore(min(MOST_HANDLES, 2 * (steps + len(self.envs))))
        self.inner_observation_space = self.envs[0].observation_space
        handles = spaces.Box(0, MOST_HANDLES - 1, (HANDLE_SIZE,), np.int64)
        super().__init__(len(self.envs), handles, self.envs[0].action_space)
        self._actions: Any = None
        self._options: list[dict[str, Any]] = [{} for _ in self.envs]
        self._returns = np.zeros(len(self.envs))
        self._lengths = np.zeros(len(self.envs), np.int64)

    def reset(self) -> NDArray[np.int64]:
        """Start an episode everywhere; return handles, int64 [num_envs, 2]."""
        handles = []
        for index, env in enumerate(self.envs):
            options = {"options": self._options[index]} if self._options[index] else {}
            observation, self.reset_infos[index] = env.reset(seed=self._seeds[index], **options)
            handles.append(self.store.add(observation))
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return np.array(handles, np.int64)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step; environments whose episode ends return the next one's first observation."""
        handles = np.empty((self.num_envs, HANDLE_SIZE), np.int64)
        rewards = np.empty(self.num_envs, np.float32)
        dones = np.empty(self.num_envs, np.bool_)
        infos: list[dict[str, Any]] = []
        for index, (env, action) in enumerate(zip(self.envs, self._actions, strict=True)):
            observation, reward, terminated, truncated, info = env.step(action)
            rewards[index], dones[index] = float(reward), terminated or truncated
            self._returns[index] += float(reward)
            self._lengths[index] += 1
            if dones[index]:
                info = {
                    **info,
                    "TimeLimit.truncated": truncated and not terminated,
                    "terminal_observation": np.array(self.store.add(observation), np.int64),
                    "episode": {"r": float(self._returns[index]), "l": int(self._lengths[index]), "t": 0.0},
                }
                self._returns[index], self._lengths[index] = 0.0, 0
                observation, self.reset_infos[index] = env.reset()
            handles[index] = self.store.add(observation)
            infos.append(info)
        return handles, rewards, dones, infos

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()

    def has_attr(self, attr_name: str) -> bool:
        """Whether all environments have an attribute."""
        return all(env.has_wrapper_attr(attr_name) for env in self.envs)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of each environment."""
        return [self.envs[index].get_wrapper_attr(attr_name) for index in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of each environment."""
        for index in self._get_indices(indices):
            setattr(self.envs[index], attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of each environment."""
        return [
            self.envs[index].get_wrapper_attr(method_name)(*method_args, **method_kwargs)
            for index in self._get_indices(indices)
        ]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Whether each environment is wrapped so; all have what ``Monitor`` adds, the ``episode`` in ``info``."""
        from stable_baselines3.common.env_util import is_wrapped

        monitors = wrapper_class is Monitor
        return [monitors or is_wrapped(self.envs[index], wrapper_class) for index in self._get_indices(indices)]


class GraphExtractor(BaseFeaturesExtractor):
    """SB3's features extractor over handles: looks the observations up, batches them, and hands them to a network.

    Args:
        observation_space: of ``GraphVecEnv``.
        make_network: returns a network that takes what ``collate`` returns (one ``Batch`` of all graphs) and returns
            [B, features_dim]; called once for each extractor that the algorithm has.
        features_dim: how many features it returns.
        store: not needed, handles name theirs; taken for what was written when they did not.

    Example:
        >>> kwargs = dict(
        ...     features_extractor_class=GraphExtractor,
        ...     features_extractor_kwargs={"make_network": MyGNN, "features_dim": 64},
        ... )  # doctest: +SKIP
        >>> model = PPO("MlpPolicy", env, policy_kwargs=kwargs)  # doctest: +SKIP
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        make_network: Callable[[], nn.Module],
        features_dim: int,
        store: GraphStore | None = None,
    ) -> None:
        super().__init__(observation_space, features_dim)
        self.network = make_network()

    def forward(self, handles: Tensor) -> Tensor:
        """Return the features [B, features_dim] of observations by their handles [B, 2]."""
        device = next((parameter.device for parameter in self.network.parameters()), torch.device("cpu"))
        return self.network(collate(look_up(handles.detach().cpu().numpy()), device))
