"""Small components of a graph, set aside: they fit wherever there is room, and the rest is partitioned freely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from placezoo.datasets.partition.graph import Graph
from placezoo.envs.partition.problem import GraphPartitionProblem


@dataclass(frozen=True)
class Core:
    """A problem without the small components of its graph.

    A component that weighs at most what the limit of a part allows beyond perfect balance is small: however the rest
    is partitioned, the lightest part has room for it. Without them parts of the rest may differ much more in weight.

    Attributes:
        problem: the rest, with the same limit of parts; the problem itself where no component is small.
        nodes: int64 [nodes of the rest], their numbers in the problem.
        components: int64 [num_nodes], the small component that each node is in, -1 for the rest.
        weights: int64 [small components].
    """

    problem: GraphPartitionProblem
    nodes: NDArray[np.int64]
    components: NDArray[np.int64]
    weights: NDArray[np.int64]

    @classmethod
    def of(cls, problem: GraphPartitionProblem) -> Core:
        """Return the core of a problem; of hypergraphs, and where fewer nodes than parts would be left, all of it."""
        n, graph = problem.num_items, problem.instance
        if isinstance(graph, Graph):
            ones = np.ones(graph.indices.size, np.int8)
            count, component = connected_components(csr_matrix((ones, graph.indices, graph.indptr), shape=(n, n)))
            weights = np.bincount(component, graph.node_weights, count).astype(np.int64)
            balance = problem.cost_model.balance
            is_small = weights <= balance.max_part_weight - balance.ideal_part_weight
            nodes = np.flatnonzero(~is_small[component])
            if is_small.any() and nodes.size >= problem.num_resources:
                rest = graph.subgraph(nodes)
                ideal = -(-int(rest.node_weights.sum()) // balance.num_parts)
                epsilon = (balance.max_part_weight + 0.5) / max(ideal, 1) - 1  # which leaves the limit as it is
                number = np.where(is_small, np.cumsum(is_small) - 1, -1)
                parameters = {**problem.parameters, "epsilon": epsilon}
                return cls(GraphPartitionProblem(rest, **parameters), nodes, number[component], weights[is_small])
        return cls.all_of(problem)

    @classmethod
    def all_of(cls, problem: GraphPartitionProblem) -> Core:
        """Return the problem itself as its core."""
        n = problem.num_items
        return cls(problem, np.arange(n), np.full(n, -1), np.zeros(0, np.int64))

    def whole(self, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return an assignment of the whole problem: small components, the heaviest first, go to the lightest part.

        Args:
            assignment: int64 [nodes of the rest].
        """
        if self.weights.size == 0:
            return assignment
        loads = np.bincount(assignment, self.problem.instance.node_weights, self.problem.num_resources)
        part = np.empty(self.weights.size, np.int64)
        for component in np.argsort(-self.weights, kind="stable"):
            part[component] = np.argmin(loads)
            loads[part[component]] += self.weights[component]
        whole = part[self.components]
        whole[self.nodes] = assignment
        return whole
