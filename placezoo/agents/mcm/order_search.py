"""``order-search``: the best contiguous blocks over topological orders, which annealing changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.mcm.contiguous_blocks import best_blocks
from placezoo.agents.mcm.order_program import aim, anneal_orders, order_state
from placezoo.agents.search.local_search import compile_constructions, compile_descent, descend_and_kick
from placezoo.agents.search.repair import repair
from placezoo.agents.search.search import Search
from placezoo.envs.mcm.problem import MCMPartitionProblem
from placezoo.parameters import above, at_least, below

_GAIN = 1e-9  # what counts as shorter, relative
_LONGEST = 1.1  # blocks that are looked at, over the best interval
_COOLING = 30.0  # the first temperature over the last
_FEWEST_TEMPERATURES = 50
_CHUNK = 2000  # orders between two looks at the clock


@dataclass(frozen=True)
class OrderSearch(Agent[MCMPartitionProblem]):
    """Dynamic programming inside a search over topological orders, finished by local search.

    A partition whose edges lead to the same or the next chiplet is contiguous in some topological order. So the least
    of the dynamic programs over all orders is the best of these partitions. Orders are annealed: an item, with what
    depends on it, moves to another position, and the program is brought up to date where that changes it. The search
    begins at the best of three orders: as late as possible, as early as possible, and that of the greedy partition.
    Each order is an evaluation. Local search from the best partition then tries what no order has; what it finds is
    where the next round's orders begin.

    Args:
        rounds: how often orders and local search take turns.
        share: of a round, for orders; the rest is for local search.
        temperature: the first, as a share of the best interval.
        reach: over how many positions an item moves at most.
    """

    name = "order-search"

    rounds: Annotated[int, at_least(1)] = 3
    share: Annotated[float, above(0), below(1)] = 0.5
    temperature: Annotated[float, above(0)] = 1e-3
    reach: Annotated[int, at_least(1)] = 40

    def prepare(self, problem: MCMPartitionProblem) -> None:
        """Compile the recursions and the descent."""
        compile_constructions(problem)
        compile_descent(problem)
        best_blocks(problem.cost_model, problem.item_order)
        state = order_state(problem.cost_model, problem.item_order)
        excess = aim(state, problem.cost_model.penalty, problem.cost_model.penalty)
        anneal_orders(state, np.random.default_rng(0), excess, 1.0, 1, 0)

    def _search(self, search: Search[MCMPartitionProblem]) -> None:
        problem = search.problem
        best_order, shortest = None, np.inf
        for order in _orders(search):
            blocks = best_blocks(problem.cost_model, order)
            if blocks is not None and (interval := search.evaluate(blocks).total) < shortest:
                best_order, shortest = order, interval
            if search.is_over and search.best is not None:
                break
        begun = search.progress
        for number in range(1, self.rounds + 1):
            end = begun + (1.0 - begun) * number / self.rounds
            if best_order is not None:
                self._anneal(search, best_order, shortest, end)
            assert search.best is not None
            if search.is_over or _is_optimal(search):
                return
            search.begin_phase()
            descend_and_kick(search, search.best, until=end)
            found = _order_of(search.problem, search.best)
            if found is not None and (blocks := best_blocks(problem.cost_model, found)) is not None:
                best_order, shortest = found, search.record(blocks).total

    def _anneal(
        self, search: Search[MCMPartitionProblem], order: NDArray[np.int64], shortest: float, end: float
    ) -> None:
        """Search over orders, from one whose blocks have the interval ``shortest``, for the share of what is left."""
        model, begun = search.problem.cost_model, search.progress
        end = begun + self.share * (end - begun)
        state = order_state(model, order)
        target = shortest * (1.0 - _GAIN)
        excess = aim(state, target, _LONGEST * shortest)
        search.begin_phase()
        while search.progress < end and not _is_optimal(search):
            temperature = self.temperature * shortest * _COOLING ** ((begun - search.progress) / (end - begun))
            moves = search.evaluations_left(search.affordable(_CHUNK, 0.01))
            if search.budget.evaluations is not None:  # few evaluations are cooled too
                moves = min(moves, max(int((end - begun) * search.budget.evaluations / _FEWEST_TEMPERATURES), 1))
            tried, excess = anneal_orders(state, search.rng, excess, temperature, self.reach, moves)
            search.evaluations += tried
            if excess <= 0.0:
                blocks = best_blocks(model, state.order)
                if blocks is not None:
                    target = min(target, search.record(blocks).total)
                target *= 1.0 - _GAIN
                excess = aim(state, target, _LONGEST * target)


def _is_optimal(search: Search[MCMPartitionProblem]) -> bool:
    """Return whether the best partition has the interval that none can be below."""
    best = search.best_cost
    return best is not None and best.feasible and best.total <= search.problem.cost_model.lower_bound * (1.0 + _GAIN)


def _orders(search: Search[MCMPartitionProblem]) -> Iterator[NDArray[np.int64]]:
    """Return topological orders to begin at; evaluate the greedy partition, and if it is a chain, return its order."""
    problem = search.problem
    yield problem.item_order
    yield np.asarray(problem.cost_model.dag.order)
    partition = repair(problem, problem.greedy(search.rng))
    search.evaluate(partition)
    order = _order_of(problem, partition)
    if not search.is_over and order is not None:
        yield order


def _order_of(problem: MCMPartitionProblem, partition: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return a topological order in which a partition is contiguous, None if it is no chain."""
    links = problem.cost_model.dag.links
    spans = partition[links[:, 1]] - partition[links[:, 0]]
    if ((spans < 0) | (spans > 1)).any():
        return None
    return np.lexsort((np.argsort(problem.item_order), partition))
