"""``one-shot``: the resource of every item at once."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from placezoo.envs.actions import MaskedMultiDiscrete
from placezoo.envs.env_batch import EnvBatch, Outcome
from placezoo.envs.placement_env import PlacementEnv
from placezoo.envs.problem import Kernel, PlacementProblem
from placezoo.envs.reward import cost_decrease
from placezoo.envs.source import ProblemSource
from placezoo.parameters import at_least, check_parameters


class OneShotEnv(PlacementEnv):
    """One step, or ``refinements`` steps that each see the last assignment; an action is a whole assignment.

    Action: MultiDiscrete([max_resources] * max_items); entries beyond the instance's items are ignored. The mask,
    [max_items, max_resources], allows every resource that exists for items that exist, and 0 for the rest. What an
    infeasible assignment costs is its penalty; one that names a resource that does not exist (-1 too) is not carried
    out and costs the problem's ``infeasible_penalty``.

    Ends (terminated): after ``refinements`` steps.

    Source: Zhou et al. 2019 (GDP); Xie et al. 2022 (T refinement steps); Nazi et al. 2019 (GAP).
    """

    formulation = "one-shot"

    def __init__(
        self, source: ProblemSource, render_mode: str | None = None, refinements: Annotated[int, at_least(1)] = 1
    ) -> None:
        self._refinements = check_parameters(OneShotEnv, self.formulation, refinements=refinements)["refinements"]
        super().__init__(source, render_mode)

    @staticmethod
    def _spaces(max_items: int, max_resources: int) -> tuple[spaces.Space, tuple[int, ...]]:
        return MaskedMultiDiscrete([max_resources] * max_items), (max_items, max_resources)

    def _begin(self, assignment: NDArray[np.int64] | None) -> None:
        self._kernel = self.problem.kernel(assignment)
        self._steps_left = self._refinements
        self._mask[:] = 0
        self._mask[: self.problem.num_items, : self.problem.num_resources] = self.problem.exists
        self._mask[self.problem.num_items :, 0] = 1

    def _act(self, action: NDArray[np.int64]) -> tuple[float, bool, bool]:
        self._kernel, reward = place_all(self.problem, self._state(), action)
        self._steps_left -= 1
        return reward, self._steps_left <= 0, False


def place_all(problem: PlacementProblem, state: Any, action: NDArray[np.int64]) -> tuple[Kernel, float]:
    """Return state and reward after a whole assignment; a resource that does not exist changes nothing."""
    assignment = action[: problem.num_items]
    named = (assignment >= 0) & (assignment < problem.num_resources)
    if not (named.all() and problem.exists[np.arange(problem.num_items), assignment].all()):
        return problem.kernel(state.assignment), -problem.infeasible_penalty
    kernel = problem.kernel(problem.realize(assignment))
    return kernel, cost_decrease(problem.cost_of(state).total, problem.cost_of(kernel.state).total)


class OneShotBatch(EnvBatch):
    """Whole answers side by side; equal to ``OneShotEnv`` in each environment."""

    def __init__(self, envs: list[PlacementEnv], source: ProblemSource) -> None:
        super().__init__(envs, source)
        self._steps_left = np.zeros(len(envs), np.int64)

    def _begin_episode(self, index: int) -> None:
        env: Any = self.envs[index]
        self._steps_left[index] = env._steps_left

    def advance(self, actions: NDArray[np.int64], active: NDArray[np.bool_]) -> Outcome:
        """Carry out the whole assignment of each active environment."""
        rewards = np.zeros(len(self.envs))
        for index in np.flatnonzero(active).tolist():
            problem = self.problems[index]
            kernel, rewards[index] = place_all(problem, self.states[index], actions[index])
            self.envs[index]._kernel, self.states[index] = kernel, kernel.state
            self.assignment[index, : problem.num_items] = kernel.state.assignment
            self.read(index)
        self._steps_left -= active
        return Outcome(rewards, active & (self._steps_left <= 0), np.zeros(len(self.envs), np.bool_))
