"""Density of a chip placement: how full the cells of the grid are.

Source: Circuit Training, plc_client's ``get_density_cost`` as published by TILOS (Docs/ProxyCost).
"""

from __future__ import annotations

import numpy as np

from placezoo import jit


@jit.inlined
def first_cell(low, size, count):
    """Return the cell of a coordinate on one axis, clamped to the grid."""
    return min(max(int(np.floor(low / size)), 0), count - 1)


@jit.inlined
def covered(grid, shape, x, y, width, height):
    """Return a block's left, right, lower and upper edge, and its first and last column and row of cells."""
    left, right, bottom, top = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    first_column, last_column = first_cell(left, grid[0], shape[0]), first_cell(right, grid[0], shape[0])
    first_row, last_row = first_cell(bottom, grid[1], shape[1]), first_cell(top, grid[1], shape[1])
    return left, right, bottom, top, first_column, last_column, first_row, last_row


@jit.inlined
def add_area(grids, grid, shape, x, y, width, height, sign):
    """Add (sign 1) or take away (-1) the share of each cell's area that a block covers.

    Args:
        grids: float64 [5, cells]; the first row is density.
        grid: float64, starting with cell width and height, micron.
        shape: int64, starting with columns and rows.
        x: centre, micron.
        y: centre, micron.
        width: micron.
        height: micron.
        sign: 1.0 or -1.0.
    """
    cell_width, cell_height = grid[0], grid[1]
    columns = shape[0]
    left, right, bottom, top, first_column, last_column, first_row, last_row = covered(grid, shape, x, y, width, height)
    scale = sign / (cell_width * cell_height)
    for row in range(first_row, last_row + 1):
        overlap_y = min(top, (row + 1) * cell_height) - max(bottom, row * cell_height)
        if overlap_y <= 0:
            continue
        for column in range(first_column, last_column + 1):
            overlap_x = min(right, (column + 1) * cell_width) - max(left, column * cell_width)
            if overlap_x > 0:
                grids[0, row * columns + column] += overlap_x * overlap_y * scale
