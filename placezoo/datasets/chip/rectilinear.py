"""Rectilinear polygons: as rectangles, and what they leave of the box around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placezoo.datasets.chip.lef_shapes import Box

MOST_CORNERS = 1_000  # of a die or a blockage; real ones have some dozen


def rectangles(corners: Sequence[tuple[float, float]], outside: bool = False) -> list[Box]:
    """Return a polygon as rectangles, or the rest of the box around it.

    Args:
        corners: (x, y) in order around it; two are those of a rectangle.
        outside: whether the rest of the box around the polygon is returned instead.

    Raises:
        ValueError: an edge is neither horizontal nor vertical, or there are more corners than ``MOST_CORNERS``.
    """
    if len(corners) > MOST_CORNERS:
        raise ValueError(f"a polygon has at most {MOST_CORNERS:,} corners, not {len(corners):,}")
    if len(corners) == 2:
        (x0, y0), (x1, y1) = corners
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    ends = np.array([*corners, corners[0]])
    change = np.diff(ends, axis=0)
    if np.any((change != 0).all(axis=1)):
        x, y = ends[int(np.flatnonzero((change != 0).all(axis=1))[0])]
        raise ValueError(f"the edge from ( {x:g} {y:g} ) is neither horizontal nor vertical")
    upright = change[:, 1] != 0
    at = ends[:-1][upright, 0]
    low, high = np.minimum(ends[:-1], ends[1:])[upright, 1], np.maximum(ends[:-1], ends[1:])[upright, 1]
    left, right = ends[:, 0].min(), ends[:, 0].max()
    levels = np.unique(ends[:, 1])
    made: list[Box] = []
    growing: dict[tuple[float, float], float] = {}  # where the rectangles below the current level began
    for bottom, top in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        crossings = np.sort(at[(low <= bottom) & (high >= top)]).tolist()
        if outside:
            crossings = [float(left), *crossings, float(right)]
        spans = [(x0, x1) for x0, x1 in zip(crossings[::2], crossings[1::2], strict=True) if x1 > x0]
        made += [(x0, begun, x1, bottom) for (x0, x1), begun in growing.items() if (x0, x1) not in spans]
        growing = {span: growing.get(span, bottom) for span in spans}
    made += [(x0, begun, x1, float(levels[-1])) for (x0, x1), begun in growing.items()]
    return made
