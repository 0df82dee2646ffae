"""The list schedulers as agents, one by one and as a portfolio."""

from __future__ import annotations

from dataclasses import dataclass

from placezoo.agents.agent import Agent
from placezoo.agents.search.local_search import best_construction, compile_constructions
from placezoo.agents.search.search import Search
from placezoo.envs.edge.list_scheduling import cpop_placement, heft_placement, peft_placement
from placezoo.envs.edge.problem import EdgePlaceProblem


@dataclass(frozen=True)
class HEFT(Agent[EdgePlaceProblem]):
    """Heterogeneous earliest finish time (Topcuoglu, Hariri & Wu 2002): tasks by upward rank, insertion."""

    name = "heft"

    def _search(self, search: Search[EdgePlaceProblem]) -> None:
        search.evaluate(heft_placement(search.problem)[0])


@dataclass(frozen=True)
class CPOP(Agent[EdgePlaceProblem]):
    """Critical path on a processor (Topcuoglu, Hariri & Wu 2002): the critical path stays on one device."""

    name = "cpop"

    def _search(self, search: Search[EdgePlaceProblem]) -> None:
        search.evaluate(cpop_placement(search.problem)[0])


@dataclass(frozen=True)
class PEFT(Agent[EdgePlaceProblem]):
    """Predict earliest finish time (Arabnejad & Barbosa 2014): looks ahead by an optimistic cost table."""

    name = "peft"

    def _search(self, search: Search[EdgePlaceProblem]) -> None:
        search.evaluate(peft_placement(search.problem)[0])


@dataclass(frozen=True)
class Portfolio(Agent[EdgePlaceProblem]):
    """The best of HEFT, PEFT, CPOP and greedy construction, an evaluation each; where searches start."""

    name = "portfolio"

    def prepare(self, problem: EdgePlaceProblem) -> None:
        """Compile the constructions."""
        compile_constructions(problem)

    def _search(self, search: Search[EdgePlaceProblem]) -> None:
        best_construction(search)
