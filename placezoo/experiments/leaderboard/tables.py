"""Results as tables: pandas, Markdown, LaTeX."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import (
    Interval,
    at_longest,
    by_agent,
    by_budget,
    by_case,
    by_environment,
    by_limits,
    counted_cost,
    standings,
    with_gaps,
)

if TYPE_CHECKING:
    import pandas as pd

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def to_pandas(rows: Iterable[Row]) -> pd.DataFrame:
    """Return the rows as a data frame, one line a run: what ``results.csv`` has.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("to_pandas needs pandas, which is not installed: pip install 'placezoo[tables]'") from None
    return pd.DataFrame([row.record() for row in with_gaps(rows)])


def to_markdown(rows: Iterable[Row], table: str = "standings") -> str:
    """Return Markdown tables, one for each environment and each kind of budget.

    Args:
        rows: of a leaderboard.
        table: ``standings`` (agents with gaps, ranks and times) or ``costs`` (agents by cases, mean cost over seeds).

    Raises:
        ValueError: no such table.
    """
    parts = []
    for env, (header, lines) in _tables(rows, table).items():
        rule = "|".join(["---"] * len(header))
        body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        parts.append(f"**{env}**\n\n| " + " | ".join(header) + f" |\n|{rule}|\n{body}\n")
    return "\n".join(parts)


def to_latex(rows: Iterable[Row], table: str = "standings") -> str:
    """Return LaTeX tables (package ``booktabs``), one for each environment; else as ``to_markdown``."""
    parts = []
    for env, (header, lines) in _tables(rows, table).items():
        body = "\n".join(" & ".join(_escaped(cell) for cell in line) + r" \\" for line in lines)
        parts.append(
            f"% {env}\n\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}\n\\toprule\n"
            + " & ".join(_escaped(name) for name in header)
            + f" \\\\\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
        )
    return "\n".join(parts)


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text).replace(" %", "~%").replace("±", r"$\pm$")


Lines = tuple[list[str], list[list[str]]]  # a header, and lines of as many cells


def _tables(rows: Iterable[Row], table: str) -> dict[str, Lines]:
    makers: dict[str, Callable[[list[Row]], Lines]] = {"standings": _standings, "costs": _costs}
    if table not in makers:
        raise ValueError(f"table must be one of {', '.join(makers)}, not {table!r}")
    tables = {}
    for env, mine in by_environment(with_gaps(rows)).items():
        kinds = by_limits(mine)
        for limits, ranked in kinds.items():
            tables[env if len(kinds) == 1 else f"{env}, by {limits}"] = makers[table](ranked)
    return tables


def _standings(rows: list[Row]) -> Lines:
    ranked = [row for row in rows if not row.is_submission]
    total, budgets = len(by_case(at_longest(ranked))), list(by_budget(ranked))
    shown = budgets if len(budgets) > 1 else []
    header = [
        "agent",
        "IQM gap",
        "95 %",
        *shown,
        "integral",
        "mean gap",
        "mean rank",
        "wins",
        "feasible",
        "cases",
        "seconds",
    ]
    return header, [
        [
            standing.agent, percent(standing.gap.value), interval_text(standing.gap),
            *(percent(standing.gaps.get(budget, math.nan)) for budget in shown), percent(standing.integral),
            percent(standing.mean_gap.value),
            f"{standing.rank:.1f}", f"{100 * standing.wins:.0f} %", f"{standing.feasible}/{standing.runs}",
            f"{standing.cases}/{total}", f"{standing.seconds:.2f}",
        ]
        for standing in standings(rows)
    ]  # fmt: skip


def _costs(rows: list[Row]) -> Lines:
    cases = list(by_case(rows))
    lines = []
    for agent, mine in by_agent(rows).items():
        found = by_case(mine)
        lines.append([agent, *(mean_cost_text(found.get(case, [])) for case in cases)])
    return ["agent", *(case for _, case in cases)], lines


def mean_cost_text(rows: list[Row]) -> str:
    """Return mean cost ± standard deviation over seeds; with a star where a run failed or is infeasible."""
    if not rows:
        return ""
    costs = np.array([counted_cost(row) for row in rows])
    spread = f" ± {_digits(costs.std(ddof=1), float(costs.mean()))}" if len(costs) > 1 and np.ptp(costs) > 0 else ""
    star = "" if all(row.feasible for row in rows) else " *"
    return _digits(float(costs.mean()), float(costs.mean())) + spread + star


def _digits(value: Any, scale: float) -> str:
    """Return a number with so many decimals that the scale has five significant digits, at least one decimal."""
    decimals = 1 if scale == 0 else max(1, 4 - math.floor(math.log10(abs(scale))))
    return f"{value:.{decimals}f}"


def percent(value: float) -> str:
    """Return a share as per cent with three significant digits, or a dash for NaN."""
    if math.isnan(value):
        return "-"
    return f"{100 * value:.1f} %" if abs(value) < 10 else f"{100 * value:,.0f} %"


def interval_text(interval: Interval) -> str:
    """Return the ends of an interval of shares in per cent, or a dash if there are none."""
    return "-" if math.isnan(interval.low) else f"{percent(interval.low)[:-2]} to {percent(interval.high)}"
