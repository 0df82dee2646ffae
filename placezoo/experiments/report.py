"""The leaderboard's report: one HTML file with everything in it."""

from __future__ import annotations

import base64
import html
import json
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from placezoo.agents.registry import AGENTS
from placezoo.agents.solution import Solution, describe_machine
from placezoo.envs.problem import PlacementProblem
from placezoo.experiments.plots import draw_anytime, draw_learning_curve, figure_bytes
from placezoo.experiments.results import Result, gaps_to_best
from placezoo.experiments.suite import Suite
from placezoo.experiments.train import CurvePoint

_PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#7f3c8d", "#4d4d4d", "#e31a1c", "#1b7837",
)  # fmt: skip


def render_report(
    suite: Suite,
    problems: list[PlacementProblem],
    missing: list[str],
    curve: list[CurvePoint],
    results: list[Result],
) -> str:
    """Return the report as HTML that needs no other file and no network.

    Args:
        suite: what was run.
        problems: its problems, in the order of the report.
        missing: optional instances that were not at hand.
        curve: of the suite's training, empty if there was none.
        results: every run.
    """
    template = Template(resources.files("placezoo.experiments").joinpath("report.html").read_text("utf-8"))
    agents = list(dict.fromkeys(result.solution.agent for result in results))
    colours = {agent: _PALETTE[index % len(_PALETTE)] for index, agent in enumerate(agents)}
    machine = describe_machine()
    facts = [
        f"suite {suite.name}, version {suite.version}",
        f"{suite.seconds:g} s per run, one process",
        f"seeds {', '.join(map(str, suite.seeds))}",
        f"{machine['processor']}, {machine['machine']}",
        f"placezoo {machine['placezoo']}, Python {machine['python']}, NumPy {machine['numpy']}",
        machine["date"],
    ]
    command = f"placezoo leaderboard {suite.name}"
    return template.substitute(
        title=f"placezoo leaderboard: {html.escape(suite.name)}",
        description=html.escape(suite.description),
        facts="".join(f"<li>{html.escape(fact)}</li>" for fact in facts),
        command=html.escape(command),
        missing=_missing(missing),
        summary=_summaries(results, colours),
        training=_training(suite, curve),
        instances="".join(_instance_section(problem, results, colours) for problem in problems),
        runs=len(results),
    )


def _missing(names: list[str]) -> str:
    if not names:
        return ""
    listed = ", ".join(html.escape(name) for name in names)
    return f'<p class="note">Left out, since their files are not on this machine: {listed}.</p>'


def _table(header: list[str], rows: list[list[tuple[str, Any]]]) -> str:
    """Return a sortable table; a cell is what it shows (HTML) and what it sorts by."""
    head = "".join(f"<th scope='col'><button type='button'>{html.escape(name)}</button></th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td data-sort='{html.escape(str(key))}'>{shown}</td>" for shown, key in row) + "</tr>"
        for row in rows
    )
    return (
        f"<div class='scroll'><table class='sortable'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _agent_cell(agent: str, colours: dict[str, str]) -> tuple[str, str]:
    dot = f"<span class='dot' style='background:{colours[agent]}'></span>"
    return f"<span title='{html.escape(AGENTS[agent].description)}'>{dot}{html.escape(agent)}</span>", agent


def _summaries(results: list[Result], colours: dict[str, str]) -> str:
    """Return a table for each environment."""
    environments = list(dict.fromkeys(result.solution.env_id for result in results))
    tables = [_summary_table([r for r in results if r.solution.env_id == env], colours) for env in environments]
    if len(tables) == 1:
        return tables[0]
    return "".join(f"<h3>{html.escape(env)}</h3>{table}" for env, table in zip(environments, tables, strict=True))


def _summary_table(results: list[Result], colours: dict[str, str]) -> str:
    gaps = gaps_to_best(results)
    agents = list(dict.fromkeys(result.solution.agent for result in results))
    instances = list(dict.fromkeys(result.solution.instance for result in results))
    order = sorted(agents, key=lambda agent: float(np.mean(list(gaps[agent].values()))))
    rows = []
    for rank, agent in enumerate(order, start=1):
        runs = [result.solution for result in results if result.solution.agent == agent]
        mean_gap = float(np.mean(list(gaps[agent].values())))
        feasible = sum(run.cost.feasible for run in runs)
        rows.append(
            [
                _agent_cell(agent, colours),
                (str(rank), rank),
                (f"{100 * mean_gap:.1f} %", mean_gap),
                *((f"{100 * gaps[agent][name]:.1f} %", gaps[agent][name]) for name in instances),
                (f"{feasible}/{len(runs)}", feasible),
                (f"{np.mean([run.seconds for run in runs]):.2f}", float(np.mean([run.seconds for run in runs]))),
            ]
        )
    return _table(["agent", "rank", "mean gap", *instances, "feasible", "mean seconds"], rows)


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
        "greedy construction. Its training time is not part of the seconds below."
    )
    return f"<h2>Training</h2><p>{text}</p>{_image(figure, 'svg+xml', 'learning curve', 'plot')}"


