"""Quick exact trials of moved macros, for searches over whole placements: nothing is unplaced, nothing is on a grid.

As ``proxy_state.try_change``, but what a move leaves as it is is not computed again: nets that keep their cells keep
their routes, and congestion is not looked at where no route and no hard macro moves. A trial stops as soon as bounds
tell that the total will be above a limit; they hold for soft macros, for hard ones very nearly always. The blocks stay
where they are tried; ``keep`` or ``take_back`` comes next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip.congestion import CELL_BITS, add_macro_routes, pack_cell
from placezoo.cost_models.chip.density import add_area, first_cell
from placezoo.cost_models.chip.proxy_state import (
    CELL_HEIGHT,
    CELL_WIDTH,
    COLUMNS,
    CONGESTION,
    DENSITY,
    HARD,
    LENGTH,
    LENGTH_SCALE,
    NUM_MOVED,
    NUM_NETS,
    ROWS,
    SCALE_H,
    SCALE_V,
    STAMP,
    TOP_CONGESTION,
    TOP_DENSITY,
    TOTAL,
    ProxyState,
    add_route,
    congestion_cost,
    density_cost,
    exchange_listed,
    net_span,
    placed_extent,
    turned,
)

HOPEFUL_CONGESTION = 0.96  # of what it is: lower than that no move of a hard macro is expected to bring it
ROUNDING = 1e-12
_DENSITY_CHANGED, _ROUTES_CHANGED, _CONGESTION_CHANGED, _TURNED = range(4)  # flags


class QuickTrials(NamedTuple):
    """A state and what its trials need; M nets, T terminals."""

    proxy: ProxyState
    rerouted: NDArray[np.int64]  # [M], stamp of the last trial that changed a net's cells
    cells: NDArray[np.int32]  # [T], of the moved blocks' terminals in turn: what is new, then what was
    shifts: NDArray[np.float64]  # [T, 2], likewise, what was, where a block is turned
    flags: NDArray[np.int8]  # [4], what the trial changed


def quick_trials(proxy: ProxyState) -> QuickTrials:
    """Return what trials of a state need; the state has been built."""
    terminals = proxy.terminal_block.size
    return QuickTrials(
        proxy, np.zeros(proxy.net_weights.size, np.int64), np.zeros(terminals, np.int32), np.zeros((terminals, 2)),
        np.zeros(4, np.int8),
    )  # fmt: skip


@jit.ieee_kernel
def try_quickly(trials, limit):
    """Move the listed blocks and return the total; inf if it is surely, or very probably, above the limit."""
    state, flags, new_cells, old_shifts = trials.proxy, trials.flags, trials.cells, trials.shifts
    grids, grid, shape, rerouted = state.trial_grids, state.grid, state.shape, trials.rerouted
    x, y, orientation, sizes, kinds = state.x, state.y, state.orientation, state.sizes, state.kinds
    terminal_cell, terminal_shift, terminal_offset = state.terminal_cell, state.terminal_shift, state.terminal_offset
    terminal_net, terminal_block, net_ptr = state.terminal_net, state.terminal_block, state.net_ptr
    net_weights, net_length, net_stamp = state.net_weights, state.net_length, state.net_stamp
    block_ptr, block_terminals, counts = state.block_ptr, state.block_terminals, state.counts
    moved, moved_to, moved_orientation = state.moved, state.moved_to, state.moved_orientation
    trial_nets, trial_lengths, net_cells = state.trial_nets, state.trial_lengths, state.net_cells
    columns, rows = shape[COLUMNS], shape[ROWS]
    num_moved = counts[NUM_MOVED]
    counts[STAMP] += 1
    stamp = counts[STAMP]
    num_nets, entry_count, length = 0, 0, state.totals[LENGTH]
    routes_changed, hard_moved, is_turned, area = False, False, False, 0.0
    for rank in range(num_moved):
        is_turned |= moved_orientation[rank] != orientation[moved[rank]]
    for rank in range(num_moved):
        block = moved[rank]
        new_x, new_y, turn = moved_to[rank, 0], moved_to[rank, 1], moved_orientation[rank]
        is_hard = kinds[block] == HARD
        if new_x != x[block] or new_y != y[block]:  # flips leave what a block covers
            area += sizes[block, 0] * sizes[block, 1]
            hard_moved |= is_hard
        centre_cell = pack_cell(
            first_cell(new_y, grid[CELL_HEIGHT], rows), first_cell(new_x, grid[CELL_WIDTH], columns)
        )
        for entry in range(block_ptr[block], block_ptr[block + 1]):
            terminal = block_terminals[entry]
            net = terminal_net[terminal]
            if net_stamp[net] != stamp:
                net_stamp[net] = stamp
                trial_nets[num_nets] = net
                num_nets += 1
                length -= net_weights[net] * net_length[net]
            cell = centre_cell
            if is_hard:
                shift_x, shift_y = terminal_shift[terminal, 0], terminal_shift[terminal, 1]
                if is_turned:
                    old_shifts[entry_count, 0], old_shifts[entry_count, 1] = shift_x, shift_y
                    shift_x, shift_y = turned(turn, terminal_offset[terminal, 0], terminal_offset[terminal, 1])
                    terminal_shift[terminal, 0], terminal_shift[terminal, 1] = shift_x, shift_y
                row = first_cell(new_y + shift_y, grid[CELL_HEIGHT], rows)
                cell = pack_cell(row, first_cell(new_x + shift_x, grid[CELL_WIDTH], columns))
            new_cells[entry_count] = cell
            entry_count += 1
            if cell != terminal_cell[terminal]:
                rerouted[net] = stamp
                routes_changed = True
    counts[NUM_NETS] = num_nets
    flags[:] = 0
    flags[_TURNED] = is_turned
    exchange_listed(state)
    for i in range(num_nets):
        net = trial_nets[i]
        trial_lengths[i] = net_span(x, y, net_ptr, terminal_block, terminal_cell, terminal_shift, net)
        length += net_weights[net] * trial_lengths[i]
    totals, hints = state.trial_totals, state.trial_hints
    hints[0], hints[1] = state.hints[0], state.hints[1]
    totals[LENGTH], totals[DENSITY], totals[CONGESTION] = length, state.totals[DENSITY], state.totals[CONGESTION]
    wirelength = state.weights[0] * length * grid[LENGTH_SCALE]
    # What leaves the fullest cells is at most what leaves all: bounds that tell without looking at the cells.
    least_density, least_congestion = totals[DENSITY], totals[CONGESTION]
    if shape[TOP_DENSITY] > 0:
        least_density -= 0.5 * area / (grid[CELL_WIDTH] * grid[CELL_HEIGHT] * shape[TOP_DENSITY])
    elif area > 0.0:
        least_density = 0.0
    if hard_moved:
        least_congestion *= HOPEFUL_CONGESTION
    elif routes_changed:
        demand = 0.0
        for i in range(num_nets):
            if rerouted[trial_nets[i]] == stamp:
                demand += _most_demand(net_ptr, net_weights, terminal_cell, grid, trial_nets[i])
        least_congestion -= demand / shape[TOP_CONGESTION]
    least_congestion = state.weights[2] * least_congestion - ROUNDING
    if wirelength + state.weights[1] * least_density + least_congestion > limit:
        return np.inf
    if area > 0.0:
        grids[0, :] = state.grids[0, :]
        flags[_DENSITY_CHANGED] = 1
        for rank in range(num_moved):
            block = moved[rank]
            if moved_to[rank, 0] != x[block] or moved_to[rank, 1] != y[block]:
                width, height = placed_extent(sizes, block, orientation[block])
                add_area(grids, grid, shape, moved_to[rank, 0], moved_to[rank, 1], width, height, -1.0)
                add_area(grids, grid, shape, x[block], y[block], width, height, 1.0)
        totals[DENSITY] = density_cost(state, grids, hints)
    totals[TOTAL] = wirelength + state.weights[1] * totals[DENSITY]
    if not routes_changed and not hard_moved:
        totals[TOTAL] += state.weights[2] * totals[CONGESTION]
        return totals[TOTAL]
    if totals[TOTAL] + least_congestion > limit:
        return np.inf
    for row in range(1, 5):
        grids[row, :] = state.grids[row, :]
    flags[_CONGESTION_CHANGED] = 1
    if routes_changed:
        flags[_ROUTES_CHANGED] = 1
        for phase in range(2):
            for i in range(num_nets):
                if rerouted[trial_nets[i]] == stamp:
                    add_route(
                        grids, columns, net_ptr, net_weights, terminal_cell, net_cells, trial_nets[i],
                        1.0 if phase == 1 else -1.0,
                    )  # fmt: skip
            if phase == 0:
                _swap_cells(moved, num_moved, block_ptr, block_terminals, terminal_cell, new_cells)
    if hard_moved:
        for phase in range(2):
            for rank in range(num_moved):
                block = moved[rank]
                if kinds[block] == HARD:
                    at_x = x[block] if phase == 1 else moved_to[rank, 0]
                    at_y = y[block] if phase == 1 else moved_to[rank, 1]
                    width, height = placed_extent(sizes, block, orientation[block])
                    sign = 1.0 if phase == 1 else -1.0
                    add_macro_routes(grids, grid, shape, state.macro_routes, at_x, at_y, width, height, sign)
    totals[CONGESTION] = congestion_cost(state, grids, hints)
    totals[TOTAL] += state.weights[2] * totals[CONGESTION]
    return totals[TOTAL]


@jit.inlined
def _most_demand(net_ptr, net_weights, terminal_cell, grid, net):
    """Return a bound of what a net's routes add to the congestion of all cells: its driver wired to each terminal."""
    first, last = net_ptr[net], net_ptr[net + 1]
    driver = terminal_cell[first]
    row, column = driver >> CELL_BITS, driver & ((1 << CELL_BITS) - 1)
    across, along = 0, 0
    for terminal in range(first + 1, last):
        cell = terminal_cell[terminal]
        across += abs((cell & ((1 << CELL_BITS) - 1)) - column)
        along += abs((cell >> CELL_BITS) - row)
    return max(net_weights[net], 1.0) * (across * grid[SCALE_H] + along * grid[SCALE_V])


