"""The proxy cost written out from its definition, one net and one cell at a time; shares no code with the package."""

import math


def transform(orientation, x, y):
    return {
        "N": (x, y), "FN": (-x, y), "S": (-x, -y), "FS": (x, -y),
        "E": (y, -x), "FE": (-y, -x), "W": (-y, x), "FW": (y, x),
    }[orientation]  # fmt: skip


def node_position(netlist, placement, node):
    from placezoo.datasets.chip.netlist import ORIENTATIONS

    owner = int(netlist.owners[node])
    cx, cy = placement.centers[owner]
    if owner == node:
        return cx, cy
    dx, dy = transform(ORIENTATIONS[placement.orientations[owner]], *netlist.offsets[node])
    return cx + dx, cy + dy


def box(placement, node):
    (x, y), (w, h) = placement.centers[node], placement.extents[node]
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def mean_of_largest(values, k):
    return sum(sorted(values, reverse=True)[:k]) / k


def slow_proxy(netlist, placement, smoothing_range):
    """Return wirelength, density and congestion."""
    canvas = netlist.canvas
    columns, rows = canvas.columns, canvas.rows
    cell_width, cell_height = canvas.width / columns, canvas.height / rows

    def cell_of(x, y):
        row = min(max(math.floor(y / cell_height), 0), rows - 1)
        column = min(max(math.floor(x / cell_width), 0), columns - 1)
        return row, column

    horizontal = [[0.0] * columns for _ in range(rows)]
    vertical = [[0.0] * columns for _ in range(rows)]

    def row_wire(row, a, b, weight):
        for column in range(min(a, b), max(a, b)):
            horizontal[row][column] += weight

    def column_wire(column, a, b, weight):
        for row in range(min(a, b), max(a, b)):
            vertical[row][column] += weight

    length, weight_sum = 0.0, 0.0
    for net in range(netlist.num_nets):
        nodes = netlist.net_nodes[netlist.net_indptr[net] : netlist.net_indptr[net + 1]]
        points = [node_position(netlist, placement, int(node)) for node in nodes]
        xs, ys = zip(*points, strict=True)
        weight = float(netlist.net_weights[net])
        length += weight * (max(xs) - min(xs) + max(ys) - min(ys))
        weight_sum += weight
        cells = list(dict.fromkeys(cell_of(x, y) for x, y in points))
        used = weight if weight > 1 else 1.0
        if len(cells) == 3:
            (y1, x1), (y2, x2), (y3, x3) = sorted(cells, key=lambda cell: (cell[1], cell[0]))
            if x1 < x2 < x3 and min(y1, y3) < y2 < max(y1, y3):
                row_wire(y1, x1, x2, used)
                row_wire(y2, x2, x3, used)
                column_wire(x2, y1, y2, used)
                column_wire(x3, y2, y3, used)
            elif x2 == x3 and x1 < x2 and y1 < min(y2, y3):
                row_wire(y1, x1, x2, used)
                column_wire(x2, y1, max(y2, y3), used)
            elif y2 == y3:
                row_wire(y1, x1, x2, used)
                row_wire(y2, x2, x3, used)
                column_wire(x2, y1, y2, used)
            else:
                (y1, x1), (y2, x2), (y3, x3) = sorted(cells)
                row_wire(y2, min(x1, x2, x3), max(x1, x2, x3), used)
                column_wire(x1, y1, y2, used)
                column_wire(x3, y2, y3, used)
        else:
            for cell in cells[1:]:
                row_wire(cells[0][0], cells[0][1], cell[1], used)
                column_wire(cell[1], cells[0][0], cell[0], used)

    density = [[0.0] * columns for _ in range(rows)]
    macro_horizontal = [[0.0] * columns for _ in range(rows)]
    macro_vertical = [[0.0] * columns for _ in range(rows)]
    hard = set(netlist.hard_macros.tolist())
    for node in netlist.macros.tolist():
        x0, y0, x1, y1 = box(placement, node)
        covered = {}
        for row in range(rows):
            for column in range(columns):
                dx = min(x1, (column + 1) * cell_width) - max(x0, column * cell_width)
                dy = min(y1, (row + 1) * cell_height) - max(y0, row * cell_height)
                if dx > 0 and dy > 0:
                    density[row][column] += dx * dy / (cell_width * cell_height)
                    covered[row, column] = dx, dy
        if node not in hard or not covered:
            continue
        # The last row and column are those of the upper right corner, even where it only touches them.
        last_row = min(math.floor(y1 / cell_height), rows - 1)
        last_column = min(math.floor(x1 / cell_width), columns - 1)
        first_row, first_column = max(math.floor(y0 / cell_height), 0), max(math.floor(x0 / cell_width), 0)

        def overlap(row, column, x0=x0, y0=y0, x1=x1, y1=y1):
            dx = min(x1, (column + 1) * cell_width) - max(x0, column * cell_width)
            dy = min(y1, (row + 1) * cell_height) - max(y0, row * cell_height)
            return dx, dy

        partial_row = last_row > first_row and any(
            abs(overlap(row, first_column)[1] - cell_height) > 1e-5 for row in (first_row, last_row)
        )
        partial_column = last_column > first_column and any(
            abs(overlap(first_row, column)[0] - cell_width) > 1e-5 for column in (first_column, last_column)
        )
        for (row, column), (dx, dy) in covered.items():
            if not (first_row <= row <= last_row and first_column <= column <= last_column):
                continue  # a sliver that rounding leaves
            if not (partial_row and row == last_row):
                macro_vertical[row][column] += dx * canvas.macro_routes[1]
            if not (partial_column and column == last_column):
                macro_horizontal[row][column] += dy * canvas.macro_routes[0]

    k = smoothing_range
    smooth_vertical = [[0.0] * columns for _ in range(rows)]
    smooth_horizontal = [[0.0] * columns for _ in range(rows)]
    for row in range(rows):
        for column in range(columns):
            reach = range(max(0, column - k), min(columns - 1, column + k) + 1)
            for other in reach:
                smooth_vertical[row][other] += vertical[row][column] / len(reach)
            reach = range(max(0, row - k), min(rows - 1, row + k) + 1)
            for other in reach:
                smooth_horizontal[other][column] += horizontal[row][column] / len(reach)
    values = []
    for row in range(rows):
        for column in range(columns):
            values.append(
                (smooth_vertical[row][column] + macro_vertical[row][column])
                / (cell_width * canvas.routes_per_micron[1])
            )
            values.append(
                (smooth_horizontal[row][column] + macro_horizontal[row][column])
                / (cell_height * canvas.routes_per_micron[0])
            )
    flat = [value for line in density for value in line]
    if len(flat) < 10:
        occupied = [value for value in flat if value > 1e-12]  # an edge that misses a grid line by a rounding: none
        density_cost = 0.5 * sum(occupied) / len(occupied) if occupied else 0.0
    else:
        density_cost = 0.5 * mean_of_largest(flat, max(1, math.floor(0.1 * len(flat))))
    congestion = mean_of_largest(values, max(1, math.floor(0.05 * len(values))))
    wirelength = length / (weight_sum * (canvas.width + canvas.height)) if weight_sum else 0.0
    return wirelength, density_cost, congestion
