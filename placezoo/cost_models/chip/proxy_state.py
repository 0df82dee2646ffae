"""The state of the proxy cost: all it knows about a placement, kept exactly while blocks move.

A change of up to ``MAX_MOVED`` blocks is first tried (``try_change``): the grids of the trial are computed beside the
true ones, and what the blocks' nets would be is remembered. ``commit`` then makes the change that was tried last;
without it nothing has happened.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip.congestion import (
    add_macro_routes,
    congestion_values,
    list_wires,
    pack_cell,
    route_net,
)
from placezoo.cost_models.chip.density import add_area, first_cell
from placezoo.cost_models.chip.top_mean import top_mean
from placezoo.datasets.chip import netlist

MAX_MOVED = 4
FIRST_ROTATED = netlist.FIRST_ROTATED
TOUCH = netlist.TOUCH

# Where things are in the small arrays of a state.
CELL_WIDTH, CELL_HEIGHT, WIDTH, HEIGHT, LENGTH_SCALE, SCALE_V, SCALE_H = range(7)  # grid
COLUMNS, ROWS, REACH, TOP_DENSITY, TOP_CONGESTION = range(5)  # shape
LENGTH, DENSITY, CONGESTION, TOTAL = range(4)  # totals: HPWL (weighted, micron), costs of density and congestion, all
HINT_DENSITY, HINT_CONGESTION = range(2)  # hints
NUM_MOVED, NUM_NETS, STAMP = range(3)  # counts
POINT, SOFT, HARD = range(3)  # kinds


class ProxyState(NamedTuple):
    """Arrays of the proxy cost; lengths: B blocks, T terminals, M nets, C cells.

    A terminal is one node of one net: its block and the offset from the block's centre. Grids hold density, vertical
    and horizontal demand of nets, vertical and horizontal demand of macros.
    """

    # fixed
    grid: NDArray[np.float64]  # [7], see above
    shape: NDArray[np.int64]  # [5]
    weights: NDArray[np.float64]  # [3], of wirelength, density, congestion
    macro_routes: NDArray[np.float64]  # [2], horizontal, vertical, per micron
    sizes: NDArray[np.float64]  # [B, 2], micron, orientation N
    kinds: NDArray[np.int8]  # [B], POINT (ports, cells), SOFT or HARD
    net_ptr: NDArray[np.int64]  # [M + 1], terminals of nets
    net_weights: NDArray[np.float64]  # [M]
    terminal_block: NDArray[np.int32]  # [T]
    terminal_offset: NDArray[np.float64]  # [T, 2], orientation N
    terminal_net: NDArray[np.int32]  # [T]
    block_ptr: NDArray[np.int64]  # [B + 1], terminals of blocks
    block_terminals: NDArray[np.int32]  # [T]
    # the placement
    x: NDArray[np.float64]  # [B], centre, micron
    y: NDArray[np.float64]  # [B]
    orientation: NDArray[np.int8]  # [B]
    placed: NDArray[np.int8]  # [B], 0: nowhere, and without influence
    # what follows from it
    terminal_shift: NDArray[np.float64]  # [T, 2], offset as placed
    terminal_cell: NDArray[np.int32]  # [T], packed, -1 unplaced
    net_length: NDArray[np.float64]  # [M], HPWL, micron
    grids: NDArray[np.float64]  # [5, C]
    totals: NDArray[np.float64]  # [4]
    hints: NDArray[np.float64]  # [2]
    # the change that was tried last
    trial_grids: NDArray[np.float64]  # [5, C]
    trial_totals: NDArray[np.float64]  # [4]
    trial_hints: NDArray[np.float64]  # [2]
    counts: NDArray[np.int64]  # [3]
    moved: NDArray[np.int64]  # [MAX_MOVED], blocks
    moved_to: NDArray[np.float64]  # [MAX_MOVED, 2]
    moved_orientation: NDArray[np.int64]  # [MAX_MOVED]
    moved_placed: NDArray[np.int64]  # [MAX_MOVED]
    net_stamp: NDArray[np.int64]  # [M]
    trial_nets: NDArray[np.int32]  # [M]
    trial_lengths: NDArray[np.float64]  # [M]
    # scratch
    values: NDArray[np.float64]  # [2 * C]
    scratch: NDArray[np.float64]  # [2 * C]
    net_cells: NDArray[np.int64]  # [longest net]


# Functions within loops take arrays, not the state: reading a field of the state counts references to its array.
@jit.inlined
def distinct_cells(net_ptr, terminal_cell, cells, net):
    """Write the distinct cells of a net's placed terminals, the driver's first; return how many."""
    count = 0
    for terminal in range(net_ptr[net], net_ptr[net + 1]):
        cell = terminal_cell[terminal]
        if cell < 0:
            continue
        known = False
        for i in range(count):
            if cells[i] == cell:
                known = True
                break
        if not known:
            cells[count] = cell
            count += 1
    return count


@jit.inlined
def list_net(wires, begin, net_ptr, terminal_cell, cells, net):
    """List a net's wires; return where the list ends."""
    count = distinct_cells(net_ptr, terminal_cell, cells, net)
    return list_wires(wires, begin, cells, count) if count > 1 else begin


