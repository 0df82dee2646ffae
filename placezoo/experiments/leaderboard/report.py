"""The leaderboard's report: one HTML file with everything in it, readable without a network."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from placezoo.agents.registry import describe_agent
from placezoo.agents.solution import REPORTED, describe_machine
from placezoo.experiments.leaderboard.cases import Case
from placezoo.experiments.leaderboard.charts import agent_colours, anytime_chart, front_chart, profile_chart
from placezoo.experiments.leaderboard.claims import Claim
from placezoo.experiments.leaderboard.report_cases import ProblemRuns, problems_of
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import (
    Standing,
    at_longest,
    by_agent,
    by_budget,
    by_case,
    by_environment,
    by_limits,
    counted_cost,
    saturated,
    undecided,
    win_matrix,
)
from placezoo.experiments.leaderboard.suite import Suite, budget_text
from placezoo.experiments.leaderboard.tables import interval_text, mean_cost_text, percent
from placezoo.experiments.plots import draw_learning_curve, figure_bytes
from placezoo.experiments.train import CurvePoint


@dataclass(frozen=True)
class Contents:
    """What a report shows.

    Attributes:
        suite: what was run.
        cases: its cases, in the order of the report.
        missing: instances and agents that were not at hand.
        curve: of the suite's training, empty if there was none.
        rows: every run, with gaps.
        standings: of the agents, for each environment.
        overall: of those that run everywhere; empty if there is but one environment.
        claims: what is shown of learned agents.
        trainings: how the policies of learned agents were trained, lines for each environment.
        better: how many problems have a solution that is better than the table of best known ones.
        unfinished: how many runs of the suite are not among the rows.
        jobs: how many ran side by side.
    """

    suite: Suite
    cases: list[Case]
    missing: list[str]
    curve: list[CurvePoint]
    rows: list[Row]
    standings: dict[str, list[Standing]]
    overall: list[Standing]
    claims: list[Claim]
    trainings: dict[str, list[str]]
    better: int
    unfinished: int
    jobs: int


@dataclass(frozen=True)
class Ranking:
    """An environment's standings under one kind of budget.

    Attributes:
        limits: ``seconds`` or ``evaluations``.
        standings: of the agents, best first.
        budgets: in words, from the least.
        saturated: how many cases tell no agents apart.
        cases: how many there are.
        wins: how often the row's agent beats the column's, in the order of the standings; NaN where that says nothing.
        claims: what is shown of learned agents.
        profile: the chart.
        front: the chart.
    """

    limits: str
    standings: list[Standing]
    budgets: list[str]
    saturated: int
    cases: int
    wins: list[list[float]]
    claims: list[Claim]
    profile: dict[str, Any]
    front: dict[str, Any]


@dataclass(frozen=True)
class Section:
    """An environment's part of the report.

    Attributes:
        name: the environment's id.
        rankings: by what budgets limit.
        problems: those that were run.
        first: a run of each agent, for its name and settings.
        is_bounded: whether gaps are to a lower bound, not to the best known cost.
        trainings: how learned agents' policies were trained, a line each.
    """

    name: str
    rankings: list[Ranking]
    problems: list[ProblemRuns]
    first: dict[str, Row]
    is_bounded: bool
    trainings: list[str]


def render_report(contents: Contents) -> str:
    """Return the report as HTML that needs no other file and no network."""
    rows, colours = contents.rows, agent_colours(contents.rows)
    sections = [_section(env, contents, colours) for env in contents.standings]
    charts = {}
    for section in sections:
        for ranking in section.rankings:
            charts[f"{section.name}/{ranking.limits}/profile"] = ranking.profile
            charts[f"{section.name}/{ranking.limits}/front"] = ranking.front
        cases = [case for problem in section.problems for case in problem.cases if case.is_longest]
        charts |= {case.anchor: anytime_chart(case.rows, colours) for case in cases}
    machine = describe_machine()
    dates = sorted({row.solution.provenance.get("date", "") for row in rows if row.solution is not None})
    page = _templates().get_template("report.html")
    return page.render(
        vars(contents) | {"environments": sections, "training": _training(contents)},
        colours=colours,
        charts=charts,
        costs=_costs(contents),
        machine=machine,
        period=" to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else machine["date"],
        first={agent: mine[0] for agent, mine in by_agent(rows).items()},
        failures=[f"{row.agent} on {row.case}: {row.error}" for row in rows if row.error],
        late=Counter(row.agent for row in rows if _overran(row)),
        reported=sorted({row.agent for row in rows if _is_uncounted(row)}),
    )


def _templates() -> Environment:
    """Return what renders templates: every value is escaped, since agents, instances and cases are named by anyone."""
    loader = PackageLoader(__package__)
    # What is misspelt in a template is an error, not an empty place.
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    templates.globals["asset"] = lambda name: Markup(loader.get_source(templates, name)[0])  # our own, not escaped
    templates.filters |= {
        "about": _about, "budget_text": budget_text, "interval_text": interval_text, "mean_cost_text": mean_cost_text,
        "number": _number, "percent": percent, "settings": _settings,
    }  # fmt: skip
    return templates


def _number(value: float | None, form: str) -> str:
    return "-" if value is None or math.isnan(value) else format(value, form)


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in values.items())


def _about(row: Row) -> str:
    """Return what a run's agent is, and its settings."""
    name = row.solution.agent if row.solution is not None else row.agent
    known = "" if row.is_submission else describe_agent(name)  # a stranger's file must not say what is imported
    return " · ".join(part for part in (known, _settings(row.hyperparameters)) if part)


