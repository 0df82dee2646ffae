"""Moves of chip placement, at the exact proxy cost.

A move is ``(item, source, target, partner)`` with cells for source and target, -1 for unplaced. ``partner`` is -1; or
an item that exchanges cells with ``item``; or ``MIRROR``, and source and target are orientations; or ``CYCLE - d``, and
the items ``item``, ``source``, ``target`` and d each go to the next one's cell.

Annealing's actions are the five of Circuit Training's and TILOS's simulated annealing: swap, shift, mirror, move,
shuffle; and a swap of two items of one size, which is legal wherever they are.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from placezoo import jit
from placezoo.cost_models.chip import proxy_state
from placezoo.cost_models.chip.congestion import DENSITY, HORIZONTAL, MACRO_HORIZONTAL, MACRO_VERTICAL, VERTICAL
from placezoo.cost_models.chip.layout import CYCLE, MIRROR, cell_centre, conflict_change, conflicts, position_mask
from placezoo.cost_models.chip.proxy_state import (
    CELL_HEIGHT,
    CELL_WIDTH,
    COLUMNS,
    LENGTH_SCALE,
    ROWS,
    SCALE_H,
    SCALE_V,
    TOTAL,
    begin_change,
    commit,
    flipped,
    list_block,
    try_change,
)
from placezoo.cost_models.chip.soft_placer import axis_lengths
from placezoo.cost_models.chip.state import (
    CONFLICT_PENALTY,
    CONFLICTS,
    ESTIMATE_ROUNDS,
    TRIED,
    UNPLACED,
    ChipState,
    estimate,
    total_of,
)

TERM_NAMES = ("wirelength", "density", "congestion")
CELL_FEATURE_NAMES = (
    "density", "congestion_vertical", "congestion_horizontal", "wire_mask", "position_mask", "free", "x", "y"
)  # fmt: skip
(  # columns of those features
    CELL_DENSITY, CELL_CONGESTION_VERTICAL, CELL_CONGESTION_HORIZONTAL, CELL_WIRE_MASK, CELL_POSITION_MASK, CELL_FREE,
    CELL_X, CELL_Y,
) = range(8)  # fmt: skip
_TWINS = 0.2  # share of the swaps of items of one size; of the rest,
_SWAP, _SHIFT, _MIRROR, _MOVE = 0.24, 0.48, 0.52, 0.76  # upper ends of the shares of the five actions (TILOS, GWTW)
_NEAR = 3  # cells: half of the moves go no further


@jit.ieee_kernel
def _list_move(state, move):
    """List where a move's blocks go in the proxy state."""
    item, source, target, partner = move
    proxy, layout = state.proxy, state.layout
    begin_change(proxy)
    cycle = (item, source, target, CYCLE - partner)
    for rank in range(4 if partner <= CYCLE else 2 if partner >= 0 else 1):
        one = cycle[rank] if partner <= CYCLE else item if rank == 0 else partner
        block = layout.item_block[one]
        x, y, turn, placed = proxy.x[block], proxy.y[block], proxy.orientation[block], 1
        if partner <= CYCLE:
            goal = layout.item_block[cycle[(rank + 1) % 4]]
            x, y = proxy.x[goal], proxy.y[goal]
        elif partner == MIRROR:
            turn = np.int8(target)
        elif rank == 1:
            x, y = proxy.x[layout.item_block[item]], proxy.y[layout.item_block[item]]
        elif target >= 0:
            x, y = cell_centre(layout, target)
        else:
            placed = 0
        list_block(proxy, block, x, y, turn, placed)


@jit.ieee_kernel
def _try_move(state, move):
    """Compute the proxy cost after a move, and remember that this is the move tried."""
    counts = state.counts
    counts[TRIED], counts[TRIED + 1], counts[TRIED + 2], counts[TRIED + 3] = move
    counts[TRIED + 4] = conflict_change(state.layout, move, counts[CONFLICTS] > 0)
    _list_move(state, move)
    return try_change(state.proxy)


@jit.inlined
def _is_tried(state, move):
    counts = state.counts
    return (
        counts[TRIED] == move[0] and counts[TRIED + 1] == move[1]
        and counts[TRIED + 2] == move[2] and counts[TRIED + 3] == move[3]
        and state.proxy.counts[proxy_state.NUM_MOVED] > 0
    )  # fmt: skip


