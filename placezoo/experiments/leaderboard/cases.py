"""The cases of a suite: problems under a budget, each with a title of its own."""

from __future__ import annotations

from dataclasses import dataclass

from placezoo.agents.budget import Budget
from placezoo.envs.problem import PlacementProblem
from placezoo.experiments.leaderboard.suite import SuiteProblem


@dataclass(frozen=True)
class Case:
    """One problem of a suite under one budget.

    Attributes:
        problem: to solve.
        name: what the suite calls its instance.
        group: what the suite says of it.
        title: the instance's name, and what tells this case from others of the suite.
    """

    problem: PlacementProblem
    name: str
    group: SuiteProblem
    title: str


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
        if any(other.budget != group.budget for other, _ in others):
            differing.append(budget_text(group.budget))
        title = ", ".join([problem.instance.name, *differing])
        if (problem.env_id, title) in cases:
            raise ValueError(f"the suite has {title} of {problem.env_id} twice, under one budget")
        cases[problem.env_id, title] = Case(problem, name, group, title)
    return list(cases.values())


def budget_text(budget: Budget) -> str:
    """Return a budget in words."""
    limits = [] if budget.seconds is None else [f"{budget.seconds:g} s"]
    if budget.evaluations is not None:
        limits.append(f"{budget.evaluations:,} evaluations")
    return " or ".join(limits)
