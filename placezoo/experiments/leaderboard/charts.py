"""The numbers behind a report's charts, few enough to be put into the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.solution import TracePoint
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import (
    by_agent,
    by_budget,
    by_environment,
    interquartile_mean,
    performance_profile,
)

_POINTS = 48
_PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#7f3c8d", "#6b7280", "#e31a1c", "#5aae61",
    "#b15928", "#ff6f91", "#f0a30a", "#00a6a6", "#9467bd", "#c51b7d",
)  # fmt: skip


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


def anytime_chart(rows: list[Row], colours: dict[str, str]) -> dict[str, Any]:
    """Return the best cost so far of each agent against seconds and against evaluations.

    Args:
        rows: of one case; submissions, whose times are claims, have no curve.
        colours: of the agents.
    """
    solved = [row for row in rows if row.solution is not None and row.feasible and not row.is_submission]
    axes = {
        "seconds": _curves(solved, colours, lambda point: point.seconds, 1e-3),
        "evaluations": _curves(solved, colours, lambda point: float(point.evaluations), 1.0),
    }
    return {"kind": "anytime", "y": "cost", "axes": axes}


def _curves(
    rows: list[Row], colours: dict[str, str], position: Callable[[TracePoint], float], least: float
) -> list[dict[str, Any]]:
    traces = {
        agent: [[(position(p), p.total) for p in row.solution.trace] for row in mine if row.solution is not None]
        for agent, mine in by_agent(rows).items()
    }
    ends = [trace[-1][0] for mine in traces.values() for trace in mine]
    grid = np.geomspace(least, max([*ends, 2 * least]), _POINTS)
    curves = []
    for agent, mine in traces.items():
        costs = np.array([_best_at(trace, grid) for trace in mine])
        known = np.isfinite(costs).all(axis=0)
        if known.any():
            mean, low, high = (f(costs[:, known], axis=0) for f in (np.mean, np.min, np.max))
            curves.append(
                {
                    "name": agent, "colour": colours[agent], "x": rounded(grid[known]), "y": rounded(mean),
                    **({} if np.array_equal(low, high) else {"low": rounded(low), "high": rounded(high)}),
                }
            )  # fmt: skip
    return curves


def _best_at(trace: list[tuple[float, float]], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cost that a trace had reached at each point of the grid, infinity before its first one."""
    places, totals = (np.array(column) for column in zip(*trace, strict=True))
    last = np.searchsorted(places, grid * (1 + 1e-9), side="right") - 1
    return np.where(last >= 0, totals[np.maximum(last, 0)], np.inf)


def profile_chart(rows: list[Row], colours: dict[str, str]) -> dict[str, Any]:
    """Return the performance profile of each agent over the gaps that occur.

    Args:
        rows: of one environment.
        colours: of the agents.
    """
    gaps = np.array([row.gap for row in rows if row.feasible and np.isfinite(row.gap)])
    highest = max(float(gaps.max(initial=0.0)), 0.01)
    lowest = min(max(float(gaps[gaps > 0].min(initial=highest)), 1e-3), highest / 2)
    grid = np.geomspace(lowest, highest, 2 * _POINTS)
    return {
        "kind": "profile",
        "curves": [
            {"name": agent, "colour": colours[agent], "x": rounded(100 * grid), "y": rounded(share)}
            for agent, share in performance_profile(rows, grid).items()
        ],
    }


def front_chart(rows: list[Row], colours: dict[str, str]) -> dict[str, Any]:
    """Return what each agent spends and the gap that it has, a point for each budget; the best of them are the front.

    Args:
        rows: of one environment and one kind of budget, under budgets that (nearly) all of its problems have.
        colours: of the agents.
    """
    limits = rows[0].limits
    spent = (lambda row: float(row.evaluations)) if limits == "evaluations" else (lambda row: row.seconds)
    curves = []
    for agent, mine in by_agent(rows).items():
        budgets = by_budget(row for row in mine if not row.error).values()
        points = [
            (np.mean([spent(row) for row in at_it]), interquartile_mean(np.array([row.gap for row in at_it])))
            for at_it in budgets
        ]
        points.sort()
        if points:
            x, y = (np.array(column) for column in zip(*points, strict=True))
            # What rounds to nothing has a place on a logarithmic axis too.
            curves.append({
                "name": agent, "colour": colours[agent], "x": rounded(np.maximum(x, 1e-4)), "y": rounded(100 * y)
            })  # fmt: skip
    return {"kind": "front", "x": limits, "curves": curves}


def rounded(values: NDArray[np.float64]) -> list[float]:
    """Return numbers with five significant digits: a chart shows no more."""
    return [float(f"{value:.5g}") for value in values]
