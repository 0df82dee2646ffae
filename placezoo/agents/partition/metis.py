"""``metis``: multilevel partitioning by METIS (needs the ``solvers`` extra)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.datasets.partition.graph import Graph
from placezoo.envs.device.problem import DevicePlaceProblem
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.envs.problem import PlacementProblem
from placezoo.parameters import at_least

_STEPS = 10_000  # weights are whole numbers
_DEVICE_IMBALANCE = 0.05


@dataclass(frozen=True)
class Metis(Agent[GraphPartitionProblem | DevicePlaceProblem]):
    """METIS's k-way and recursive bisection modes (Karypis & Kumar 1998), the better of both, over several seeds.

    Neural networks are cut into parts of equal time that send each other few bytes: METIS does not know that parts wait
    for each other.

    METIS measures balance from the average part, not from the rounded-up one, and may miss it on small graphs; what it
    returns is made feasible by the cheapest moves.

    Args:
        runs: how many seeds, METIS's own first, each in both modes; fewer if the budget ends.
    """

    name = "metis"

    runs: Annotated[int, at_least(1)] = 8

    def prepare(self, problem: GraphPartitionProblem | DevicePlaceProblem) -> None:
        """Compile what the search calls."""
        if isinstance(problem, GraphPartitionProblem):
            compile_repair(problem)

    def _search(self, search: Search[GraphPartitionProblem | DevicePlaceProblem]) -> None:
        import pymetis

        problem = search.problem
        graph, parts, epsilon = graph_of(problem)
        adjacency = pymetis.CSRAdjacency(graph.indptr.tolist(), graph.indices.tolist())
        ufactor = max(1, round(1000 * epsilon))
        for run in range(self.runs):
            # -1 is METIS's own seed: the first run gives what METIS gives whoever does not choose one.
            seed = int(search.rng.integers(2**31 - 1)) if run else -1
            for recursive in (False, True):
                _, labels = pymetis.part_graph(
                    parts,
                    adjacency,
                    vweights=graph.node_weights.tolist(),
                    eweights=graph.edge_weights.tolist(),
                    recursive=recursive,
                    options=pymetis.Options(seed=seed, ufactor=ufactor),
                )
                search.evaluate(_feasible(problem, np.asarray(labels, np.int64)))
                if search.is_over:
                    return


def _feasible(problem: PlacementProblem, parts: NDArray[np.int64]) -> NDArray[np.int64]:
    if isinstance(problem, DevicePlaceProblem):
        return problem.legalize(problem.with_priorities(parts))
    return repair(problem, parts)


@singledispatch
def graph_of(problem: PlacementProblem) -> tuple[Graph, int, float]:
    """Return the graph that METIS partitions for a problem, into how many parts, and the imbalance allowed."""
    raise ValueError(f"metis is not for {problem.env_id}")


@graph_of.register
def _(problem: GraphPartitionProblem) -> tuple[Graph, int, float]:
    return problem.instance, problem.num_resources, problem.cost_model.epsilon


@graph_of.register
def _(problem: DevicePlaceProblem) -> tuple[Graph, int, float]:
    """Groups weigh their mean time, links the bytes sent, both in 10,000 steps of the largest."""
    model = problem.cost_model
    seconds = np.bincount(model.groups, model.op_time.mean(axis=1), minlength=model.num_groups)
    links, sizes = problem.group_links
    weights = [
        np.ceil(_STEPS * values / max(values.max(initial=0.0), 1e-300)).astype(np.int64) for values in (seconds, sizes)
    ]
    # Both directions of a pair of groups become one edge.
    ends = np.sort(links, axis=1)
    pairs, inverse = np.unique(ends, axis=0, return_inverse=True)
    joined = np.bincount(inverse.reshape(-1), np.maximum(weights[1], 1), minlength=len(pairs)).astype(np.int64)
    graph = Graph.from_edges(
        model.num_groups, pairs, edge_weights=joined, node_weights=weights[0], name=problem.instance.name
    )
    return graph, problem.topology.num_devices, _DEVICE_IMBALANCE
