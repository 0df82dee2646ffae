"""Making an infeasible assignment feasible by the cheapest moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.search.descent import descend
from placezoo.envs.problem import PlacementProblem

_PROPOSALS, _CHUNK = 1024, 32  # where evaluating every move is dear: how many are drawn, and between two looks


def repair(problem: PlacementProblem, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a feasible assignment near an infeasible one, or the best found on the way.

    Asks the domain first (``problem.legalize``). Then makes, as long as constraints are violated, the valid move that
    adds least to the total cost (of which violations are part) and does not add to it; a feasible assignment comes back
    as it is. Where evaluating a move is dear (``problem.cheap_moves``), it descends by some proposals of the kernel
    instead, the same ones every time: where nothing is feasible, trying every move again and again takes seconds.
    """
    with problem.tally.paused():  # whoever wants what comes back evaluated counts that
        if problem.evaluate(assignment).feasible:
            return assignment
    assignment = problem.legalize(assignment)
    kernel = problem.kernel(assignment)
    if not problem.cheap_moves:
        rng = np.random.default_rng(0)
        for _ in range(_PROPOSALS // _CHUNK):
            if problem.cost_of(kernel.state).feasible:
                break
            descend(kernel.state, kernel.propose, kernel.delta, kernel.apply, rng, _CHUNK, 0, _CHUNK)
        return kernel.state.assignment
    mask = np.zeros((problem.num_items, problem.num_resources), np.int8)
    for _ in range(problem.num_items):
        if problem.cost_of(kernel.state).feasible:
            break
        mask[:] = 0
        problem.step_kernel.movable(kernel.state, mask)
        item, resource, change = _cheapest(kernel.state, kernel.delta, mask)
        if change > 0:
            break
        kernel.apply(kernel.state, (item, int(kernel.state.assignment[item]), resource, -1))
    return kernel.state.assignment


def compile_repair(problem: PlacementProblem) -> None:
    """Compile what ``repair`` needs, before a clock starts."""
    if not problem.cheap_moves:
        kernel = problem.kernel(problem.initial_assignment(np.random.default_rng(0)))
        descend(kernel.state, kernel.propose, kernel.delta, kernel.apply, np.random.default_rng(0), 1, 0, 0)
        return
    kernel = problem.kernel()
    mask = np.zeros((problem.num_items, problem.num_resources), np.int8)
    _cheapest(kernel.state, kernel.delta, mask)
    problem.step_kernel.movable(kernel.state, mask)


@jit.generic_loop
def _cheapest(state, delta, mask):
    best_item, best_resource, best_change = 0, 0, np.inf
    for item in range(mask.shape[0]):
        for resource in range(mask.shape[1]):
            if mask[item, resource]:
                change = delta(state, (item, state.assignment[item], resource, -1))
                if change < best_change:
                    best_item, best_resource, best_change = item, resource, change
    return best_item, best_resource, best_change
