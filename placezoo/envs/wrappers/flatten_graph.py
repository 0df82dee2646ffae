"""``FlattenGraph``: one vector for multilayer perceptrons."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from placezoo.envs.wrappers.pad_graph import PadGraph


class FlattenGraph(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
    """Observations as one float32 vector in [-1, 1]: every number of ``PadGraph``, integers scaled.

    ``layout`` maps each part's name to its slice of the vector. The action mask stays reachable by ``action_masks()``.

    Example:
        >>> import gymnasium as gym, placezoo
        >>> from placezoo.envs.wrappers import FlattenGraph
        >>> env = FlattenGraph(gym.make("GraphPartition-v0", instance="karate", num_parts=2))
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape == env.observation_space.shape, observation.dtype.name
        (True, 'float32')
    """

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        self._pad = PadGraph(env)
        inner = self._pad.observation_space
        assert isinstance(inner, spaces.Dict)
        self._boxes = {name: space for name, space in inner.spaces.items() if isinstance(space, spaces.Box)}
        del self._boxes["instance_key"]  # a name, not a quantity
        self.layout: dict[str, slice] = {}
        start = 0
        for name, box in self._boxes.items():
            size = int(np.prod(box.shape))
            self.layout[name] = slice(start, start + size)
            start += size
        self.observation_space = spaces.Box(-1.0, 1.0, (start,), np.float32)

    def observation(self, observation: dict[str, Any]) -> NDArray[np.float32]:
        """Return the vector."""
        padded = self._pad.observation(observation)
        vector = np.empty(self.observation_space.shape or (), np.float32)
        for name, box in self._boxes.items():
            values = padded[name].ravel().astype(np.float32)
            if np.dtype(box.dtype).kind == "i" and values.size:
                values /= max(float(box.high.max()), 1.0)
            vector[self.layout[name]] = values
        return vector
