"""Global placement of standard-cell clusters: springs, pulled apart until they fit between the macros.

Source: Kim, Lee & Markov 2012, SimPL: wirelength is minimised with anchors at a look-ahead legalisation, whose pull
grows. Here the legalisation bisects the canvas and moves as few blocks over each cut as the free area on either side
demands.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip.proxy_state import CELL_HEIGHT, CELL_WIDTH, COLUMNS, HEIGHT, ROWS, SOFT, WIDTH, turned


class Springs(NamedTuple):
    """Driver-sink pairs of the soft macros, merged: one spring for each two blocks.

    Lengths: S soft macros, P springs (both ends, where both are soft).
    """

    blocks: NDArray[np.int64]  # [S]
    ptr: NDArray[np.int64]  # [S + 1], springs of soft macros
    other: NDArray[np.int64]  # [P], block at the other end
    weight: NDArray[np.float64]  # [P]
    offset: NDArray[np.float64]  # [P, 2], mean offset of the other block's pins, orientation N, micron


def springs(
    soft: NDArray[np.int64],
    net_ptr: NDArray[np.int64],
    net_weights: NDArray[np.float64],
    terminal_block: NDArray[np.int32],
    terminal_offset: NDArray[np.float64],
) -> Springs:
    """Return the springs of some blocks; arrays as in ``ProxyState``."""
    drivers = np.repeat(net_ptr[:-1], np.diff(net_ptr))
    sinks = np.arange(terminal_block.size)
    weights = np.repeat(net_weights, np.diff(net_ptr))
    is_sink = drivers != sinks
    drivers, sinks, weights = drivers[is_sink], sinks[is_sink], weights[is_sink]
    here, there = np.concatenate([drivers, sinks]), np.concatenate([sinks, drivers])
    weights = np.concatenate([weights, weights])
    num_blocks = int(max(terminal_block.max(initial=0), soft.max(initial=0))) + 1
    rank = np.full(num_blocks, -1)
    rank[soft] = np.arange(soft.size)
    first, second = rank[terminal_block[here]], terminal_block[there].astype(np.int64)
    keep = (first >= 0) & (terminal_block[here] != second) & (weights > 0)
    key, inverse = np.unique(first[keep] * num_blocks + second[keep], return_inverse=True)
    weight = np.bincount(inverse, weights[keep], minlength=key.size)
    offset = np.stack(
        [
            np.bincount(inverse, weights[keep] * terminal_offset[there[keep], axis], minlength=key.size)
            for axis in (0, 1)
        ],
        axis=1,
    )
    ptr = np.searchsorted(key // num_blocks, np.arange(soft.size + 1))
    return Springs(
        soft.astype(np.int64),
        ptr.astype(np.int64),
        (key % num_blocks).astype(np.int64),
        np.asarray(weight, np.float64),
        offset / np.maximum(weight, 1e-300)[:, None],
    )


@jit.ieee_kernel
def relax(state, links, anchors, pull, rounds):
    """Move the soft macros to the weighted mean of what they are tied to, again and again (Gauss-Seidel).

    Minimises the sum of weight x squared distance. Soft macros count even where they are not placed yet: their places
    are then estimates.

    Args:
        state: a ``ProxyState``; x and y change, nothing else follows until ``rebuild``.
        links: ``Springs``.
        anchors: float64 [S, 2], where each soft macro is pulled to besides, micron.
        pull: of the anchors, in multiples of the sum of the springs' weights.
        rounds: how often each is moved.
    """
    blocks, ptr, other, weight, offset = links.blocks, links.ptr, links.other, links.weight, links.offset
    x, y, orientation, placed, kinds = state.x, state.y, state.orientation, state.placed, state.kinds
    for _ in range(rounds):
        for i in range(blocks.size):
            block = blocks[i]
            sum_x, sum_y, total = 0.0, 0.0, 0.0
            for k in range(ptr[i], ptr[i + 1]):
                neighbour = other[k]
                if placed[neighbour] or kinds[neighbour] == SOFT:
                    shift_x, shift_y = turned(orientation[neighbour], offset[k, 0], offset[k, 1])
                    sum_x += weight[k] * (x[neighbour] + shift_x)
                    sum_y += weight[k] * (y[neighbour] + shift_y)
                    total += weight[k]
            if total > 0.0:
                x[block] = (sum_x + pull * total * anchors[i, 0]) / ((1.0 + pull) * total)
                y[block] = (sum_y + pull * total * anchors[i, 1]) / ((1.0 + pull) * total)


@jit.ieee_kernel
def spread(state, links, room, anchors):
    """Write anchors near the soft macros' centres such that they fit into the room of the cells.

    Args:
        state: a ``ProxyState``.
        links: ``Springs``.
        room: float64 [cells], area that may be filled, micron^2.
        anchors: float64 [S, 2], overwritten.
    """
    blocks = links.blocks
    columns, rows = state.shape[COLUMNS], state.shape[ROWS]
    cell_width, cell_height = state.grid[CELL_WIDTH], state.grid[CELL_HEIGHT]
    # Room left of and below each corner, for the room of any rectangle in four reads.
    total = np.zeros((rows + 1, columns + 1))
    for row in range(rows):
        for column in range(columns):
            total[row + 1, column + 1] = (
                room[row * columns + column] + total[row, column + 1] + total[row + 1, column] - total[row, column]
            )
    order = np.arange(blocks.size)
    # Regions still to cut: columns [c0, c1), rows [r0, r1), blocks order[begin:end].
    stack = np.empty((64 + 2 * (columns + rows), 6), np.int64)
    stack[0] = np.array([0, columns, 0, rows, 0, blocks.size])
    depth = 1
    keys = np.empty(blocks.size)
    for i in range(blocks.size):
        anchors[i, 0] = min(max(state.x[blocks[i]], 0.0), state.grid[WIDTH])
        anchors[i, 1] = min(max(state.y[blocks[i]], 0.0), state.grid[HEIGHT])
    while depth > 0:
        depth -= 1
        c0, c1, r0, r1, begin, end = stack[depth]
        if end == begin:
            continue
        if c1 - c0 == 1 and r1 - r0 == 1:
            for k in range(begin, end):
                i = order[k]
                anchors[i, 0] = min(max(anchors[i, 0], (c0 + 0.25) * cell_width), (c0 + 0.75) * cell_width)
                anchors[i, 1] = min(max(anchors[i, 1], (r0 + 0.25) * cell_height), (r0 + 0.75) * cell_height)
            continue
        along_x = ((c1 - c0) * cell_width >= (r1 - r0) * cell_height and c1 - c0 > 1) or r1 - r0 == 1
        if along_x:
            cut = (c0 + c1) // 2
            line = cut * cell_width
            room_low = total[r1, cut] - total[r0, cut] - total[r1, c0] + total[r0, c0]
        else:
            cut = (r0 + r1) // 2
            line = cut * cell_height
            room_low = total[cut, c1] - total[r0, c1] - total[cut, c0] + total[r0, c0]
        room_all = total[r1, c1] - total[r0, c1] - total[r1, c0] + total[r0, c0]
        area_all, area_low = 0.0, 0.0
        for k in range(begin, end):
            i = order[k]
            keys[k] = anchors[i, 0] if along_x else anchors[i, 1]
            area = state.sizes[blocks[i], 0] * state.sizes[blocks[i], 1]
            area_all += area
            if keys[k] < line:
                area_low += area
        sub = order[begin:end][np.argsort(keys[begin:end], kind="mergesort")]
        order[begin:end] = sub
        # As little as possible crosses the line: only what does not fit on its own side.
        room_high = room_all - room_low
        scale = max(area_all / max(room_all, 1e-12), 1.0)  # overfull together: then both sides alike
        wanted = min(max(area_low, area_all - room_high * scale), room_low * scale)
        middle, filled = begin, 0.0
        while middle < end:
            i = order[middle]
            area = state.sizes[blocks[i], 0] * state.sizes[blocks[i], 1]
            if filled + 0.5 * area > wanted:
                break
            filled += area
            middle += 1
        if along_x:
            stack[depth] = np.array([c0, cut, r0, r1, begin, middle])
            stack[depth + 1] = np.array([cut, c1, r0, r1, middle, end])
        else:
            stack[depth] = np.array([c0, c1, r0, cut, begin, middle])
            stack[depth + 1] = np.array([c0, c1, cut, r1, middle, end])
        depth += 2
