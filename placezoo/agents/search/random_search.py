"""``random``: the best of many random assignments."""

from __future__ import annotations

from dataclasses import dataclass

from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search


@dataclass(frozen=True)
class RandomSearch(Agent):
    """Draw the problem's random assignments until the budget is spent, and keep the best."""

    name = "random"

    def _search(self, search: Search) -> None:
        while True:
            assignment = search.problem.initial_assignment(search.rng)
            search.evaluate(assignment)
            if search.is_over:
                return
