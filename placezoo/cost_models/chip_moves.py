"""Moves of chip placement: macros between the cells of the grid, at the exact proxy cost.

An assignment gives each item (a movable hard macro; with ``movable="all"`` soft macros too) the cell at whose centre it
lies. What the assignment leaves open follows from it: once every item is placed, hard macros are flipped for the
shortest wires and soft macros placed (``cost_models.soft_placer``). While an assignment is incomplete it costs nothing,
and soft macros are where springs to what is placed hold them: that is the estimate that the wire mask goes by.

A move is ``(item, source, target, partner)`` with cells for source and target, -1 for unplaced. ``partner`` is -1; or
an item that exchanges cells with ``item``; or ``MIRROR``, and source and target are orientations; or ``CYCLE - d``, and
the items ``item``, ``source``, ``target`` and d each go to the next one's cell.

Annealing's five actions are those of Circuit Training's and TILOS's simulated annealing: swap, shift, mirror, move,
shuffle.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from placezoo.cost_models import proxy_state
from placezoo.cost_models.congestion import HORIZONTAL, MACRO_HORIZONTAL, MACRO_VERTICAL, VERTICAL
from placezoo.cost_models.proxy_state import (
    CELL_HEIGHT,
    CELL_WIDTH,
    COLUMNS,
    FIRST_ROTATED,
    HEIGHT,
    LENGTH_SCALE,
    ROWS,
    SCALE_H,
    SCALE_V,
    TOTAL,
    WIDTH,
    ProxyState,
    begin_change,
    commit,
    list_block,
    rebuild,
    try_change,
)
from placezoo.cost_models.soft_placer import axis_lengths, place_soft_macros, sweep
from placezoo.cost_models.spreading import Springs, relax

TERM_NAMES = ("wirelength", "density", "congestion")
CELL_FEATURE_NAMES = (
    "density", "congestion_vertical", "congestion_horizontal", "wire_mask", "position_mask", "free", "x", "y"
)  # fmt: skip
MIRROR, CYCLE = -2, -3
CONFLICT_PENALTY = (
    1.0  # what each pair of overlapping hard macros, and each macro outside the canvas, adds to the total
)

UNPLACED, CONFLICTS, DERIVED, FLIPS, PENDING_ITEM, PENDING_TARGET, ESTIMATED, TRIED = range(
    8
)  # counts; the move tried last
NUM_COUNTS = TRIED + 5  # and what it adds to the conflicts are the last five
_SWEEPS = 3
_FIRST_ROUNDS, _ESTIMATE_ROUNDS = 16, 2
_SWAP, _SHIFT, _MIRROR, _MOVE = 0.24, 0.48, 0.52, 0.76  # upper ends of the shares of the five actions (TILOS, GWTW)
_NEAR = 3  # cells: half of the moves go no further
_TOUCH = 1e-9  # micron: blocks that share an edge do not overlap


class Layout(NamedTuple):
    """What legality goes by: few arrays, shared with the rest of the state, as each costs a little at every call."""

    assignment: NDArray[np.int64]  # [N], cell or -1
    item_block: NDArray[np.int64]  # [N]
    item_hard: NDArray[np.int8]  # [N]
    obstacles: NDArray[np.float64]  # [K, 4], x0, y0, x1, y1, micron: blockages and fixed hard macros
    x: NDArray[np.float64]  # [B], centre, micron
    y: NDArray[np.float64]  # [B]
    half: NDArray[np.float64]  # [N, 2], half of width and height as placed, micron
    grid: NDArray[np.float64]
    shape: NDArray[np.int64]


class ChipState(NamedTuple):
    """A placement as items on cells; N items, S derived soft macros, K obstacles."""

    assignment: NDArray[np.int64]  # [N], cell or -1
    proxy: ProxyState
    links: Springs  # of the derived soft macros
    item_block: NDArray[np.int64]  # [N]
    item_hard: NDArray[np.int8]  # [N]
    order: NDArray[np.int64]  # [N], of construction
    layout: Layout
    home_orientation: NDArray[np.int8]  # [N], the netlist's
    counts: NDArray[np.int64]  # [NUM_COUNTS], see above
    anchors: NDArray[np.float64]  # [S, 2], scratch


_kernel = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
_function = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
def cell_centre(layout, cell):
    """Return x and y of a cell's centre, micron."""
    columns = layout.shape[COLUMNS]
    row = cell // columns
    return (cell - row * columns + 0.5) * layout.grid[CELL_WIDTH], (row + 0.5) * layout.grid[CELL_HEIGHT]


