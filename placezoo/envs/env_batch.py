"""Many environments of one formulation side by side: their states, and arrays of what is observed of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import GraphInstance
from numba.typed import List as TypedList
from numpy.typing import NDArray

from placezoo.envs.observation import UNPLACED
from placezoo.envs.placement_env import PlacementEnv, read_options
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.source import ProblemSource


class Outcome(NamedTuple):
    """What a step of all environments led to."""

    reward: NDArray[np.float64]  # [num_envs]
    terminated: NDArray[np.bool_]  # [num_envs]
    truncated: NDArray[np.bool_]  # [num_envs]


class EnvBatch(ABC):
    """Scalar environments that begin episodes for themselves and are stepped all at once.

    Each formulation has a batch of its own, beside its scalar environment. ``states[i]`` is always the state of
    ``envs[i]``'s kernel, in the same memory.

    Args:
        envs: the scalar environments, of one formulation.
        source: where their problems come from.

    Attributes:
        problems: what each environment is on.
        states: the kernels' states, as compiled loops take them.
        assignment: int64 [num_envs, max_items].
        masks: int8 [num_envs, ...], as the scalar environments'.
        features: float32 [num_envs, max_resources, Fr], of the resources and of their pairs with the current items.
        values: float64 [num_envs, 2 + terms], total cost, feasibility and the terms.
        names: object [num_envs], of the instances.
    """

    def __init__(self, envs: list[PlacementEnv], source: ProblemSource) -> None:
        self.envs, self.source = envs, source
        self.problems: list[PlacementProblem] = [env.problem for env in envs]
        self.states: Any = None
        first, count = self.problems[0], len(envs)
        self.everyone = np.arange(count)
        self.masks = np.zeros((count, *envs[0]._mask.shape), np.int8)
        self.features = np.zeros((count, source.max_resources, len(first.feature_names.resource_columns)), np.float32)
        self._own_columns = len(first.feature_names.resources)
        self.values = np.zeros((count, 2 + len(first.term_names)))
        self.assignment = np.full((count, source.max_items), UNPLACED, np.int64)
        self.names = np.full(count, None, object)
        self._num_resources = np.zeros(count, np.int64)
        # Of the graphs of resources only the features change within an episode.
        self._resource_edges: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = [first.resource_edges] * count

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "states": self.states is not None}  # they share the memory of the environments' own

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.states = TypedList([env._kernel.state for env in self.envs]) if state["states"] else None  # type: ignore[union-attr]

    def begin(self, index: int, options: dict[str, Any] | None = None) -> None:
        """Begin an episode in one environment; ``options`` as for its ``reset``."""
        env = self.envs[index]
        env.problem, assignment = read_options(self.source, options, env.np_random)
        env._begin(assignment)
        self.take_over(index)
        self.assignment[index] = UNPLACED
        self.assignment[index, : env.problem.num_items] = self.states[index].assignment
        self._begin_episode(index)

    def take_over(self, index: int) -> None:
        """Read problem, state, mask, features and values of one environment that has set them itself."""
        env = self.envs[index]
        kernel = env._kernel
        assert kernel is not None
        if self.states is None:
            self.states = TypedList([kernel.state] * len(self.envs))
        self.problems[index], self.states[index], self.masks[index] = env.problem, kernel.state, env._mask
        self._num_resources[index] = env.problem.num_resources
        self._resource_edges[index], self.names[index] = env.problem.resource_edges, env.problem.instance.name
        self.read(index)

    @abstractmethod
    def _begin_episode(self, index: int) -> None:
        """Set what else the formulation keeps of an episode."""

    @abstractmethod
    def advance(self, actions: NDArray[np.int64], active: NDArray[np.bool_]) -> Outcome:
        """Step the environments that are active."""

    @property
    def current_items(self) -> NDArray[np.int64]:
        """The item to place in each environment, int64 [num_envs]; -1 where there is none."""
        return np.full(len(self.envs), UNPLACED)

    @property
    def action_masks(self) -> NDArray[np.int8]:
        """A copy of the masks."""
        return self.masks.copy()

    def resource_graphs(self) -> tuple[GraphInstance, ...]:
        """Return the resources of each environment as they are observed, with features of their own."""
        return tuple(
            [
                GraphInstance(features[:count], edges, links)
                for features, count, (links, edges) in zip(
                    self.features.copy(), self._num_resources.tolist(), self._resource_edges, strict=True
                )
            ]
        )

    def read(self, index: int) -> None:
        """Read features and values of one environment from its state."""
        problem = self.problems[index]
        features = self.features[index, : problem.num_resources, : self._own_columns]
        problem.step_kernel.observe(self.states[index], features, self.values[index])

    @property
    def functions(self) -> tuple[Any, Any]:
        """The kernel and the step kernel, the same for all environments."""
        return self.envs[0]._kernel, self.problems[0].step_kernel
