"""``wire-mask``: evolution of where greedy placement by the wire mask is to tend.

Source: Shi, Xue, Song & Qian 2023, "Macro placement by wire-mask-guided black-box optimization" (WireMask-BBO).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.envs.chip.wire_mask import GREEDY_SLACK, place_by_wire_mask
from placezoo.parameters import at_least, between


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
class WireMask(Agent[ChipPlaceProblem]):
    """WireMask-EA: a genotype gives each macro a cell, the wire mask decides between equals near it.

    The best of some random genotypes is mutated by exchanging the cells of two macros; a mutant that is no worse
    replaces it.

    Args:
        starts: random genotypes before evolution begins.
        slack: which cells are ties, as a share of the wire mask's range.
    """

    name = "wire-mask"

    starts: Annotated[int, at_least(1)] = 20
    slack: Annotated[float, between(0, 1)] = GREEDY_SLACK

    def prepare(self, problem: ChipPlaceProblem) -> None:
        """Compile what the search calls."""
        with problem.tally.paused():
            problem.evaluate(
                place_by_wire_mask(problem.kernel().state, problem.item_order, np.zeros(problem.num_items, np.int64))
            )

    def _search(self, search: Search[ChipPlaceProblem]) -> None:
        problem, rng = search.problem, search.rng
        order = net_area_order(problem)
        best, least = np.zeros(0, np.int64), np.inf
        for number in range(1 << 62):
            if number < self.starts:
                genotype = rng.integers(problem.num_resources, size=problem.num_items)
            else:
                genotype = best.copy()
                pair = rng.integers(problem.num_items, size=2)
                genotype[pair] = genotype[pair[::-1]]
            total = search.evaluate(place_by_wire_mask(problem.kernel().state, order, genotype, self.slack)).total
            if total <= least:
                best, least = genotype, total
            if search.is_over:
                return