@_function
def obstacle_conflicts(layout, item, x, y):
    """Count the obstacles that an item with its centre at (x, y) overlaps; outside the canvas counts as one."""
    if not layout.item_hard[item]:
        return 0
    obstacles, grid = layout.obstacles, layout.grid
    half_x, half_y = layout.half[item, 0] - _TOUCH, layout.half[item, 1] - _TOUCH
    outside = x - half_x < 0 or y - half_y < 0 or x + half_x > grid[WIDTH] or y + half_y > grid[HEIGHT]
    count = 1 if outside else 0
    for k in range(obstacles.shape[0]):
        if x + half_x > obstacles[k, 0] and x - half_x < obstacles[k, 2]:
            if y + half_y > obstacles[k, 1] and y - half_y < obstacles[k, 3]:
                count += 1
    return count


@_function
def conflicts(layout, item, x, y, skip_a, skip_b, skip_c):
    """Count what an item with its centre at (x, y) overlaps; up to three other items are passed over."""
    if not layout.item_hard[item]:
        return 0
    assignment, item_block, item_hard = layout.assignment, layout.item_block, layout.item_hard
    block_x, block_y, half = layout.x, layout.y, layout.half
    half_x, half_y = half[item, 0] - _TOUCH, half[item, 1] - _TOUCH
    count = obstacle_conflicts(layout, item, x, y)
    for other in range(assignment.size):
        block = item_block[other]
        if abs(block_x[block] - x) < half_x + half[other, 0] and abs(block_y[block] - y) < half_y + half[other, 1]:
            if assignment[other] >= 0 and item_hard[other] and other != item:
                if other != skip_a and other != skip_b and other != skip_c:
                    count += 1
    return count


@_kernel
def _pair(layout, item, x, y, other, other_x, other_y):
    """Whether two items with these centres overlap."""
    if not layout.item_hard[item] or not layout.item_hard[other]:
        return 0
    near_x = abs(x - other_x) < layout.half[item, 0] + layout.half[other, 0] - _TOUCH
    return 1 if near_x and abs(y - other_y) < layout.half[item, 1] + layout.half[other, 1] - _TOUCH else 0


@_function
def _conflict_change(layout, move, before_too):
    """Return what a move adds to the conflicts; ``before_too`` False: only how many there are with it."""
    item, source, target, partner = move
    item_block = layout.item_block
    x, y = layout.x[item_block[item]], layout.y[item_block[item]]
    change = 0
    if partner == MIRROR:
        return 0
    if partner <= CYCLE:
        items = (item, source, target, CYCLE - partner)
        for rank in range(4):
            one, a, b, c = items[rank], items[(rank + 1) % 4], items[(rank + 2) % 4], items[(rank + 3) % 4]
            here, there = item_block[one], item_block[a]
            change += conflicts(layout, one, layout.x[there], layout.y[there], a, b, c)
            if before_too:
                change -= conflicts(layout, one, layout.x[here], layout.y[here], a, b, c)
            for second in range(rank + 1, 4):
                two = items[second]
                far, goal = item_block[two], item_block[items[(second + 1) % 4]]
                change += _pair(layout, one, layout.x[there], layout.y[there], two, layout.x[goal], layout.y[goal])
                if before_too:
                    change -= _pair(layout, one, layout.x[here], layout.y[here], two, layout.x[far], layout.y[far])
        return change
    if before_too and source >= 0:
        change -= conflicts(layout, item, x, y, partner, -1, -1)
    if target < 0:
        return change
    new_x, new_y = cell_centre(layout, target)
    change += conflicts(layout, item, new_x, new_y, partner, -1, -1)
    if partner >= 0:
        other_x, other_y = layout.x[item_block[partner]], layout.y[item_block[partner]]
        change += conflicts(layout, partner, x, y, item, -1, -1) + _pair(layout, item, new_x, new_y, partner, x, y)
        if before_too:
            change -= conflicts(layout, partner, other_x, other_y, item, -1, -1)
            change -= _pair(layout, item, x, y, partner, other_x, other_y)
    return change


