"""``metis``: multilevel partitioning by METIS (needs the ``solvers`` extra)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placezoo.agents.agent import Agent
from placezoo.agents.repair import compile_repair, repair
from placezoo.agents.search import Search
from placezoo.envs.graph_partition import GraphPartitionProblem
from placezoo.envs.problem import PlacementProblem


@dataclass(frozen=True)
class Metis(Agent):
    """METIS's k-way and recursive bisection modes (Karypis & Kumar 1998), the better of both, over several seeds.

    METIS measures balance from the average part, not from the rounded-up one, and may miss it on small graphs; what it
    returns is made feasible by the cheapest moves.

    Args:
        runs: how many seeds, METIS's own first, each in both modes; fewer if the budget ends.
    """

    name = "metis"
    problem_class = GraphPartitionProblem

    runs: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.runs >= 1, f"runs must be at least 1, not {self.runs}")

    def prepare(self, problem: PlacementProblem) -> None:
        """Compile what the search calls."""
        compile_repair(problem)

    def _search(self, search: Search) -> None:
        import pymetis

        problem = search.problem
        assert isinstance(problem, GraphPartitionProblem)
        graph = problem.instance
        adjacency = pymetis.CSRAdjacency(graph.indptr.tolist(), graph.indices.tolist())
        ufactor = max(1, round(1000 * problem.cost_model.epsilon))
        for run in range(self.runs):
            # -1 is METIS's own seed: the first run gives what METIS gives whoever does not choose one.
            seed = int(search.rng.integers(2**31 - 1)) if run else -1
            for recursive in (False, True):
                _, parts = pymetis.part_graph(
                    problem.num_resources,
                    adjacency,
                    vweights=graph.node_weights.tolist(),
                    eweights=graph.edge_weights.tolist(),
                    recursive=recursive,
                    options=pymetis.Options(seed=seed, ufactor=ufactor),
                )
                search.evaluate(repair(problem, np.asarray(parts, np.int64)))
                if search.is_over:
                    return
