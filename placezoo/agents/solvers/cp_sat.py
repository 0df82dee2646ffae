"""``cp-sat``: placements with proved bounds by constraint programming, for small instances (``solvers`` extra)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Annotated, Any

from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search
from placezoo.envs.problem import PlacementProblem
from placezoo.parameters import at_least

_DEFAULT_SECONDS = 60.0

# Each domain's model: a module of this floor with ``prepare(problem)`` and ``plan(search, limit, workers)``.
_MODELS = {"EdgePlace-v0": "edge.cp_sat", "MCMPartition-v0": "mcm.cp_sat"}


@dataclass(frozen=True)
class CPSAT(Agent):
    """OR-Tools' CP-SAT, which proves bounds (``solution.bound``), for chiplet partitions and edge placements.

    On edge clusters placement and schedule are one model, which begins at HEFT's placement. Chiplet partitions begin at
    the best contiguous one.

    Args:
        workers: threads; 1 makes runs repeatable, as far as the time limit allows.
    """

    name = "cp-sat"
    counts_evaluations = False  # its solver's own search is not counted

    workers: Annotated[int, at_least(1)] = 2

    def _model(self, problem: PlacementProblem) -> Any:
        if problem.env_id not in _MODELS:
            raise ValueError(f"{self.name} is for {' and '.join(_MODELS)}, it cannot solve {problem.env_id}")
        return importlib.import_module(f"placezoo.agents.{_MODELS[problem.env_id]}")

    def prepare(self, problem: PlacementProblem) -> None:
        """Check that the problem is one that there is a model of, and compile the starting heuristic.

        Raises:
            ValueError: it is not, or its times are drawn.
        """
        self._model(problem).prepare(problem)

    def _search(self, search: Search) -> None:
        limit = _DEFAULT_SECONDS if search.budget.seconds is None else search.budget.seconds
        self._model(search.problem).plan(search, limit, self.workers)