@jit.inlined
def _swap_cells(moved, num_moved, block_ptr, block_terminals, terminal_cell, cells):
    """Exchange the cells of the moved blocks' terminals with those that are kept in turn."""
    entry_count = 0
    for rank in range(num_moved):
        for entry in range(block_ptr[moved[rank]], block_ptr[moved[rank] + 1]):
            terminal = block_terminals[entry]
            old = terminal_cell[terminal]
            terminal_cell[terminal] = cells[entry_count]
            cells[entry_count] = old
            entry_count += 1


@jit.ieee_kernel
def keep(trials):
    """Keep the change that was tried last, unless its trial stopped early."""
    state, flags = trials.proxy, trials.flags
    for i in range(state.counts[NUM_NETS]):
        state.net_length[state.trial_nets[i]] = state.trial_lengths[i]
    if flags[_DENSITY_CHANGED]:
        state.grids[0, :] = state.trial_grids[0, :]
    if flags[_CONGESTION_CHANGED]:
        for row in range(1, 5):
            state.grids[row, :] = state.trial_grids[row, :]
    state.totals[:] = state.trial_totals
    state.hints[:] = state.trial_hints
    state.counts[NUM_MOVED] = 0


@jit.ieee_kernel
def take_back(trials):
    """Take back the change that was tried last."""
    state, flags = trials.proxy, trials.flags
    moved, num_moved = state.moved, state.counts[NUM_MOVED]
    exchange_listed(state)
    if flags[_ROUTES_CHANGED]:
        _swap_cells(moved, num_moved, state.block_ptr, state.block_terminals, state.terminal_cell, trials.cells)
    if flags[_TURNED]:
        entry_count = 0
        for rank in range(num_moved):
            block = moved[rank]
            for entry in range(state.block_ptr[block], state.block_ptr[block + 1]):
                if state.kinds[block] == HARD:
                    terminal = state.block_terminals[entry]
                    state.terminal_shift[terminal, 0] = trials.shifts[entry_count, 0]
                    state.terminal_shift[terminal, 1] = trials.shifts[entry_count, 1]
                entry_count += 1
    state.counts[NUM_MOVED] = 0
