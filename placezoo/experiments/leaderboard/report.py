"""The leaderboard's report: one HTML file with everything in it, readable without a network."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from placezoo.agents.solution import describe_machine
from placezoo.experiments.leaderboard.cases import Case
from placezoo.experiments.leaderboard.charts import profile_chart
from placezoo.experiments.leaderboard.page_parts import (
    agent_cell,
    agent_colours,
    agent_key,
    image,
    interval_cell,
    table,
)
from placezoo.experiments.leaderboard.report_cases import case_details, case_table
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import Standing, by_agent, by_environment, win_matrix
from placezoo.experiments.leaderboard.suite import Suite
from placezoo.experiments.leaderboard.tables import percent
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


def render_report(contents: Contents) -> str:
    """Return the report as HTML that needs no other file and no network."""
    rows, suite = contents.rows, contents.suite
    colours = agent_colours(rows)
    environments = list(contents.standings)
    machine = describe_machine()
    dates = sorted({row.solution.provenance.get("date", "") for row in rows if row.solution is not None})
    facts = [
        f"suite {suite.name}, version {suite.version}",
        f"{len(rows)} runs" + (f", {contents.jobs} side by side" if contents.jobs > 1 else ", one at a time"),
        f"{machine['processor']}, {machine['machine']}",
        f"placezoo {machine['placezoo']}, Python {machine['python']}, NumPy {machine['numpy']}",
        " to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else machine["date"],
    ]
    charts: dict[str, Any] = {}
    sections = [_environment_section(env, contents, colours, charts) for env in environments]
    return Template(_asset("report.html")).substitute(
        title=f"placezoo leaderboard: {html.escape(suite.name)}",
        style=_asset("report.css"),
        script=_asset("report.js"),
        description=html.escape(suite.description),
        facts="".join(f"<li>{html.escape(fact)}</li>" for fact in facts),
        command=html.escape(f"placezoo leaderboard {suite.name}"),
        notes=_notes(contents),
        links="".join(f"<a href='#{env}'>{env}</a>" for env in environments),
        options="".join(f"<option>{env}</option>" for env in environments),
        overall=_overall(contents, colours),
        training=_training(suite, contents.curve),
        sections="".join(sections),
        # Names come from strangers: no tag can begin inside the script element.
        charts=json.dumps(charts, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _notes(contents: Contents) -> str:
    notes = []
    if contents.missing:
        listed = "; ".join(html.escape(name) for name in contents.missing)
        notes.append(f"Left out, since this machine does not have what they need: {listed}.")
    failures = [row for row in contents.rows if row.error]
    if failures:
        told = "; ".join(dict.fromkeys(f"{row.agent} on {row.case}: {row.error}" for row in failures))
        notes.append(f"{len(failures)} runs failed and count as random assignments. {html.escape(told[:2000])}")
    late = [row for row in contents.rows if _overran(row)]
    if late:
        told = ", ".join(dict.fromkeys(f"{html.escape(row.agent)} on {html.escape(row.case)}" for row in late))
        notes.append(
            f"{len(late)} runs took over a tenth more seconds than they had, in steps they do not break: {told}."
        )
    return "".join(f"<p class='note'>{note}</p>" for note in notes)


def _overran(row: Row) -> bool:
    return not row.is_submission and row.seconds > 1.1 * (row.budget.get("seconds") or math.inf) + 0.1


def _overall(contents: Contents, colours: dict[str, str]) -> str:
    first = {agent: mine[0] for agent, mine in by_agent(contents.rows).items()}
    lines = [
        (
            agent_key(standing.agent),
            [
                agent_cell(first[standing.agent], colours),
                (str(standing.place), standing.place),
                interval_cell(standing.score),
                (f"{standing.rank:.2f}", standing.rank),
                (percent(standing.wins), standing.wins),
                (f"{standing.feasible}/{standing.runs}", standing.feasible / standing.runs),
            ],
        )
        for standing in contents.overall
    ]
    if not lines:
        return ""
    return (
        "<section><h2 id='overall'>All environments</h2><p>Agents that run everywhere, by the interquartile mean of "
        "their scores: 100 % is the best known cost, 0 % a random assignment.</p>"
        + table(["agent", "place", "IQM score (95 %)", "mean rank", "wins", "feasible"], lines)
        + "</section>"
    )


def _environment_section(env: str, contents: Contents, colours: dict[str, str], charts: dict[str, Any]) -> str:
    rows, found = by_environment(contents.rows)[env], contents.standings[env]
    cases = [case for case in contents.cases if case.problem.env_id == env]
    charts[f"{env}/profile"] = profile_chart(rows, colours)
    bounded = any(not math.isnan(row.lower_bound) for row in rows)
    gap_to = "a lower bound, which nobody may reach" if bounded else "the best known cost"
    return (
        f"<section class='env' data-env='{env}'><h2 id='{env}'>{env}</h2>"
        f"<p>Gaps are to {gap_to}. By the interquartile mean (IQM) over cases and seeds, with 95 % bootstrap intervals "
        "over seeds.</p>"
        f"{_standings_table(found, rows, colours)}"
        f"<div class='pair'><figure><figcaption>Performance profile: share of runs within a gap</figcaption>"
        f"<div class='chart' data-chart='{env}/profile'></div></figure>"
        "<figure><figcaption>How often the row's agent beats the column's</figcaption>"
        f"{_win_table(found, rows)}</figure></div>"
        f"<h3>Cases</h3>{case_table(cases, rows)}"
        + "".join(case_details(case, rows, colours, charts) for case in cases)
        + "</section>"
    )


def _standings_table(found: list[Standing], rows: list[Row], colours: dict[str, str]) -> str:
    first = {agent: mine[0] for agent, mine in by_agent(rows).items()}
    total = max(standing.cases for standing in found)
    lines = [
        (
            agent_key(standing.agent),
            [
                agent_cell(first[standing.agent], colours),
                (str(standing.place or "-"), standing.place),
                interval_cell(standing.gap),
                interval_cell(standing.mean_gap),
                (percent(standing.score.value), standing.score.value),
                (f"{standing.rank:.2f}", standing.rank),
                (percent(standing.wins), standing.wins),
                (f"{standing.feasible}/{standing.runs}", standing.feasible / standing.runs),
                (f"{standing.cases}/{total}", standing.cases),
                (f"{standing.seconds:.2f}", standing.seconds),
                (f"{standing.evaluations:,.0f}", standing.evaluations),
            ],
        )
        for standing in found
    ]
    header = [
        "agent", "place", "IQM gap (95 %)", "mean gap (95 %)", "IQM score", "mean rank", "wins", "feasible", "cases",
        "seconds", "evaluations",
    ]  # fmt: skip
    return table(header, lines)


def _win_table(found: list[Standing], rows: list[Row]) -> str:
    matrix = win_matrix(rows)
    order = [matrix.agents.index(standing.agent) for standing in found]
    names = [html.escape(matrix.agents[i]) for i in order]
    head = "".join(f"<th scope='col'><span>{name}</span></th>" for name in names)
    body = ""
    for i, name in zip(order, names, strict=True):
        cells = ""
        for j in order:
            value = matrix.probability[i, j]
            known = i != j and not math.isnan(value)
            shown = f"{100 * value:.0f}" if known else ""
            shade = f" style='--p:{100 * value:.0f}%'" if known else ""
            title = f" title='{name} beats {html.escape(matrix.agents[j])}: {shown} %'" if known else ""
            cells += f"<td{shade}{title}>{shown}</td>"
        body += f"<tr {agent_key(matrix.agents[i])}><th scope='row'>{name}</th>{cells}</tr>"
    head = f"<thead><tr><td></td>{head}</tr></thead>"
    return f"<div class='scroll'><table class='wins'>{head}<tbody>{body}</tbody></table></div>"


def _training(suite: Suite, curve: list[CurvePoint]) -> str:
    if not curve:
        return ""
    training = suite.training or {}
    title = f"ppo on {training.get('env_id')}, {training.get('dataset') or training.get('instance')}"
    figure = figure_bytes(lambda axes: draw_learning_curve(curve, axes, title), "svg")
    last, best = curve[-1], np.nanmin([point.validation_cost for point in curve])
    text = (
        f"The policy of <code>ppo</code> was trained for {last.seconds:.0f} s "
        f"({last.timesteps:,} steps, {last.episodes:,} episodes) on "
        f"<code>{html.escape(json.dumps(training, sort_keys=True))}</code>. "
        f"Its best cost on the validation split is {best:.3f} times that of "
        "greedy construction. Its training time is not part of the seconds of its runs."
    )
    return (
        f"<section><h2 id='training'>Training</h2><p>{text}</p>"
        f"{image(figure, 'svg+xml', 'learning curve', 'plot')}</section>"
    )
