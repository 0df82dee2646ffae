"""Legality of chip placements off the grid: where macros may lie when they are not bound to the centres of cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.chip.netlist import FIRST_ROTATED, TOUCH, Netlist, NodeType, Placement


def halo_reach(netlist: Netlist, orientations: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return how far the halos keep other hard macros away: float64 [num_nodes, 2], along x and y, micron.

    The larger of two opposite sides counts for both, so that flips change nothing.
    """
    assert netlist.halos is not None
    reach = np.stack([netlist.halos[:, [0, 2]].max(axis=1), netlist.halos[:, [1, 3]].max(axis=1)], axis=1)
    return np.where((orientations >= FIRST_ROTATED)[:, None], reach[:, ::-1], reach)


def illegalities(placement: Placement, nodes: NDArray[np.int64]) -> tuple[int, tuple[str, ...]]:
    """Count what is illegal about where some macros lie, and say it in one line a kind.

    Hard macros must not overlap each other, fixed ones or blockages, nor reach into a halo of another hard macro; all
    must be inside the canvas, soft macros too. What only concerns other nodes is passed over.

    Args:
        placement: of all.
        nodes: int64, the macros that were placed.
    """
    netlist, canvas = placement.netlist, placement.netlist.canvas
    names, found = netlist.names, []
    low, high = placement.centers - placement.extents / 2, placement.centers + placement.extents / 2
    hard = netlist.hard_macros
    own = np.isin(hard, nodes)
    centers, half = placement.centers[hard], placement.extents[hard] / 2
    halo = halo_reach(netlist, placement.orientations)[hard]
    depth = half[:, None] + half[None, :] - np.abs(centers[:, None] - centers[None, :])
    both = np.triu(own[:, None] | own[None, :], 1)
    overlap = both & (depth > TOUCH).all(axis=2)
    near = both & (depth + np.maximum(halo[:, None], halo[None, :]) > TOUCH).all(axis=2) & ~overlap
    for pairs, what in ((overlap, "of hard macros overlap"), (near, "of a hard macro in another's halo")):
        first, second = np.nonzero(pairs)
        if first.size:
            example = f"{names[hard[first[0]]]} and {names[hard[second[0]]]}"
            found.append(f"{first.size} pairs {what}, {example} for example")
    size = np.array([canvas.width, canvas.height])
    fits = placement.extents[nodes] <= size  # a soft macro that is larger than the canvas sticks out anywhere
    outside = (((low[nodes] < -TOUCH) | (high[nodes] > size + TOUCH)) & fits).any(axis=1)
    if outside.any():
        found.append(f"{outside.sum()} macros stick out of the canvas, {names[nodes[outside.argmax()]]} for example")
    count = int(overlap.sum() + near.sum() + outside.sum())
    placed = nodes[netlist.types[nodes] == NodeType.HARD_MACRO]
    blocked = np.zeros(placed.size, np.int64)
    for x0, y0, x1, y1, rate in canvas.blockages:
        if rate > 0:
            within = (high[placed] > np.array([x0, y0]) + TOUCH) & (low[placed] < np.array([x1, y1]) - TOUCH)
            blocked += within.all(axis=1)
    if blocked.any():
        lying = int(np.count_nonzero(blocked))
        found.append(f"{lying} hard macros lie on blockages, {names[placed[blocked.argmax()]]} for example")
    return count + int(blocked.sum()), tuple(found)
