"""``multilevel``: any agent on a coarsened graph, projected back and refined level by level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.budget import Budget
from placezoo.agents.coarsening import Level, coarsen
from placezoo.agents.fiduccia_mattheyses import refine
from placezoo.agents.registry import make_agent
from placezoo.agents.repair import compile_repair, repair
from placezoo.agents.search import Search
from placezoo.cost_models.partition import PartitionCost
from placezoo.envs.graph_partition import GraphPartitionProblem
from placezoo.envs.problem import PlacementProblem

_NODES_PER_PART = 30  # of the coarsest graph


@dataclass(frozen=True)
class Multilevel(Agent):
    """Coarsens the graph by heavy-edge matching, lets another agent partition the coarsest graph, projects and refines.

    The best of some fresh starts goes through cycles in which it is coarsened within its parts and refined again from
    the coarsest level on, until these bring nothing any more; then it begins anew. That is how an agent whose time
    grows with the graph reaches graphs of 100,000 nodes.

    Args:
        agent: that partitions the coarsest graph.
        checkpoint: its trained policy, where it is a learned one.
        coarsest: nodes of the coarsest graph, None for 30 for each part.
        inner_evaluations: its budget on the coarsest graph.
        starts: fresh starts of a round, the best of which is cycled.
        cycles: a round ends after so many cycles in a row without improvement.
        rounds: how many at most, None for as many as the budget allows.

    Source: Hendrickson & Leland 1995; Karypis & Kumar 1998; Walshaw 2004 (iterated multilevel).
    """

    name = "multilevel"
    problem_class = GraphPartitionProblem

    agent: str = "fm"
    checkpoint: str | None = None
    coarsest: int | None = None
    inner_evaluations: int = 16
    starts: int = 4
    cycles: int = 10
    rounds: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.agent != self.name, "the agent on the coarsest graph must be another one")
        for name in ("coarsest", "starts", "rounds", "inner_evaluations"):
            value = getattr(self, name)
            self.require(value is None or value >= 1, f"{name} must be at least 1, not {value}")
        self.require(self.cycles >= 0, f"cycles must be at least 0, not {self.cycles}")

    @cached_property
    def inner(self) -> Agent:
        """The agent for the coarsest graph."""
        settings: dict[str, Any] = {} if self.checkpoint is None else {"checkpoint": self.checkpoint}
        return make_agent(self.agent, **settings)

    def prepare(self, problem: PlacementProblem) -> None:
        """Compile what the search calls."""
        assert isinstance(problem, GraphPartitionProblem)
        compile_repair(problem)
        self.inner.prepare(problem)
        rng = np.random.default_rng(0)
        refine(problem.cost_model, np.zeros(problem.num_items, np.int64), rng, max_passes=1)

    def _search(self, search: Search) -> None:
        problem = search.problem
        assert isinstance(problem, GraphPartitionProblem)
        rounds = 0
        while self.rounds is None or rounds < self.rounds:
            self._round(problem, search)
            rounds += 1
            if search.is_over:
                return

    def _round(self, problem: GraphPartitionProblem, search: Search) -> None:
        best = self._start(problem, search)
        cost = search.evaluate(best)
        for _ in range(self.starts - 1):
            if search.is_over:
                return
            answer = self._start(problem, search)
            found = search.evaluate(answer)
            if found.is_better_than(cost):
                best, cost = answer, found
        in_vain = 0
        while in_vain < self.cycles and not search.is_over:
            answer = self._cycle(problem, best, search.rng)
            found = search.evaluate(answer)
            in_vain = 0 if found.is_better_than(cost) else in_vain + 1
            if not cost.is_better_than(found):  # as good a one elsewhere may have a way on
                best, cost = answer, found

    def _levels(
        self, problem: GraphPartitionProblem, rng: np.random.Generator, within: NDArray[np.int64] | None = None
    ) -> list[Level]:
        # A level has at least half the nodes of the one before: no graph comes out with fewer nodes than parts.
        down_to = max(self.coarsest or _NODES_PER_PART * problem.num_resources, 2 * problem.num_resources)
        heaviest = max(1, int(1.5 * problem.instance.node_weights.sum() / down_to))
        return coarsen(problem.instance, down_to, heaviest, rng, within)

    def _start(self, problem: GraphPartitionProblem, search: Search) -> NDArray[np.int64]:
        levels = self._levels(problem, search.rng)
        coarsest = problem if not levels else _at(problem, levels[-1])
        seconds = None
        if search.budget.seconds is not None:
            seconds = max(0.05, 0.2 * (search.budget.seconds - search.seconds))
        budget = Budget(seconds=seconds, evaluations=self.inner_evaluations)
        answer = self.inner.solve(coarsest, budget, seed=int(search.rng.integers(2**31))).assignment
        answer = refine(coarsest.cost_model, answer, search.rng)
        return _uncoarsen(problem, levels, answer, search.rng)

    def _cycle(
        self, problem: GraphPartitionProblem, best: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        levels = self._levels(problem, rng, within=best)
        answer = best
        for level in levels:
            coarser = np.empty(level.graph.num_nodes, np.int64)
            coarser[level.coarse] = answer
            answer = coarser
        if levels:
            answer = refine(_at(problem, levels[-1]).cost_model, answer, rng)
        return _uncoarsen(problem, levels, answer, rng)


def _at(problem: GraphPartitionProblem, level: Level) -> GraphPartitionProblem:
    """Return the problem on a coarser graph: the total weight, and so the limit of a part, stays the same."""
    return GraphPartitionProblem(level.graph, **problem.parameters)


def _uncoarsen(
    problem: GraphPartitionProblem, levels: list[Level], answer: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Project a partition of the coarsest graph back, refining on every level."""
    for depth in range(len(levels) - 1, -1, -1):
        finer = problem.instance if depth == 0 else levels[depth - 1].graph
        cost_model = PartitionCost(finer, problem.num_resources, problem.cost_model.epsilon)
        answer = refine(cost_model, answer[levels[depth].coarse], rng)
    return repair(problem, answer)
