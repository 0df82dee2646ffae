"""``spectral``: recursive bisection at the median of the Fiedler vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.agents.search.separate_process import call_within, start_server
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_order import fiedler_order
from placezoo.envs.partition.problem import GraphPartitionProblem


@dataclass(frozen=True)
class Spectral(Agent[GraphPartitionProblem]):
    """Recursive bisection of the nodes in the order of the Fiedler vector (Pothen, Simon & Liou 1990).

    Of a hypergraph, the graph in its place is bisected. Deterministic, one evaluation. Where the eigenvectors take
    longer than the budget's seconds, greedy graph growing takes their place.
    """

    name = "spectral"

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Compile what the search calls, and start the process that may be ended."""
        compile_repair(problem)
        problem.greedy(np.random.default_rng(0))
        start_server()

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        problem = search.problem
        graph, num_parts = problem.graph, problem.num_resources
        assignment = call_within(search.seconds_to_answer, bisect_recursively, graph, num_parts)
        if assignment is None:
            assignment = problem.greedy(search.rng)
        search.evaluate(repair(problem, assignment))


def bisect_recursively(graph: Graph, num_parts: int) -> NDArray[np.int64]:
    """Return the partition by recursive bisection in the order of the Fiedler vector: int64 [num_nodes]."""
    assignment = np.zeros(graph.num_nodes, np.int64)
    _bisect(graph, np.arange(graph.num_nodes), 0, num_parts, assignment)
    return assignment


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
