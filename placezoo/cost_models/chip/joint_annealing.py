"""Metropolis moves of hard and soft macros together, anywhere on the canvas, at the exact proxy cost.

Hard macros step by a share of a cell, come to lie at a line of the grid or at another macro, exchange places, are
flipped, or go elsewhere; none ever overlaps another. Soft macros step, shift by a cell, go to their optimal interval
(the region where their wires are shortest: Goto 1981), to a neighbour, exchange places, or go elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip.free_places import FreePlaces, is_free
from placezoo.cost_models.chip.proxy_state import (
    CELL_HEIGHT,
    CELL_WIDTH,
    FIRST_ROTATED,
    HEIGHT,
    NUM_MOVED,
    TOTAL,
    WIDTH,
    begin_change,
    flipped,
    list_block,
)
from placezoo.cost_models.chip.quick_trials import QuickTrials, keep, take_back, try_quickly

# Upper ends of the shares of the moves; the rest goes anywhere.
_HARD_STEP, _HARD_SNAP, _HARD_SWAP, _HARD_FLIP = 0.55, 0.70, 0.85, 0.92
_SOFT_STEP, _SOFT_SHIFT, _SOFT_INTERVAL, _SOFT_SWAP, _SOFT_NEIGHBOUR = 0.35, 0.55, 0.75, 0.80, 0.90
_HARD_TAIL, _SOFT_TAIL = 4.0, 3.0  # steps are up to e^4 and e^3 times shorter than the longest, on a logarithmic scale
_SNAP_DRAWS = 4  # draws of a macro that is near enough to lie at
_NEAR = 8  # cells: half of the moves anywhere stay within a window of so many
_SAME = 1e-10  # totals that differ by less are the same


class JointPlacement(NamedTuple):
    """A placement under joint annealing, and the best seen; B blocks."""

    trials: QuickTrials
    places: FreePlaces
    hard: NDArray[np.int64]  # blocks of the hard macros that move
    soft: NDArray[np.int64]  # of the soft ones
    flips: NDArray[np.int8]  # [1], whether hard macros may be flipped
    best: NDArray[np.float64]  # [B, 3], x, y and orientation of the best placement
    best_total: NDArray[np.float64]  # [1]
    ends: NDArray[np.float64]  # [2 x the nets of the block that has the most], scratch


@jit.ieee_kernel
def _optimal_interval(trials, block, axis, ends):
    """Return the median interval of the ends of the block's nets without it: where it lies, its wires are shortest."""
    state = trials.proxy
    position = state.x if axis == 0 else state.y
    count = 0
    for entry in range(state.block_ptr[block], state.block_ptr[block + 1]):
        net = state.terminal_net[state.block_terminals[entry]]
        low, high = np.inf, -np.inf
        for terminal in range(state.net_ptr[net], state.net_ptr[net + 1]):
            other = state.terminal_block[terminal]
            if other != block:
                at = position[other] + state.terminal_shift[terminal, axis]
                low, high = min(low, at), max(high, at)
        if high >= low:
            ends[count], ends[count + 1] = low, high
            count += 2
    if count == 0:
        return position[block], position[block]
    ordered = np.sort(ends[:count])
    return ordered[count // 2 - 1], ordered[count // 2]


@jit.ieee_kernel
def _propose_hard(joint, block, scale, rng):
    """Draw where a hard macro goes: x, y, orientation, and the macro that exchanges places with it or -1."""
    state, places, hard = joint.trials.proxy, joint.places, joint.hard
    grid = state.grid
    cell_width, cell_height = grid[CELL_WIDTH], grid[CELL_HEIGHT]
    x, y, turn = state.x[block], state.y[block], state.orientation[block]
    kind = rng.random()
    if kind < _HARD_STEP:
        step = scale * np.exp(-_HARD_TAIL * rng.random())
        way = int(rng.random() * 3)
        if way != 0:
            x += step * cell_width * rng.standard_normal()
        if way != 1:
            y += step * cell_height * rng.standard_normal()
    elif kind < _HARD_SNAP:
        edge = places.canvas[2]
        half_x, half_y = places.half[block, 0], places.half[block, 1]
        side = int(rng.random() * 4)
        sign = 1.0 if side % 2 == 0 else -1.0
        if rng.random() < 0.5:  # an edge to a line of the grid, just inside
            further = int(rng.random() * 2)
            if side < 2:
                reach = sign * (half_x + edge)
                x = (np.floor((x - reach) / cell_width) + further) * cell_width + reach
            else:
                reach = sign * (half_y + edge)
                y = (np.floor((y - reach) / cell_height) + further) * cell_height + reach
        else:  # beside another macro
            other = places.solid[int(rng.random() * places.solid.size)]
            for _ in range(_SNAP_DRAWS):
                far_x = abs(state.x[other] - x) > 3 * half_x + 2 * places.half[other, 0]
                far_y = abs(state.y[other] - y) > 3 * half_y + 2 * places.half[other, 1]
                if far_x or far_y or other == block:
                    other = places.solid[int(rng.random() * places.solid.size)]
            if side < 2:
                gap = max(places.room[block, 0], places.room[other, 0]) + 1e-9 * grid[WIDTH]
                x = state.x[other] + sign * (places.half[other, 0] + half_x + gap)
            else:
                gap = max(places.room[block, 1], places.room[other, 1]) + 1e-9 * grid[HEIGHT]
                y = state.y[other] + sign * (places.half[other, 1] + half_y + gap)
    elif kind < _HARD_SWAP:
        other = hard[int(rng.random() * hard.size)]
        return state.x[other], state.y[other], turn, other
    elif kind < _HARD_FLIP:
        if joint.flips[0]:
            turn = np.int8(flipped(turn, 1 + int(rng.random() * 3)))
    elif rng.random() < 0.5:
        x += (rng.random() - 0.5) * _NEAR * cell_width
        y += (rng.random() - 0.5) * _NEAR * cell_height
    else:
        x, y = rng.random() * grid[WIDTH], rng.random() * grid[HEIGHT]
    return x, y, turn, -1


@jit.ieee_kernel
def _propose_soft(joint, block, scale, rng):
    """Draw where a soft macro goes: x, y, and the macro that exchanges places with it or -1."""
    state, soft = joint.trials.proxy, joint.soft
    grid = state.grid
    cell_width, cell_height = grid[CELL_WIDTH], grid[CELL_HEIGHT]
    x, y = state.x[block], state.y[block]
    kind = rng.random()
    if kind < _SOFT_STEP:
        step = scale * np.exp(-_SOFT_TAIL * rng.random())
        x += step * cell_width * rng.standard_normal()
        y += step * cell_height * rng.standard_normal()
    elif kind < _SOFT_SHIFT:
        way = int(rng.random() * 4)
        x += cell_width * ((way == 0) - (way == 1))
        y += cell_height * ((way == 2) - (way == 3))
    elif kind < _SOFT_INTERVAL:
        low, high = _optimal_interval(joint.trials, block, 0, joint.ends)
        x = low + rng.random() * (high - low) + 0.5 * cell_width * rng.standard_normal()
        low, high = _optimal_interval(joint.trials, block, 1, joint.ends)
        y = low + rng.random() * (high - low) + 0.5 * cell_height * rng.standard_normal()
    elif kind < _SOFT_SWAP:
        other = soft[int(rng.random() * soft.size)]
        return state.x[other], state.y[other], other
    elif kind < _SOFT_NEIGHBOUR:
        first, last = state.block_ptr[block], state.block_ptr[block + 1]
        if last > first:
            net = state.terminal_net[state.block_terminals[first + int(rng.random() * (last - first))]]
            first, last = state.net_ptr[net], state.net_ptr[net + 1]
            terminal = first + int(rng.random() * (last - first))
            neighbour = state.terminal_block[terminal]
            x = state.x[neighbour] + state.terminal_shift[terminal, 0] + cell_width * rng.standard_normal()
            y = state.y[neighbour] + state.terminal_shift[terminal, 1] + cell_height * rng.standard_normal()
    else:
        x, y = rng.random() * grid[WIDTH], rng.random() * grid[HEIGHT]
    return x, y, -1


@jit.inlined
def within(places, block, x, y):
    """Return the place nearest to (x, y) where a block is inside the canvas; the middle, where it does not fit."""
    half_x = min(places.half[block, 0] + places.canvas[2], 0.5 * places.canvas[0])
    half_y = min(places.half[block, 1] + places.canvas[2], 0.5 * places.canvas[1])
    return min(max(x, half_x), places.canvas[0] - half_x), min(max(y, half_y), places.canvas[1] - half_y)


@jit.ieee_kernel
def _swap_is_free(places, block, other):
    """Return whether two hard macros can exchange places."""
    x, y, other_x, other_y = places.x[block], places.y[block], places.x[other], places.y[other]
    if not is_free(places, block, other_x, other_y, other) or not is_free(places, other, x, y, block):
        return False
    gap_x = places.half[block, 0] + places.half[other, 0] + max(places.room[block, 0], places.room[other, 0])
    gap_y = places.half[block, 1] + places.half[other, 1] + max(places.room[block, 1], places.room[other, 1])
    return abs(x - other_x) >= gap_x or abs(y - other_y) >= gap_y


@jit.ieee_kernel
def _list_move(joint, is_hard, scale, rng):
    """Draw a move and list its blocks; return whether there is one."""
    places, state = joint.places, joint.trials.proxy
    orientation = state.orientation
    begin_change(state)
    if is_hard:
        block = joint.hard[int(rng.random() * joint.hard.size)]
        x, y, turn, other = _propose_hard(joint, block, scale, rng)
        if other < 0:
            if x == state.x[block] and y == state.y[block]:
                if turn == orientation[block]:
                    return False
            elif not is_free(places, block, x, y, -1):
                return False
            list_block(state, block, x, y, turn, 1)
            return True
        if other == block or not _swap_is_free(places, block, other):
            return False
        other_turn = orientation[other]
        alike = (turn < FIRST_ROTATED) == (other_turn < FIRST_ROTATED)
        if joint.flips[0] and alike and rng.random() < 0.5:
            turn, other_turn = other_turn, turn
        list_block(state, block, x, y, turn, 1)
        list_block(state, other, state.x[block], state.y[block], other_turn, 1)
        return True
    block = joint.soft[int(rng.random() * joint.soft.size)]
    x, y, other = _propose_soft(joint, block, scale, rng)
    if other == block:
        return False
    x, y = within(places, block, x, y)
    list_block(state, block, x, y, orientation[block], 1)
    if other >= 0:
        x, y = within(places, other, state.x[block], state.y[block])
        list_block(state, other, x, y, orientation[other], 1)
    return True


@jit.ieee_kernel
def anneal_jointly(joint, temperature, hard_share, scale, moves, rng):
    """Make Metropolis moves; keep the best placement.

    Args:
        joint: ``JointPlacement``.
        temperature: in units of the total cost.
        hard_share: of the moves that are of hard macros, where there are both.
        scale: longest steps, in cells.
        moves: how many are drawn.
        rng: numpy Generator.
    """
    trials, best_total = joint.trials, joint.best_total
    state = trials.proxy
    current = state.totals[TOTAL]
    if joint.soft.size == 0 or joint.hard.size == 0:
        hard_share = 1.0 if joint.soft.size == 0 else 0.0
    is_new = False  # what stands is better than the best, and not yet copied
    for _ in range(moves):
        if not _list_move(joint, rng.random() < hard_share, scale, rng):
            continue
        limit = current - temperature * np.log(max(rng.random(), 1e-300))
        total = try_quickly(trials, limit)
        if total > limit:
            take_back(trials)
            continue
        if is_new and total > current:  # copying only before it gets worse, not at each step down
            copy_best(joint)
            is_new = False
        keep(trials)
        current = total
        if current < best_total[0] - _SAME:
            best_total[0] = current
            is_new = True
    if is_new:
        copy_best(joint)


@jit.ieee_kernel
def copy_best(joint):
    """Make the placement that stands the best one; blocks of a move that is only tried count where they were."""
    state, best = joint.trials.proxy, joint.best
    best[:, 0], best[:, 1], best[:, 2] = state.x, state.y, state.orientation
    for rank in range(state.counts[NUM_MOVED]):
        block = state.moved[rank]
        best[block, 0], best[block, 1] = state.moved_to[rank, 0], state.moved_to[rank, 1]
        best[block, 2] = state.moved_orientation[rank]
