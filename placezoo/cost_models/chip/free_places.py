"""Where hard macros may lie off the grid: whether a place is free, and the nearest that is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit


class FreePlaces(NamedTuple):
    """What keeps hard macros from places; B blocks of a ``ProxyState``, H hard macros, K blockages."""

    x: NDArray[np.float64]  # [B], centre, micron; the state's own
    y: NDArray[np.float64]  # [B]
    half: NDArray[np.float64]  # [B, 2], half of width and height as placed, micron
    room: NDArray[np.float64]  # [B, 2], kept free of other hard macros along x and y, micron
    solid: NDArray[np.int64]  # [H], blocks of all hard macros, fixed ones too
    is_down: NDArray[np.int8]  # [B], whether a hard macro counts
    blockages: NDArray[np.float64]  # [K, 4], x0, y0, x1, y1, micron
    canvas: NDArray[np.float64]  # [3], width, height, and room at its edges and around blockages, micron


@jit.inlined
def is_free(places, block, x, y, skipped):
    """Return whether a hard macro with its centre at (x, y) meets no other, no blockage and no edge; one is skipped."""
    half, room, canvas = places.half, places.room, places.canvas
    block_x, block_y, is_down, blockages = places.x, places.y, places.is_down, places.blockages
    half_x, half_y, edge = half[block, 0], half[block, 1], canvas[2]
    if x - half_x < edge or y - half_y < edge or x + half_x > canvas[0] - edge or y + half_y > canvas[1] - edge:
        return False
    for other in places.solid:
        if abs(block_x[other] - x) < half_x + half[other, 0] + max(room[block, 0], room[other, 0]):
            if abs(block_y[other] - y) < half_y + half[other, 1] + max(room[block, 1], room[other, 1]):
                if other != block and other != skipped and is_down[other]:
                    return False
    for k in range(blockages.shape[0]):
        if x + half_x > blockages[k, 0] - edge and x - half_x < blockages[k, 2] + edge:
            if y + half_y > blockages[k, 1] - edge and y - half_y < blockages[k, 3] + edge:
                return False
    return True


@jit.ieee_kernel
def _touching(places, block, axis, wish, out):
    """Write where along an axis a macro would just touch what is there, the wish first; return how many."""
    half, room, canvas, blockages = places.half, places.room, places.canvas, places.blockages
    position = places.x if axis == 0 else places.y
    own, edge = half[block, axis], canvas[2]
    nudge = 1e-9 * canvas[axis]  # so that rounding leaves no overlap
    low, high = own + edge + nudge, canvas[axis] - own - edge - nudge
    out[0] = min(max(wish, low), high)
    count = 1
    for other in places.solid:
        if other != block and places.is_down[other]:
            reach = own + half[other, axis] + max(room[block, axis], room[other, axis]) + nudge
            out[count], out[count + 1] = position[other] - reach, position[other] + reach
            count += 2
    for k in range(blockages.shape[0]):
        out[count] = blockages[k, axis] - edge - own - nudge
        out[count + 1] = blockages[k, axis + 2] + edge + own + nudge
        count += 2
    kept = 1
    for i in range(1, count):
        if low <= out[i] <= high:
            out[kept] = out[i]
            kept += 1
    return kept


@jit.ieee_kernel
def put_down(places, order):
    """Put hard macros, one after another, on the free place nearest to where each is; return whether that worked.

    The nearest free place is where the macro is, or touches something along one axis or both; those are tried, the
    nearest first.

    Args:
        places: of which all macros that are down stay where they are; those of the order are put down.
        order: int64, blocks.
    """
    most = 1 + 2 * (places.solid.size + places.blockages.shape[0])
    along_x, along_y = np.empty(most), np.empty(most)
    for block in order:
        wish_x, wish_y = places.x[block], places.y[block]
        count_x = _touching(places, block, 0, wish_x, along_x)
        count_y = _touching(places, block, 1, wish_y, along_y)
        order_x = np.argsort(np.abs(along_x[:count_x] - wish_x), kind="mergesort")
        order_y = np.argsort(np.abs(along_y[:count_y] - wish_y), kind="mergesort")
        best_x, best_y, nearest = 0.0, 0.0, np.inf
        for i in order_x:
            far_x = (along_x[i] - wish_x) ** 2
            if far_x >= nearest:
                break
            for j in order_y:
                distance = far_x + (along_y[j] - wish_y) ** 2
                if distance >= nearest:
                    break
                if is_free(places, block, along_x[i], along_y[j], -1):
                    best_x, best_y, nearest = along_x[i], along_y[j], distance
                    break
        if nearest == np.inf:
            return False
        places.x[block], places.y[block] = best_x, best_y
        places.is_down[block] = 1
    return True