@_function
def flip_macros(state):
    """Give each hard macro the orientation of least wirelength among the four without a quarter turn, twice over."""
    proxy = state.proxy
    x, y, placed, orientation = proxy.x, proxy.y, proxy.placed, proxy.orientation
    net_ptr, net_weights, terminal_block = proxy.net_ptr, proxy.net_weights, proxy.terminal_block
    terminal_offset, terminal_net, shift = proxy.terminal_offset, proxy.terminal_net, proxy.terminal_shift
    block_ptr, block_terminals, stamps, counts = proxy.block_ptr, proxy.block_terminals, proxy.net_stamp, proxy.counts
    for _ in range(2):
        changed = False
        for item in range(state.assignment.size):
            if not state.item_hard[item] or state.assignment[item] < 0:
                continue
            block = state.item_block[item]
            first = FIRST_ROTATED if orientation[block] >= FIRST_ROTATED else 0
            best, least = orientation[block], np.inf
            for choice in range(4):
                # The present one first: only a shorter one replaces it.
                turn = first + (orientation[block] - first + choice) % 4
                counts[proxy_state.STAMP] += 1
                length = 0.0
                for entry in range(block_ptr[block], block_ptr[block + 1]):
                    net = terminal_net[block_terminals[entry]]
                    if stamps[net] == counts[proxy_state.STAMP]:
                        continue
                    stamps[net] = counts[proxy_state.STAMP]
                    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
                    for terminal in range(net_ptr[net], net_ptr[net + 1]):
                        other = terminal_block[terminal]
                        if other == block:
                            shift_x, shift_y = proxy_state.turned(
                                turn, terminal_offset[terminal, 0], terminal_offset[terminal, 1]
                            )
                        elif placed[other]:
                            shift_x, shift_y = shift[terminal, 0], shift[terminal, 1]
                        else:
                            continue
                        low_x, high_x = min(low_x, x[other] + shift_x), max(high_x, x[other] + shift_x)
                        low_y, high_y = min(low_y, y[other] + shift_y), max(high_y, y[other] + shift_y)
                    length += net_weights[net] * (high_x - low_x + high_y - low_y)
                if length < least - 1e-9:
                    best, least = turn, length
            if best != orientation[block]:
                orientation[block] = best
                changed = True
                for entry in range(block_ptr[block], block_ptr[block + 1]):
                    terminal = block_terminals[entry]
                    shift_x, shift_y = proxy_state.turned(
                        best, terminal_offset[terminal, 0], terminal_offset[terminal, 1]
                    )
                    shift[terminal, 0], shift[terminal, 1] = shift_x, shift_y
        if not changed:
            break


@_function
def complete(state):
    """Derive flips and soft macros of a whole assignment from nothing but the assignment; return the total."""
    proxy = state.proxy
    flips = state.counts[FLIPS]
    if flips:
        for item in range(state.assignment.size):
            proxy.orientation[state.item_block[item]] = state.home_orientation[item]
    floor = place_soft_macros(proxy, state.links)
    for step in range(2):
        if flips:
            flip_macros(state)
        if step == 0:
            sweep(proxy, state.links.blocks, floor, _SWEEPS)
    rebuild(proxy)
    return total_of(state)


@_function
def settle(state):
    """Improve what follows from a whole assignment from where it stands; return the total."""
    if state.counts[FLIPS]:
        flip_macros(state)
    rebuild(state.proxy)
    sweep(state.proxy, state.links.blocks, np.inf, 1)
    rebuild(state.proxy)
    return total_of(state)


@_kernel
def _estimate(state, rounds):
    """Let soft macros follow what is placed (springs), while something is not."""
    if state.links.blocks.size > 0:
        relax(state.proxy, state.links, state.anchors, 0.0, rounds)


