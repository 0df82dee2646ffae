"""``multilevel``: a coarsened graph is partitioned, projected back and refined level by level; answers are combined."""

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
from placezoo.agents.partition.communities import find_communities
from placezoo.agents.partition.fiduccia_mattheyses import refine_parts
from placezoo.agents.partition.flow_refinement import refine_by_flow
from placezoo.agents.partition.local_searches import refine_locally
from placezoo.agents.partition.recursive_bisection import bisect_recursively
from placezoo.agents.partition.small_components import Core
from placezoo.agents.registry import make_agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.cost_models.cost import Cost
from placezoo.cost_models.partition.cost import Balance
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.hypergraph import Hypergraph
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import at_least

Member = tuple[Cost, NDArray[np.int64]]  # the cost of the whole problem, and the partition of its core
_SHARE_WITH_FLOWS = 0.5  # of the cycles: they find what nothing else does, but take long
_MANY = 5000  # nodes of levels, but the finest, that go without flows
_SLOW = 0.02  # of the budget: where a start takes longer, starts go without flows
# Nodes of the coarsest graph for each part, from a start and of two members: each time another number between them.
_NODES_OF_START = (40, 320)
_NODES_OF_COMBINED = (10, 100)
_FEWEST_STARTS, _MOST_STARTS, _SHARE_OF_STARTS = 6, 15, 0.2  # of a population; the share is that of the budget


