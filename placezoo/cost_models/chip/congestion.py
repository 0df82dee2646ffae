"""Congestion of a chip placement: routing demand over supply on the grid.

Source: Circuit Training, plc_client's ``get_congestion_cost`` as published by TILOS (Docs/ProxyCost, plc_client_os.py).
Demand that crosses the right or upper edge of a cell is charged to that cell.
"""

from __future__ import annotations

from placezoo import jit
from placezoo.cost_models.chip.density import covered

DENSITY, VERTICAL, HORIZONTAL, MACRO_VERTICAL, MACRO_HORIZONTAL = range(5)  # rows of the grids of a placement
_TOLERANCE = 1e-5  # micron: a row or column of cells counts as fully covered up to this


# Routing works on packed cells, row * 2^16 + column: they sort by row, then column, and come apart without a division.
CELL_BITS = 16
_COLUMN_MASK = (1 << CELL_BITS) - 1


@jit.inlined
def pack_cell(row, column):
    """Return a cell as one number that ``route_net`` takes; rows and columns are below 32,768."""
    return (row << CELL_BITS) | column


# What a straight wire does: its direction, its row or column, and the first column or row and the one after the last of
# which it crosses the right or upper edge. Routes go through one of the two.


@jit.inlined
def _add_wire(target, count, direction, line, first, last):
    """Add demand to (grids, columns, weight)."""
    grids, columns, weight = target
    if direction == HORIZONTAL:
        for cell in range(line * columns + first, line * columns + last):
            grids[HORIZONTAL, cell] += weight
    else:
        for row in range(first, last):
            grids[VERTICAL, row * columns + line] += weight
    return count


@jit.inlined
def _list_wire(wires, count, direction, line, first, last):
    """Write it into a list; return its new length."""
    if first < last:
        wires[count, 0], wires[count, 1], wires[count, 2], wires[count, 3] = direction, line, first, last
        count += 1
    return count


@jit.generic_inlined
def _route_two(wire, target, count, source, sink):
    row1, column1 = source >> CELL_BITS, source & _COLUMN_MASK
    row2, column2 = sink >> CELL_BITS, sink & _COLUMN_MASK
    count = wire(target, count, HORIZONTAL, row1, min(column1, column2), max(column1, column2))
    return wire(target, count, VERTICAL, column2, min(row1, row2), max(row1, row2))


@jit.generic_inlined
def _route_three(wire, target, count, a, b, c):
    # By column, then row.
    a, b, c = _sort_by_column(a, b, c)
    y1, y2, y3 = a >> CELL_BITS, b >> CELL_BITS, c >> CELL_BITS
    x1, x2, x3 = a & _COLUMN_MASK, b & _COLUMN_MASK, c & _COLUMN_MASK
    if x1 < x2 < x3 and min(y1, y3) < y2 < max(y1, y3):  # two bends
        count = wire(target, count, HORIZONTAL, y1, x1, x2)
        count = wire(target, count, HORIZONTAL, y2, x2, x3)
        count = wire(target, count, VERTICAL, x2, min(y1, y2), max(y1, y2))
        return wire(target, count, VERTICAL, x3, min(y2, y3), max(y2, y3))
    if x2 == x3 and x1 < x2 and y1 < min(y2, y3):
        count = wire(target, count, HORIZONTAL, y1, x1, x2)
        return wire(target, count, VERTICAL, x2, y1, max(y2, y3))
    if y2 == y3:
        count = wire(target, count, HORIZONTAL, y1, x1, x2)
        count = wire(target, count, HORIZONTAL, y2, x2, x3)
        return wire(target, count, VERTICAL, x2, min(y1, y2), max(y1, y2))
    # a trunk on the middle row
    low, high = min(x1, x2, x3), max(x1, x2, x3)
    a, b, c = min(a, b, c), a + b + c - min(a, b, c) - max(a, b, c), max(a, b, c)
    middle = b >> CELL_BITS
    count = wire(target, count, HORIZONTAL, middle, low, high)
    count = wire(target, count, VERTICAL, a & _COLUMN_MASK, a >> CELL_BITS, middle)
    return wire(target, count, VERTICAL, c & _COLUMN_MASK, middle, c >> CELL_BITS)


@jit.inlined
def _sort_by_column(a, b, c):
    key_a, key_b, key_c = _column_first(a), _column_first(b), _column_first(c)
    if key_a > key_b:
        a, b, key_a, key_b = b, a, key_b, key_a
    if key_b > key_c:
        b, c, key_b, key_c = c, b, key_c, key_b
    if key_a > key_b:
        a, b = b, a
    return a, b, c


@jit.inlined
def _column_first(cell):
    return ((cell & _COLUMN_MASK) << CELL_BITS) | (cell >> CELL_BITS)


@jit.generic_inlined
def _route(wire, target, begin, cells, count):
    if count == 2:
        return _route_two(wire, target, begin, cells[0], cells[1])
    if count == 3:
        return _route_three(wire, target, begin, cells[0], cells[1], cells[2])
    for i in range(1, count):
        begin = _route_two(wire, target, begin, cells[0], cells[i])
    return begin


