"""``mt-kahypar``: multilevel partitioning by Mt-KaHyPar (needs the ``solvers`` extra)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.agents.search.separate_process import call_within, start_server
from placezoo.datasets.mtkahypar_library import mtkahypar_library
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.hypergraph import Hypergraph
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import at_least, one_of

_PRESETS = ("deterministic", "deterministic-quality", "large-k", "default", "quality", "highest-quality")


@dataclass(frozen=True)
class MtKaHyPar(Agent[GraphPartitionProblem]):
    """Mt-KaHyPar (Gottesbueren et al. 2023) for the edge cut, the cut nets or the connectivity, on one thread.

    A run that the budget's seconds end gives no answer; if it is the first, greedy graph growing gives one.

    Args:
        preset: ``highest-quality``, ``quality``, ``default``, ``large-k``, ``deterministic-quality`` or
            ``deterministic``.
        runs: how many seeds; fewer if the budget ends.
    """

    name = "mt-kahypar"

    preset: Annotated[str, one_of(*_PRESETS)] = "highest-quality"
    runs: Annotated[int, at_least(1)] = 8

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Check that weights fit the library's integers, compile what the search calls, start the library's process.

        Raises:
            ValueError: they do not.
        """
        graph, limit = problem.instance, problem.cost_model.max_part_weight
        largest = max(int(graph.node_weights.sum()), int(graph.weighted_degrees.sum()), limit)
        self.require(
            largest < 1 << 31,
            f"the library adds weights up in 32 bits, those of {graph.name} reach {largest:,}; divide them, or use fm",
        )
        compile_repair(problem)
        problem.greedy(np.random.default_rng(0))
        start_server()

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        problem = search.problem
        if problem.num_resources == 1:  # the library wants at least two blocks
            search.evaluate(np.zeros(problem.num_items, np.int64))
            return
        balance, objective = problem.cost_model.balance, problem.parameters.get("objective", "cut-net")
        for _ in range(self.runs):
            seed = int(search.rng.integers(2**31 - 1))
            parts = call_within(
                search.seconds_to_answer, partition_once, problem.instance, balance.num_parts, balance.epsilon,
                objective, self.preset, seed,
            )  # fmt: skip
            if parts is None:  # no time is left
                break
            search.evaluate(repair(problem, parts))
            if search.is_over:
                break
        if search.best is None:
            search.evaluate(repair(problem, problem.greedy(search.rng)))


def partition_once(
    instance: Graph | Hypergraph, num_parts: int, epsilon: float, objective: str, preset: str, seed: int
) -> NDArray[np.int64]:
    """Return one answer of the library: int64 [num_nodes]; ``objective`` is ``cut-net`` or ``km1``."""
    import mtkahypar

    library = mtkahypar_library()
    context = library.context_from_preset(getattr(mtkahypar.PresetType, preset.upper().replace("-", "_")))
    kinds = {"cut-net": mtkahypar.Objective.CUT, "km1": mtkahypar.Objective.KM1}
    context.set_partitioning_parameters(num_parts, epsilon, kinds[objective])
    context.logging = False
    n, node_weights = instance.num_nodes, instance.node_weights.tolist()
    if isinstance(instance, Graph):
        once = instance.rows < instance.indices
        edges, weights = [tuple(edge) for edge in instance.edges.tolist()], instance.edge_weights[once].tolist()
        structure = library.create_graph(context, n, len(edges), edges, node_weights, weights)
    else:
        bounds, pins = instance.net_ptr.tolist(), instance.pins.tolist()
        nets, weights = [pins[a:b] for a, b in itertools.pairwise(bounds)], instance.net_weights.tolist()
        structure = library.create_hypergraph(context, n, len(nets), nets, node_weights, weights)
    mtkahypar.set_seed(seed)
    return np.asarray(structure.partition(context).get_partition(), np.int64)