@dataclass(frozen=True)
class Multilevel(Agent[GraphPartitionProblem]):
    """Coarsens the graph, partitions the coarsest graph, projects and refines; combines the best of many such answers.

    For a start, heavy-edge matchings or clusters are contracted within communities, and the coarsest graph is bisected
    recursively, or partitioned by another agent. Levels are refined by Fiduccia-Mattheyses passes and, where the
    instance is a graph, by local searches and in half of the cycles by minimum cuts between pairs of parts. Small
    components are set aside until the end.

    Some starts are a population. Then two of them are combined, by coarsening only what both leave together, so that
    the better one survives down to the coarsest graph and is refined from there; or one goes through such a cycle
    alone. What comes out takes the place of the most similar member that is no better. When nothing better has come for
    a while, the best member is a champion; champions are combined likewise, and a new population begins. That is how an
    agent whose time grows with the graph reaches graphs of 100,000 nodes.

    Args:
        agent: that partitions the coarsest graph, None for recursive bisection.
        checkpoint: its trained policy, where it is a learned one.
        coarsest: nodes of the coarsest graph, None for 40 to 320 for each part (10 to 100 for two that are combined),
            drawn anew each time.
        inner_evaluations: the agent's budget on the coarsest graph.
        starts: how many fresh starts a population has, None for 6 to 15, as many as a fifth of the budget allows.
        patience: a population is given up after so many combinations and cycles in a row without improvement.
        populations: how many at most, None for as many as the budget allows.

    Source: Karypis & Kumar 1998 (coarsening); Heuer & Schlag 2017 (communities); Walshaw 2004 (cycles); Sanders &
    Schulz 2011, KaFFPa (local searches, flows); Sanders & Schulz 2012, KaFFPaE (combination, replacement).
    """

    name = "multilevel"
    counts_evaluations = False  # moves of refinement are not counted

    agent: str | None = None
    checkpoint: str | None = None
    coarsest: Annotated[int | None, at_least(1)] = None
    inner_evaluations: Annotated[int, at_least(1)] = 64
    starts: Annotated[int | None, at_least(1)] = None
    patience: Annotated[int, at_least(0)] = 30
    populations: Annotated[int | None, at_least(1)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.agent != self.name, "the agent on the coarsest graph must be another one")
        self.require(self.checkpoint is None or self.agent is not None, "a checkpoint needs the agent that it is of")

    @cached_property
    def inner(self) -> Agent | None:
        """The agent for the coarsest graph, None for recursive bisection."""
        if self.agent is None:
            return None
        settings: dict[str, Any] = {} if self.checkpoint is None else {"checkpoint": self.checkpoint}
        return make_agent(self.agent, **settings)

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Compile what the search calls."""
        compile_repair(problem)
        if self.inner is not None:
            self.inner.prepare(problem)
        one, rng = problem.instance, np.random.default_rng(0)
        balance, objective = problem.cost_model.balance, problem.parameters.get("objective", "cut")
        refine_parts(one, balance, objective, np.zeros(problem.num_items, np.int64), rng, max_passes=1)
        _compile()

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        champions: list[Member] = []
        core = Core.of(search.problem)
        while self.populations is None or len(champions) < self.populations:
            champions.append(self.evolve(search, core))
            if search.is_over:
                return
            if len(champions) > 1:
                self.combine_members(search, core, champions)

    def evolve(self, search: Search[GraphPartitionProblem], core: Core) -> Member:
        """Let one population live; return its best member."""
        members: list[Member] = []
        began = search.progress
        while not (members and search.is_over):
            is_slow = not members or search.progress - began > _SLOW * len(members)
            answer = self._start(search, core.problem, 0.0 if is_slow else _SHARE_WITH_FLOWS)
            members.append((search.evaluate(core.whole(answer)), answer))
            fewest, most = (_FEWEST_STARTS, _MOST_STARTS) if self.starts is None else (self.starts, self.starts)
            if len(members) >= most or (len(members) >= fewest and search.progress - began > _SHARE_OF_STARTS):
                break
        self.combine_members(search, core, members)
        return min(members, key=lambda member: _rank(member[0]))

    def combine_members(self, search: Search[GraphPartitionProblem], core: Core, members: list[Member]) -> None:
        """Combine members of a population, in place, until nothing better has come for a while."""
        in_vain, rng, problem = 0, search.rng, core.problem
        cut = [_cut_edges(problem, answer) for _, answer in members]
        while in_vain < self.patience and not search.is_over:
            first = int(rng.integers(len(members)))
            other = int(rng.integers(len(members)))  # the same one: a cycle alone
            if members[other][0].is_better_than(members[first][0]):
                first, other = other, first
            answer = self._combine(search, problem, members[first][1], members[other][1])
            cost, cut_now = search.evaluate(core.whole(answer)), _cut_edges(problem, answer)
            is_best = all(cost.is_better_than(member) for member, _ in members)
            in_vain = 0 if is_best else in_vain + 1
            no_better = [index for index, (member, _) in enumerate(members) if not member.is_better_than(cost)]
            if no_better:
                replaced = min(no_better, key=lambda index: np.count_nonzero(cut_now ^ cut[index]))
                members[replaced], cut[replaced] = (cost, answer), cut_now

    def _levels(
        self, search: Search[GraphPartitionProblem], problem: GraphPartitionProblem,
        within: NDArray[np.int64] | None = None,
    ) -> list[Level]:  # fmt: skip
        rng = search.rng
        fewest, most = np.log(_NODES_OF_START if within is None else _NODES_OF_COMBINED)
        drawn = int(problem.num_resources * np.exp(rng.uniform(fewest, most)))
        # A level has at least half the nodes of the one before: no graph comes out with fewer nodes than parts.
        down_to = max(self.coarsest or drawn, 2 * problem.num_resources)
        heaviest = max(1, int(1.5 * problem.instance.node_weights.sum() / down_to))
        if within is None and not search.is_over:
            within = find_communities(problem.graph, rng)
        by = "clusters" if rng.random() < 0.5 else "matching"  # neither is the better one for all graphs
        return coarsen(problem.instance, down_to, heaviest, rng, within, by, lambda: search.is_over)

    def _start(
        self, search: Search[GraphPartitionProblem], problem: GraphPartitionProblem, with_flows: float
    ) -> NDArray[np.int64]:
        levels = self._levels(search, problem)
        coarsest = levels[-1].graph if levels else problem.instance
        answer = self._partition(search, problem, coarsest)
        if answer is None:  # the time is over
            answer = GraphPartitionProblem(coarsest, **problem.parameters).greedy(search.rng)
        return _uncoarsen(search, problem, levels, answer, with_flows)

    def _partition(
        self, search: Search[GraphPartitionProblem], problem: GraphPartitionProblem, coarsest: Graph | Hypergraph
    ) -> NDArray[np.int64] | None:
        """Return a partition of the coarsest graph, or None if the time is over."""
        if search.is_over:
            return None
        if self.inner is None:
            graph = coarsest if isinstance(coarsest, Graph) else coarsest.expansion
            limit = problem.cost_model.max_part_weight
            return bisect_recursively(graph, problem.num_resources, limit, search.rng, is_over=lambda: search.is_over)
        seconds = None
        if search.budget.seconds is not None:
            seconds = max(0.05, 0.2 * (search.budget.seconds - search.seconds))
        # The total weight, and so the limit of a part, is that of the problem.
        coarse_problem = GraphPartitionProblem(coarsest, **problem.parameters)
        budget = Budget(seconds=seconds, evaluations=self.inner_evaluations)
        return self.inner.solve(coarse_problem, budget, seed=int(search.rng.integers(2**31))).assignment

    def _combine(
        self, search: Search[GraphPartitionProblem], problem: GraphPartitionProblem, better: NDArray[np.int64],
        other: NDArray[np.int64],
    ) -> NDArray[np.int64]:  # fmt: skip
        """Return a partition no worse than the better one, refined where the two disagree and around it."""
        levels = self._levels(search, problem, within=better * problem.num_resources + other)
        answer = better
        for level in levels:
            coarser = np.empty(level.graph.num_nodes, np.int64)
            coarser[level.coarse] = answer
            answer = coarser
        return _uncoarsen(search, problem, levels, answer, _SHARE_WITH_FLOWS)


@functools.cache
def _compile() -> None:
    """Compile the kernels of coarsening and flows, on a path of eight nodes."""
    path = Graph.from_edges(8, [(node, node + 1) for node in range(7)])
    for by in ("matching", "clusters"):
        coarsen(path, 2, 8, np.random.default_rng(0), by=by)
    bisect_recursively(path, 2, 4, np.random.default_rng(0), tries=1)
    find_communities(path, np.random.default_rng(0))
    for refine in (refine_by_flow, refine_locally):
        refine(path, Balance.of(path, 2, 0.1), np.arange(8) % 2, np.random.default_rng(0))


def _cut_edges(problem: GraphPartitionProblem, answer: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which edges are cut, each twice: what tells partitions apart whatever their parts' numbers."""
    return answer[problem.graph.rows] != answer[problem.graph.indices]


def _rank(cost: Cost) -> tuple[bool, float]:
    return not cost.feasible, cost.total


def _uncoarsen(
    search: Search[GraphPartitionProblem], problem: GraphPartitionProblem, levels: list[Level],
    answer: NDArray[np.int64], share_with_flows: float,
) -> NDArray[np.int64]:  # fmt: skip
    """Project a partition of the coarsest graph back, refining on every level as long as there is time."""
    rng = search.rng
    balance = problem.cost_model.balance
    objective = problem.parameters.get("objective", "cut")
    with_flows = rng.random() < share_with_flows
    for depth in range(len(levels), -1, -1):
        finer = problem.instance if depth == 0 else levels[depth - 1].graph
        if depth < len(levels):
            answer = answer[levels[depth].coarse]
        answer = refine_parts(finer, balance, objective, answer, rng, is_over=lambda: search.is_over)
        if isinstance(finer, Graph) and not search.is_over:
            refine_locally(finer, balance, answer, rng)
            if with_flows and (depth == 0 or finer.num_nodes <= _MANY) and not search.is_over:
                refine_by_flow(finer, balance, answer, rng)
    return repair(problem, answer)