@jit.inlined
def route_net(grids, columns, cells, count, weight):
    """Add the demand of one net; with a negative weight take it away.

    Args:
        grids: float64 [5, cells]; rows VERTICAL and HORIZONTAL are demand for tracks.
        columns: of the grid.
        cells: int, the net's distinct cells, packed, the source's first.
        count: how many of them.
        weight: of the net.
    """
    _route(_add_wire, (grids, columns, weight), 0, cells, count)


@jit.inlined
def list_wires(wires, begin, cells, count):
    """List the straight wires of one net; return where the list ends.

    Args:
        wires: int32 [room, 4], written from ``begin`` on: VERTICAL or HORIZONTAL, the column or row, and the first row
            or column and the one after the last of which a wire crosses the upper or right edge. A net of n cells has
            at most 2 n.
        begin: of this net's.
        cells: int, the net's distinct cells, packed, the source's first.
        count: how many of them.
    """
    return _route(_list_wire, wires, begin, cells, count)


@jit.inlined
def add_wires(grids, columns, wires, begin, end, weight):
    """Add the demand of listed wires, from ``begin`` until before ``end``, of nets of a weight."""
    target = (grids, columns, weight)
    for k in range(begin, end):
        _add_wire(target, 0, wires[k, 0], wires[k, 1], wires[k, 2], wires[k, 3])


@jit.inlined
def add_macro_routes(grids, grid, shape, macro_routes, x, y, width, height, sign):
    """Add (sign 1) or take away (-1) the tracks that a hard macro uses up above itself.

    Args:
        grids: float64 [5, cells], rows MACRO_VERTICAL and MACRO_HORIZONTAL.
        grid: float64, starting with cell width and height, micron.
        shape: int64, starting with columns and rows.
        macro_routes: horizontal and vertical tracks per micron.
        x: centre, micron.
        y: centre, micron.
        width: micron.
        height: micron.
        sign: 1.0 or -1.0.
    """
    cell_width, cell_height = grid[0], grid[1]
    columns, rows = shape[0], shape[1]
    left, right, bottom, top, first_column, last_column, first_row, last_row = covered(grid, shape, x, y, width, height)
    if top < 0 or right < 0 or bottom >= rows * cell_height or left >= columns * cell_width:
        return
    # A macro that covers its first or last row (column) only partly uses no vertical (horizontal) tracks of the last.
    skip_row, skip_column = -1, -1
    if last_row > first_row:
        lower = (first_row + 1) * cell_height - max(bottom, first_row * cell_height)
        upper = min(top, (last_row + 1) * cell_height) - last_row * cell_height
        if abs(lower - cell_height) > _TOLERANCE or abs(upper - cell_height) > _TOLERANCE:
            skip_row = last_row
    if last_column > first_column:
        lower = (first_column + 1) * cell_width - max(left, first_column * cell_width)
        upper = min(right, (last_column + 1) * cell_width) - last_column * cell_width
        if abs(lower - cell_width) > _TOLERANCE or abs(upper - cell_width) > _TOLERANCE:
            skip_column = last_column
    for row in range(first_row, last_row + 1):
        overlap_y = min(top, (row + 1) * cell_height) - max(bottom, row * cell_height)
        if overlap_y <= 0:
            continue
        for column in range(first_column, last_column + 1):
            overlap_x = min(right, (column + 1) * cell_width) - max(left, column * cell_width)
            if overlap_x > 0:
                cell = row * columns + column
                if row != skip_row:
                    grids[MACRO_VERTICAL, cell] += sign * overlap_x * macro_routes[1]
                if column != skip_column:
                    grids[MACRO_HORIZONTAL, cell] += sign * overlap_y * macro_routes[0]


@jit.inlined
def congestion_values(values, grids, columns, rows, reach, scale):
    """Write demand over supply: vertical for all cells, then horizontal.

    Args:
        values: float64 [2 * cells], overwritten.
        grids: float64 [5, cells], demand of nets and tracks that macros use up; only demand is smoothed.
        columns: of the grid.
        rows: of the grid.
        reach: smoothing range: vertical demand is spread over the columns up to so far to each side, horizontal demand
            over the rows, each value in equal parts over the cells of the grid that it reaches.
        scale: 1 / tracks of a cell, vertical and horizontal.
    """
    cells = columns * rows
    if reach == 0:
        for cell in range(cells):
            values[cell] = (grids[VERTICAL, cell] + grids[MACRO_VERTICAL, cell]) * scale[0]
            values[cells + cell] = (grids[HORIZONTAL, cell] + grids[MACRO_HORIZONTAL, cell]) * scale[1]
        return
    for cell in range(cells):
        values[cell] = grids[MACRO_VERTICAL, cell]
        values[cells + cell] = grids[MACRO_HORIZONTAL, cell]
    for column in range(columns):
        first, last = max(0, column - reach), min(columns - 1, column + reach)
        share = 1.0 / (last - first + 1)
        for row in range(rows):
            part = grids[VERTICAL, row * columns + column] * share
            for cell in range(row * columns + first, row * columns + last + 1):
                values[cell] += part
    for row in range(rows):
        first, last = max(0, row - reach), min(rows - 1, row + reach)
        share = 1.0 / (last - first + 1)
        for other in range(first, last + 1):
            for column in range(columns):
                values[cells + other * columns + column] += grids[HORIZONTAL, row * columns + column] * share
    for cell in range(cells):
        values[cell] *= scale[0]
        values[cells + cell] *= scale[1]
