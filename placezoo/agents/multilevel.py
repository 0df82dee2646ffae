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
_START_SHARE = 0.4  # of the budget goes into fresh starts, the rest into cycles on the best


@dataclass(frozen=True)
class Multilevel(Agent):
    """Coarsens the graph by heavy-edge matching, lets another agent partition the coarsest graph, projects and refines.

    First come fresh starts; the best of them then goes through cycles in which it is coarsened within its parts and
    refined again from the coarsest level on. That is how an agent whose time grows with the graph reaches graphs of
    100,000 nodes.

    Args:
        agent: that partitions the coarsest graph.
        checkpoint: its trained policy, where it is a learned one.
        coarsest: nodes of the coarsest graph, None for 30 for each part.
        inner_evaluations: its budget on the coarsest graph.
        starts: how many fresh starts at most, None for as many as a part of the budget allows.
        cycles: how many cycles at most, None for as many as the rest allows.

    Source: Hendrickson & Leland 1995; Karypis & Kumar 1998; Walshaw 2004 (iterated multilevel).
    """

    name = "multilevel"
    problem_class = GraphPartitionProblem

    agent: str = "fm"
    checkpoint: str | None = None
    coarsest: int | None = None
    inner_evaluations: int = 16
    starts: int | None = None
    cycles: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.agent != self.name, "the agent on the coarsest graph must be another one")
        for name in ("coarsest", "starts"):
            value = getattr(self, name)
            self.require(value is None or value >= 1, f"{name} must be at least 1, not {value}")
        self.require(self.cycles is None or self.cycles >= 0, f"cycles must be at least 0, not {self.cycles}")
        self.require(self.inner_evaluations >= 1, f"inner_evaluations must be at least 1, not {self.inner_evaluations}")

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
        done = 0
        while (self.starts is None or done < self.starts) and (done == 0 or search.progress < _START_SHARE):
            search.evaluate(self._start(problem, search))
            done += 1
        done = 0
        while (self.cycles is None or done < self.cycles) and not search.is_over:
            assert search.best is not None
            search.evaluate(self._cycle(problem, search.best, search.rng))
            done += 1

    def _levels(
        self, problem: GraphPartitionProblem, rng: np.random.Generator, within: NDArray[np.int64] | None = None
    ) -> list[Level]:
        down_to = self.coarsest or max(_NODES_PER_PART * problem.num_resources, 2 * problem.num_resources)
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
