"""``metis``: multilevel partitioning by METIS (needs the ``solvers`` extra)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from placezoo.agents.agent import Agent
from placezoo.agents.registry import AGENTS
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.envs.problem import PlacementProblem
from placezoo.parameters import at_least


@dataclass(frozen=True)
class Metis(Agent):
    """METIS's k-way and recursive bisection modes (Karypis & Kumar 1998), the better of both, over several seeds.

    It is for every problem that says what graph it is to cut (``PlacementProblem.cut_graph``): graphs themselves, and
    neural networks, which are cut into parts of equal time that send each other few bytes. METIS does not know that
    parts wait for each other.

    METIS measures balance from the average part, not from the rounded-up one, and may miss it on small graphs; what it
    returns is made feasible by the cheapest moves.

    Args:
        runs: how many seeds, METIS's own first, each in both modes; fewer if the budget ends.
    """

    name = "metis"

    runs: Annotated[int, at_least(1)] = 8

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

    def _search(self, search: Search) -> None:
        import pymetis

        problem, graph = search.problem, search.problem.cut_graph
        assert graph is not None
        adjacency = pymetis.CSRAdjacency(graph.indptr.tolist(), graph.indices.tolist())
        ufactor = max(1, round(1000 * graph.imbalance))
        for run in range(self.runs):
            # -1 is METIS's own seed: the first run gives what METIS gives whoever does not choose one.
            seed = int(search.rng.integers(2**31 - 1)) if run else -1
            for recursive in (False, True):
                _, labels = pymetis.part_graph(
                    graph.num_parts,
                    adjacency,
                    vweights=graph.node_weights.tolist(),
                    eweights=graph.edge_weights.tolist(),
                    recursive=recursive,
                    options=pymetis.Options(seed=seed, ufactor=ufactor),
                )
                assignment = problem.from_parts(np.asarray(labels, np.int64))
                search.evaluate(repair(problem, assignment) if problem.cheap_moves else problem.legalize(assignment))
                if search.is_over:
                    return
