"""Legality of chip placements: where items lie, what overlaps what, and where an item may go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip.proxy_state import CELL_HEIGHT, CELL_WIDTH, COLUMNS, HEIGHT, ROWS, TOUCH, WIDTH

MIRROR, CYCLE = -2, -3  # what a move's partner says, see ``moves``


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


@jit.inlined
def cell_centre(layout, cell):
    """Return x and y of a cell's centre, micron."""
    columns = layout.shape[COLUMNS]
    row = cell // columns
    return (cell - row * columns + 0.5) * layout.grid[CELL_WIDTH], (row + 0.5) * layout.grid[CELL_HEIGHT]


@jit.inlined
def overlap(distance_x, distance_y, reach_x, reach_y):
    """Return whether two blocks overlap; those that share an edge do not.

    Args:
        distance_x: between the centres, of either sign, micron.
        distance_y: likewise.
        reach_x: sum of half the widths, micron.
        reach_y: sum of half the heights, micron.
    """
    return abs(distance_x) < reach_x - TOUCH and abs(distance_y) < reach_y - TOUCH


@jit.ieee_kernel
def obstacle_conflicts(layout, item, x, y):
    """Count the obstacles that an item with its centre at (x, y) overlaps; outside the canvas counts as one."""
    if not layout.item_hard[item]:
        return 0
    obstacles, grid = layout.obstacles, layout.grid
    half_x, half_y = layout.half[item, 0] - TOUCH, layout.half[item, 1] - TOUCH
    outside = x - half_x < 0 or y - half_y < 0 or x + half_x > grid[WIDTH] or y + half_y > grid[HEIGHT]
    count = 1 if outside else 0
    for k in range(obstacles.shape[0]):
        if x + half_x > obstacles[k, 0] and x - half_x < obstacles[k, 2]:
            if y + half_y > obstacles[k, 1] and y - half_y < obstacles[k, 3]:
                count += 1
    return count


@jit.ieee_kernel
def conflicts(layout, item, x, y, skip_a, skip_b, skip_c):
    """Count what an item with its centre at (x, y) overlaps; up to three other items are passed over."""
    if not layout.item_hard[item]:
        return 0
    assignment, item_block, item_hard = layout.assignment, layout.item_block, layout.item_hard
    block_x, block_y, half = layout.x, layout.y, layout.half
    half_x, half_y = half[item, 0], half[item, 1]
    count = obstacle_conflicts(layout, item, x, y)
    for other in range(assignment.size):
        block = item_block[other]
        if overlap(block_x[block] - x, block_y[block] - y, half_x + half[other, 0], half_y + half[other, 1]):
            if assignment[other] >= 0 and item_hard[other] and other != item:
                if other != skip_a and other != skip_b and other != skip_c:
                    count += 1
    return count


@jit.inlined
def _pair(layout, item, x, y, other, other_x, other_y):
    """Whether two items with these centres overlap."""
    if not layout.item_hard[item] or not layout.item_hard[other]:
        return 0
    half = layout.half
    reach_x, reach_y = half[item, 0] + half[other, 0], half[item, 1] + half[other, 1]
    return 1 if overlap(x - other_x, y - other_y, reach_x, reach_y) else 0


@jit.ieee_kernel
def conflict_change(layout, move, before_too):
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


@jit.ieee_kernel
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
        fits_y = y - half_y >= -TOUCH and y + half_y <= layout.grid[HEIGHT] + TOUCH
        running = 0
        for column in range(columns):
            if row > 0:
                corners[row, column] += corners[row - 1, column]  # sums down the columns, then along the row
            running += corners[row, column]
            x = (column + 0.5) * cell_width
            fits_x = x - half_x >= -TOUCH and x + half_x <= layout.grid[WIDTH] + TOUCH
            mask[row * columns + column] = running == 0 and fits_x and fits_y


@jit.inlined
def _forbid(corners, columns, rows, cell_width, cell_height, left, right, bottom, top):
    """Mark the corners of the rectangle of cells whose centres lie strictly within."""
    first_column = max(int(np.floor((left + TOUCH) / cell_width - 0.5)) + 1, 0)
    last_column = min(int(np.ceil((right - TOUCH) / cell_width - 0.5)) - 1, columns - 1)
    first_row = max(int(np.floor((bottom + TOUCH) / cell_height - 0.5)) + 1, 0)
    last_row = min(int(np.ceil((top - TOUCH) / cell_height - 0.5)) - 1, rows - 1)
    if first_column <= last_column and first_row <= last_row:
        corners[first_row, first_column] += 1
        corners[first_row, last_column + 1] -= 1
        corners[last_row + 1, first_column] -= 1
        corners[last_row + 1, last_column + 1] += 1


@jit.ieee_kernel
def place_at_random(layout, order, mask, rng):
    """Place all items of an empty layout on random free cells; return whether that worked."""
    for item in order:
        position_mask(layout, item, mask)
        free = mask.sum()
        if free == 0:
            return False
        rank = int(rng.random() * free)
        for cell in range(mask.size):
            rank -= mask[cell]
            if rank < 0:
                _set_down(layout, item, cell)
                break
    return True


@jit.ieee_kernel
def settle_down(layout, order, places, mask):
    """Place all items of an empty layout on the free cells nearest to some places; return whether that worked."""
    for item in order:
        position_mask(layout, item, mask)
        best, nearest = -1, np.inf
        for cell in range(mask.size):
            if mask[cell]:
                x, y = cell_centre(layout, cell)
                distance = (x - places[item, 0]) ** 2 + (y - places[item, 1]) ** 2
                if distance < nearest:
                    best, nearest = cell, distance
        if best < 0:
            return False
        _set_down(layout, item, best)
    return True


@jit.ieee_kernel
def pack(layout, order, mask):
    """Place all items in rows from the bottom; one that fits nowhere goes where it overlaps least."""
    for item in order:
        position_mask(layout, item, mask)
        chosen, least = 0, 1 << 30
        for cell in range(mask.size):
            if mask[cell]:
                chosen = cell
                break
            x, y = cell_centre(layout, cell)
            count = conflicts(layout, item, x, y, -1, -1, -1)
            if count < least:
                chosen, least = cell, count
        _set_down(layout, item, chosen)


@jit.ieee_kernel
def _set_down(layout, item, cell):
    block = layout.item_block[item]
    layout.assignment[item] = cell
    layout.x[block], layout.y[block] = cell_centre(layout, cell)
