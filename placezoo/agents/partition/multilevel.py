"""``multilevel``: any agent on a coarsened graph, projected back and refined level by level."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.budget import Budget
from placezoo.agents.partition.coarsening import Level, coarsen
from placezoo.agents.partition.fiduccia_mattheyses import refine_parts
from placezoo.agents.partition.flow_refinement import refine_by_flow
from placezoo.agents.registry import make_agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.cost_models.cost import Cost
from placezoo.cost_models.partition.cost import Balance
from placezoo.datasets.partition.graph import Graph
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import at_least

Member = tuple[Cost, NDArray[np.int64]]
_SHARE_WITH_FLOWS = 0.25  # of the cycles: on meshes they find what nothing else does, on all graphs they take long
_NODES_PER_PART = (12, 100)  # of the coarsest graph: tree-like graphs want few, meshes many; so each time another


@dataclass(frozen=True)
class Multilevel(Agent[GraphPartitionProblem]):
    """Coarsens the graph, lets another agent partition the coarsest graph, projects and refines.

    Heavy-edge matchings or clusters are contracted, as drawn for each cycle. Levels are refined by Fiduccia-Mattheyses
    passes; in a quarter of the cycles, where the instance is a graph, also by minimum cuts between pairs of parts.

    Some fresh starts are a population. Then two of them are combined, by coarsening only what both leave together, so
    that the better one survives down to the coarsest graph and is refined from there; or one goes through such a cycle
    alone. What comes out takes the place of the worst. When nothing better has come for a while, a new population
    begins. That is how an agent whose time grows with the graph reaches graphs of 100,000 nodes.

    Args:
        agent: that partitions the coarsest graph.
        checkpoint: its trained policy, where it is a learned one.
        coarsest: nodes of the coarsest graph, None for 12 to 100 for each part, drawn anew each time.
        inner_evaluations: its budget on the coarsest graph.
        starts: how many fresh starts a population has.
        patience: a population is given up after so many combinations and cycles in a row without improvement.
        populations: how many at most, None for as many as the budget allows.

    Source: Karypis & Kumar 1998 (coarsening); Walshaw 2004 (cycles); Sanders & Schulz 2011, KaFFPa
    (flows); Sanders & Schulz 2012, KaFFPaE (combination).
    """

    name = "multilevel"
    counts_evaluations = False  # moves of refinement are not counted

    agent: str = "fm"
    checkpoint: str | None = None
    coarsest: Annotated[int | None, at_least(1)] = None
    inner_evaluations: Annotated[int, at_least(1)] = 64
    starts: Annotated[int, at_least(1)] = 6
    patience: Annotated[int, at_least(0)] = 40
    populations: Annotated[int | None, at_least(1)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.agent != self.name, "the agent on the coarsest graph must be another one")

    @cached_property
    def inner(self) -> Agent:
        """The agent for the coarsest graph."""
        settings: dict[str, Any] = {} if self.checkpoint is None else {"checkpoint": self.checkpoint}
        return make_agent(self.agent, **settings)

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Compile what the search calls."""
        compile_repair(problem)
        self.inner.prepare(problem)
        one, rng = problem.instance, np.random.default_rng(0)
        balance, objective = problem.cost_model.balance, problem.parameters.get("objective", "cut")
        refine_parts(one, balance, objective, np.zeros(problem.num_items, np.int64), rng, max_passes=1)
        _compile()

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        begun = 0
        while self.populations is None or begun < self.populations:
            self.evolve(search)
            begun += 1
            if search.is_over:
                return

    def evolve(self, search: Search[GraphPartitionProblem]) -> None:
        """Let one population live."""
        members: list[Member] = []
        while len(members) < self.starts and not (members and search.is_over):
            answer = self._start(search)
            members.append((search.evaluate(answer), answer))
        self.combine_members(search, members)

    def combine_members(self, search: Search[GraphPartitionProblem], members: list[Member]) -> None:
        """Combine members of a population, in place, until nothing better has come for a while."""
        in_vain, rng = 0, search.rng
        while in_vain < self.patience and not search.is_over:
            first = int(rng.integers(len(members)))
            other = int(rng.integers(len(members)))  # the same one: a cycle alone
            if members[other][0].is_better_than(members[first][0]):
                first, other = other, first
            answer = self._combine(search, members[first][1], members[other][1])
            cost = search.evaluate(answer)
            best = min(range(len(members)), key=lambda index: _rank(members[index][0]))
            worst = max(range(len(members)), key=lambda index: _rank(members[index][0]))
            in_vain = 0 if cost.is_better_than(members[best][0]) else in_vain + 1
            known = any(np.array_equal(answer, member) for _, member in members)
            if not known and not members[worst][0].is_better_than(cost):
                members[worst] = cost, answer

    def _levels(self, search: Search[GraphPartitionProblem], within: NDArray[np.int64] | None = None) -> list[Level]:
        problem, rng = search.problem, search.rng
        fewest, most = np.log(_NODES_PER_PART)
        drawn = int(problem.num_resources * np.exp(rng.uniform(fewest, most)))
        # A level has at least half the nodes of the one before: no graph comes out with fewer nodes than parts.
        down_to = max(self.coarsest or drawn, 2 * problem.num_resources)
        heaviest = max(1, int(1.5 * problem.instance.node_weights.sum() / down_to))
        by = "clusters" if rng.random() < 0.5 else "matching"  # neither is the better one for all graphs
        return coarsen(problem.instance, down_to, heaviest, rng, within, by, lambda: search.is_over)

    def _start(self, search: Search[GraphPartitionProblem]) -> NDArray[np.int64]:
        problem = search.problem
        levels = self._levels(search)
        coarsest = problem
        if levels:  # the total weight, and so the limit of a part, is that of the problem
            coarsest = GraphPartitionProblem(levels[-1].graph, **problem.parameters)
        if search.is_over:
            answer = coarsest.greedy(search.rng)
        else:
            seconds = None
            if search.budget.seconds is not None:
                seconds = max(0.05, 0.2 * (search.budget.seconds - search.seconds))
            budget = Budget(seconds=seconds, evaluations=self.inner_evaluations)
            answer = self.inner.solve(coarsest, budget, seed=int(search.rng.integers(2**31))).assignment
        return _uncoarsen(search, levels, answer)

    def _combine(
        self, search: Search[GraphPartitionProblem], better: NDArray[np.int64], other: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return a partition no worse than the better one, refined where the two disagree and around it."""
        levels = self._levels(search, within=better * search.problem.num_resources + other)
        answer = better
        for level in levels:
            coarser = np.empty(level.graph.num_nodes, np.int64)
            coarser[level.coarse] = answer
            answer = coarser
        return _uncoarsen(search, levels, answer)


@functools.cache
def _compile() -> None:
    """Compile the kernels of coarsening and flows, on a path of eight nodes."""
    path = Graph.from_edges(8, [(node, node + 1) for node in range(7)])
    for by in ("matching", "clusters"):
        coarsen(path, 2, 8, np.random.default_rng(0), by=by)
    refine_by_flow(path, Balance.of(path, 2, 0.1), np.arange(8) % 2, np.random.default_rng(0))


def _rank(cost: Cost) -> tuple[bool, float]:
    return not cost.feasible, cost.total


def _uncoarsen(
    search: Search[GraphPartitionProblem], levels: list[Level], answer: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Project a partition of the coarsest graph back, refining on every level as long as there is time."""
    problem, rng = search.problem, search.rng
    balance = problem.cost_model.balance
    objective = problem.parameters.get("objective", "cut")
    with_flows = rng.random() < _SHARE_WITH_FLOWS
    for depth in range(len(levels), -1, -1):
        finer = problem.instance if depth == 0 else levels[depth - 1].graph
        if depth < len(levels):
            answer = answer[levels[depth].coarse]
        answer = refine_parts(finer, balance, objective, answer, rng, is_over=lambda: search.is_over)
        if with_flows and isinstance(finer, Graph) and not search.is_over:
            refine_by_flow(finer, balance, answer, rng)
    return repair(problem, answer)
