"""``mt-kahypar``: multilevel partitioning by Mt-KaHyPar (needs the ``solvers`` extra)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from placezoo.agents.agent import Agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.datasets.mtkahypar_library import mtkahypar_library
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import at_least, one_of

_PRESETS = ("deterministic", "deterministic-quality", "large-k", "default", "quality", "highest-quality")


@dataclass(frozen=True)
class MtKaHyPar(Agent[GraphPartitionProblem]):
    """Mt-KaHyPar (Gottesbueren et al. 2023) for the edge cut, on one thread. A run cannot be interrupted.

    Args:
        preset: ``highest-quality``, ``quality``, ``default``, ``large-k``, ``deterministic-quality`` or
            ``deterministic``.
        runs: how many seeds; fewer if the budget ends.
    """

    name = "mt-kahypar"

    preset: Annotated[str, one_of(*_PRESETS)] = "highest-quality"
    runs: Annotated[int, at_least(1)] = 8

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Compile what the search calls."""
        compile_repair(problem)

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        import mtkahypar

        problem = search.problem
        if problem.num_resources == 1:  # the library wants at least two blocks
            search.evaluate(np.zeros(problem.num_items, np.int64))
            return
        graph = problem.instance
        library = mtkahypar_library()
        once = graph.rows < graph.indices
        edges = list(zip(graph.rows[once].tolist(), graph.indices[once].tolist(), strict=True))
        weights = graph.node_weights.tolist(), graph.edge_weights[once].tolist()
        for _ in range(self.runs):
            # Context and graph are made for each run: the library (1.7) crashes when it partitions a graph twice.
            context = library.context_from_preset(getattr(mtkahypar.PresetType, self.preset.upper().replace("-", "_")))
            context.set_partitioning_parameters(
                problem.num_resources, problem.cost_model.epsilon, mtkahypar.Objective.CUT
            )
            context.logging = False
            structure = library.create_graph(context, graph.num_nodes, len(edges), edges, *weights)
            mtkahypar.set_seed(int(search.rng.integers(2**31 - 1)))
            parts = structure.partition(context).get_partition()
            search.evaluate(repair(problem, np.asarray(parts, np.int64)))
            if search.is_over:
                return