@jit.inlined
def demand_of(weight):
    """Return what each wire of a net demands: as published, weights below one count as one here."""
    return max(weight, 1.0)


@jit.inlined
def net_span(x, y, net_ptr, terminal_block, terminal_cell, terminal_shift, net):
    """Return the half perimeter of the box around a net's placed terminals, micron."""
    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
    for terminal in range(net_ptr[net], net_ptr[net + 1]):
        if terminal_cell[terminal] >= 0:
            block = terminal_block[terminal]
            px = x[block] + terminal_shift[terminal, 0]
            py = y[block] + terminal_shift[terminal, 1]
            low_x, high_x = min(low_x, px), max(high_x, px)
            low_y, high_y = min(low_y, py), max(high_y, py)
    return high_x - low_x + high_y - low_y if high_x >= low_x else 0.0


@jit.inlined
def placed_extent(sizes, block, turn):
    """Return a block's width and height as placed: ``placed_extents`` of one."""
    if turn >= FIRST_ROTATED:
        return sizes[block, 1], sizes[block, 0]
    return sizes[block, 0], sizes[block, 1]


@jit.inlined
def flipped(turn, steps):
    """Return the orientation so many flips on among the four that share a quarter turn."""
    first = FIRST_ROTATED if turn >= FIRST_ROTATED else 0
    return first + (turn - first + steps) % 4


@jit.inlined
def _cover(grids, grid, shape, macro_routes, kind, sizes, x, y, orientation, block, sign):
    """Add or take away what a macro covers of the cells' areas and tracks."""
    width, height = placed_extent(sizes, block, orientation[block])
    add_area(grids, grid, shape, x[block], y[block], width, height, sign)
    if kind == HARD:
        add_macro_routes(grids, grid, shape, macro_routes, x[block], y[block], width, height, sign)


@jit.inlined
def turned(turn, x, y):
    """Return an offset as placed: ORIENTATION_MATRICES, in an order in which this is quick."""
    if turn > 0:
        if turn >= FIRST_ROTATED:
            x, y = y, x
        if turn == 1 or turn == 2 or turn == 5 or turn == 6:
            x = -x
        if 2 <= turn <= 5:
            y = -y
    return x, y


@jit.inlined
def _place_terminal(
    grid, shape, x, y, orientation, placed, terminal_block, terminal_offset, terminal_shift, terminal_cell, terminal
):
    """Recompute a terminal's shift and cell from its block."""
    block = terminal_block[terminal]
    shift_x, shift_y = turned(orientation[block], terminal_offset[terminal, 0], terminal_offset[terminal, 1])
    terminal_shift[terminal, 0] = shift_x
    terminal_shift[terminal, 1] = shift_y
    if placed[block]:
        row = first_cell(y[block] + shift_y, grid[CELL_HEIGHT], shape[ROWS])
        column = first_cell(x[block] + shift_x, grid[CELL_WIDTH], shape[COLUMNS])
        terminal_cell[terminal] = pack_cell(row, column)
    else:
        terminal_cell[terminal] = -1


@jit.inlined
def density_cost(state, grids, hints):
    """Return the cost of density, from grids."""
    k = state.shape[TOP_DENSITY]
    if k > 0:
        mean, hints[HINT_DENSITY] = top_mean(grids[0], k, state.scratch, hints[HINT_DENSITY])
        return 0.5 * mean
    used, count = 0.0, 0  # fewer than ten cells: the mean of those in use
    for value in grids[0]:
        if value > 1e-12:
            used += value
            count += 1
    return 0.5 * used / count if count > 0 else 0.0


