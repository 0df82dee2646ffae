"""A report's part on each case: its runs, anytime curves and best solution."""

from __future__ import annotations

import functools
import html
import io
import math
from typing import Any

import numpy as np

from placezoo.experiments.leaderboard.cases import Case, budget_text
from placezoo.experiments.leaderboard.charts import anytime_chart
from placezoo.experiments.leaderboard.page_parts import agent_cell, agent_key, image, table
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import by_agent, by_case, counted_cost
from placezoo.experiments.leaderboard.tables import mean_cost_text, percent
from placezoo.experiments.plots import figure_bytes


def _anchor(case: Case) -> str:
    safe = "".join(character if character.isalnum() else "-" for character in case.title)
    return f"{case.problem.env_id}-{safe}"


def _best(rows: list[Row]) -> Row:
    return min(rows, key=lambda row: (not row.feasible, row.total if not row.error else math.inf))


def _rows_of(case: Case, rows: list[Row]) -> list[Row]:
    return by_case(rows).get((case.problem.env_id, case.title), [])


def case_table(cases: list[Case], rows: list[Row]) -> str:
    """Return a table of cases: sizes, the best cost and whose it is, what was known before, bounds."""
    lines = []
    for case in cases:
        mine = _rows_of(case, rows)
        if not mine:
            continue
        best, problem = _best(mine), case.problem
        bound = problem.lower_bound
        lines.append(
            (
                f"data-case='{html.escape(case.title)}'",
                [
                    (f"<a href='#{_anchor(case)}'>{html.escape(case.title)}</a>", case.title),
                    (f"{problem.num_items:,}", problem.num_items),
                    (f"{problem.num_resources:,}", problem.num_resources),
                    (f"{best.total:.6g}", best.total),
                    (html.escape(best.agent), best.agent),
                    ("-" if math.isnan(best.best_known) else f"{best.best_known:.6g}", best.best_known),
                    ("-" if bound is None else f"{bound:.6g}", bound),
                    (f"{problem.reference_cost:.6g}", problem.reference_cost),
                ],
            )
        )
    header = ["case", "items", "resources", "best here", "by", "best known before", "lower bound", "random"]
    return table(header, lines)


def case_details(case: Case, rows: list[Row], colours: dict[str, str], charts: dict[str, Any]) -> str:
    """Return a case's runs, chart and picture, closed until it is asked for; its chart's numbers go into ``charts``."""
    mine = _rows_of(case, rows)
    if not mine:
        return ""
    problem, best = case.problem, _best(mine)
    names = case.group.metrics or tuple(best.terms)
    terms = [name for name in names if name in best.terms]
    lines = []
    ordered = sorted(by_agent(mine).items(), key=lambda entry: np.mean([counted_cost(row) for row in entry[1]]))
    for agent, runs in ordered:
        done = [run for run in runs if not run.error]
        totals = [counted_cost(run) for run in runs]

        def mean(values: list[float]) -> float:
            return float(np.mean(values)) if values else math.nan

        seconds, evaluations = mean([run.seconds for run in done]), mean([run.evaluations for run in done])
        gap = mean([run.gap for run in runs])
        lines.append(
            (
                agent_key(agent),
                [
                    agent_cell(runs[0], colours),
                    (html.escape(mean_cost_text(runs)), float(np.mean(totals))),
                    (f"{min(totals):.6g}", min(totals)),
                    (percent(gap), gap),
                    *(
                        ("-" if math.isnan(value) else f"{value:.4g}", value)
                        for value in (mean([run.terms[term] for run in done if term in run.terms]) for term in terms)
                    ),
                    (f"{seconds:.3f}", seconds),
                    (f"{evaluations:,.0f}", evaluations),
                    (f"{sum(run.feasible for run in runs)}/{len(runs)}", sum(run.feasible for run in runs)),
                ],
            )
        )
    header = ["agent", "mean cost", "best", "mean gap", *(term.replace("_", " ") for term in terms), "seconds"]
    anchor = _anchor(case)
    charts[anchor] = anytime_chart(mine, colours)
    settings = ", ".join(f"{key} = {value}" for key, value in problem.parameters.items())
    about = (
        f"{problem.num_items:,} items, {len(problem.item_edges[0]) // 2:,} edges; {html.escape(settings)}; "
        f"{budget_text(case.group.budget)} a run, seeds {', '.join(map(str, case.group.seeds))}; digest "
        f"<code>{problem.instance.digest[:16]}</code>"
    )
    title = html.escape(case.title)
    winner = f"<small>best {best.total:.6g} by {html.escape(best.agent)}</small>"
    return (
        f"<details class='case' id='{anchor}' data-case='{title}'><summary>{title} {winner}</summary><p>{about}</p>"
        f"{table([*header, 'evaluations', 'feasible'], lines)}<div class='pair'><figure>"
        "<figcaption>Best cost so far, mean over seeds, from least to most as a band</figcaption>"
        f"<div class='chart' data-chart='{anchor}'></div></figure>{_picture(case, best)}</div></details>"
    )


def _picture(case: Case, best: Row) -> str:
    if best.solution is None:
        return ""
    draw = functools.partial(case.problem.draw, best.solution.assignment)
    picture = _fewer_colours(figure_bytes(draw, "png", (6.4, 5.6)))
    name = html.escape(case.title)
    return (
        f"<figure>{image(picture, 'png', f'best solution of {name}', 'picture')}"
        f"<figcaption>the best: {html.escape(best.agent)}, seed {best.seed}</figcaption></figure>"
    )


def _fewer_colours(png: bytes) -> bytes:
    """Return a picture with 128 colours, a third of the size."""
    from PIL import Image

    content = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(128).save(content, "PNG", optimize=True)
    return content.getvalue()