@jit.inlined
def _is_void(move):
    return (move[3] >= -1 and move[1] == move[2]) or (move[3] == MIRROR and move[1] == move[2])


@jit.ieee_kernel
def delta(state, move):
    """Return what a move adds to the total cost, exactly; what follows from the assignment stays as it is.

    A move from or to an incomplete assignment adds nothing: constructions are paid for when they are complete.
    """
    if _is_void(move) or state.counts[UNPLACED] > 0 or (move[2] < 0 and move[3] == -1):
        return 0.0
    total = _try_move(state, move)
    return total - state.proxy.totals[TOTAL] + CONFLICT_PENALTY * state.counts[TRIED + 4]


@jit.ieee_kernel
def apply(state, move):
    """Make a move; while the assignment is incomplete, soft macros follow as estimates."""
    if _is_void(move):
        return
    item, source, target, partner = move
    assignment, counts = state.assignment, state.counts
    if not _is_tried(state, move):
        _try_move(state, move)
    commit(state.proxy)
    counts[CONFLICTS] += counts[TRIED + 4]
    if partner == MIRROR:
        return
    if partner <= CYCLE:
        last, first = CYCLE - partner, assignment[item]
        assignment[item], assignment[source] = assignment[source], assignment[target]
        assignment[target], assignment[last] = assignment[last], first
        return
    assignment[item] = target
    if partner >= 0:
        assignment[partner] = source
    if source < 0:
        counts[UNPLACED] -= 1
        estimate(state, ESTIMATE_ROUNDS)
    if target < 0:
        counts[UNPLACED] += 1


@jit.ieee_kernel
def undo(state, move):
    """Take a move back that was just made."""
    item, source, target, partner = move
    if partner <= CYCLE:  # four items, backwards
        apply(state, (CYCLE - partner, target, source, CYCLE - item))
    else:
        apply(state, (item, target, source, partner))


@jit.ieee_kernel
def propose(state: ChipState, rng: Generator):
    """Draw one of annealing's actions; void (source = target) where the draw is not legal."""
    layout, assignment = state.layout, state.assignment
    n, columns, rows = assignment.size, layout.shape[COLUMNS], layout.shape[ROWS]
    item = int(rng.random() * n)
    source = assignment[item]
    kind = rng.random()
    void = (item, source, source, -1)
    if source < 0:
        target = int(rng.random() * columns * rows)
        x, y = cell_centre(layout, target)
        return (item, source, target, -1) if conflicts(layout, item, x, y, -1, -1, -1) == 0 else void
    block = state.item_block[item]
    is_clean = state.counts[CONFLICTS] == 0
    same_size = rng.random() < _TWINS and state.twins[2, item] > 1
    if same_size or (kind < _SWAP and n > 1):
        if same_size:
            partner = state.twins[0, state.twins[1, item] + int(rng.random() * state.twins[2, item])]
        else:
            partner = int(rng.random() * (n - 1))
            partner += partner >= item
        if assignment[partner] < 0 or assignment[partner] == source:
            return void
        move = (item, source, assignment[partner], partner)
        return move if conflict_change(layout, move, not is_clean) <= 0 else void
    if kind < _SHIFT:
        column, row = source % columns, source // columns
        direction = int(rng.random() * 4)
        column += (direction == 0) - (direction == 1)
        row += (direction == 2) - (direction == 3)
    elif kind < _MIRROR:
        if not state.item_hard[item]:
            return void
        turn = state.proxy.orientation[block]
        return item, turn, flipped(turn, 1 + int(rng.random() * 3)), MIRROR
    elif kind < _MOVE or n < 4:
        column, row = int(rng.random() * columns), int(rng.random() * rows)
        if rng.random() < 0.5:
            column = source % columns + int(rng.random() * (2 * _NEAR + 1)) - _NEAR
            row = source // columns + int(rng.random() * (2 * _NEAR + 1)) - _NEAR
    else:
        a = int(rng.random() * n)
        b = int(rng.random() * n)
        c = int(rng.random() * n)
        distinct = item != a and item != b and item != c and a != b and a != c and b != c
        if not distinct or assignment[a] < 0 or assignment[b] < 0 or assignment[c] < 0:
            return void
        move = (item, a, b, CYCLE - c)
        return move if conflict_change(layout, move, not is_clean) <= 0 else void
    if column < 0 or column >= columns or row < 0 or row >= rows:
        return void
    move = (item, source, row * columns + column, -1)
    return move if conflict_change(layout, move, not is_clean) <= 0 else void


