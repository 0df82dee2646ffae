"""``wire-mask``: greedy placement by the wire mask, and evolution of where it is to tend.

Source: Shi, Xue, Song & Qian 2023, "Macro placement by wire-mask-guided black-box optimization" (WireMask-BBO).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search
from placezoo.cost_models.chip import layout as chip_layout
from placezoo.cost_models.chip import moves as chip_moves
from placezoo.cost_models.chip.proxy_state import COLUMNS
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.envs.problem import PlacementProblem

GREEDY_SLACK = 0.02  # of the wire mask's range: cells that are equally short up to this are ties


def place_by_wire_mask(
    problem: ChipPlaceProblem, order: NDArray[np.int64], genotype: NDArray[np.int64], slack: float = GREEDY_SLACK
) -> NDArray[np.int64]:
    """Return the assignment that a genotype stands for.

    Item by item in the order, each goes to the free cell that adds least to the wirelength; of those that add the least
    up to the slack, to the one nearest to the genotype's. One that fits nowhere is left to where it overlaps least.

    Args:
        problem: of which.
        order: int64 [num_items].
        genotype: int64 [num_items], cells.
        slack: as a share of the wire mask's range.
    """
    kernel = problem.kernel()
    mask, wires = np.zeros(problem.num_resources, np.int8), np.zeros(problem.num_resources)
    _decode(kernel.state, order, genotype, slack, mask, wires)
    return kernel.state.assignment


@jit.ieee_kernel
def _decode(state, order, genotype, slack, mask, wires):
    columns = state.layout.shape[COLUMNS]
    for item in order:
        chip_layout.position_mask(state.layout, item, mask)
        chip_moves.wire_mask(state, item, wires)
        least, most = np.inf, -np.inf
        for cell in range(mask.size):
            if mask[cell]:
                least, most = min(least, wires[cell]), max(most, wires[cell])
        goal = genotype[item]
        best, nearest = -1, 1 << 62
        for cell in range(mask.size):
            if mask[cell] and wires[cell] <= least + slack * (most - least):
                dx, dy = cell % columns - goal % columns, cell // columns - goal // columns
                if dx * dx + dy * dy < nearest:
                    best, nearest = cell, dx * dx + dy * dy
        if best < 0:
            fewest = 1 << 30
            for cell in range(mask.size):
                x, y = chip_layout.cell_centre(state.layout, cell)
                count = chip_layout.conflicts(state.layout, item, x, y, -1, -1, -1)
                if count < fewest:
                    best, fewest = cell, count
        chip_moves.apply(state, (item, -1, best, -1))


def net_area_order(problem: ChipPlaceProblem) -> NDArray[np.int64]:
    """Return the items by decreasing sum, over their nets, of the area of the nets' macros: int64 [num_items]."""
    netlist = problem.instance
    owners = netlist.owners[netlist.net_nodes]
    area = np.prod(netlist.sizes, axis=1)
    net_of = np.repeat(np.arange(netlist.num_nets), np.diff(netlist.net_indptr))
    of_net = np.bincount(net_of, area[owners], minlength=netlist.num_nets)
    of_node = np.bincount(owners, of_net[net_of], minlength=netlist.num_nodes)
    return np.argsort(-of_node[problem.item_nodes], kind="stable")


@dataclass(frozen=True)
class WireMask(Agent):
    """WireMask-EA: a genotype gives each macro a cell, the wire mask decides between equals near it.

    The best of some random genotypes is mutated by exchanging the cells of two macros; a mutant that is no worse
    replaces it.

    Args:
        starts: random genotypes before evolution begins.
        slack: which cells are ties, as a share of the wire mask's range.
    """

    name = "wire-mask"
    problem_class = ChipPlaceProblem

    starts: int = 20
    slack: float = GREEDY_SLACK

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.starts >= 1, f"starts must be at least 1, not {self.starts}")
        self.require(0 <= self.slack <= 1, f"slack must be in [0, 1], not {self.slack}")

    def prepare(self, problem: PlacementProblem) -> None:
        """Compile what the search calls."""
        assert isinstance(problem, ChipPlaceProblem)
        problem.evaluate(place_by_wire_mask(problem, problem.item_order, np.zeros(problem.num_items, np.int64)))

    def _search(self, search: Search) -> None:
        problem, rng = search.problem, search.rng
        assert isinstance(problem, ChipPlaceProblem)
        order = net_area_order(problem)
        best, least = np.zeros(0, np.int64), np.inf
        for number in range(1 << 62):
            if number < self.starts:
                genotype = rng.integers(problem.num_resources, size=problem.num_items)
            else:
                genotype = best.copy()
                pair = rng.integers(problem.num_items, size=2)
                genotype[pair] = genotype[pair[::-1]]
            total = search.evaluate(place_by_wire_mask(problem, order, genotype, self.slack)).total
            if total <= least:
                best, least = genotype, total
            if search.is_over:
                return
