"""What a report shows of each case: its agents' runs, the best one and a picture of that."""

from __future__ import annotations

import base64
import functools
import io
import math
from dataclasses import dataclass

import numpy as np

from placezoo.envs.problem import PlacementProblem
from placezoo.experiments.leaderboard.cases import Case
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import at_longest, by_agent, by_case, by_limits, counted_cost, saturated
from placezoo.experiments.leaderboard.suite import SuiteProblem
from placezoo.experiments.plots import figure_bytes


@dataclass(frozen=True)
class AgentRuns:
    """An agent's runs of a case; the means from ``terms`` on are over those that did not fail, NaN if all did.

    Attributes:
        runs: one for each seed.
        cost: mean of what they count with.
        least: of these costs.
        gap: mean.
        terms: means of the terms that the report shows.
        seconds: mean.
        evaluations: mean.
    """

    runs: list[Row]
    cost: float
    least: float
    gap: float
    terms: list[float]
    seconds: float
    evaluations: float

    @classmethod
    def of(cls, runs: list[Row], terms: list[str]) -> AgentRuns:
        """Return the means of some runs."""
        costs, done = [counted_cost(run) for run in runs], [run for run in runs if not run.error]
        return cls(
            runs, _mean(costs), min(costs), _mean([run.gap for run in runs]),
            [_mean([run.terms[term] for run in done if term in run.terms]) for term in terms],
            _mean([run.seconds for run in done]), _mean([run.evaluations for run in done]),
        )  # fmt: skip


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


@dataclass(frozen=True)
class CaseRuns:
    """A case with its runs, at least one.

    Attributes:
        case: the case.
        rows: its runs.
        is_saturated: whether it tells no agents apart.
        is_longest: whether the problem has no case with more of what the budget limits.
    """

    case: Case
    rows: list[Row]
    is_saturated: bool
    is_longest: bool

    @property
    def title(self) -> str:
        """The case's title."""
        return self.case.title

    @property
    def group(self) -> SuiteProblem:
        """What the suite says of it."""
        return self.case.group

    @property
    def anchor(self) -> str:
        """What its chart is called."""
        return _anchor(self.case.problem.env_id, self.title)

    @property
    def terms(self) -> list[str]:
        """The terms of the cost that the report shows."""
        found = _best(self.rows).terms
        return [name for name in self.group.metrics or found if name in found]

    @property
    def agents(self) -> list[AgentRuns]:
        """The runs of each agent, the one with the least mean cost first."""
        agents = [AgentRuns.of(runs, self.terms) for runs in by_agent(self.rows).values()]
        return sorted(agents, key=lambda agent: agent.cost)


@dataclass(frozen=True)
class ProblemRuns:
    """A problem with its cases, one for each budget, at least one."""

    cases: list[CaseRuns]

    @property
    def title(self) -> str:
        """What the cases have in common."""
        return self.cases[0].case.heading

    @property
    def problem(self) -> PlacementProblem:
        """The problem."""
        return self.cases[0].case.problem

    @property
    def anchor(self) -> str:
        """What links to the problem are called."""
        return _anchor(self.problem.env_id, self.title)

    @property
    def best(self) -> Row:
        """The best run, at whatever budget."""
        return _best([row for case in self.cases for row in case.rows])

    @property
    def saturated(self) -> list[str]:
        """The budgets, in words, at which it tells no agents apart."""
        return [case.rows[0].budget_text for case in self.cases if case.is_saturated]

    @property
    def picture(self) -> str:
        """The best solution as WebP, in base 64: a sixth of the PNG."""
        from PIL import Image

        assert self.best.solution is not None
        problem = self.problem.refined(self.best.solution.refinement)
        draw = functools.partial(problem.draw, self.best.solution.assignment)
        content, drawn = io.BytesIO(), io.BytesIO(figure_bytes(draw, "png", (6.4, 5.6)))
        Image.open(drawn).convert("RGB").save(content, "WEBP", quality=60)
        return base64.b64encode(content.getvalue()).decode()


def _best(rows: list[Row]) -> Row:
    return min(rows, key=lambda row: (not row.feasible, row.total if not row.error else math.inf))


def _anchor(env_id: str, title: str) -> str:
    safe = "".join(character if character.isalnum() else "-" for character in title)
    return f"{env_id}-{safe}"


def problems_of(env: str, cases: list[Case], rows: list[Row]) -> list[ProblemRuns]:
    """Return the problems of an environment that were run, in the order of the suite.

    Args:
        env: the environment's id.
        cases: of the suite.
        rows: of the environment, with gaps.
    """
    runs, full = by_case(rows), saturated(rows)
    longest = {(row.env, row.case) for mine in by_limits(rows).values() for row in at_longest(mine)}
    problems: dict[str, list[CaseRuns]] = {}
    for case in cases:
        key = env, case.title
        if case.problem.env_id == env and key in runs:
            found = CaseRuns(case, runs[key], key in full, key in longest)
            problems.setdefault(case.heading, []).append(found)
    return [ProblemRuns(mine) for mine in problems.values()]
