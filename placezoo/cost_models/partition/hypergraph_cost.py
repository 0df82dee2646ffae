"""The cost of hypergraph partitions: cut nets or connectivity, and balance as for graphs."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.assignment import check_assignment
from placezoo.cost_models.cost import Cost
from placezoo.cost_models.partition import hypergraph_moves as moves
from placezoo.cost_models.partition.cost import Balance, Epsilon
from placezoo.cost_models.partition.hypergraph_moves import HypergraphState
from placezoo.datasets.partition.hypergraph import Hypergraph
from placezoo.parameters import check_parameters, one_of

OBJECTIVES = ("cut-net", "km1")  # by their numbers in the kernels


class HypergraphCost:
    """The cost model of hypergraph partitioning.

    Args:
        hypergraph: what to partition.
        num_parts: into how many parts, 1 to the number of nodes.
        epsilon: how much heavier than perfect balance a part may be.
        objective: what ``total`` counts: ``cut-net``, the weight of the nets whose pins lie in different parts; or
            ``km1``, each net's weight times the number of parts it spans less one.

    Attributes:
        max_part_weight: the heaviest that a part may be.
        penalty: what each unit of weight beyond that costs.

    Raises:
        ValueError: a parameter is out of range.

    Source: Schlag et al. 2022 (KaHyPar), section 2, for both objectives.
    """

    def __init__(
        self,
        hypergraph: Hypergraph,
        num_parts: int,
        epsilon: Epsilon = 0.03,
        objective: Annotated[str, one_of(*OBJECTIVES)] = "km1",
    ) -> None:
        self.objective: str = check_parameters(HypergraphCost, "HypergraphCost", objective=objective)["objective"]
        self.balance = Balance.of(hypergraph, num_parts, epsilon)
        self.num_parts, self.epsilon = self.balance.num_parts, self.balance.epsilon
        self.max_part_weight, self.ideal_part_weight = self.balance.max_part_weight, self.balance.ideal_part_weight
        self.penalty = self.balance.penalty
        self.hypergraph = hypergraph
        self._bounds = np.array([*self.balance.bounds, OBJECTIVES.index(self.objective)], np.int64)

    def evaluate(self, assignment: NDArray[np.int64]) -> Cost:
        """Return the cost of a whole or partial assignment; unplaced nodes are no pins.

        Args:
            assignment: int64 [num_nodes], a part or -1 for each node.

        Raises:
            ValueError: wrong shape or type, or a part outside -1..num_parts-1.
        """
        return self.cost_of(self.state(assignment))

    def state(self, assignment: NDArray[np.int64] | None = None) -> HypergraphState:
        """Return the state that the kernels work on, over a copy of the assignment (default: nothing placed)."""
        hypergraph, n, k = self.hypergraph, self.hypergraph.num_nodes, self.num_parts
        if assignment is None:
            assignment = np.full(n, -1, np.int64)
        state = HypergraphState(
            assignment=check_assignment(assignment, n, k),
            part_weights=np.zeros(k, np.int64),
            part_cuts=np.zeros(k, np.int64),
            part_volumes=np.zeros(k, np.int64),
            outside=np.zeros(n, np.int64),
            boundary=np.zeros(n, np.int64),
            boundary_rank=np.full(n, -1, np.int64),
            totals=np.zeros(4, np.int64),
            counts=np.zeros((hypergraph.num_nets, k), np.int32),
            spans=np.zeros(hypergraph.num_nets, np.int64),
            net_ptr=hypergraph.net_ptr,
            pins=hypergraph.pins,
            node_ptr=hypergraph.node_ptr,
            node_nets=hypergraph.node_nets,
            net_weights=hypergraph.net_weights,
            node_weights=hypergraph.node_weights,
            weighted_degrees=hypergraph.weighted_degrees,
            bounds=self._bounds,
        )
        moves.initialise(state)
        return state

    def cost_of(self, state: HypergraphState) -> Cost:
        """Return the cost of a state, without going over the hypergraph again."""
        return self.balance.cost_of(state, moves.observe, moves.TERM_NAMES)
