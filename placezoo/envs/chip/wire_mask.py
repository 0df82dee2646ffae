"""Greedy placement of macros by the wire mask: each to the free cell that lengthens the wires least.

Source: Shi, Xue, Song & Qian 2023, "Macro placement by wire-mask-guided black-box optimization" (WireMask-BBO).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip import layout as chip_layout
from placezoo.cost_models.chip import moves as chip_moves
from placezoo.cost_models.chip.proxy_state import COLUMNS, ROWS
from placezoo.cost_models.chip.state import ChipState

GREEDY_SLACK = 0.02  # of the wire mask's range: cells that are equally short up to this are ties


def place_by_wire_mask(
    state: ChipState, order: NDArray[np.int64], genotype: NDArray[np.int64], slack: float = GREEDY_SLACK
) -> NDArray[np.int64]:
    """Return the assignment that a genotype stands for.

    Item by item in the order, each goes to the free cell that adds least to the wirelength; of those that add the least
    up to the slack, to the one nearest to the genotype's. One that fits nowhere is left to where it overlaps least.

    Args:
        state: of a chip with nothing placed; it is changed.
        order: int64 [num_items].
        genotype: int64 [num_items], cells.
        slack: as a share of the wire mask's range.
    """
    cells = state.layout.shape[COLUMNS] * state.layout.shape[ROWS]
    _decode(state, order, genotype, slack, np.zeros(cells, np.int8), np.zeros(cells))
    return state.assignment


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
