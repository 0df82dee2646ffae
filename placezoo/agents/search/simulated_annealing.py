"""``simulated-annealing``: written once, compiled for each problem's own moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.agent import Agent
from placezoo.agents.search.local_search import Guide, as_it_is, best_construction, compile_constructions
from placezoo.agents.search.search import Search
from placezoo.envs.problem import Kernel, PlacementProblem
from placezoo.parameters import above, at_least, below

_SAMPLE = 2000  # proposals from which the temperatures are read,
_SAMPLING_SHARE = 0.05  # but no more than so much of the budget
_COMPLETE_EVERY = 4  # chunks
_FEWEST_TEMPERATURES = 50
_SHARE = 0.005  # of the allowed seconds that pass between two looks at the clock, where evaluations are slow
_MOST_ASIDE = 0.25  # of the seconds so far that go into settling, where something is to be settled


@dataclass(frozen=True)
class SimulatedAnnealing(Agent):
    """Metropolis moves under geometric cooling over the whole budget (Kirkpatrick et al. 1983).

    Starts from a random assignment, or where the domain says so from the best of its constructions
    (``PlacementProblem.anneals_from_constructions``). The temperatures follow the problem: the first accepts an average
    worsening move with probability ``initial_acceptance``, the last accepts a small one (the tenth percentile) with
    probability ``final_acceptance``.

    Deterministic for a seed under a budget of evaluations; under one of seconds the cooling follows the clock.

    Args:
        initial_acceptance: in (0, 1).
        final_acceptance: in (0, 1).
        chunk: moves between two looks at the clock, and at one temperature; where an assignment leaves something open
            (a chip's soft macros), that is settled after each chunk, for at most a quarter of the seconds. Default
            10,000, or 20 times the items (TILOS) where something is to be settled; under a budget of evaluations at
            most a fiftieth of it.
    """

    name = "simulated-annealing"

    initial_acceptance: Annotated[float, above(0), below(1)] = 0.5
    final_acceptance: Annotated[float, above(0), below(1)] = 1e-4
    chunk: Annotated[int | None, at_least(1)] = None

    def prepare(self, problem: PlacementProblem) -> None:
        """Compile the loops for the problem's moves."""
        compile_annealing(problem)
        if problem.anneals_from_constructions:
            compile_constructions(problem)

    def _search(self, search: Search) -> None:
        if search.problem.anneals_from_constructions:
            start = best_construction(search)
        else:
            start = search.problem.initial_assignment(search.rng)
            search.evaluate(start)
        anneal(search, start, self.initial_acceptance, self.final_acceptance, self.chunk)


def compile_annealing(problem: PlacementProblem, guide: Guide = as_it_is) -> None:
    """Compile what ``anneal`` calls, before a clock starts."""
    kernel = guide(problem.kernel(problem.initial_assignment(np.random.default_rng(0))))
    state, rng = kernel.state, np.random.default_rng(0)
    _sample_deltas(state, kernel.propose, kernel.delta, rng, 0)
    _anneal(state, kernel.propose, kernel.delta, kernel.apply, rng, 1.0, 0, 0.0, state.assignment.copy(), 0.0)
    if kernel.settle is not None:
        kernel.settle(state)


def anneal(
    search: Search,
    start: NDArray[np.int64],
    initial_acceptance: float,
    final_acceptance: float,
    chunk: int | None = None,
    guide: Guide = as_it_is,
) -> None:
    """Anneal from an assignment until the search is over; what of its budget is spent already is not spent again.

    Args:
        search: of which problem, how long.
        start: int64 [num_items].
        initial_acceptance: of an average worsening move at the start, below 1; 0: moves that worsen are never made.
        final_acceptance: of a small worsening move at the end.
        chunk: moves at one temperature, None for the default.
        guide: what makes of the problem's kernel the one that is annealed.
    """
    kernel = search.problem.kernel(start)
    current = search.problem.cost_of(kernel.state).total
    kernel = guide(kernel)
    hot, cold = _temperatures(kernel, search, initial_acceptance, final_acceptance)
    best, best_total = start.copy(), current
    chunk = chunk or (10_000 if kernel.settle is None else 20 * search.problem.num_items)
    if search.budget.evaluations is not None:  # few evaluations are cooled too
        chunk = min(chunk, max(search.budget.evaluations // _FEWEST_TEMPERATURES, 1))
    begun, settlings, is_better = search.progress, 0, False
    while not search.is_over:
        temperature = hot * (cold / hot) ** ((search.progress - begun) / (1.0 - begun))
        moves = search.evaluations_left(search.affordable(chunk, _SHARE))
        current, new_best = _anneal(
            kernel.state, kernel.propose, kernel.delta, kernel.apply, search.rng, temperature, moves, current, best,
            best_total,
        )  # fmt: skip
        search.evaluations += moves
        if new_best < best_total:
            best_total, is_better = new_best, True
        if kernel.settle is not None and _must_wait(search):
            continue
        before = search.seconds
        if is_better:
            search.record(best)
            is_better = False
        settlings += 1
        if kernel.complete is not None and settlings % _COMPLETE_EVERY == 0:
            # From nothing, as evaluations do it: settling again and again can be better or worse than that.
            current = float(kernel.complete(kernel.state))
            if search.best_cost is None or current < search.best_cost.total:
                search.record(kernel.state.assignment)
        elif kernel.settle is not None:
            current = float(kernel.settle(kernel.state))
        search.seconds_aside += search.seconds - before
    if is_better:
        search.record(best)


def _must_wait(search: Search) -> bool:
    """Return whether settling, and scoring what was found, has had its share of the seconds so far.

    Under a budget of evaluations alone it never has: what is found must not depend on the clock.
    """
    return search.budget.seconds is not None and search.seconds_aside > _MOST_ASIDE * search.seconds


def _temperatures(
    kernel: Kernel, search: Search, initial_acceptance: float, final_acceptance: float
) -> tuple[float, float]:
    """Return the first and the last temperature."""
    sample = search.evaluations_left(_SAMPLE)
    if search.budget.evaluations is not None:
        sample = min(sample, max(search.budget.evaluations // 10, 1))
    found: list[NDArray[np.float64]] = []
    while sample > 0 and search.progress < _SAMPLING_SHARE:
        count = min(sample, search.affordable(sample, _SHARE) if found else 20)
        found.append(_sample_deltas(kernel.state, kernel.propose, kernel.delta, search.rng, count))
        search.evaluations += count
        sample -= count
    deltas = np.concatenate(found) if found else np.zeros(0)
    worsening = deltas[deltas > 0]
    if worsening.size == 0:
        return 1.0, 1e-3
    cold = float(np.quantile(worsening, 0.1) / -np.log(final_acceptance))
    if initial_acceptance == 0:
        return cold, cold
    hot = float(worsening.mean() / -np.log(initial_acceptance))
    return max(hot, cold), min(hot, cold)


@jit.generic_loop
def _sample_deltas(state, propose, delta, rng, count):
    """Return the deltas of random proposals from the start."""
    deltas = np.empty(count)
    for i in range(count):
        deltas[i] = delta(state, propose(state, rng))
    return deltas


@jit.generic_loop
def _anneal(state, propose, delta, apply, rng, temperature, moves, current, best, best_total):
    """Make Metropolis moves; keep in ``best`` the best assignment seen; return the current and the best total."""
    is_new = False  # the current assignment is better than best, and not yet copied
    for _ in range(moves):
        move = propose(state, rng)
        change = delta(state, move)
        if change <= 0.0 or rng.random() < np.exp(-change / temperature):
            if is_new and change > 0.0:  # copying only before it gets worse, not at each step down
                best[:] = state.assignment
                is_new = False
            apply(state, move)
            current += change
            if current < best_total - 1e-9:
                best_total = current
                is_new = True
    if is_new:
        best[:] = state.assignment
    return current, best_total
