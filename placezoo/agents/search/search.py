"""``Search``, the run of any search: its budget, its clock, and the best assignment so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar  # with a default

from placezoo.agents.budget import Budget
from placezoo.agents.search.clock import now
from placezoo.agents.solution import TracePoint
from placezoo.cost_models.cost import Cost
from placezoo.envs.problem import PlacementProblem

_SHARE_OF_THE_FIRST = 0.9
_FIRST_OF_A_PHASE = 20  # evaluations from which a pace is read

P_co = TypeVar("P_co", bound=PlacementProblem, default=PlacementProblem, covariant=True)


class Search(Generic[P_co]):
    """One run of an agent on a problem.

    Args:
        problem: to solve.
        budget: how long.
        seed: of the run's generator.
        watch: called with the search when it begins, and after each improvement.

    Attributes:
        evaluations: how many evaluations were spent so far; agents add to it.
        records: how often a candidate was recorded, never more often than it was evaluated.
        seconds_aside: seconds that went into anything but those evaluations; agents add to it.
        rng: the run's generator.
        best: the best assignment recorded, or None.
        best_refinement: what refines it, or None (``PlacementProblem.refined``).
        best_cost: its cost.
        trace: each improvement.
        bound: what no assignment costs less than, where the agent has proved one.
    """

    def __init__(
        self, problem: P_co, budget: Budget, seed: int, watch: Callable[[Search[Any]], None] | None = None
    ) -> None:
        self.problem = problem
        self.budget = budget
        self.rng = np.random.default_rng(seed)
        self.evaluations = 0
        self.records = 0
        self.seconds_aside = 0.0
        self.best: NDArray[np.int64] | None = None
        self.best_refinement: NDArray[np.float64] | None = None
        self.best_cost: Cost | None = None
        self.trace: list[TracePoint] = []
        self.bound: float | None = None
        self._phase = 0, 0.0  # evaluations and seconds when the current phase began
        self._watch = watch
        self._started = now()
        if watch is not None:
            watch(self)

    @property
    def seconds(self) -> float:
        """Seconds since the search began."""
        return now() - self._started

    @property
    def seconds_to_answer(self) -> float | None:
        """Seconds that an answer may take, None for any; the first leaves a tenth of the budget for a cheaper one."""
        if self.budget.seconds is None:
            return None
        share = _SHARE_OF_THE_FIRST if self.best is None else 1.0
        return share * self.budget.seconds - self.seconds

    @property
    def progress(self) -> float:
        """The share of the budget that is spent: 0 at the start, 1 or more when the search must end."""
        spent = 0.0
        if self.budget.seconds is not None:
            spent = self.seconds / self.budget.seconds
        if self.budget.evaluations is not None:
            spent = max(spent, self.evaluations / self.budget.evaluations)
        return spent

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return self.progress >= 1.0

    def evaluations_left(self, at_most: int) -> int:
        """Return how many more evaluations may be spent, at most so many."""
        if self.budget.evaluations is None:
            return at_most
        return max(0, min(at_most, self.budget.evaluations - self.evaluations))

    def affordable(self, at_most: int, share: float) -> int:
        """Return how many evaluations take about a share of the allowed seconds, at the pace so far: 1 to ``at_most``.

        Without a limit of seconds it is ``at_most``, so that searches by evaluations do not depend on the clock.
        """
        if self.budget.seconds is None:
            return at_most
        evaluations, seconds = self.evaluations - self._phase[0], self.seconds - self.seconds_aside - self._phase[1]
        if evaluations == 0 and self._phase[0] > 0:
            return min(at_most, _FIRST_OF_A_PHASE)
        pace = max(evaluations, 1) / max(seconds, 1e-6)
        return max(1, min(at_most, int(pace * share * self.budget.seconds)))

    def begin_phase(self) -> None:
        """Read the pace anew from here on: what comes next takes another time an evaluation."""
        self._phase = self.evaluations, self.seconds - self.seconds_aside

    def evaluate(self, assignment: NDArray[np.int64]) -> Cost:
        """Count one evaluation and record its assignment."""
        self.evaluations += 1
        self.problem.tally.evaluations += 1
        return self.record(assignment)

    def record(self, assignment: NDArray[np.int64], refinement: NDArray[np.float64] | None = None) -> Cost:
        """Evaluate an assignment and keep it if it is the best so far.

        It does not count as an evaluation by itself: the agent has counted what it records. In the end there were at
        least as many evaluations as records.
        """
        self.records += 1
        with self.problem.tally.paused():
            cost = self.problem.refined(refinement).evaluate(assignment)
        if self.best_cost is None or cost.is_better_than(self.best_cost):
            self.best, self.best_cost = np.array(assignment, np.int64), cost
            self.best_refinement = None if refinement is None else np.array(refinement, np.float64)
            self.trace.append(TracePoint(self.evaluations, self.seconds, cost.total))
            if self._watch is not None:
                self._watch(self)
        return cost
