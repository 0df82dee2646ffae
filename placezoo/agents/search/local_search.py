"""``local-search``: descend, kick, descend again; written once for each problem's own moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from placezoo import jit
from placezoo.agents.agent import Agent
from placezoo.agents.search.descent import descend
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.envs.problem import PlacementProblem
from placezoo.parameters import above, at_least, at_most


@dataclass(frozen=True)
class LocalSearch(Agent):
    """Iterated local search (Lourenco, Martin & Stutzle 2003).

    Starts from the domain's greedy construction. Random proposals that do not worsen the cost are made until
    ``patience`` times the number of items have brought nothing; then the best assignment is kicked by random moves and
    the descent starts again from there.

    Args:
        patience: proposals without improvement per item that end a descent, at least 1.
        kick: the share of items that a kick moves, in (0, 1].
    """

    name = "local-search"

    patience: Annotated[float, at_least(1)] = 10.0
    kick: Annotated[float, above(0), at_most(1)] = 0.02

    def prepare(self, problem: PlacementProblem) -> None:
        """Compile the loops for the problem's moves."""
        rng = np.random.default_rng(0)
        compile_repair(problem)
        kernel = problem.kernel(problem.greedy(rng))
        descend(kernel.state, kernel.propose, kernel.delta, kernel.apply, rng, 1, 0, 0)
        _kick(kernel.state, kernel.propose, kernel.apply, rng, 0)

    def _search(self, search: Search) -> None:
        problem = search.problem
        assignment = repair(problem, problem.greedy(search.rng))
        search.evaluate(assignment)
        patience = max(100, int(self.patience * problem.num_items))
        while not search.is_over:
            kernel = problem.kernel(assignment)
            waited = 0
            while not search.is_over:  # in chunks, so that the clock is seen on large instances too
                moves = search.evaluations_left(search.affordable(50_000, 0.01))
                made, waited = descend(
                    kernel.state, kernel.propose, kernel.delta, kernel.apply, search.rng, patience, waited, moves
                )
                search.evaluations += made
                if waited >= patience or made == 0:
                    break
            search.record(kernel.state.assignment)
            assert search.best is not None
            kernel = problem.kernel(search.best)
            kicks = search.evaluations_left(max(2, int(self.kick * problem.num_items)))
            _kick(kernel.state, kernel.propose, kernel.apply, search.rng, kicks)
            search.evaluations += kicks
            assignment = kernel.state.assignment


@jit.generic_loop
def _kick(state, propose, apply, rng, moves):
    for _ in range(moves):
        apply(state, propose(state, rng))