@_function
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
        _estimate(state, _FIRST_ROUNDS)
        rebuild(proxy)


@_kernel
def total_of(state):
    """Return the total cost: nothing while an item is unplaced."""
    if state.counts[UNPLACED] > 0:
        return 0.0
    return state.proxy.totals[TOTAL] + CONFLICT_PENALTY * state.counts[CONFLICTS]


@_function
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


@_function
def _try_move(state, move):
    """Compute the proxy cost after a move, and remember that this is the move tried."""
    counts = state.counts
    counts[TRIED], counts[TRIED + 1], counts[TRIED + 2], counts[TRIED + 3] = move
    counts[TRIED + 4] = _conflict_change(state.layout, move, counts[CONFLICTS] > 0)
    _list_move(state, move)
    return try_change(state.proxy)


@_kernel
def _is_tried(state, move):
    counts = state.counts
    return (
        counts[TRIED] == move[0] and counts[TRIED + 1] == move[1]
        and counts[TRIED + 2] == move[2] and counts[TRIED + 3] == move[3]
        and state.proxy.counts[proxy_state.NUM_MOVED] > 0
    )  # fmt: skip


@_kernel
def _is_void(move):
    return (move[3] >= -1 and move[1] == move[2]) or (move[3] == MIRROR and move[1] == move[2])


@_function
def delta(state, move):
    """Return what a move adds to the total cost, exactly; what follows from the assignment stays as it is.

    A move from or to an incomplete assignment adds nothing: constructions are paid for when they are complete.
    """
    if _is_void(move) or state.counts[UNPLACED] > 0 or (move[2] < 0 and move[3] == -1):
        return 0.0
    total = _try_move(state, move)
    return total - state.proxy.totals[TOTAL] + CONFLICT_PENALTY * state.counts[TRIED + 4]


@_function
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
        _estimate(state, _ESTIMATE_ROUNDS)
    if target < 0:
        counts[UNPLACED] += 1


@_function
def undo(state, move):
    """Take a move back that was just made."""
    item, source, target, partner = move
    if partner <= CYCLE:  # four items, backwards
        apply(state, (CYCLE - partner, target, source, CYCLE - item))
    else:
        apply(state, (item, target, source, partner))


@_function
def propose(state: ChipState, rng: Generator):
    """Draw one of annealing's five actions; void (source = target) where the draw is not legal."""
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
    if kind < _SWAP and n > 1:
        partner = int(rng.random() * (n - 1))
        partner += partner >= item
        if assignment[partner] < 0 or assignment[partner] == source:
            return void
        move = (item, source, assignment[partner], partner)
        return move if _conflict_change(layout, move, not is_clean) <= 0 else void
    if kind < _SHIFT:
        column, row = source % columns, source // columns
        direction = int(rng.random() * 4)
        column += (direction == 0) - (direction == 1)
        row += (direction == 2) - (direction == 3)
    elif kind < _MIRROR:
        if not state.item_hard[item]:
            return void
        turn = state.proxy.orientation[block]
        first = FIRST_ROTATED if turn >= FIRST_ROTATED else 0
        return item, turn, first + (turn - first + 1 + int(rng.random() * 3)) % 4, MIRROR
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
        return move if _conflict_change(layout, move, not is_clean) <= 0 else void
    if column < 0 or column >= columns or row < 0 or row >= rows:
        return void
    move = (item, source, row * columns + column, -1)
    return move if _conflict_change(layout, move, not is_clean) <= 0 else void