def _instance_section(problem: Any, results: list[Result], colours: dict[str, str]) -> str:
    mine = [r.solution for r in results if r.run.problem is problem]
    by_agent: dict[str, list[Solution]] = {}
    for solution in mine:
        by_agent.setdefault(solution.agent, []).append(solution)
    best = min(mine, key=lambda s: (not s.cost.feasible, s.cost.total))
    rows = []
    for agent, runs in sorted(by_agent.items(), key=lambda entry: np.mean([run.cost.total for run in entry[1]])):
        totals = np.array([run.cost.total for run in runs])
        digits = 1 if totals.mean() >= 10 else 4 if totals.mean() >= 0.5 else 6  # edges cut, about one, or seconds
        spread = f" ± {totals.std(ddof=1):.{digits}f}" if len(totals) > 1 and totals.std() > 0 else ""
        terms = [name for name in best.cost.terms if name != "cut"]
        rows.append(
            [
                _agent_cell(agent, colours),
                (f"{totals.mean():.{digits}f}{spread}", totals.mean()),
                (f"{totals.min():g}", totals.min()),
                *(
                    (
                        f"{np.mean([run.cost.terms[term] for run in runs]):.4g}",
                        np.mean([run.cost.terms[term] for run in runs]),
                    )
                    for term in terms
                ),
                (f"{np.mean([run.seconds for run in runs]):.3f}", np.mean([run.seconds for run in runs])),
                (f"{np.mean([run.evaluations for run in runs]):,.0f}", np.mean([run.evaluations for run in runs])),
            ]
        )
    terms = [name.replace("_", " ") for name in best.cost.terms if name != "cut"]
    table = _table(["agent", "mean cost", "best cost", *terms, "seconds", "evaluations"], rows)
    name = problem.instance.name
    anytime = figure_bytes(lambda axes: draw_anytime(by_agent, colours, axes, f"{name}: best cost so far"), "svg")
    picture = figure_bytes(lambda axes: problem.draw(best.assignment, axes), "png", (5.0, 5.0))
    settings = ", ".join(f"{key} = {value}" for key, value in problem.parameters.items())
    caption = f"the best: {best.agent}, seed {best.seed}"
    return (
        f"<section><h2 id='{html.escape(name)}'>{html.escape(name)}</h2>"
        f"<p>{problem.num_items:,} items, {len(problem.item_edges[0]) // 2:,} edges; {html.escape(settings)}; "
        f"digest <code>{problem.instance.digest[:16]}</code></p>{table}"
        f"<div class='figures'>{_image(anytime, 'svg+xml', f'anytime curves of {name}', 'plot')}"
        f"<figure>{_image(picture, 'png', f'best solution of {name}', 'picture')}"
        f"<figcaption>{html.escape(caption)}</figcaption></figure></div></section>"
    )


def _image(content: bytes, kind: str, description: str, css_class: str) -> str:
    data = base64.b64encode(content).decode()
    return f"<img class='{css_class}' alt='{html.escape(description)}' src='data:image/{kind};base64,{data}'>"
