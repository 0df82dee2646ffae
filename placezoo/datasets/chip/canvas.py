"""The area that a chip is placed on: its size, grid, routing and blockages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_CELLS = 100_000  # of the grid: published ones have at most 128 x 128
_LARGEST = 1e12  # micron
_MOST_OBSTACLES = 1_000  # for a search of all places where something may lie
_TOUCH = 1e-9  # micron: less is no overlap


@dataclass(frozen=True)
class Canvas:
    """The area that is placed on, its grid, and what routing it offers.

    Attributes:
        width: micron.
        height: micron.
        columns: of the grid.
        rows: of the grid.
        routes_per_micron: horizontal and vertical routing tracks per micron.
        macro_routes: horizontal and vertical tracks per micron that hard macros use up.
        smoothing_range: over how many cells to each side congestion is spread.
        overlap_threshold: micron by which hard macros may overlap; the environments allow none.
        blockages: rectangles (x0, y0, x1, y1, rate), micron.
        block: the name of the block, or empty.
        project: the name of the project, or empty.

    Raises:
        ValueError: a size is not positive or not finite.
    """

    width: float
    height: float
    columns: int = 10
    rows: int = 10
    routes_per_micron: tuple[float, float] = (70.33, 74.51)
    macro_routes: tuple[float, float] = (51.79, 51.79)
    smoothing_range: int = 2
    overlap_threshold: float = 0.0
    blockages: tuple[tuple[float, float, float, float, float], ...] = ()
    block: str = ""
    project: str = ""

    def __post_init__(self) -> None:
        for what in ("width", "height", "columns", "rows"):
            value = getattr(self, what)
            if not 0 < value < _LARGEST:
                raise ValueError(f"canvas {what} must be positive and below {_LARGEST:g}, not {value:g}")
        if self.columns * self.rows > MOST_CELLS:
            raise ValueError(f"a canvas has at most {MOST_CELLS:,} grid cells, not {self.columns} x {self.rows}")
        for what in ("routes_per_micron", "macro_routes"):
            if not all(np.isfinite(value) and value >= 0 for value in getattr(self, what)):
                raise ValueError(f"canvas {what} must not be negative: {getattr(self, what)}")
        if min(self.routes_per_micron) == 0:
            raise ValueError("canvas routes_per_micron must be positive")
        if not 0 <= self.smoothing_range <= MOST_CELLS:
            raise ValueError(f"canvas smoothing_range must be at least 0 and at most {MOST_CELLS}")

    @property
    def cell_width(self) -> float:
        """Width of a grid cell, micron."""
        return self.width / self.columns

    @property
    def cell_height(self) -> float:
        """Height of a grid cell, micron."""
        return self.height / self.rows

    @property
    def num_cells(self) -> int:
        """How many cells the grid has; cell index = row * columns + column, row 0 at the bottom."""
        return self.columns * self.rows


def default_canvas(total_area: float, columns: int = 10, rows: int = 10) -> Canvas:
    """Return the canvas of a netlist without a placement file: a square used to 60 %.

    Source: Circuit Training's plc_client.
    """
    side = float(np.sqrt(total_area / 0.6)) if total_area > 0 else 1.0
    return Canvas(side, side, columns, rows)


def choose_grid(
    width: float,
    height: float,
    sizes: NDArray[np.float64],
    movable: NDArray[np.float64] | None = None,
    obstacles: NDArray[np.float64] | None = None,
) -> tuple[int, int]:
    """Return columns and rows on which macros with their centres at those of cells lose little room.

    Equal macros side by side are a whole number of cells apart; of 16 to 48 lines on each axis, those are taken that
    add least to the macros' sizes, weighted by area. (Circuit Training searches likewise, with more criteria.) Each
    movable macro must fit on some cell if it were alone with the obstacles; if none of these grids admits it, square
    ones of up to 128 lines are tried.

    Args:
        width: of the canvas, micron.
        height: of the canvas, micron.
        sizes: float64 [macros, 2], micron; none: 32 x 32.
        movable: float64 [movable macros, 2], width and height as placed, micron; default: all have the size above.
        obstacles: float64 [K, 4], x0, y0, x1, y1 of what no macro may overlap, micron; default none.
    """
    if len(sizes) == 0:
        return 32, 32
    extents = np.unique(sizes if movable is None else movable, axis=0)
    extents = extents[np.argsort(-extents.prod(axis=1), kind="stable")]  # the largest fails first
    walls = np.zeros((0, 4)) if obstacles is None else obstacles
    area = np.prod(sizes, axis=1)
    counts = np.arange(16, 49)
    lost = []
    for side, extent in ((width, sizes[:, 0]), (height, sizes[:, 1])):
        pitch = side / counts[:, None]
        taken = np.ceil(extent / pitch - 1e-9) * pitch / extent
        lost.append(np.round((taken * area).sum(axis=1) / area.sum(), 6))
    best = np.argsort(lost[0][:, None] + lost[1][None, :], axis=None, kind="stable")
    # The grid that is best on each axis comes first, then all others; then finer ones.
    first = int(counts[np.argmin(lost[0])]), int(counts[np.argmin(lost[1])])
    others = [(int(counts[k // counts.size]), int(counts[k % counts.size])) for k in best]
    if not all(_has_room(*_cell_centres(first, width, height), width, height, extent, walls) for extent in extents):
        # What has no room anywhere must not keep the others from a grid that admits them.
        possible = [extent for extent in extents if _has_room_anywhere(width, height, extent, walls)]
        for grid in (*others, *((lines, lines) for lines in range(49, 129))):
            centres = _cell_centres(grid, width, height)
            if all(_has_room(*centres, width, height, extent, walls) for extent in possible):
                return grid
    return first


def _cell_centres(
    grid: tuple[int, int], width: float, height: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns, rows = grid
    return (np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows


def _has_room_anywhere(
    width: float, height: float, extent: NDArray[np.float64], obstacles: NDArray[np.float64]
) -> bool:
    """Return whether a macro has room on the canvas: if so, it also has where it touches something on two sides."""
    if len(obstacles) > _MOST_OBSTACLES:
        return True
    half_x, half_y = extent / 2
    x = np.concatenate([[half_x], obstacles[:, 2] + half_x])
    y = np.concatenate([[half_y], obstacles[:, 3] + half_y])
    return _has_room(np.unique(x), np.unique(y), width, height, extent, obstacles)


def _has_room(
    x: NDArray[np.float64], y: NDArray[np.float64], width: float, height: float, extent: NDArray[np.float64],
    obstacles: NDArray[np.float64],
) -> bool:  # fmt: skip
    """Return whether a macro may lie at one of the columns x and rows y, which rise."""
    half_x, half_y = extent / 2
    x = x[(x - half_x >= -_TOUCH) & (x + half_x <= width + _TOUCH)]
    y = y[(y - half_y >= -_TOUCH) & (y + half_y <= height + _TOUCH)]
    if not (x.size and y.size):
        return False
    # Each obstacle forbids a rectangle of cells; the rectangles are added up by their corners.
    corners = np.zeros((y.size + 1, x.size + 1), np.int64)
    left, right = (
        np.searchsorted(x, obstacles[:, 0] - half_x + _TOUCH, "right"),
        np.searchsorted(x, obstacles[:, 2] + half_x - _TOUCH),
    )
    bottom, top = (
        np.searchsorted(y, obstacles[:, 1] - half_y + _TOUCH, "right"),
        np.searchsorted(y, obstacles[:, 3] + half_y - _TOUCH),
    )
    right, top = np.maximum(left, right), np.maximum(bottom, top)
    for row, column, sign in ((bottom, left, 1), (bottom, right, -1), (top, left, -1), (top, right, 1)):
        np.add.at(corners, (row, column), sign)
    return bool((corners.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] == 0).any())
