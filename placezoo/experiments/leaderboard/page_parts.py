"""What a report's sections are made of: tables that sort, cells, colours, pictures."""

from __future__ import annotations

import base64
import html
import math
from typing import Any

from placezoo.agents.registry import describe_agent
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import Interval, by_agent, by_environment
from placezoo.experiments.leaderboard.tables import interval_text, percent

_PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#7f3c8d", "#6b7280", "#e31a1c", "#5aae61",
    "#b15928", "#ff6f91", "#f0a30a", "#00a6a6", "#9467bd", "#c51b7d",
)  # fmt: skip

Cell = tuple[str, Any]  # what it shows (HTML), and what it sorts by


def agent_colours(rows: list[Row]) -> dict[str, str]:
    """Give each agent a colour that no other agent of its environments has, while there are enough."""
    taken: dict[str, set[int]] = {env: set() for env in by_environment(rows)}
    colours: dict[str, str] = {}
    for agent, mine in by_agent(rows).items():
        environments = {row.env for row in mine}
        free = [c for c in range(len(_PALETTE)) if not any(c in taken[env] for env in environments)]
        choice = free[0] if free else len(colours) % len(_PALETTE)
        colours[agent] = _PALETTE[choice]
        for env in environments:
            taken[env].add(choice)
    return colours


def table(header: list[str], rows: list[tuple[str, list[Cell]]]) -> str:
    """Return a sortable table; each row comes with the agent or case that filters know it by."""
    head = "".join(f"<th scope='col'><button type='button'>{html.escape(name)}</button></th>" for name in header)
    body = "".join(
        f"<tr {key}>"
        + "".join(f"<td data-sort='{html.escape(_sort_key(value))}'>{shown}</td>" for shown, value in cells)
        + "</tr>"
        for key, cells in rows
    )
    return (
        f"<div class='scroll'><table class='sortable'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _sort_key(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def agent_key(agent: str) -> str:
    """Return the attribute by which filters know an agent's row."""
    return f"data-agent='{html.escape(agent)}'"


def agent_cell(row: Row, colours: dict[str, str]) -> Cell:
    """Return an agent's name with its colour; what it is, and its settings, show when pointed at."""
    name = row.solution.agent if row.solution is not None else row.agent
    known = "" if row.is_submission else describe_agent(name)  # a stranger's file must not say what is imported
    settings = ", ".join(f"{key} = {value}" for key, value in row.hyperparameters.items())
    about = html.escape(" · ".join(part for part in (known, settings) if part))
    dot = f"<span class='dot' style='background:{colours[row.agent]}'></span>"
    return f"<span title='{about}'>{dot}{html.escape(row.agent)}</span>", row.agent


def interval_cell(interval: Interval) -> Cell:
    """Return a share in per cent with its interval."""
    return f"{percent(interval.value)} <small>{interval_text(interval)}</small>", interval.value


def image(content: bytes, kind: str, description: str, css_class: str) -> str:
    """Return a picture, PNG or SVG, as an element that holds its data."""
    data = base64.b64encode(content).decode()
    return f"<img class='{css_class}' alt='{description}' src='data:image/{kind};base64,{data}'>"
