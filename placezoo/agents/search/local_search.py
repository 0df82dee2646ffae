"""``local-search``: descend, kick, descend again; written once for each problem's own moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.agent import Agent
from placezoo.agents.search.descent import descend
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.envs.problem import Kernel, PlacementProblem
from placezoo.parameters import above, at_least, at_most

PATIENCE = 10.0
KICK = 0.02
Guide = Callable[[Kernel], Kernel]


@dataclass(frozen=True)
class LocalSearch(Agent):
    """Iterated local search (Lourenco, Martin & Stutzle 2003).

    Starts from the best of the domain's constructions, in most domains its greedy one. Random proposals that do not
    worsen the cost are made until ``patience`` times the number of items have brought nothing; then the best assignment
    is kicked by random moves and the descent starts again from there.

    Args:
        patience: proposals without improvement per item that end a descent, at least 1.
        kick: the share of items that a kick moves, in (0, 1].
    """

    name = "local-search"

    patience: Annotated[float, at_least(1)] = PATIENCE
    kick: Annotated[float, above(0), at_most(1)] = KICK

    def prepare(self, problem: PlacementProblem) -> None:
        """Compile the loops for the problem's moves."""
        compile_constructions(problem)
        compile_descent(problem)

    def _search(self, search: Search) -> None:
        start = best_construction(search)
        if not search.is_over:
            descend_and_kick(search, start, self.patience, self.kick)


def best_construction(search: Search) -> NDArray[np.int64]:
    """Return the best of the domain's constructions, made feasible; each is an evaluation.

    A search that is over before the last of them has seen the first ones.
    """
    problem, best, least = search.problem, None, None
    for construction in problem.constructions(search.rng):
        assignment = repair(problem, construction)
        cost = search.evaluate(assignment)
        if least is None or cost.is_better_than(least):
            best, least = assignment, cost
        if search.is_over:
            break
    assert best is not None
    return best


def compile_constructions(problem: PlacementProblem) -> None:
    """Compile what ``best_construction`` calls, before a clock starts."""
    compile_repair(problem)
    for _ in problem.constructions(np.random.default_rng(0)):
        pass


def as_it_is(kernel: Kernel) -> Kernel:
    """Return the kernel itself: its proposals are not guided."""
    return kernel


def compile_descent(problem: PlacementProblem, guide: Guide = as_it_is) -> None:
    """Compile what ``descend_and_kick`` calls, before a clock starts."""
    rng = np.random.default_rng(0)
    kernel = problem.kernel(problem.initial_assignment(rng))
    guided = guide(kernel)
    descend(guided.state, guided.propose, guided.delta, guided.apply, rng, 1, 0, 0)
    _kick(kernel.state, kernel.propose, kernel.apply, rng, 0)


def descend_and_kick(
    search: Search,
    start: NDArray[np.int64],
    patience: float = PATIENCE,
    kick: float = KICK,
    until: float = 1.0,
    guide: Guide = as_it_is,
) -> None:
    """Descend from an assignment, kick the best so far and descend again, until so much of the budget is spent.

    Args:
        search: of which problem, how long.
        start: int64 [num_items].
        patience: as ``LocalSearch``.
        kick: likewise.
        until: the share of the budget at which it ends.
        guide: what makes of the problem's kernel the one that descends; kicks are not guided.
    """
    problem, assignment = search.problem, start
    in_vain = max(100, int(patience * problem.num_items))
    while search.progress < until:
        kernel = guide(problem.kernel(assignment))
        waited = 0
        while search.progress < until:  # in chunks, so that the clock is seen on large instances too
            moves = search.evaluations_left(search.affordable(50_000, 0.01))
            made, waited = descend(
                kernel.state, kernel.propose, kernel.delta, kernel.apply, search.rng, in_vain, waited, moves
            )
            search.evaluations += made
            if waited >= in_vain or made == 0:
                break
        search.record(kernel.state.assignment)
        assert search.best is not None
        kernel = problem.kernel(search.best)
        kicks = search.evaluations_left(max(2, int(kick * problem.num_items)))
        _kick(kernel.state, kernel.propose, kernel.apply, search.rng, kicks)
        search.evaluations += kicks
        assignment = kernel.state.assignment


@jit.generic_loop
def _kick(state, propose, apply, rng, moves):
    for _ in range(moves):
        apply(state, propose(state, rng))
