"""``mt-kahypar``: multilevel partitioning by Mt-KaHyPar (needs the ``solvers`` extra)."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.agents.search.separate_process import answers_within, start_server
from placezoo.datasets.mtkahypar_library import mtkahypar_library
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.hypergraph import Hypergraph
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import at_least, one_of

_SHARES_OF_EPSILON = (1.0, 0.85, 0.7)
PRESETS = ("deterministic", "deterministic-quality", "large-k", "default", "quality", "highest-quality")


@dataclass(frozen=True)
class MtKaHyPar(Agent[GraphPartitionProblem]):
    """Mt-KaHyPar (Gottesbueren et al. 2023) for the edge cut, the cut nets or the connectivity, on one thread.

    It runs with new seeds until the budget is spent, at the given imbalance and at smaller ones in turn, whose answers
    differ more than those of seeds alone. A run that the budget's seconds end gives no answer; if it is the first,
    greedy graph growing gives one.

    Args:
        preset: ``highest-quality``, ``quality``, ``default``, ``large-k``, ``deterministic-quality`` or
            ``deterministic``.
        runs: how many seeds at most, None for as many as the budget allows.
    """

    name = "mt-kahypar"
    counts_evaluations = False  # its solver's own search is not counted

    preset: Annotated[str, one_of(*PRESETS)] = "highest-quality"
    runs: Annotated[int | None, at_least(1)] = None

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
        start_server(__name__, "mtkahypar")

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        problem = search.problem
        if problem.num_resources == 1:  # the library wants at least two blocks
            search.evaluate(np.zeros(problem.num_items, np.int64))
            return
        balance, objective = problem.cost_model.balance, problem.parameters.get("objective", "cut-net")
        runs = search.evaluations_left(self.runs or sys.maxsize)
        seed = int(search.rng.integers(2**31 - 1))
        cheaper, seconds = None, None
        if search.budget.seconds is not None:  # on a busy machine, what begins when time is over ends long after
            cheaper = repair(problem, problem.greedy(search.rng))
            seconds = search.budget.seconds - search.seconds
        answers = answers_within(
            seconds, seconds, partitions, problem.instance, balance.num_parts, balance.epsilon, objective, self.preset,
            runs, seed,
        )  # fmt: skip
        for parts in answers:
            if search.best is None or not search.is_over:
                search.evaluate(repair(problem, parts))
        if search.best is None:
            assert cheaper is not None, "without a limit of seconds the library answers"
            search.evaluate(cheaper)


def partitions(
    instance: Graph | Hypergraph, num_parts: int, epsilon: float, objective: str, preset: str, runs: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the library's answers with so many seeds, and less imbalance in two of three: int64 [num_nodes].

    Args:
        instance: to partition.
        num_parts: into how many parts.
        epsilon: how much heavier than perfect balance a part may be.
        objective: ``cut-net`` or ``km1``.
        preset: of the library.
        runs: how many answers.
        seed: from which those of the runs are drawn.
    """
    import mtkahypar

    library = mtkahypar_library()
    context = library.context_from_preset(getattr(mtkahypar.PresetType, preset.upper().replace("-", "_")))
    kinds = {"cut-net": mtkahypar.Objective.CUT, "km1": mtkahypar.Objective.KM1}
    context.logging = False
    node_weights = instance.node_weights.tolist()
    if isinstance(instance, Graph):
        once = instance.rows < instance.indices
        create, weights = library.create_graph, instance.edge_weights[once].tolist()
        ties: list = [tuple(edge) for edge in instance.edges.tolist()]
    else:
        bounds, pins = instance.net_ptr.tolist(), instance.pins.tolist()
        create, weights = library.create_hypergraph, instance.net_weights.tolist()
        ties = [pins[a:b] for a, b in itertools.pairwise(bounds)]
    rng = np.random.default_rng(seed)
    for share in itertools.islice(itertools.cycle(_SHARES_OF_EPSILON), runs):
        context.set_partitioning_parameters(num_parts, share * epsilon, kinds[objective])
        mtkahypar.set_seed(int(rng.integers(2**31 - 1)))
        structure = create(context, instance.num_nodes, len(ties), ties, node_weights, weights)  # good for one run
        yield np.asarray(structure.partition(context).get_partition(), np.int64)
