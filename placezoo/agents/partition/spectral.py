"""``spectral``: recursive bisection at the median of the Fiedler vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_order import fiedler_order
from placezoo.envs.partition.problem import GraphPartitionProblem


@dataclass(frozen=True)
class Spectral(Agent[GraphPartitionProblem]):
    """Recursive bisection of the nodes in the order of the Fiedler vector (Pothen, Simon & Liou 1990).

    Deterministic, one evaluation.
    """

    name = "spectral"

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Compile what the search calls."""
        compile_repair(problem)

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        problem = search.problem
        assignment = np.zeros(problem.num_items, np.int64)
        _bisect(problem.instance, np.arange(problem.num_items), 0, problem.num_resources, assignment)
        search.evaluate(repair(problem, assignment))


def _bisect(
    graph: Graph, nodes: NDArray[np.int64], first_part: int, num_parts: int, assignment: NDArray[np.int64]
) -> None:
    """Give some nodes the parts ``first_part`` to ``first_part + num_parts - 1``."""
    if num_parts == 1 or nodes.size == 0:
        assignment[nodes] = first_part
        return
    left_parts = (num_parts + 1) // 2
    order = fiedler_order(graph.subgraph(nodes))
    weights = np.cumsum(graph.node_weights[nodes][order])
    wanted = weights[-1] * left_parts / num_parts
    # The split after which the left side's weight is nearest to its share.
    split = int(np.argmin(np.abs(np.concatenate([[0], weights]) - wanted)))
    _bisect(graph, nodes[order[:split]], first_part, left_parts, assignment)
    _bisect(graph, nodes[order[split:]], first_part + left_parts, num_parts - left_parts, assignment)