@jit.inlined
def congestion_cost(state, grids, hints):
    """Return the cost of congestion, from grids; leaves the cells' values in the state."""
    shape = state.shape
    congestion_values(state.values, grids, shape[COLUMNS], shape[ROWS], shape[REACH], state.grid[SCALE_V:])
    cost, hints[HINT_CONGESTION] = top_mean(state.values, shape[TOP_CONGESTION], state.scratch, hints[HINT_CONGESTION])
    return cost


@jit.inlined
def _costs(state, grids, totals, hints):
    """Compute the costs of density and congestion and the total from grids and ``totals[LENGTH]``."""
    totals[DENSITY] = density_cost(state, grids, hints)
    totals[CONGESTION] = congestion_cost(state, grids, hints)
    totals[TOTAL] = (
        state.weights[0] * totals[LENGTH] * state.grid[LENGTH_SCALE]
        + state.weights[1] * totals[DENSITY]
        + state.weights[2] * totals[CONGESTION]
    )


@jit.ieee_kernel
def rebuild(state):
    """Compute everything from positions, orientations and what is placed."""
    grids, grid, shape, macro_routes = state.grids, state.grid, state.shape, state.macro_routes
    sizes, kinds = state.sizes, state.kinds
    net_ptr, net_weights, net_length, cells = state.net_ptr, state.net_weights, state.net_length, state.net_cells
    terminal_block, terminal_offset = state.terminal_block, state.terminal_offset
    terminal_shift, terminal_cell = state.terminal_shift, state.terminal_cell
    x, y, orientation, placed = state.x, state.y, state.orientation, state.placed
    grids[:] = 0.0
    total = 0.0
    columns = shape[COLUMNS]
    # One pass over each net for places, box and cells: memory is what takes the time.
    for net in range(net_weights.size):
        low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
        count = 0
        for terminal in range(net_ptr[net], net_ptr[net + 1]):
            _place_terminal(
                grid, shape, x, y, orientation, placed, terminal_block, terminal_offset, terminal_shift, terminal_cell,
                terminal,
            )  # fmt: skip
            cell = terminal_cell[terminal]
            if cell < 0:
                continue
            block = terminal_block[terminal]
            px, py = x[block] + terminal_shift[terminal, 0], y[block] + terminal_shift[terminal, 1]
            low_x, high_x = min(low_x, px), max(high_x, px)
            low_y, high_y = min(low_y, py), max(high_y, py)
            known = False
            for i in range(count):
                known |= cells[i] == cell
            if not known:
                cells[count] = cell
                count += 1
        net_length[net] = high_x - low_x + high_y - low_y if high_x >= low_x else 0.0
        total += net_weights[net] * net_length[net]
        if count > 1:
            route_net(grids, columns, cells, count, demand_of(net_weights[net]))
    for block in range(x.size):
        if kinds[block] != POINT and placed[block]:
            _cover(grids, grid, shape, macro_routes, kinds[block], sizes, x, y, orientation, block, 1.0)
    state.totals[LENGTH] = total
    _costs(state, grids, state.totals, state.hints)


@jit.inlined
def begin_change(state):
    """Forget the change that was tried last, and begin to list another."""
    state.counts[NUM_MOVED] = 0


@jit.inlined
def list_block(state, block, x, y, orientation, placed):
    """List where a block goes; at most ``MAX_MOVED`` blocks, each once."""
    rank = state.counts[NUM_MOVED]
    state.moved[rank] = block
    state.moved_to[rank, 0] = x
    state.moved_to[rank, 1] = y
    state.moved_orientation[rank] = orientation
    state.moved_placed[rank] = placed
    state.counts[NUM_MOVED] = rank + 1


@jit.inlined
def exchange_listed(state):
    """Exchange the listed blocks' places with those in the list."""
    x, y, orientation, placed = state.x, state.y, state.orientation, state.placed
    moved, moved_to = state.moved, state.moved_to
    moved_orientation, moved_placed = state.moved_orientation, state.moved_placed
    for rank in range(state.counts[NUM_MOVED]):
        block = moved[rank]
        old_x, old_y, old_turn, old_placed = x[block], y[block], orientation[block], placed[block]
        x[block], y[block] = moved_to[rank, 0], moved_to[rank, 1]
        orientation[block], placed[block] = moved_orientation[rank], moved_placed[rank]
        moved_to[rank, 0], moved_to[rank, 1] = old_x, old_y
        moved_orientation[rank], moved_placed[rank] = old_turn, old_placed


