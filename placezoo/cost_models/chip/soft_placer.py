"""The placer of soft macros (standard-cell clusters) among hard ones: a coordinate descent on the proxy cost itself.

Each soft macro in turn goes to the grid cell that costs least: what its nets add to the wirelength is separable in x
and y and exact, what it adds to the density of the fullest cells is exact while the threshold stands, and what its nets
add to the most congested cells is read from prices along their routes. All arithmetic is addition, multiplication,
division and comparison of float64 in a fixed order, so that every machine finds the same placement.
"""

from __future__ import annotations

import numpy as np

from placezoo import jit
from placezoo.cost_models.chip import proxy_state
from placezoo.cost_models.chip.congestion import pack_cell
from placezoo.cost_models.chip.density import add_area
from placezoo.cost_models.chip.proxy_state import (
    CELL_HEIGHT,
    CELL_WIDTH,
    COLUMNS,
    HEIGHT,
    HINT_CONGESTION,
    HINT_DENSITY,
    LENGTH_SCALE,
    ROWS,
    SCALE_H,
    SCALE_V,
    SOFT,
    TOP_CONGESTION,
    TOP_DENSITY,
    WIDTH,
    rebuild,
)
from placezoo.cost_models.chip.spreading import relax, spread

_CANDIDATES = 12  # cells per soft macro whose routes are priced

# The schedule of the global placement: best of those tried on Ariane-133, Ariane-136 and NVDLA.
_FIRST_ROUNDS, _ROUNDS, _SPREADINGS, _FIRST_PULL, _PULL_GROWTH = 20, 4, 20, 0.01, 1.3


@jit.inlined
def axis_lengths(state, block, position, shift_axis, size, count, out):
    """Write for every column (or row) what the block's nets would measure along that axis, weighted, micron.

    Soft macros count where they are estimated to be, all other blocks once they are placed.
    """
    net_ptr, net_weights, placed, kinds = state.net_ptr, state.net_weights, state.placed, state.kinds
    terminal_block, terminal_net, shift = state.terminal_block, state.terminal_net, state.terminal_shift
    block_ptr, block_terminals, stamps, counts = state.block_ptr, state.block_terminals, state.net_stamp, state.counts
    counts[proxy_state.STAMP] += 1
    stamp = counts[proxy_state.STAMP]
    out[:count] = 0.0
    for entry in range(block_ptr[block], block_ptr[block + 1]):
        net = terminal_net[block_terminals[entry]]
        if stamps[net] == stamp:
            continue
        stamps[net] = stamp
        low, high = np.inf, -np.inf
        own_low, own_high = np.inf, -np.inf
        for terminal in range(net_ptr[net], net_ptr[net + 1]):
            other = terminal_block[terminal]
            if other == block:
                own_low = min(own_low, shift[terminal, shift_axis])
                own_high = max(own_high, shift[terminal, shift_axis])
            elif placed[other] or kinds[other] == SOFT:
                place = position[other] + shift[terminal, shift_axis]
                low, high = min(low, place), max(high, place)
        if high < low:
            continue
        weight = net_weights[net]
        for i in range(count):
            centre = (i + 0.5) * size
            out[i] += weight * (max(high, centre + own_high) - min(low, centre + own_low))


@jit.inlined
def _route_prices(state, horizontal, vertical):
    """Write prefix sums of the price of crossing cells: along rows for horizontal tracks, along columns for vertical.

    A cell among the most congested costs its full share of the mean; one a little below the threshold a part of it.
    """
    shape, values = state.shape, state.values
    columns, rows = shape[COLUMNS], shape[ROWS]
    cells = columns * rows
    threshold = state.hints[HINT_CONGESTION]
    margin = 0.06 * threshold + 1e-12
    share = state.weights[2] / shape[TOP_CONGESTION]
    for row in range(rows):
        total = 0.0
        horizontal[row, 0] = 0.0
        for column in range(columns):
            value = values[cells + row * columns + column]
            total += share * state.grid[SCALE_H] * min(max((value - threshold + margin) / margin, 0.0), 1.0)
            horizontal[row, column + 1] = total
    for column in range(columns):
        total = 0.0
        vertical[0, column] = 0.0
        for row in range(rows):
            value = values[row * columns + column]
            total += share * state.grid[SCALE_V] * min(max((value - threshold + margin) / margin, 0.0), 1.0)
            vertical[row + 1, column] = total


