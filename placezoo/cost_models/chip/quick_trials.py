"""Quick exact trials of moved macros, for searches over whole placements: nothing is unplaced, nothing is on a grid.

As ``proxy_state.try_change``, but what a move leaves as it is is not computed again: nets that keep their cells keep
their routes, and congestion is not looked at where no route and no hard macro moves. A trial stops as soon as a bound
tells that the total will be above a limit: the mean of the k fullest is at least the mean of any k, so those that were
fullest tell before the grid is looked at. The blocks stay where they are tried; ``keep`` or ``take_back`` comes next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip.congestion import (
    HORIZONTAL,
    MACRO_HORIZONTAL,
    MACRO_VERTICAL,
    VERTICAL,
    add_macro_routes,
    add_wires,
    congestion_values,
    pack_cell,
    route_net,
)
from placezoo.cost_models.chip.density import add_area, first_cell
from placezoo.cost_models.chip.proxy_state import (
    CELL_HEIGHT,
    CELL_WIDTH,
    COLUMNS,
    CONGESTION,
    DENSITY,
    HARD,
    HINT_CONGESTION,
    LENGTH,
    LENGTH_SCALE,
    NUM_MOVED,
    NUM_NETS,
    REACH,
    ROWS,
    SCALE_H,
    SCALE_V,
    STAMP,
    TOP_CONGESTION,
    TOTAL,
    ProxyState,
    congestion_cost,
    demand_of,
    density_cost,
    distinct_cells,
    exchange_listed,
    list_net,
    net_span,
    placed_extent,
    rebuild,
    turned,
)

ROUNDING = 1e-11  # of a sum of demand over supply
_OUTLASTED = 50  # changes, after which the fullest cells are found anew
_DENSITY_CHANGED, _ROUTES_CHANGED, _CONGESTION_CHANGED, _TURNED = range(4)  # flags


class QuickTrials(NamedTuple):
    """A state and what its trials need; C cells, M nets, T terminals."""

    proxy: ProxyState
    rerouted: NDArray[np.int64]  # [M], stamp of the last trial that changed a net's cells
    cells: NDArray[np.int32]  # [T], of the moved blocks' terminals in turn: what is new, then what was
    shifts: NDArray[np.float64]  # [T, 2], likewise, what was, where a block is turned
    flags: NDArray[np.int8]  # [4], what the trial changed
    wires: NDArray[np.int32]  # [2 T, 4], that the trial adds
    wire_ends: NDArray[np.int64]  # [M], of each rerouted net in turn, where its wires end
    # k cells that were the fullest a while ago: their mean bounds the congestion from below
    fullest: NDArray[np.int32]  # [2 C], vertical ones, then C + horizontal ones
    in_fullest: NDArray[np.float64]  # [2 C], share of a wire's demand at a cell that goes to one of them
    before: NDArray[np.float64]  # [2, C + columns + rows], sums of it up to each cell of a column, and of a row
    net_demand: NDArray[np.float64]  # [M], a net's demand over supply in them
    net_known: NDArray[np.int64]  # [M], since when it is known
    trial_demand: NDArray[np.float64]  # [M], of the rerouted nets in turn
    sums: NDArray[np.float64]  # [2], demand over supply in them of the state, and what the trial adds
    age: NDArray[np.int64]  # [2], how often they were found, and how many changes they may still outlast


def quick_trials(proxy: ProxyState) -> QuickTrials:
    """Return what trials of a state need; it is built when ``build`` is called."""
    terminals, nets, cells = proxy.terminal_block.size, proxy.net_weights.size, proxy.grids.shape[1]
    lines = int(proxy.shape[COLUMNS] + proxy.shape[ROWS])
    return QuickTrials(
        proxy, np.zeros(nets, np.int64), np.zeros(terminals, np.int32), np.zeros((terminals, 2)), np.zeros(4, np.int8),
        np.zeros((2 * terminals, 4), np.int32), np.zeros(nets, np.int64), np.zeros(2 * cells, np.int32),
        np.zeros(2 * cells), np.zeros((2, cells + lines)), np.zeros(nets), np.zeros(nets, np.int64), np.zeros(nets),
        np.zeros(2), np.zeros(2, np.int64),
    )  # fmt: skip


@jit.ieee_kernel
def build(trials):
    """Compute everything anew from where the blocks are."""
    rebuild(trials.proxy)
    trials.age[1] = 0


@jit.ieee_kernel
def _find_fullest(trials):
    """List the fullest cells, and sum along columns and rows what share of demand goes to them."""
    state, fullest, share, before = trials.proxy, trials.fullest, trials.in_fullest, trials.before
    shape, values = state.shape, state.values
    columns, rows, reach, k = shape[COLUMNS], shape[ROWS], shape[REACH], shape[TOP_CONGESTION]
    cells = columns * rows
    congestion_values(values, state.grids, columns, rows, reach, state.grid[SCALE_V:])
    least = state.hints[HINT_CONGESTION]
    count = 0
    for cell in range(2 * cells):
        count += values[cell] > least
    ties = k - count  # of those that are as full as the k-th, the first
    count = 0
    total = 0.0
    share[:] = 0.0
    for cell in range(2 * cells):
        if values[cell] > least or (values[cell] == least and ties > 0):
            ties -= values[cell] == least
            fullest[count] = cell
            count += 1
            total += values[cell]
            if cell < cells:  # what the columns within reach send here
                row, at = cell // columns, cell % columns
                for column in range(max(0, at - reach), min(columns - 1, at + reach) + 1):
                    reached = min(columns - 1, column + reach) - max(0, column - reach) + 1
                    share[row * columns + column] += 1.0 / reached
            else:
                at, column = (cell - cells) // columns, (cell - cells) % columns
                for row in range(max(0, at - reach), min(rows - 1, at + reach) + 1):
                    reached = min(rows - 1, row + reach) - max(0, row - reach) + 1
                    share[cells + row * columns + column] += 1.0 / reached
    trials.sums[0] = total
    for column in range(columns):
        total = 0.0
        for row in range(rows):
            before[0, column * (rows + 1) + row] = total
            total += share[row * columns + column]
        before[0, column * (rows + 1) + rows] = total
    for row in range(rows):
        total = 0.0
        for column in range(columns):
            before[1, row * (columns + 1) + column] = total
            total += share[cells + row * columns + column]
        before[1, row * (columns + 1) + columns] = total
    trials.age[0] += 1
    trials.age[1] = _OUTLASTED


@jit.inlined
def _demand_in_fullest(wires, begin, end, before, grid, columns, rows):
    """Return what some wires demand of the supply of the fullest cells."""
    total = 0.0
    for k in range(begin, end):
        if wires[k, 0] == HORIZONTAL:
            at = wires[k, 1] * (columns + 1)
            total += grid[SCALE_H] * (before[1, at + wires[k, 3]] - before[1, at + wires[k, 2]])
        else:
            at = wires[k, 1] * (rows + 1)
            total += grid[SCALE_V] * (before[0, at + wires[k, 3]] - before[0, at + wires[k, 2]])
    return total


@jit.ieee_kernel
def try_quickly(trials, limit):
    """Move the listed blocks and return the total; inf if it is surely above the limit."""
    state, flags, new_cells, old_shifts = trials.proxy, trials.flags, trials.cells, trials.shifts
    grids, grid, shape, rerouted = state.trial_grids, state.grid, state.shape, trials.rerouted
    x, y, orientation, sizes, kinds = state.x, state.y, state.orientation, state.sizes, state.kinds
    terminal_cell, terminal_shift, terminal_offset = state.terminal_cell, state.terminal_shift, state.terminal_offset
    terminal_net, terminal_block, net_ptr = state.terminal_net, state.terminal_block, state.net_ptr
    net_weights, net_length, net_stamp = state.net_weights, state.net_length, state.net_stamp
    block_ptr, block_terminals, counts = state.block_ptr, state.block_terminals, state.counts
    moved, moved_to, moved_orientation = state.moved, state.moved_to, state.moved_orientation
    trial_nets, trial_lengths, net_cells = state.trial_nets, state.trial_lengths, state.net_cells
    wires, wire_ends = trials.wires, trials.wire_ends
    columns, rows = shape[COLUMNS], shape[ROWS]
    num_moved = counts[NUM_MOVED]
    counts[STAMP] += 1
    stamp = counts[STAMP]
    num_nets, entry_count, length = 0, 0, state.totals[LENGTH]
    routes_changed, hard_moved, is_turned, covers_change = False, False, False, False
    for rank in range(num_moved):
        is_turned |= moved_orientation[rank] != orientation[moved[rank]]
    for rank in range(num_moved):
        block = moved[rank]
        new_x, new_y, turn = moved_to[rank, 0], moved_to[rank, 1], moved_orientation[rank]
        is_hard = kinds[block] == HARD
        if new_x != x[block] or new_y != y[block]:  # flips leave what a block covers
            covers_change = True
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
    totals[TOTAL] = state.weights[0] * length * grid[LENGTH_SCALE]
    if covers_change:
        grids[0, :] = state.grids[0, :]
        flags[_DENSITY_CHANGED] = 1
        for rank in range(num_moved):
            block = moved[rank]
            if moved_to[rank, 0] != x[block] or moved_to[rank, 1] != y[block]:
                width, height = placed_extent(sizes, block, orientation[block])
                add_area(grids, grid, shape, moved_to[rank, 0], moved_to[rank, 1], width, height, -1.0)
                add_area(grids, grid, shape, x[block], y[block], width, height, 1.0)
        totals[DENSITY] = density_cost(state, grids, hints)
    totals[TOTAL] += state.weights[1] * totals[DENSITY]
    if not routes_changed and not hard_moved:
        totals[TOTAL] += state.weights[2] * totals[CONGESTION]
        return totals[TOTAL]
    if trials.age[1] == 0:
        _find_fullest(trials)
    before, net_demand, net_known, trial_demand = (
        trials.before,
        trials.net_demand,
        trials.net_known,
        trials.trial_demand,
    )
    found, more = trials.age[0], 0.0
    if routes_changed:
        for i in range(num_nets):
            net = trial_nets[i]
            if rerouted[net] == stamp:
                if net_known[net] != found:
                    end = list_net(wires, 0, net_ptr, terminal_cell, net_cells, net)
                    net_known[net] = found
                    net_demand[net] = demand_of(net_weights[net]) * _demand_in_fullest(
                        wires, 0, end, before, grid, columns, rows
                    )
                more -= net_demand[net]
    if hard_moved:
        grids[MACRO_VERTICAL, :] = state.grids[MACRO_VERTICAL, :]
        grids[MACRO_HORIZONTAL, :] = state.grids[MACRO_HORIZONTAL, :]
        for phase in range(2):
            for rank in range(num_moved):
                block = moved[rank]
                if kinds[block] == HARD:
                    at_x = x[block] if phase == 1 else moved_to[rank, 0]
                    at_y = y[block] if phase == 1 else moved_to[rank, 1]
                    width, height = placed_extent(sizes, block, orientation[block])
                    sign = 1.0 if phase == 1 else -1.0
                    add_macro_routes(grids, grid, shape, state.macro_routes, at_x, at_y, width, height, sign)
        cells, fullest, standing = columns * rows, trials.fullest, state.grids
        for k in range(shape[TOP_CONGESTION]):
            cell = fullest[k]
            if cell < cells:
                more += grid[SCALE_V] * (grids[MACRO_VERTICAL, cell] - standing[MACRO_VERTICAL, cell])
            else:
                cell -= cells
                more += grid[SCALE_H] * (grids[MACRO_HORIZONTAL, cell] - standing[MACRO_HORIZONTAL, cell])
    bound = (limit - totals[TOTAL]) / state.weights[2] * shape[TOP_CONGESTION] - trials.sums[0] + ROUNDING
    if more > bound:
        return np.inf
    num_rerouted, end = 0, 0
    if routes_changed:
        flags[_ROUTES_CHANGED] = 1
        _swap_cells(moved, num_moved, block_ptr, block_terminals, terminal_cell, new_cells)
        for i in range(num_nets):
            net = trial_nets[i]
            if rerouted[net] == stamp:
                begin = end
                end = list_net(wires, begin, net_ptr, terminal_cell, net_cells, net)
                wire_ends[num_rerouted] = end
                trial_demand[num_rerouted] = demand_of(net_weights[net]) * _demand_in_fullest(
                    wires, begin, end, before, grid, columns, rows
                )
                more += trial_demand[num_rerouted]
                num_rerouted += 1
        if more > bound:
            return np.inf
    trials.sums[1] = more
    flags[_CONGESTION_CHANGED] = 1
    grids[VERTICAL, :] = state.grids[VERTICAL, :]
    grids[HORIZONTAL, :] = state.grids[HORIZONTAL, :]
    if not hard_moved:
        grids[MACRO_VERTICAL, :] = state.grids[MACRO_VERTICAL, :]
        grids[MACRO_HORIZONTAL, :] = state.grids[MACRO_HORIZONTAL, :]
    if routes_changed:
        rank, begin = 0, 0
        for i in range(num_nets):
            net = trial_nets[i]
            if rerouted[net] == stamp:
                add_wires(grids, columns, wires, begin, wire_ends[rank], demand_of(net_weights[net]))
                begin = wire_ends[rank]
                rank += 1
        _swap_cells(moved, num_moved, block_ptr, block_terminals, terminal_cell, new_cells)
        for i in range(num_nets):
            net = trial_nets[i]
            if rerouted[net] == stamp:
                count = distinct_cells(net_ptr, terminal_cell, net_cells, net)
                if count > 1:
                    route_net(grids, columns, net_cells, count, -demand_of(net_weights[net]))
        _swap_cells(moved, num_moved, block_ptr, block_terminals, terminal_cell, new_cells)
    totals[CONGESTION] = congestion_cost(state, grids, hints)
    totals[TOTAL] += state.weights[2] * totals[CONGESTION]
    return totals[TOTAL]


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
        trials.sums[0] += trials.sums[1]
        trials.age[1] -= 1
        if flags[_ROUTES_CHANGED]:
            rank = 0
            for i in range(state.counts[NUM_NETS]):
                net = state.trial_nets[i]
                if trials.rerouted[net] == state.counts[STAMP]:
                    trials.net_demand[net] = trials.trial_demand[rank]
                    rank += 1
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
