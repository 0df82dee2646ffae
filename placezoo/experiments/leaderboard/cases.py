"""The cases of a suite: problems under a budget, each with a title of its own."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Any

from placezoo.envs.problem import PlacementProblem
from placezoo.experiments.leaderboard.suite import SuiteProblem, budget_text


@dataclass(frozen=True)
class Case:
    """One problem of a suite under one budget.

    Attributes:
        problem: to solve.
        name: what the suite calls its instance.
        group: what the suite says of it.
        title: the instance's name, and what tells this case from others of the suite.
        heading: the title without the budget: what the cases of one problem have in common.
    """

    problem: PlacementProblem
    name: str
    group: SuiteProblem
    title: str
    heading: str

    def fits(self, where: dict[str, Any]) -> bool:
        """Return whether the case is one of those that an agent of the suite is for (``SuiteAgent.where``)."""
        wanted = dict(where)
        named = fnmatch.fnmatchcase(self.name, wanted.pop("instance", "*"))
        limited = wanted.pop("budget", None) in (None, self.group.budget.limits)
        return named and limited and all(self.problem.parameters.get(name) == value for name, value in wanted.items())


def name_cases(problems: list[tuple[SuiteProblem, str, PlacementProblem]]) -> list[Case]:
    """Name each case by its instance and, where that is not enough, the parameters and the budget that differ."""
    alike: dict[tuple[str, str], list[tuple[SuiteProblem, PlacementProblem]]] = {}
    for group, _, problem in problems:
        alike.setdefault((problem.env_id, problem.instance.name), []).append((group, problem))
    cases: dict[tuple[str, str], Case] = {}
    for group, name, problem in problems:
        others = alike[problem.env_id, problem.instance.name]
        differing = [
            f"{key}={value}"
            for key, value in problem.parameters.items()
            if any(other.parameters[key] != value for _, other in others)
        ]
        heading = title = ", ".join([problem.instance.name, *differing])
        if any(other.budget != group.budget for other, _ in others):
            title = f"{heading}, {budget_text(group.budget)}"
        if (problem.env_id, title) in cases:
            raise ValueError(f"the suite has {title} of {problem.env_id} twice, under one budget")
        cases[problem.env_id, title] = Case(problem, name, group, title, heading)
    return list(cases.values())
