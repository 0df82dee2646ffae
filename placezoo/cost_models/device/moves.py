"""Kernels of the step time: costs of a placed model, and moves of groups of operators.

``simulation`` says how a placed model runs, ``proposals`` which moves are drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.device.outlook import Outlook
from placezoo.cost_models.device.proposals import Guide, draw_move, look_where_time_is_lost
from placezoo.cost_models.device.simulation import NONE, Program, Timeline, Workspace, copy_timeline, simulate

TERM_NAMES = ("step_time", "peak_memory", "overflow")
TOTAL, STEP_TIME, PEAK_MEMORY, OVERFLOW, OVERFULL, UNPLACED = range(6)  # of StepTimeState.totals
PENALTY, LEVELS = range(2)  # of StepTimeState.weights; LEVELS: how many priorities groups may have
_DRAWS = 8  # of a move whose parameters fit where it goes

DEVICE_FEATURE_NAMES = ("speed", "memory_bandwidth", "memory", "memory_used", "load", "groups", "finish")
(  # columns of those features
    DEVICE_SPEED, DEVICE_MEMORY_BANDWIDTH, DEVICE_MEMORY, DEVICE_MEMORY_USED, DEVICE_LOAD, DEVICE_GROUPS, DEVICE_FINISH,
) = range(7)  # fmt: skip


class StepTimeState(NamedTuple):
    """An assignment of groups with its timeline and costs."""

    assignment: NDArray[np.int64]  # [G], a device each, -1 = unplaced; or [2 G], a priority each after them
    timeline: Timeline
    trial: Timeline  # of the move that was simulated last
    tried: NDArray[np.int64]  # [4], that move; its item is -1 if the assignment has changed since
    workspace: Workspace
    totals: NDArray[np.float64]  # TOTAL, STEP_TIME, PEAK_MEMORY, OVERFLOW, OVERFULL, UNPLACED
    trial_totals: NDArray[np.float64]
    program: Program
    guide: Guide
    outlook: Outlook
    weights: NDArray[np.float64]  # PENALTY, LEVELS
    device_features: NDArray[np.float32]  # [K, DEVICE_MEMORY_USED], the columns before it: what no placement changes


@jit.ieee_kernel
def evaluate_into(assignment, program, weights, timeline, work, totals):
    """Write timeline and totals of an assignment."""
    groups = program.held_bytes.size
    if assignment.size > groups:
        for op in range(work.priority.size):
            work.priority[op] = assignment[groups + program.group[op]]
    step_time = simulate(assignment, program, timeline, work)
    memory = program.memory
    overflow, overfull, fullest = 0.0, 0, 0.0
    for place in range(memory.size):
        fullest = max(fullest, timeline.peak[place])
        if timeline.peak[place] > memory[place]:
            overflow += timeline.peak[place] - memory[place]
            overfull += 1
    unplaced = 0
    for item in range(groups):
        unplaced += assignment[item] < 0
    totals[STEP_TIME] = step_time
    totals[PEAK_MEMORY] = fullest
    totals[OVERFLOW] = overflow
    totals[OVERFULL] = overfull
    totals[UNPLACED] = unplaced
    # Flat, so that no feasible placement is worse; rising, so that search finds its way out.
    share = overflow / max(memory.sum(), 1.0)
    totals[TOTAL] = step_time + (weights[PENALTY] * (1.0 + share) if overfull > 0 else 0.0)


@jit.kernel
def initialise(state):
    """Compute timeline and totals from the assignment."""
    evaluate_into(state.assignment, state.program, state.weights, state.timeline, state.workspace, state.totals)
    _forget(state)


@jit.kernel
def _forget(state):
    """The assignment has changed: what was known of the last one is no longer so."""
    state.tried[0] = NONE
    state.guide.is_current[0] = False
    state.outlook.is_current[0] = False


@jit.kernel
def evaluate_all(state, assignments, totals):
    """Write the total cost of each assignment, [count, items]; the state is of the last one then."""
    for number in range(totals.size):
        state.assignment[:] = assignments[number]
        initialise(state)
        totals[number] = state.totals[TOTAL]


@jit.kernel
def _choices(state, item):
    """Return how many devices, or priorities, an item can have."""
    return state.timeline.peak.size if item < state.program.held_bytes.size else int(state.weights[LEVELS])


@jit.kernel
def propose(state, rng):
    """Draw a move by where the current timeline loses time, and simulate it if memories suffice now.

    Deterministic: the move depends on the assignment and the generator alone. Where memories suffice and would not
    after the move, it is to stay where it is: source and target are equal.
    """
    move = draw(state, rng)
    if state.totals[OVERFULL] > 0 or move[1] == move[2]:
        return move
    _try(state, move)
    if state.trial_totals[OVERFULL] > 0:
        return move[0], move[1], move[1], NONE
    return move


@jit.kernel
def draw(state, rng):
    """Draw a move without simulating it: as ``propose``, but memory may suffice for its parameters alone."""
    if not state.guide.is_current[0]:
        look_where_time_is_lost(state)
    levels, feasible = int(state.weights[LEVELS]), state.totals[OVERFULL] == 0
    item, source, target, partner = draw_move(state, levels, rng)
    if not feasible or source == target:
        return item, source, target, partner
    for _ in range(_DRAWS):
        if _parameters_fit(state, item, source, target, partner):
            return item, source, target, partner
        item, source, target, partner = draw_move(state, levels, rng)
    if not _parameters_fit(state, item, source, target, partner):
        return item, source, source, NONE
    return item, source, target, partner


@jit.kernel
def _parameters_fit(state, item, source, target, partner):
    """Return whether devices have room for the parameters that a drawn move brings there."""
    program, near = state.program, state.guide.near
    held, memory, at_device = program.held_bytes, program.memory, state.guide.held
    if item >= held.size:
        return True
    if partner >= 0:
        change = held[item] - held[partner]
        return at_device[target] + change <= memory[target] and at_device[source] - change <= memory[source]
    bytes_there = at_device[target] + held[item]
    companions, position = ~partner, 0
    while companions:
        if companions & 1:
            bytes_there += held[near[item, position]]
        companions, position = companions >> 1, position + 1
    return bytes_there <= memory[target]


@jit.kernel
def _place(state, move, here, there):
    """Put what moves where it goes, or back: the item, and its partner, or its companions (``draw_move``)."""
    assignment, item, partner = state.assignment, move[0], move[3]
    assignment[item] = there
    if partner >= 0:
        assignment[partner] = here
        return
    companions, position = ~partner, 0
    while companions:
        if companions & 1:
            assignment[state.guide.near[item, position]] = there
        companions, position = companions >> 1, position + 1


@jit.kernel
def _try(state, move):
    """Simulate a move, unless it is the one simulated last."""
    tried = state.tried
    if tried[0] == move[0] and tried[1] == move[1] and tried[2] == move[2] and tried[3] == move[3]:
        return
    _place(state, move, move[1], move[2])
    evaluate_into(state.assignment, state.program, state.weights, state.trial, state.workspace, state.trial_totals)
    _place(state, move, move[2], move[1])
    tried[0], tried[1], tried[2], tried[3] = move


@jit.kernel
def delta(state, move):
    """Return what a move adds to the total, by simulating it."""
    if move[1] == move[2]:
        return 0.0
    _try(state, move)
    return state.trial_totals[TOTAL] - state.totals[TOTAL]


@jit.kernel
def apply(state, move):
    """Make a move."""
    if move[1] == move[2]:
        return
    _try(state, move)
    _place(state, move, move[1], move[2])
    copy_timeline(state.trial, state.timeline)
    state.totals[:] = state.trial_totals
    _forget(state)


@jit.kernel
def undo(state, move):
    """Take back the move that was just made."""
    _place(state, move, move[2], move[1])
    initialise(state)


@jit.kernel
def allowed(state, item, mask):
    """Write 1 for the devices whose memory holds the group's parameters beside those there; or for every priority."""
    assignment, held = state.assignment, state.program.held_bytes
    mask[:] = 0
    mask[: _choices(state, item)] = 1
    if item >= held.size:
        return
    any_fits = False
    for place in range(state.timeline.peak.size):
        used = held[item]
        for other in range(held.size):
            if other != item and assignment[other] == place:
                used += held[other]
        mask[place] = used <= state.program.memory[place]
        any_fits = any_fits or mask[place] > 0
    if not any_fits:  # the cost says what is wrong; a construction goes on
        mask[: _choices(state, item)] = 1