@jit.ieee_kernel
def allowed(state, item, mask):
    """Mark the cells where an item may be placed: mask [cells]."""
    position_mask(state.layout, item, mask)


@jit.ieee_kernel
def movable(state, mask):
    """Mark the moves of an improving step: mask [items, cells]; if there is none, every item may stay."""
    n, cells = state.assignment.size, state.proxy.shape[COLUMNS] * state.proxy.shape[ROWS]
    found = False
    for item in range(n):
        position_mask(state.layout, item, mask[item])
        own = state.assignment[item]
        if own >= 0:
            mask[item, own] = 0
        for cell in range(cells):
            if mask[item, cell]:
                found = True
                break
    if not found:
        for item in range(n):
            mask[item, max(state.assignment[item], 0)] = 1


@jit.ieee_kernel
def wire_mask(state, item, out):
    """Write what the item adds to the wirelength at each cell's centre, in units of the cost: out [cells].

    Source: Lai et al. 2022, MaskPlace; soft macros count where they are estimated to be.
    """
    proxy = state.proxy
    columns, rows = proxy.shape[COLUMNS], proxy.shape[ROWS]
    along_x, along_y = np.empty(columns), np.empty(rows)
    block = state.item_block[item]
    axis_lengths(proxy, block, proxy.x, 0, proxy.grid[CELL_WIDTH], columns, along_x)
    axis_lengths(proxy, block, proxy.y, 1, proxy.grid[CELL_HEIGHT], rows, along_y)
    scale = proxy.grid[LENGTH_SCALE]
    for row in range(rows):
        for column in range(columns):
            out[row * columns + column] = scale * (along_x[column] + along_y[row])


@jit.inlined
def current_item(state):
    """Return the first unplaced item in the order of construction, or -1."""
    if state.counts[UNPLACED] > 0:
        for item in state.order:
            if state.assignment[item] < 0:
                return item
    return -1


@jit.ieee_kernel
def observe(state, features, values):
    """Write the cells' features [cells, 8] and the values total, feasible, then the terms by TERM_NAMES.

    The wire mask is that of the current item, 0 at its shortest cell and 1 at its longest; without an item it is 0.
    """
    proxy = state.proxy
    columns, rows = proxy.shape[COLUMNS], proxy.shape[ROWS]
    cells = columns * rows
    grids = proxy.grids
    item = current_item(state)
    wires = np.zeros(cells)
    mask = np.zeros(cells, np.int8)
    if item >= 0:
        wire_mask(state, item, wires)
        position_mask(state.layout, item, mask)
        low, high = wires.min(), wires.max()
        if high > low:
            wires[:] = (wires - low) / (high - low)
        else:
            wires[:] = 0.0
    for cell in range(cells):
        vertical = (grids[VERTICAL, cell] + grids[MACRO_VERTICAL, cell]) * proxy.grid[SCALE_V]
        horizontal = (grids[HORIZONTAL, cell] + grids[MACRO_HORIZONTAL, cell]) * proxy.grid[SCALE_H]
        features[cell, CELL_DENSITY] = max(min(grids[DENSITY, cell], 2.0) / 2.0, 0.0)
        features[cell, CELL_CONGESTION_VERTICAL] = max(min(vertical, 2.0) / 2.0, 0.0)
        features[cell, CELL_CONGESTION_HORIZONTAL] = max(min(horizontal, 2.0) / 2.0, 0.0)
        features[cell, CELL_WIRE_MASK] = min(max(wires[cell], 0.0), 1.0)
        features[cell, CELL_POSITION_MASK] = mask[cell]
        features[cell, CELL_FREE] = 1.0 if grids[DENSITY, cell] < 1e-9 else 0.0
        features[cell, CELL_X] = 2.0 * (cell % columns + 0.5) / columns - 1.0
        features[cell, CELL_Y] = 2.0 * (cell // columns + 0.5) / rows - 1.0
    values[0] = total_of(state)
    values[1] = 1.0 if state.counts[UNPLACED] == 0 and state.counts[CONFLICTS] == 0 else 0.0
    values[2] = proxy.totals[proxy_state.LENGTH] * proxy.grid[LENGTH_SCALE]
    values[3] = proxy.totals[proxy_state.DENSITY]
    values[4] = proxy.totals[proxy_state.CONGESTION]