@jit.inlined
def _route_cost(state, block, row, column, horizontal, vertical):
    """Return the price of the block's nets routed as driver-sink pairs, with the block in a cell."""
    net_ptr, net_weights, cells = state.net_ptr, state.net_weights, state.terminal_cell
    terminal_block, terminal_net = state.terminal_block, state.terminal_net
    block_ptr, block_terminals = state.block_ptr, state.block_terminals
    cost = 0.0
    for entry in range(block_ptr[block], block_ptr[block + 1]):
        terminal = block_terminals[entry]
        net = terminal_net[terminal]
        first, last = net_ptr[net], net_ptr[net + 1]
        weight = max(net_weights[net], 1.0)
        if terminal == first:
            for other in range(first + 1, last):
                if terminal_block[other] != block and cells[other] >= 0:
                    r, c = cells[other] >> 16, cells[other] & 0xFFFF
                    cost += weight * abs(horizontal[row, c] - horizontal[row, column])
                    cost += weight * abs(vertical[r, c] - vertical[row, c])
        elif terminal_block[first] != block and cells[first] >= 0:
            r, c = cells[first] >> 16, cells[first] & 0xFFFF
            cost += weight * abs(horizontal[r, c] - horizontal[r, column])
            cost += weight * abs(vertical[row, column] - vertical[r, column])
    return cost


@jit.ieee_kernel
def sweep(state, movable, floor, sweeps):
    """Move each block in turn to the centre of the cell where it costs least, ``sweeps`` times.

    Args:
        state: a ``ProxyState``; call ``rebuild`` before and after.
        movable: int64, blocks.
        floor: up to this density cells may be filled for nothing in the first sweep, at most to that of the fullest;
            later sweeps go by the fullest as they are then.
        sweeps: how often each is moved.
    """
    grid, shape = state.grid, state.shape
    columns, rows = shape[COLUMNS], shape[ROWS]
    cell_width, cell_height = grid[CELL_WIDTH], grid[CELL_HEIGHT]
    along_x, along_y = np.empty(columns), np.empty(rows)
    horizontal, vertical = np.zeros((rows, columns + 1)), np.zeros((rows + 1, columns))
    best_cost, best_cell = np.empty(_CANDIDATES), np.empty(_CANDIDATES, np.int64)
    cell_area = cell_width * cell_height
    share = 0.5 * state.weights[1] / max(shape[TOP_DENSITY], 1)
    for number in range(sweeps):
        if number > 0:
            rebuild(state)
        density = state.grids
        threshold = state.hints[HINT_DENSITY] if number > 0 else min(floor, state.hints[HINT_DENSITY])
        length_share = state.weights[0] * grid[LENGTH_SCALE]
        _route_prices(state, horizontal, vertical)
        for block in movable:
            x, y, width, height = state.x[block], state.y[block], state.sizes[block, 0], state.sizes[block, 1]
            add_area(density, grid, shape, x, y, width, height, -1.0)
            axis_lengths(state, block, state.x, 0, cell_width, columns, along_x)
            axis_lengths(state, block, state.y, 1, cell_height, rows, along_y)
            reach_x = max(int(np.ceil((width / cell_width - 1.0) / 2 - 1e-9)), 0)
            reach_y = max(int(np.ceil((height / cell_height - 1.0) / 2 - 1e-9)), 0)
            filled = min(width, cell_width) * min(height, cell_height) / cell_area
            best_cost[:] = np.inf
            for row in range(rows):
                for column in range(columns):
                    cost = length_share * (along_x[column] + along_y[row])
                    if reach_x == 0 and reach_y == 0:
                        before = density[0, row * columns + column]
                        cost += share * (max(before + filled, threshold) - max(before, threshold))
                    else:
                        for r in range(max(row - reach_y, 0), min(row + reach_y + 1, rows)):
                            part_y = min((r + 1) * cell_height, (row + 0.5) * cell_height + height / 2) - max(
                                r * cell_height, (row + 0.5) * cell_height - height / 2
                            )
                            for c in range(max(column - reach_x, 0), min(column + reach_x + 1, columns)):
                                part_x = min((c + 1) * cell_width, (column + 0.5) * cell_width + width / 2) - max(
                                    c * cell_width, (column + 0.5) * cell_width - width / 2
                                )
                                before = density[0, r * columns + c]
                                after = before + part_x * part_y / cell_area
                                cost += share * (max(after, threshold) - max(before, threshold))
                    if cost < best_cost[_CANDIDATES - 1]:
                        rank = _CANDIDATES - 1
                        while rank > 0 and cost < best_cost[rank - 1]:
                            best_cost[rank], best_cell[rank] = best_cost[rank - 1], best_cell[rank - 1]
                            rank -= 1
                        best_cost[rank], best_cell[rank] = cost, row * columns + column
            chosen, least = best_cell[0], np.inf
            for rank in range(_CANDIDATES):
                if best_cost[rank] >= least or best_cost[rank] == np.inf:
                    break
                cell = best_cell[rank]
                row, column = cell // columns, cell % columns
                cost = best_cost[rank] + _route_cost(state, block, row, column, horizontal, vertical)
                if cost < least:
                    chosen, least = cell, cost
            row, column = chosen // columns, chosen % columns
            state.x[block], state.y[block] = (column + 0.5) * cell_width, (row + 0.5) * cell_height
            add_area(density, grid, shape, state.x[block], state.y[block], width, height, 1.0)
            packed = pack_cell(row, column)
            for entry in range(state.block_ptr[block], state.block_ptr[block + 1]):
                state.terminal_cell[state.block_terminals[entry]] = packed