@jit.kernel
def movable(state, mask):
    """Write 1 for every move to another device or priority."""
    for item in range(state.assignment.size):
        choices = _choices(state, item)
        for place in range(mask.shape[1]):
            mask[item, place] = place < choices and place != state.assignment[item]


@jit.ieee_kernel
def observe(state, features, values):
    """Write the devices' features, each in [0, 1], and total, feasibility and terms.

    Features: peak FLOP/s, memory bandwidth and memory over the largest; the peak use of memory; busy time over the step
    time; its share of the groups; when it is done over the step time.
    """
    features[:] = 0.0
    features[: state.timeline.peak.size, :DEVICE_MEMORY_USED] = state.device_features
    totals, timeline = state.totals, state.timeline
    scale = 1.0 / totals[STEP_TIME] if totals[STEP_TIME] > 0.0 else 0.0
    groups = state.program.held_bytes.size
    for place in range(timeline.peak.size):
        features[place, DEVICE_MEMORY_USED] = min(timeline.peak[place] / max(state.program.memory[place], 1.0), 1.0)
        features[place, DEVICE_LOAD] = min(timeline.busy[place] * scale, 1.0)
    for item in range(groups):
        if state.assignment[item] >= 0:
            features[state.assignment[item], DEVICE_GROUPS] += 1.0 / groups
    for op in range(timeline.end.size):
        place = state.assignment[state.program.group[op]]
        if place >= 0:
            features[place, DEVICE_FINISH] = max(features[place, DEVICE_FINISH], min(timeline.end[op] * scale, 1.0))
    for place in range(features.shape[0]):  # sums of shares may exceed 1 by a rounding
        features[place, DEVICE_GROUPS] = min(features[place, DEVICE_GROUPS], 1.0)
    values[0] = totals[TOTAL]
    values[1] = totals[OVERFULL] == 0 and totals[UNPLACED] == 0
    values[2] = totals[STEP_TIME]
    values[3] = totals[PEAK_MEMORY]
    values[4] = totals[OVERFLOW]
