"""``CanvasImage``: a chip's canvas as an image of masks, for convolutional networks."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from placezoo.envs.chip.problem import ChipPlaceProblem


class CanvasImage(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
    """Observations of ``ChipPlace-v0`` as ``image``, ``item`` and ``action_mask``.

    ``image`` is float32 [channels, rows, columns] in [-1, 1]: the cells' features by name (``channels``: density,
    congestion, wire mask, position mask ...), row 0 at the bottom; ``item`` the features of the current item, zeros
    where there is none. Cells beyond an instance's own canvas are zero.

    Args:
        env: ``ChipPlace-v0`` in any formulation.
        shape: rows and columns of the image, at least the canvas's; default the first instance's own.

    Raises:
        ValueError: the environment is not of chips.

    Example:
        >>> import gymnasium as gym, placezoo
        >>> from placezoo.datasets import generate_netlist
        >>> from placezoo.envs.wrappers import CanvasImage
        >>> netlist = generate_netlist(num_hard=6, num_soft=12, grid=(9, 8))
        >>> env = CanvasImage(gym.make("ChipPlace-v0", instance=netlist))
        >>> observation, info = env.reset(seed=0)
        >>> observation["image"].shape, env.channels[3]
        ((8, 8, 9), 'wire_mask')
    """

    def __init__(self, env: gym.Env, shape: tuple[int, int] | None = None) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, shape=shape)
        gym.ObservationWrapper.__init__(self, env)
        inner: Any = env.unwrapped
        problem = getattr(inner, "problem", None)
        if not isinstance(problem, ChipPlaceProblem):
            raise ValueError("CanvasImage shows ChipPlace-v0, not another environment")
        canvas = problem.instance.canvas
        self.channels = problem.feature_names.resources
        self._shape = (canvas.rows, canvas.columns) if shape is None else (int(shape[0]), int(shape[1]))
        self._inner = inner
        space = env.observation_space
        assert isinstance(space, spaces.Dict)
        self.observation_space = spaces.Dict(
            image=spaces.Box(-1.0, 1.0, (len(self.channels), *self._shape), np.float32),
            item=spaces.Box(-1.0, 1.0, (len(problem.feature_names.items),), np.float32),
            action_mask=space["action_mask"],
        )

    def action_masks(self) -> NDArray[np.int8]:
        """Return the current action mask (the name that sb3-contrib looks for)."""
        return self._inner.action_masks()

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Return image, item and mask.

        Raises:
            ValueError: the canvas does not fit into the image.
        """
        canvas = self._inner.problem.instance.canvas
        if canvas.rows > self._shape[0] or canvas.columns > self._shape[1]:
            raise ValueError(
                f"a canvas of {canvas.rows} x {canvas.columns} cells does not fit into an image of "
                f"{self._shape[0]} x {self._shape[1]}"
            )
        image = np.zeros((len(self.channels), *self._shape), np.float32)
        cells = observation["resources"].nodes.T.reshape(len(self.channels), canvas.rows, canvas.columns)
        image[:, : canvas.rows, : canvas.columns] = cells
        current = int(observation["current_item"])
        nodes = observation["items"].nodes
        item = nodes[current].copy() if current >= 0 else np.zeros(nodes.shape[1], np.float32)
        return {"image": image, "item": item, "action_mask": observation["action_mask"]}
