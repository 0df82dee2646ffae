"""The force-directed placer of Circuit Training: springs along nets, repulsion between overlapping macros.

Source: Circuit Training's ``optimize_stdcells`` as published by TILOS in its simulated annealing
(plc_netlist_fd_placer.cpp); Google's own is closed.
"""

from __future__ import annotations

import numpy as np

from placezoo import jit
from placezoo.cost_models.chip.proxy_state import HEIGHT, POINT, WIDTH, placed_extent, rebuild, turned

STEPS = (100, 100, 100)
ATTRACT = (100.0, 1e-3, 1e-5)
REPEL = (0.0, 1e6, 1e7)
MOVE_FACTORS = (1.0, 1.0, 1.0)


@jit.ieee_kernel
def force_directed(state, links, steps, attract, repel, move_factors, io_factor):
    """Place soft macros, or all, by forces, starting from the centre of the canvas.

    In a step each spring pulls with ``attract`` x weight x distance (x ``io_factor`` to a port), and of each
    overlapping pair those that move are pushed apart with ``repel`` x largest move. The displacements are then scaled
    so that the largest on either axis is ``move_factor`` x the canvas's longer side / steps; one that would leave the
    canvas is not made.

    Args:
        state: a ``ProxyState``; whole afterwards.
        links: ``Springs`` of the macros that move.
        steps: int64 [stages].
        attract: float64 [stages].
        repel: float64 [stages].
        move_factors: float64 [stages].
        io_factor: of springs to ports.
    """
    blocks, ptr, other, weight, offset = links.blocks, links.ptr, links.other, links.weight, links.offset
    x, y, orientation, sizes, kinds = state.x, state.y, state.orientation, state.sizes, state.kinds
    width, height = state.grid[WIDTH], state.grid[HEIGHT]
    count = blocks.size
    for block in blocks:
        x[block], y[block] = 0.5 * width, 0.5 * height
        state.placed[block] = 1
    rank = np.full(x.size, -1, np.int64)
    for i in range(count):
        rank[blocks[i]] = i
    # All macros by their left edge, kept sorted from step to step: overlaps are found between neighbours.
    macros = np.flatnonzero((kinds != POINT) & (state.placed != 0))
    half_x, half_y = np.empty(x.size), np.empty(x.size)
    for block in macros:
        extent_x, extent_y = placed_extent(sizes, block, orientation[block])
        half_x[block], half_y[block] = 0.5 * extent_x, 0.5 * extent_y
    move_x, move_y = np.empty(count), np.empty(count)
    for stage in range(steps.size):
        max_move = move_factors[stage] * max(width, height) / steps[stage]
        push = repel[stage] * max_move
        pulls = attract[stage] > 1e-4 * repel[stage]  # as published: weaker springs are left out
        for _ in range(steps[stage]):
            move_x[:] = 0.0
            move_y[:] = 0.0
            for i in range(count if pulls else 0):
                block = blocks[i]
                sum_x, sum_y = 0.0, 0.0
                for k in range(ptr[i], ptr[i + 1]):
                    neighbour = other[k]
                    shift_x, shift_y = turned(orientation[neighbour], offset[k, 0], offset[k, 1])
                    force = attract[stage] * weight[k] * (io_factor if kinds[neighbour] == POINT else 1.0)
                    sum_x += force * (x[neighbour] + shift_x - x[block])
                    sum_y += force * (y[neighbour] + shift_y - y[block])
                move_x[i], move_y[i] = sum_x, sum_y
            if push > 0.0:
                _repel(macros, rank, x, y, half_x, half_y, push, move_x, move_y)
            largest_x, largest_y = 0.0, 0.0
            for i in range(count):
                largest_x, largest_y = max(largest_x, abs(move_x[i])), max(largest_y, abs(move_y[i]))
            scale_x = max_move / largest_x if largest_x > 0.0 else 0.0
            scale_y = max_move / largest_y if largest_y > 0.0 else 0.0
            for i in range(count):
                block = blocks[i]
                new_x, new_y = x[block] + scale_x * move_x[i], y[block] + scale_y * move_y[i]
                if half_x[block] <= new_x <= width - half_x[block]:
                    if half_y[block] <= new_y <= height - half_y[block]:
                        x[block], y[block] = new_x, new_y
    rebuild(state)


@jit.inlined
def _repel(macros, rank, x, y, half_x, half_y, push, move_x, move_y):
    for i in range(1, macros.size):  # insertion sort: almost sorted already
        block = macros[i]
        left = x[block] - half_x[block]
        j = i - 1
        while j >= 0 and x[macros[j]] - half_x[macros[j]] > left:
            macros[j + 1] = macros[j]
            j -= 1
        macros[j + 1] = block
    for i in range(macros.size):
        a = macros[i]
        right = x[a] + half_x[a]
        for j in range(i + 1, macros.size):
            b = macros[j]
            if x[b] - half_x[b] >= right:
                break
            if rank[a] < 0 and rank[b] < 0:
                continue
            dx, dy = x[a] - x[b], y[a] - y[b]
            if abs(dy) >= half_y[a] + half_y[b]:
                continue
            distance = np.sqrt(dx * dx + dy * dy)
            if distance < 1e-10:
                dx, dy, distance = 1.0, 1.0, np.sqrt(2.0)  # coincident: a fixed direction
            force_x, force_y = push * dx / distance, push * dy / distance
            if rank[a] >= 0:
                move_x[rank[a]] += force_x
                move_y[rank[a]] += force_y
            if rank[b] >= 0:
                move_x[rank[b]] -= force_x
                move_y[rank[b]] -= force_y