@jit.inlined
def _place_listed(state):
    """Recompute the terminals of the listed blocks."""
    grid, shape, x, y, orientation, placed = state.grid, state.shape, state.x, state.y, state.orientation, state.placed
    terminal_block, terminal_offset = state.terminal_block, state.terminal_offset
    terminal_shift, terminal_cell = state.terminal_shift, state.terminal_cell
    block_ptr, block_terminals, moved = state.block_ptr, state.block_terminals, state.moved
    for rank in range(state.counts[NUM_MOVED]):
        for entry in range(block_ptr[moved[rank]], block_ptr[moved[rank] + 1]):
            _place_terminal(
                grid, shape, x, y, orientation, placed, terminal_block, terminal_offset, terminal_shift, terminal_cell,
                block_terminals[entry],
            )  # fmt: skip


@jit.ieee_kernel
def try_change(state):
    """Compute ``trial_totals``, what the costs would be with the listed blocks where they go; return the total."""
    grids, grid, shape, macro_routes = state.trial_grids, state.grid, state.shape, state.macro_routes
    sizes, kinds, x, y, orientation = state.sizes, state.kinds, state.x, state.y, state.orientation
    net_ptr, net_weights, net_length, cells = state.net_ptr, state.net_weights, state.net_length, state.net_cells
    terminal_net, terminal_cell, terminal_shift = state.terminal_net, state.terminal_cell, state.terminal_shift
    terminal_block, block_ptr, block_terminals = state.terminal_block, state.block_ptr, state.block_terminals
    counts, moved, net_stamp, trial_nets = state.counts, state.moved, state.net_stamp, state.trial_nets
    placed, trial_lengths, columns = state.placed, state.trial_lengths, shape[COLUMNS]
    grids[:] = state.grids
    counts[STAMP] += 1
    stamp, num_nets = counts[STAMP], 0
    length = state.totals[LENGTH]
    for rank in range(counts[NUM_MOVED]):
        for entry in range(block_ptr[moved[rank]], block_ptr[moved[rank] + 1]):
            net = terminal_net[block_terminals[entry]]
            if net_stamp[net] != stamp:
                net_stamp[net] = stamp
                trial_nets[num_nets] = net
                num_nets += 1
                length -= net_weights[net] * net_length[net]
    counts[NUM_NETS] = num_nets
    # Take away what is, add what would be, and go back. One loop, because each inlined call takes long to compile.
    for phase in range(3):
        if phase > 0:
            exchange_listed(state)
            _place_listed(state)
        if phase == 2:
            break
        sign = 1.0 if phase == 1 else -1.0
        for rank in range(counts[NUM_MOVED]):
            block = moved[rank]
            if kinds[block] != POINT and placed[block]:
                _cover(grids, grid, shape, macro_routes, kinds[block], sizes, x, y, orientation, block, sign)
        for i in range(num_nets):
            net = trial_nets[i]
            if phase == 1:
                trial_lengths[i] = net_span(x, y, net_ptr, terminal_block, terminal_cell, terminal_shift, net)
                length += net_weights[net] * trial_lengths[i]
            count = distinct_cells(net_ptr, terminal_cell, cells, net)
            if count > 1:
                route_net(grids, columns, cells, count, sign * demand_of(net_weights[net]))
    state.trial_totals[LENGTH] = length
    state.trial_hints[:] = state.hints
    _costs(state, grids, state.trial_totals, state.trial_hints)
    return state.trial_totals[TOTAL]


@jit.ieee_kernel
def commit(state):
    """Make the change that was tried last."""
    exchange_listed(state)
    _place_listed(state)
    net_length, trial_nets, trial_lengths = state.net_length, state.trial_nets, state.trial_lengths
    for i in range(state.counts[NUM_NETS]):
        net_length[trial_nets[i]] = trial_lengths[i]
    state.grids[:] = state.trial_grids
    state.totals[:] = state.trial_totals
    state.hints[:] = state.trial_hints
    state.counts[NUM_MOVED] = 0