@_function
def position_mask(layout, item, mask):
    """Mark the cells at whose centres an item overlaps nothing and is inside the canvas: mask [cells].

    Each other item forbids a rectangle of cells; the rectangles are added up by their corners.
    """
    columns, rows = layout.shape[COLUMNS], layout.shape[ROWS]
    cell_width, cell_height = layout.grid[CELL_WIDTH], layout.grid[CELL_HEIGHT]
    if not layout.item_hard[item]:
        mask[: columns * rows] = 1
        return
    half_x, half_y = layout.half[item, 0], layout.half[item, 1]
    obstacles = layout.obstacles
    corners = np.zeros((rows + 1, columns + 1), np.int32)
    for k in range(obstacles.shape[0]):
        _forbid(
            corners, columns, rows, cell_width, cell_height, obstacles[k, 0] - half_x, obstacles[k, 2] + half_x,
            obstacles[k, 1] - half_y, obstacles[k, 3] + half_y,
        )  # fmt: skip
    for other in range(layout.assignment.size):
        if other == item or layout.assignment[other] < 0 or not layout.item_hard[other]:
            continue
        x, y = layout.x[layout.item_block[other]], layout.y[layout.item_block[other]]
        reach_x, reach_y = half_x + layout.half[other, 0], half_y + layout.half[other, 1]
        _forbid(corners, columns, rows, cell_width, cell_height, x - reach_x, x + reach_x, y - reach_y, y + reach_y)
    for row in range(rows):
        y = (row + 0.5) * cell_height
        fits_y = y - half_y >= -_TOUCH and y + half_y <= layout.grid[HEIGHT] + _TOUCH
        running = 0
        for column in range(columns):
            if row > 0:
                corners[row, column] += corners[row - 1, column]  # sums down the columns, then along the row
            running += corners[row, column]
            x = (column + 0.5) * cell_width
            fits_x = x - half_x >= -_TOUCH and x + half_x <= layout.grid[WIDTH] + _TOUCH
            mask[row * columns + column] = running == 0 and fits_x and fits_y


@_kernel
def _forbid(corners, columns, rows, cell_width, cell_height, left, right, bottom, top):
    """Mark the corners of the rectangle of cells whose centres lie strictly within."""
    first_column = max(int(np.floor((left + _TOUCH) / cell_width - 0.5)) + 1, 0)
    last_column = min(int(np.ceil((right - _TOUCH) / cell_width - 0.5)) - 1, columns - 1)
    first_row = max(int(np.floor((bottom + _TOUCH) / cell_height - 0.5)) + 1, 0)
    last_row = min(int(np.ceil((top - _TOUCH) / cell_height - 0.5)) - 1, rows - 1)
    if first_column <= last_column and first_row <= last_row:
        corners[first_row, first_column] += 1
        corners[first_row, last_column + 1] -= 1
        corners[last_row + 1, first_column] -= 1
        corners[last_row + 1, last_column + 1] += 1


@_function
def allowed(state, item, mask):
    """Mark the cells where an item may be placed: mask [cells]."""
    position_mask(state.layout, item, mask)


@_function
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


@_function
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


@_kernel
def current_item(state):
    """Return the first unplaced item in the order of construction, or -1."""
    if state.counts[UNPLACED] > 0:
        for item in state.order:
            if state.assignment[item] < 0:
                return item
    return -1


@_function
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
        features[cell, 0] = min(grids[0, cell], 2.0) / 2.0
        features[cell, 1] = min((grids[VERTICAL, cell] + grids[MACRO_VERTICAL, cell]) * proxy.grid[SCALE_V], 2.0) / 2.0
        features[cell, 2] = (
            min((grids[HORIZONTAL, cell] + grids[MACRO_HORIZONTAL, cell]) * proxy.grid[SCALE_H], 2.0) / 2.0
        )
        features[cell, 3] = min(max(wires[cell], 0.0), 1.0)
        features[cell, 4] = mask[cell]
        features[cell, 5] = 1.0 if grids[0, cell] < 1e-9 else 0.0
        features[cell, 6] = 2.0 * (cell % columns + 0.5) / columns - 1.0
        features[cell, 7] = 2.0 * (cell // columns + 0.5) / rows - 1.0
    for k in range(3):
        for cell in range(cells):
            features[cell, k] = max(features[cell, k], 0.0)
    values[0] = total_of(state)
    values[1] = 1.0 if state.counts[UNPLACED] == 0 and state.counts[CONFLICTS] == 0 else 0.0
    values[2] = proxy.totals[proxy_state.LENGTH] * proxy.grid[LENGTH_SCALE]
    values[3] = proxy.totals[proxy_state.DENSITY]
    values[4] = proxy.totals[proxy_state.CONGESTION]
