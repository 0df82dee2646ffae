"""``greedy``: the textbook construction of each domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from placezoo.agents.agent import Agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.envs.problem import PlacementProblem
from placezoo.parameters import at_least


@dataclass(frozen=True)
class Greedy(Agent):
    """The domain's greedy construction.

    For graph partitioning, greedy graph growing (Karypis & Kumar 1998, GGGP); for chips, the largest macro first, each
    by the wire mask (Shi et al. 2023). For neural networks on devices, m-etf; for
    chiplets, blocks of equal time.

    Args:
        starts: how many random starts; the best counts.
    """

    name = "greedy"

    starts: Annotated[int, at_least(1)] = 1

    def prepare(self, problem: PlacementProblem) -> None:
        """Compile what the search calls."""
        compile_repair(problem)
        problem.greedy(np.random.default_rng(0))

    def _search(self, search: Search) -> None:
        for _ in range(self.starts):
            assignment = repair(search.problem, search.problem.greedy(search.rng))
            search.evaluate(assignment)
            if search.is_over:
                return
