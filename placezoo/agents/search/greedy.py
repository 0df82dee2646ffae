"""``greedy``: the textbook construction of each domain."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.agent import Agent
from placezoo.agents.chip.wire_mask import place_by_wire_mask
from placezoo.agents.device.list_scheduling import list_placement
from placezoo.agents.mcm.contiguous_blocks import equal_blocks
from placezoo.agents.partition.graph_growing import grow_parts
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.envs.device.problem import DevicePlaceProblem
from placezoo.envs.mcm.problem import MCMPartitionProblem
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.envs.problem import Kernel, PlacementProblem


@functools.singledispatch
def greedy_assignment(problem: PlacementProblem, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a greedy construction: each item, in order, goes where it adds least to the cost; ties at random.

    Domains with a better known greedy construction register their own.
    """
    kernel = problem.kernel()
    place_greedily(problem, kernel, problem.item_order, rng)
    return kernel.state.assignment


def place_greedily(
    problem: PlacementProblem, kernel: Kernel, items: NDArray[np.int64], rng: np.random.Generator
) -> None:
    """Place some unplaced items of a state, one after another, each where it adds least to the cost; ties at random."""
    mask = np.zeros(problem.num_resources, np.int8)
    _place_greedily(kernel.state, items, mask, kernel.delta, kernel.apply, problem.step_kernel.allowed, rng)


@jit.generic_loop
def _place_greedily(state, items, mask, delta, apply, allowed, rng):
    for item in items:
        allowed(state, item, mask)
        best, best_change, ties = -1, np.inf, 0
        for resource in range(mask.size):
            if mask[resource]:
                change = delta(state, (item, -1, resource, -1))
                ties = 1 if change < best_change else ties + (change == best_change)
                if change < best_change or (change == best_change and rng.random() * ties < 1.0):
                    best, best_change = resource, change
        apply(state, (item, -1, best, -1))


@greedy_assignment.register
def _(problem: GraphPartitionProblem, rng: np.random.Generator) -> NDArray[np.int64]:
    return grow_parts(problem.instance, problem.num_resources, problem.cost_model.max_part_weight, rng)


@greedy_assignment.register
def _(problem: ChipPlaceProblem, rng: np.random.Generator) -> NDArray[np.int64]:
    return place_by_wire_mask(problem, problem.item_order, rng.integers(problem.num_resources, size=problem.num_items))


@greedy_assignment.register
def _(problem: DevicePlaceProblem, rng: np.random.Generator) -> NDArray[np.int64]:
    placement = list_placement(problem, earliest_first=True)
    return problem.legalize(problem.with_priorities(placement))


@greedy_assignment.register
def _(problem: MCMPartitionProblem, rng: np.random.Generator) -> NDArray[np.int64]:
    return equal_blocks(problem, problem.num_resources)


@dataclass(frozen=True)
class Greedy(Agent):
    """The domain's greedy construction.

    For graph partitioning, greedy graph growing (Karypis & Kumar 1998, GGGP); for chips, the largest macro first, each
    by the wire mask (Shi et al. 2023). For neural networks on devices, m-etf; for
    chiplets, blocks of equal time.

    Args:
        starts: how many random starts; the best counts.
    """

    name = "greedy"

    starts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.starts >= 1, f"starts must be at least 1, not {self.starts}")

    def prepare(self, problem: PlacementProblem) -> None:
        """Compile what the search calls."""
        compile_repair(problem)
        greedy_assignment(problem, np.random.default_rng(0))

    def _search(self, search: Search) -> None:
        for _ in range(self.starts):
            assignment = repair(search.problem, greedy_assignment(search.problem, search.rng))
            search.evaluate(assignment)
            if search.is_over:
                return
