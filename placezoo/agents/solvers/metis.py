"""``metis``: multilevel partitioning by METIS (needs the ``solvers`` extra)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.registry import AGENTS
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.agents.search.separate_process import answers_within, start_server
from placezoo.envs.problem import CutGraph, PlacementProblem
from placezoo.parameters import at_least

_SHARES_OF_IMBALANCE = (1.0, 0.85, 0.7)


@dataclass(frozen=True)
class Metis(Agent):
    """METIS's k-way and recursive bisection modes (Karypis & Kumar 1998), with new seeds until the budget is spent.

    It is for every problem that says what graph it is to cut (``PlacementProblem.cut_graph``): graphs themselves, and
    neural networks, which are cut into parts of equal time that send each other few bytes. METIS does not know that
    parts wait for each other.

    METIS measures balance from the average part, not from the rounded-up one, and may miss it on small graphs; what it
    returns is made feasible by the cheapest moves. Seeds are tried at the given imbalance and at smaller ones in turn.
    A run that the budget's seconds end gives no answer; if it is the first, the domain's greedy construction gives one.

    Args:
        runs: how many seeds at most, METIS's own first, each in both modes; None for as many as the budget allows.
    """

    name = "metis"
    counts_evaluations = False  # its solver's own search is not counted

    runs: Annotated[int | None, at_least(1)] = None

    def prepare(self, problem: PlacementProblem) -> None:
        """Check that the problem is one of a graph to cut, and compile what the search calls.

        Raises:
            ValueError: it is not.
        """
        if problem.cut_graph is None:
            ours = " and ".join(AGENTS[self.name].problems)
            if problem.env_id in AGENTS[self.name].problems:
                kind = type(problem.instance).__name__.lower()
                raise ValueError(f"{self.name} cuts graphs, {problem.instance.name} is a {kind}; use another agent")
            raise ValueError(f"{self.name} is for {ours}, it cannot solve {problem.env_id}")
        if problem.cheap_moves:
            compile_repair(problem)
        problem.greedy(np.random.default_rng(0))
        start_server()

    def _search(self, search: Search) -> None:
        problem, graph = search.problem, search.problem.cut_graph
        assert graph is not None
        runs = search.evaluations_left(sys.maxsize if self.runs is None else 2 * self.runs)
        answers = answers_within(
            search.seconds_to_answer, search.budget.seconds, partitions, graph, runs,
            int(search.rng.integers(2**31 - 1)),
        )  # fmt: skip
        for parts in answers:
            if search.best is None or not search.is_over:
                self._record(search, problem.from_parts(parts))
        if search.best is None:  # no time was left
            self._record(search, problem.greedy(search.rng))

    @staticmethod
    def _record(search: Search, assignment: NDArray[np.int64]) -> None:
        problem = search.problem
        search.evaluate(repair(problem, assignment) if problem.cheap_moves else problem.legalize(assignment))


def partitions(graph: CutGraph, runs: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield METIS's answers, for each seed in both modes: int64 [num_nodes].

    Args:
        graph: to cut.
        runs: how many answers.
        seed: from which those of the runs are drawn, but for the first two: they have METIS's own, and give what METIS
            gives whoever does not choose one.
    """
    import pymetis

    adjacency = pymetis.CSRAdjacency(graph.indptr.tolist(), graph.indices.tolist())
    node_weights, edge_weights = graph.node_weights.tolist(), graph.edge_weights.tolist()
    rng = np.random.default_rng(seed)
    one = -1
    for run in range(runs):
        if run and run % 2 == 0:
            one = int(rng.integers(2**31 - 1))
        share = _SHARES_OF_IMBALANCE[run // 2 % len(_SHARES_OF_IMBALANCE)]
        _, labels = pymetis.part_graph(
            graph.num_parts, adjacency, vweights=node_weights, eweights=edge_weights, recursive=run % 2 == 1,
            options=pymetis.Options(seed=one, ufactor=max(1, round(1000 * share * graph.imbalance))),
        )  # fmt: skip
        yield np.asarray(labels, np.int64)
