"""``multilevel-kahypar``: Mt-KaHyPar's answers as a population, combined (needs the ``solvers`` extra)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from placezoo.agents.agent import Agent
from placezoo.agents.partition.mt_kahypar import PRESETS, MtKaHyPar, partitions
from placezoo.agents.partition.multilevel import Member, Multilevel
from placezoo.agents.partition.small_components import Core
from placezoo.agents.search.repair import repair
from placezoo.agents.search.search import Search
from placezoo.agents.search.separate_process import answers_within
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import at_least, between, one_of


@dataclass(frozen=True)
class MultilevelKaHyPar(Agent[GraphPartitionProblem]):
    """Mt-KaHyPar's answers with several seeds are a population, whose members ``multilevel`` combines.

    Args:
        starts: how many answers the population has at most.
        share: of the budget's seconds that Mt-KaHyPar may take. Where it has no answer by then, ``multilevel`` makes
            its own starts.
        preset: of Mt-KaHyPar.

    Source: Sanders & Schulz 2012, KaFFPaE (combination).
    """

    name = "multilevel-kahypar"
    counts_evaluations = False  # its solver's own search is not counted

    starts: Annotated[int, at_least(1)] = 12
    share: Annotated[float, between(0, 1)] = 0.5
    preset: Annotated[str, one_of(*PRESETS)] = "highest-quality"

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Do what both do before the clock starts.

        Raises:
            ValueError: weights do not fit the library's integers.
        """
        MtKaHyPar(preset=self.preset).prepare(problem)
        Multilevel().prepare(problem)

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        problem = search.problem
        if problem.num_resources == 1:  # the library wants at least two blocks
            search.evaluate(np.zeros(problem.num_items, np.int64))
            return
        balance, objective = problem.cost_model.balance, problem.parameters.get("objective", "cut-net")
        limit = None if search.budget.seconds is None else self.share * search.budget.seconds
        members: list[Member] = []
        answers = answers_within(
            limit, limit, partitions, problem.instance, balance.num_parts, balance.epsilon, objective, self.preset,
            search.evaluations_left(self.starts), int(search.rng.integers(2**31 - 1)),
        )  # fmt: skip
        for parts in answers:
            answer = repair(problem, parts)
            members.append((search.evaluate(answer), answer))
        combining, core = Multilevel(), Core.all_of(problem)
        while members and not search.is_over:
            combining.combine_members(search, core, members)
        if not members:
            combining.evolve(search, core)
