"""A kernel whose proposals are the best of several candidates, by a score of their features; compiled.

``guided`` wraps a problem's kernel. What comes out is a kernel too, over the same assignment, so that local search,
annealing and whatever else takes kernels can be guided.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.envs.problem import Candidates, Kernel

SEARCH_FEATURES = ("waited", "failures")  # what a search knows of a move, before what the problem knows
WAITED, FAILURES = range(len(SEARCH_FEATURES))
_FORGETS = 0.3  # what is left of an item's failures after each improvement
_WAIT_SCALE = 0.1  # of the logarithm of how many moves have brought nothing
MOVES_IN_VAIN, IMPROVEMENTS, ROWS = range(3)  # of Memory.counts


class Score(NamedTuple):
    """A score of features: linear in them, plus a hidden layer of rectified units. F features, H units."""

    linear: NDArray[np.float32]  # [F]
    hidden: NDArray[np.float32]  # [F, H]
    bias: NDArray[np.float32]  # [H]
    out: NDArray[np.float32]  # [H]


class Memory(NamedTuple):
    """What a search remembers of its moves."""

    failures: NDArray[np.float32]  # [items, resources], how often the item has gone there in vain,
    until: NDArray[np.int64]  # [items, resources], as it was when there had been so many improvements
    counts: NDArray[np.int64]  # [3], moves in vain since the last improvement, improvements, rows of the record
    change: NDArray[np.float64]  # [1], of the move evaluated last


class Record(NamedTuple):
    """Moves that were evaluated, to learn from: R rows, none where nothing is recorded."""

    features: NDArray[np.float32]  # [R, F]
    change: NDArray[np.float64]  # [R], of the cost


class Guided(NamedTuple):
    """The state of a guided kernel."""

    assignment: NDArray[np.int64]  # the problem's own
    state: tuple  # of the problem's kernel
    score: Score
    memory: Memory
    record: Record
    settings: NDArray[np.float64]  # CANDIDATES, EXPLORATION
    features: NDArray[np.float32]  # [F], of the candidate looked at
    seen: NDArray[np.float32]  # those of them that the problem knows
    chosen: NDArray[np.float32]  # [F], of the move proposed last
    units: NDArray[np.float32]  # [H], overwritten


CANDIDATES, EXPLORATION = range(2)  # of Guided.settings


def guided(
    kernel: Kernel,
    resources: int,
    candidates: Candidates,
    score: Score,
    count: int,
    exploration: float,
    rows: int = 0,
) -> Kernel:
    """Return a kernel that proposes the best of several candidates of another.

    Args:
        kernel: the problem's.
        resources: how many there are.
        candidates: the problem's.
        score: by which the best is chosen; ties go to the first.
        count: how many are drawn.
        exploration: the share of proposals that is drawn as it comes.
        rows: how many moves are recorded, with what they changed the cost.
    """
    num_features = len(SEARCH_FEATURES) + len(candidates.names)
    shape = kernel.state.assignment.size, resources
    features = np.zeros(num_features, np.float32)
    state = Guided(
        assignment=kernel.state.assignment,
        state=kernel.state,
        score=score,
        memory=Memory(np.zeros(shape, np.float32), np.zeros(shape, np.int64), np.zeros(3, np.int64), np.zeros(1)),
        record=Record(np.zeros((rows, num_features), np.float32), np.zeros(rows)),
        settings=np.array([count, exploration]),
        features=features,
        seen=features[len(SEARCH_FEATURES) :],
        chosen=np.zeros(num_features, np.float32),
        units=np.zeros(score.bias.size, np.float32),
    )
    return Kernel(
        state,
        propose.of(candidates.draw, candidates.see),
        _delta.of(kernel.delta),
        _apply.of(kernel.apply),
        _undo.of(kernel.undo),
    )


@jit.generic_loop
def propose(state, rng, draw, see):
    """Draw candidates and return the one of the highest score; a share of proposals is drawn as it comes."""
    inner, features = state.state, state.features
    explores = rng.random() < state.settings[EXPLORATION]
    best, highest = draw(inner, rng), -np.inf
    if explores and state.record.change.size == 0:
        return best
    move = best
    for drawn in range(1 if explores else int(state.settings[CANDIDATES])):
        if drawn > 0:
            move = draw(inner, rng)
        if move[1] == move[2]:
            continue
        recall(state.memory, move, features)
        see(inner, move, state.seen)
        value = score_of(state.score, features, state.units)
        if value > highest:
            best, highest = move, value
            state.chosen[:] = features
    return best


@jit.ieee_kernel
def recall(memory, move, features):
    """Write what the search knows of a move."""
    item, target = move[0], move[2]
    forgotten = memory.counts[IMPROVEMENTS] - memory.until[item, target]
    features[WAITED] = _WAIT_SCALE * np.log1p(memory.counts[MOVES_IN_VAIN])
    features[FAILURES] = np.log1p(memory.failures[item, target] * _FORGETS**forgotten)


@jit.ieee_kernel
def score_of(score, features, units):
    """Return the score of features."""
    hidden, total = score.hidden, 0.0
    units[:] = score.bias
    for column in range(features.size):
        value = features[column]
        if value != 0.0:  # most are
            total += score.linear[column] * value
            for unit in range(units.size):
                units[unit] += hidden[column, unit] * value
    for unit in range(units.size):
        if units[unit] > 0.0:
            total += score.out[unit] * units[unit]
    return total


@jit.ieee_kernel
def remember(state, move, change):
    """Remember what a move was evaluated to change."""
    memory, record = state.memory, state.record
    failures, until, counts = memory.failures, memory.until, memory.counts
    item, target = move[0], move[2]
    forgotten = counts[IMPROVEMENTS] - until[item, target]
    failures[item, target] = failures[item, target] * _FORGETS**forgotten + (change >= 0.0)
    until[item, target] = counts[IMPROVEMENTS]
    counts[MOVES_IN_VAIN] += 1
    memory.change[0] = change
    if counts[ROWS] < record.change.size:
        record.features[counts[ROWS]] = state.chosen
        record.change[counts[ROWS]] = change
        counts[ROWS] += 1


@jit.generic_loop
def _delta(state, move, delta):
    change = delta(state.state, move)
    if move[1] != move[2]:
        remember(state, move, change)
    return change


@jit.generic_loop
def _apply(state, move, apply):
    apply(state.state, move)
    memory = state.memory
    if memory.change[0] < 0.0:
        memory.counts[MOVES_IN_VAIN] = 0
        memory.counts[IMPROVEMENTS] += 1
        memory.change[0] = 0.0


@jit.generic_loop
def _undo(state, move, undo):
    undo(state.state, move)
