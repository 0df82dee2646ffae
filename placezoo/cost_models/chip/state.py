"""A chip placement as items on cells of the grid, with the exact proxy cost of all that lies there.

An assignment gives each item (a movable hard macro; with ``movable="all"`` soft macros too) the cell at whose centre it
lies. What it leaves open, flips and soft macros, follows once every item is placed (``completion``). While an
assignment is incomplete it costs nothing, and soft macros are where springs to what is placed hold them: the wire mask
goes by that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip.layout import Layout, cell_centre, conflicts, obstacle_conflicts
from placezoo.cost_models.chip.proxy_state import HEIGHT, TOTAL, WIDTH, ProxyState, rebuild
from placezoo.cost_models.chip.spreading import Springs, relax

CONFLICT_PENALTY = (
    1.0  # what each pair of overlapping hard macros, and each macro outside the canvas, adds to the total
)

UNPLACED, CONFLICTS, FLIPS, TRIED = range(4)  # counts; the move tried last
NUM_COUNTS = TRIED + 5  # and what it adds to the conflicts are the last five
_FIRST_ROUNDS, ESTIMATE_ROUNDS = 16, 2


class ChipState(NamedTuple):
    """A placement as items on cells; N items, S derived soft macros, K obstacles."""

    assignment: NDArray[np.int64]  # [N], cell or -1
    proxy: ProxyState
    links: Springs  # of the derived soft macros
    item_block: NDArray[np.int64]  # [N]
    item_hard: NDArray[np.int8]  # [N]
    order: NDArray[np.int64]  # [N], of construction
    twins: NDArray[np.int64]  # [3, N]: items by size; where those of an item's size start there; how many they are
    layout: Layout
    home_orientation: NDArray[np.int8]  # [N], the netlist's
    counts: NDArray[np.int64]  # [NUM_COUNTS], see above
    anchors: NDArray[np.float64]  # [S, 2], scratch


@jit.inlined
def estimate(state, rounds):
    """Let soft macros follow what is placed (springs), while something is not."""
    if state.links.blocks.size > 0:
        relax(state.proxy, state.links, state.anchors, 0.0, rounds)


@jit.ieee_kernel
def start(state):
    """Compute a state from its assignment, all arrays being empty or fixed; whole, it still needs ``complete``."""
    proxy, layout, counts = state.proxy, state.layout, state.counts
    counts[UNPLACED] = 0
    for item in range(state.assignment.size):
        block = state.item_block[item]
        proxy.orientation[block] = state.home_orientation[item]
        proxy.placed[block] = state.assignment[item] >= 0
        if state.assignment[item] >= 0:
            proxy.x[block], proxy.y[block] = cell_centre(layout, state.assignment[item])
        else:
            counts[UNPLACED] += 1
    pairs, alone = 0, 0
    for item in range(state.assignment.size):
        if state.assignment[item] >= 0:
            block = state.item_block[item]
            own = obstacle_conflicts(layout, item, proxy.x[block], proxy.y[block])
            alone += own
            pairs += conflicts(layout, item, proxy.x[block], proxy.y[block], -1, -1, -1) - own
    counts[CONFLICTS] = pairs // 2 + alone
    for block in state.links.blocks:
        proxy.x[block], proxy.y[block] = 0.5 * proxy.grid[WIDTH], 0.5 * proxy.grid[HEIGHT]
        proxy.placed[block] = 0
    if counts[UNPLACED] > 0:
        estimate(state, _FIRST_ROUNDS)
        rebuild(proxy)


@jit.inlined
def total_of(state):
    """Return the total cost: nothing while an item is unplaced."""
    if state.counts[UNPLACED] > 0:
        return 0.0
    return state.proxy.totals[TOTAL] + CONFLICT_PENALTY * state.counts[CONFLICTS]
