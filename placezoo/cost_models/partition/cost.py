"""The cost of graph partitions: cut, imbalance, and the terms that others report.

The cut of a partition is the weight of the edges whose ends lie in different parts. A part may weigh at most
``floor((1 + epsilon) * ceil(total weight / num_parts))`` (the constraint of METIS, KaHIP and Mt-KaHyPar). What a part
weighs beyond that is penalised per unit of weight by the largest ratio of a node's weighted degree to its weight, so
that moving any node from an overweight part to one with room never costs more than it saves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.assignment import check_assignment
from placezoo.cost_models.cost import Cost
from placezoo.cost_models.partition.moves import (
    NUM_UNPLACED,
    PART_FEATURE_NAMES,
    TERM_NAMES,
    PartitionState,
    initialise,
    observe,
)
from placezoo.datasets.partition.graph import Graph
from placezoo.parameters import at_least, at_most, check_parameters

Epsilon = Annotated[float, at_least(0), at_most(1e6)]


@dataclass(frozen=True)
class Balance:
    """How heavy parts may be, the same for graphs and hypergraphs.

    Attributes:
        num_parts: how many there are.
        epsilon: how much heavier than perfect balance a part may be.
        ideal_part_weight: of a perfectly balanced part, rounded up.
        max_part_weight: the heaviest that a part may be.
        penalty: what each unit of weight beyond that costs.
    """

    num_parts: int
    epsilon: float
    ideal_part_weight: int
    max_part_weight: int
    penalty: int

    @classmethod
    def of(cls, instance: Any, num_parts: int, epsilon: Epsilon) -> Balance:
        """Return the balance of a graph or hypergraph.

        Raises:
            ValueError: a parameter is out of range.
        """
        checked = check_parameters(PartitionCost, "PartitionCost", num_parts=num_parts, epsilon=epsilon)
        num_parts, epsilon, n = checked["num_parts"], checked["epsilon"], instance.num_nodes
        if not 1 <= num_parts <= n:
            raise ValueError(f"num_parts must be in 1..{n} for {instance.name} ({n} nodes), not {num_parts}")
        ideal = -(-int(instance.node_weights.sum()) // num_parts)
        weighs = instance.node_weights > 0
        ratios = instance.weighted_degrees[weighs] / instance.node_weights[weighs]
        # The small addend keeps (1 + 0.03) * 100 at 103, not at 102.99999999999999.
        heaviest = math.floor((1 + epsilon) * ideal + 1e-9)
        return cls(num_parts, epsilon, ideal, heaviest, max(1, math.ceil(ratios.max())) if ratios.size else 1)

    @property
    def bounds(self) -> tuple[int, int, int]:
        """What the kernels read, in the order of ``PartitionState.bounds``."""
        return self.max_part_weight, self.penalty, self.ideal_part_weight

    def cost_of(self, state: Any, observe: Callable[..., None], term_names: Sequence[str]) -> Cost:
        """Return the cost of a state as its kernel ``observe`` tells it."""
        values = np.empty(2 + len(term_names))
        observe(state, np.empty((self.num_parts, len(PART_FEATURE_NAMES)), np.float32), values)
        violations = self.violations(state)
        return Cost(
            float(values[0]), dict(zip(term_names, values[2:].tolist(), strict=True)), not violations, violations
        )

    def violations(self, state: Any) -> tuple[str, ...]:
        """Say which parts of a state are too heavy, and how many nodes are in none."""
        violations = [
            f"part {part} weighs {weight}, at most {self.max_part_weight} is allowed"
            for part, weight in enumerate(state.part_weights.tolist())
            if weight > self.max_part_weight
        ]
        if state.totals[NUM_UNPLACED]:
            violations.append(f"{state.totals[NUM_UNPLACED]} nodes are in no part")
        return tuple(violations)


class PartitionCost:
    """The cost model of graph partitioning.

    Args:
        graph: what to partition.
        num_parts: into how many parts, 1 to the number of nodes.
        epsilon: how much heavier than perfect balance a part may be.

    Attributes:
        max_part_weight: the heaviest that a part may be.
        penalty: what each unit of weight beyond that costs.

    Raises:
        ValueError: a parameter is out of range.
    """

    def __init__(self, graph: Graph, num_parts: int, epsilon: Epsilon = 0.03) -> None:
        self.balance = Balance.of(graph, num_parts, epsilon)
        self.num_parts, self.epsilon = self.balance.num_parts, self.balance.epsilon
        self.max_part_weight, self.ideal_part_weight = self.balance.max_part_weight, self.balance.ideal_part_weight
        self.penalty = self.balance.penalty
        self.graph = graph
        once = graph.rows < graph.indices
        self._tails = graph.rows[once].astype(np.int32)
        self._heads = graph.indices[once]
        self._weights = graph.edge_weights[once]
        self._bounds = np.array(self.balance.bounds, np.int64)

    def cut(self, assignment: NDArray[np.int64]) -> int:
        """Return the weight of the edges between nodes placed in different parts; unplaced nodes cut nothing."""
        return int(_cut(assignment, self._tails, self._heads, self._weights))

    def evaluate(self, assignment: NDArray[np.int64]) -> Cost:
        """Return the cost of a whole or partial assignment.

        Args:
            assignment: int64 [num_nodes], a part or -1 for each node.

        Raises:
            ValueError: wrong shape or type, or a part outside -1..num_parts-1.
        """
        return self.cost_of(self.state(assignment))

    def state(self, assignment: NDArray[np.int64] | None = None) -> PartitionState:
        """Return the state that the kernels work on, over a copy of the assignment (default: nothing placed)."""
        graph, n, k = self.graph, self.graph.num_nodes, self.num_parts
        if assignment is None:
            assignment = np.full(n, -1, np.int64)
        state = PartitionState(
            assignment=check_assignment(assignment, n, k),
            part_weights=np.zeros(k, np.int64),
            part_cuts=np.zeros(k, np.int64),
            part_volumes=np.zeros(k, np.int64),
            outside=np.zeros(n, np.int64),
            boundary=np.zeros(n, np.int64),
            boundary_rank=np.full(n, -1, np.int64),
            totals=np.zeros(3, np.int64),
            indptr=graph.indptr,
            indices=graph.indices,
            edge_weights=graph.edge_weights,
            node_weights=graph.node_weights,
            weighted_degrees=graph.weighted_degrees,
            bounds=self._bounds,
        )
        initialise(state)
        return state

    def cost_of(self, state: PartitionState) -> Cost:
        """Return the cost of a state, without going over the graph again."""
        return self.balance.cost_of(state, observe, TERM_NAMES)


@jit.kernel
def _cut(assignment, tails, heads, weights):
    cut = 0
    for edge in range(tails.size):
        a = assignment[tails[edge]]
        b = assignment[heads[edge]]
        cut += weights[edge] * ((a != b) & (a >= 0) & (b >= 0))
    return cut