@jit.ieee_kernel
def place_soft_macros(state, links):
    """Give the soft macros a global placement, all else standing, from nothing: springs and spreading.

    What hard macros fill in the fullest cells is free to fill elsewhere too: returns that density, as a floor for
    ``sweep``, which finishes the placement.

    Args:
        state: a ``ProxyState``; whole afterwards, whatever it was.
        links: ``Springs`` of the soft macros.
    """
    blocks = links.blocks
    if blocks.size == 0:
        rebuild(state)
        return 0.0
    for block in blocks:
        state.placed[block] = 0
    rebuild(state)
    columns, rows = state.shape[COLUMNS], state.shape[ROWS]
    cell_area = state.grid[CELL_WIDTH] * state.grid[CELL_HEIGHT]
    area, taken = 0.0, 0.0
    for block in blocks:
        area += state.sizes[block, 0] * state.sizes[block, 1]
    for cell in range(columns * rows):
        taken += state.grids[0, cell]
    # At least what an even filling of all cells needs, with some air.
    floor = max(state.hints[HINT_DENSITY], 1.1 * (area / cell_area + taken) / (columns * rows))
    room = np.empty(columns * rows)
    for cell in range(columns * rows):
        room[cell] = max(floor - state.grids[0, cell], 0.0) * cell_area
    anchors = np.zeros((blocks.size, 2))
    for block in blocks:
        state.x[block], state.y[block] = 0.5 * state.grid[WIDTH], 0.5 * state.grid[HEIGHT]
    relax(state, links, anchors, 0.0, _FIRST_ROUNDS)
    pull = _FIRST_PULL
    for _ in range(_SPREADINGS):
        spread(state, links, room, anchors)
        relax(state, links, anchors, pull, _ROUNDS)
        pull *= _PULL_GROWTH
    spread(state, links, room, anchors)
    for i in range(blocks.size):
        state.x[blocks[i]], state.y[blocks[i]] = anchors[i, 0], anchors[i, 1]
        state.placed[blocks[i]] = 1
    rebuild(state)
    return floor