def _is_uncounted(row: Row) -> bool:
    """Return whether a budget of evaluations was kept by what the agent says, not by what the problem counted."""
    return bool(row.budget.get("evaluations")) and row.evaluations_source == REPORTED


def _overran(row: Row) -> bool:
    return not row.is_submission and row.seconds > 1.1 * (row.budget.get("seconds") or math.inf) + 0.1


def _section(env: str, contents: Contents, colours: dict[str, str]) -> Section:
    rows = by_environment(contents.rows)[env]
    first = {agent: mine[0] for agent, mine in by_agent(rows).items()}
    return Section(
        name=env,
        rankings=[_ranking(env, limits, mine, contents, colours) for limits, mine in by_limits(rows).items()],
        problems=problems_of(env, contents.cases, rows),
        first=first,
        is_bounded=any(not math.isnan(row.lower_bound) for row in rows),
        trainings=contents.trainings.get(env, []),
    )


def _ranking(env: str, limits: str, rows: list[Row], contents: Contents, colours: dict[str, str]) -> Ranking:
    found = [standing for standing in contents.standings[env] if standing.limits == limits]
    ranked = [row for row in rows if not row.is_submission]
    longest = at_longest(ranked)
    budgets = by_budget(ranked)
    matrix = win_matrix(undecided(longest))
    wins = np.full((len(found), len(found)), np.nan)
    there = [index for index, standing in enumerate(found) if standing.agent in matrix.agents]
    order = [matrix.agents.index(found[index].agent) for index in there]
    wins[np.ix_(there, there)] = matrix.probability[np.ix_(order, order)]
    np.fill_diagonal(wins, np.nan)
    # Budgets of few cases have no point: what differs then is the cases.
    most = max((len(by_case(mine)) for mine in budgets.values()), default=0)
    common = [row for mine in budgets.values() if 2 * len(by_case(mine)) > most for row in mine]
    texts = list(budgets)
    return Ranking(
        limits=limits,
        standings=found,
        budgets=texts,
        saturated=len(saturated(longest)),
        cases=len(by_case(longest)),
        wins=wins.tolist(),
        claims=[claim for claim in contents.claims if claim.env == env and claim.budget in texts],
        profile=profile_chart(longest, colours),
        front=front_chart(common, colours) if common else {"kind": "front", "x": limits, "curves": []},
    )


def _costs(contents: Contents) -> dict[str, Any]:
    """Return costs by environment, budget, agent, case and seed, None where there is no such run."""
    table: dict[str, Any] = {}
    for env, rows in by_environment(row for row in contents.rows if not row.is_submission).items():
        for text, mine in by_budget(rows).items():
            cases, seeds = list(dict.fromkeys(row.case for row in mine)), sorted({row.seed for row in mine})
            agents = {}
            for agent, runs in by_agent(mine).items():
                known = {(row.case, row.seed): float(f"{counted_cost(row):.9g}") for row in runs}
                agents[agent] = [[known.get((case, seed)) for seed in seeds] for case in cases]
            table.setdefault(env, {})[text] = agents
    return table


def _training(contents: Contents) -> dict[str, Any] | None:
    """Return what the report says of the suite's training, or None if there was none."""
    curve, settings = contents.curve, contents.suite.training or {}
    if not curve:
        return None
    title = f"ppo on {settings.get('env_id')}, {settings.get('dataset') or settings.get('instance')}"
    figure = figure_bytes(lambda axes: draw_learning_curve(curve, axes, title), "svg")
    return {
        "last": curve[-1],
        "best": float(np.nanmin([point.validation_cost for point in curve])),
        "settings": json.dumps(settings, sort_keys=True),
        "curve": base64.b64encode(figure).decode(),
    }
