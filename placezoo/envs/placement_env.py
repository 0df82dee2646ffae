"""What the three formulations have in common: where problems come from, what is seen, how it is drawn."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from placezoo.envs.actions import read_actions
from placezoo.envs.kernel import changing_arrays
from placezoo.envs.observation import UNPLACED, cost_info, observation_space, resource_graph
from placezoo.envs.problem import FeatureNames, Kernel, PlacementProblem
from placezoo.envs.rendering import figure_to_rgb
from placezoo.envs.source import ProblemSource

RESET_OPTIONS = ("instance", "assignment")


class PlacementEnv(gym.Env[dict[str, Any], Any]):
    """Base of ``ConstructEnv``, ``ImproveEnv`` and ``OneShotEnv``; make them by ``gym.make(id, formulation=...)``.

    Observation (``placezoo.envs.observation``): a Dict of ``items`` (Graph), ``resources`` (Graph), ``assignment``
    (int64 [max_items], -1 = unplaced), ``current_item`` (int64, -1 = none) and ``action_mask`` (int8).

    Reward: by how much the step lowered the total cost.

    ``reset(options=...)`` takes ``instance`` (an instance or a name) and ``assignment`` (where to start).

    ``info`` holds ``cost`` (total and terms), ``feasible``, ``assignment`` (as in the observation: Gymnasium's vector
    environments stack it) and ``instance`` (its name). ``env.unwrapped.assignment`` is the assignment without the
    filling, as ``problem.evaluate`` takes it.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"], "render_fps": 10}  # noqa: RUF012 - declared so by gym.Env
    formulation: ClassVar[str]
    follows_changes: ClassVar[bool] = False  # of the problem within an episode

    problem: PlacementProblem

    def __init__(self, source: ProblemSource, render_mode: str | None = None) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode must be one of {self.metadata['render_modes']} or None, not {render_mode!r}")
        self.source = source
        self.render_mode = render_mode
        self.problem = source.first()
        if self.problem.changes_between_steps and not (self.follows_changes or source.stands_still):
            raise ValueError(f"{self.problem.env_id} changes within episodes, which {self.formulation} does not follow")
        self.action_space, mask_shape = self._spaces(source.max_items, source.max_resources)
        self.observation_space = observation_space(
            self.problem.feature_names, source.max_items, source.max_resources, mask_shape
        )
        self._mask = np.zeros(mask_shape, np.int8)
        self._current_item = UNPLACED
        self._values = np.zeros(2 + len(self.problem.term_names))
        self._kernel: Kernel | None = None
        self._window: Any = None

    @staticmethod
    @abstractmethod
    def _spaces(max_items: int, max_resources: int) -> tuple[spaces.Space, tuple[int, ...]]:
        """Return the action space and the shape of its mask."""

    @abstractmethod
    def _begin(self, assignment: NDArray[np.int64] | None) -> None:
        """Start an episode on ``self.problem``: set the kernel, the current item and the mask.

        Raises:
            ValueError: the formulation cannot start from this assignment.
        """

    @abstractmethod
    def _act(self, action: NDArray[np.int64]) -> tuple[float, bool, bool]:
        """Carry an action out, as ``read_actions`` returns it; return reward, terminated, truncated."""

    @property
    def feature_names(self) -> FeatureNames:
        """The names of the columns of all feature arrays."""
        return self.problem.feature_names

    @property
    def assignment(self) -> NDArray[np.int64]:
        """A copy of the current assignment: int64 [num_items], -1 = unplaced."""
        return self._state().assignment.copy()

    def action_masks(self) -> NDArray[np.int8]:
        """Return the current action mask (the name that sb3-contrib looks for)."""
        return self._mask.copy()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds the environment's generator.
            options: ``instance`` and ``assignment``, both optional.

        Raises:
            ValueError: an unknown option, or an instance or assignment that does not fit.
        """
        super().reset(seed=seed)
        self.problem, assignment = read_options(self.source, options, self.np_random)
        self._begin(assignment)
        observation = self._observe()
        if self.render_mode == "human":
            self._show()
        return observation, self._info()

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry an action out; each formulation says what one does that the mask forbids or the space does not hold.

        Raises:
            ValueError: the action is no whole number, or no array of as many as the space says.
        """
        self._state()  # says so if there is none yet
        reward, terminated, truncated = self._act(read_actions(action, self.action_space))
        observation = self._observe()
        if self.render_mode == "human":
            self._show()
        return observation, reward, terminated, truncated, self._info()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy goes on from, in this process or another: compiled functions and windows stay here."""
        state = {**self.__dict__, "_window": None}
        if self._kernel is not None:
            arrays = [array.copy() for array in changing_arrays(self._kernel.state)]
            state["_kernel"] = (self._kernel.state.assignment.copy(), arrays)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if state["_kernel"] is not None:
            assignment, arrays = state["_kernel"]
            # A fresh state has the arrays that share memory, and those that stand still, as compiled functions want.
            self._kernel = self.problem.kernel(assignment)
            for array, values in zip(changing_arrays(self._kernel.state), arrays, strict=True):
                array[...] = values

    def render(self) -> Any:
        """Return a picture of the assignment, uint8 [height, width, 3], in mode ``rgb_array``."""
        if self.render_mode == "rgb_array":
            return figure_to_rgb(lambda axes: self.problem.draw(self.assignment, axes))
        if self.render_mode is None:
            gym.logger.warn('render() needs gym.make(..., render_mode="rgb_array") or "human"')
        return None

    def close(self) -> None:
        """Close the window of mode ``human``, if there is one."""
        if self._window is not None:
            import matplotlib.pyplot as plt

            plt.close(self._window.figure)
            self._window = None

    def _show(self) -> None:
        import matplotlib
        import matplotlib.pyplot as plt

        if self._window is None:
            self._window = plt.figure(figsize=(6.4, 6.4), layout="constrained").add_subplot()
        self._window.clear()
        self.problem.draw(self.assignment, self._window)
        self._window.figure.canvas.draw()
        if matplotlib.get_backend().lower() != "agg":  # without a screen there is nobody to wait for
            plt.pause(1 / self.metadata["render_fps"])

    def _state(self) -> Any:
        if self._kernel is None:
            raise gym.error.ResetNeeded("call reset() first")
        return self._kernel.state

    def _observe(self) -> dict[str, Any]:
        problem, state = self.problem, self._state()
        names, step_kernel = problem.feature_names, problem.step_kernel
        own = len(names.resources)
        features = np.zeros((problem.num_resources, len(names.resource_columns)), np.float32)
        step_kernel.observe(state, features[:, :own], self._values)
        if step_kernel.look is not None and self._current_item != UNPLACED:
            step_kernel.look(state, self._current_item, self._mask[: problem.num_resources], features[:, own:])
        return {
            "items": problem.item_graph,
            "resources": resource_graph(problem, features),
            "assignment": self._filled_assignment(),
            "current_item": np.int64(self._current_item),
            "action_mask": self._mask.copy(),
        }

    def _info(self) -> dict[str, Any]:
        return {
            **cost_info(self.problem, self._values),
            "assignment": self._filled_assignment(),
            "instance": self.problem.instance.name,
        }

    def _filled_assignment(self) -> NDArray[np.int64]:
        """Return a copy of the assignment, filled up with -1 to the largest number of items."""
        filled = np.full(self.source.max_items, UNPLACED, np.int64)
        filled[: self.problem.num_items] = self._state().assignment
        return filled


def read_options(
    source: ProblemSource, options: dict[str, Any] | None, rng: np.random.Generator
) -> tuple[PlacementProblem, NDArray[np.int64] | None]:
    """Return the problem and start that a reset asks for.

    Raises:
        ValueError: an unknown option, or an instance that does not fit the spaces.
    """
    options = options or {}
    unknown = sorted(set(options) - set(RESET_OPTIONS))
    if unknown:
        raise ValueError(f"unknown reset option {unknown[0]!r}; known: {', '.join(RESET_OPTIONS)}")
    return source.draw(rng, options.get("instance")), options.get("assignment")
