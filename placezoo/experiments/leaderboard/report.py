"""The leaderboard's report: one HTML file with everything in it, readable without a network."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from placezoo.agents.registry import describe_agent
from placezoo.agents.solution import REPORTED, describe_machine
from placezoo.experiments.leaderboard.cases import Case, budget_text
from placezoo.experiments.leaderboard.charts import agent_colours, anytime_chart, profile_chart
from placezoo.experiments.leaderboard.report_cases import CaseRuns
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import Standing, by_agent, by_case, by_environment, win_matrix
from placezoo.experiments.leaderboard.suite import Suite
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
        jobs: how many ran side by side.
    """

    suite: Suite
    cases: list[Case]
    missing: list[str]
    curve: list[CurvePoint]
    rows: list[Row]
    standings: dict[str, list[Standing]]
    overall: list[Standing]
    jobs: int


@dataclass(frozen=True)
class Section:
    """An environment's part of the report.

    Attributes:
        name: the environment's id.
        standings: of its agents, best first.
        cases: those that were run.
        first: a run of each agent, for its name and settings.
        wins: how often the row's agent beats the column's, in the order of the standings; NaN where that says nothing.
        is_bounded: whether gaps are to a lower bound, not to the best known cost.
        profile: the chart.
    """

    name: str
    standings: list[Standing]
    cases: list[CaseRuns]
    first: dict[str, Row]
    wins: list[list[float]]
    is_bounded: bool
    profile: dict[str, Any]


def render_report(contents: Contents) -> str:
    """Return the report as HTML that needs no other file and no network."""
    rows, colours = contents.rows, agent_colours(contents.rows)
    sections = [_section(env, contents, colours) for env in contents.standings]
    charts = {f"{section.name}/profile": section.profile for section in sections}
    charts |= {case.anchor: anytime_chart(case.rows, colours) for section in sections for case in section.cases}
    machine = describe_machine()
    dates = sorted({row.solution.provenance.get("date", "") for row in rows if row.solution is not None})
    page = _templates().get_template("report.html")
    return page.render(
        vars(contents) | {"environments": sections, "training": _training(contents)},
        colours=colours,
        charts=charts,
        machine=machine,
        period=" to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else machine["date"],
        first={agent: mine[0] for agent, mine in by_agent(rows).items()},
        failures=[f"{row.agent} on {row.case}: {row.error}" for row in rows if row.error],
        reported=sorted({row.agent for row in rows if _is_uncounted(row)}),
        late=[f"{row.agent} on {row.case}" for row in rows if _overran(row)],
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
    rows, found = by_environment(contents.rows)[env], contents.standings[env]
    runs, matrix = by_case(rows), win_matrix(rows)
    order = [matrix.agents.index(standing.agent) for standing in found]
    wins = matrix.probability[np.ix_(order, order)]
    np.fill_diagonal(wins, np.nan)
    return Section(
        name=env,
        standings=found,
        cases=[CaseRuns(case, runs[env, case.title]) for case in contents.cases if (env, case.title) in runs],
        first={agent: mine[0] for agent, mine in by_agent(rows).items()},
        wins=wins.tolist(),
        is_bounded=any(not math.isnan(row.lower_bound) for row in rows),
        profile=profile_chart(rows, colours),
    )


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
