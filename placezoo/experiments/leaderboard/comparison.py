"""Paired comparison of two agents, or of one agent on two boards: the same cases, the same seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from placezoo.agents.budget import Budget
from placezoo.datasets.json_content import converted, located, read_json
from placezoo.datasets.suggestion import unknown_name
from placezoo.experiments.leaderboard.scores import Interval, bootstrap
from placezoo.experiments.leaderboard.suite import budget_text

_SAME = 1e-9  # relative: costs this close are a tie


class BoardRun(msgspec.Struct, frozen=True):
    """A run as ``results.json`` has it, as far as a comparison reads it."""

    env: str
    case: str
    agent: str
    seed: int
    total: float | None
    random_cost: float
    feasible: bool
    error: str = ""
    is_submission: bool = False
    is_learned: bool = False
    twin: str = ""
    counts_evaluations: bool = True
    budget_seconds: float | None = None
    budget_evaluations: int | None = None

    @property
    def budget(self) -> str:
        """The budget in words; empty where the board does not tell."""
        if self.budget_seconds is None and self.budget_evaluations is None:
            return ""
        return budget_text(Budget(self.budget_seconds, self.budget_evaluations))

    @property
    def order(self) -> tuple[bool, float]:
        """What sorts budgets: seconds before evaluations, less before more."""
        return self.budget_seconds is None, self.budget_seconds or self.budget_evaluations or 0.0

    @property
    def cost(self) -> float:
        """The cost that the run counts with: a failed or infeasible one counts as a random assignment, at least."""
        if self.error or self.total is None:
            return self.random_cost
        return self.total if self.feasible else max(self.total, self.random_cost)


@dataclass(frozen=True)
class Comparison:
    """How runs of one agent compare with another's on the same cases and seeds.

    Attributes:
        env: the environment's id.
        budget: of the runs, in words; runs under other budgets are compared apart.
        one: the agent, with its board where there are two.
        other: what it is compared with.
        cases: how many cases both ran on.
        pairs: how many runs both made: the same case and seed.
        seeds: how many of each case, at least.
        wins: pairs in which ``one`` is better.
        losses: pairs in which it is worse; the rest are ties.
        difference: mean over cases of how much more ``one`` costs, relative to the other's cost, with its 95 %
            bootstrap interval over cases (over seeds if there is one case); below 0 is better.
    """

    env: str
    budget: str
    one: str
    other: str
    cases: int
    pairs: int
    seeds: int
    wins: int
    losses: int
    difference: Interval

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` where the whole interval says so, else ``open``."""
        if self.difference.high < 0:
            return "better"
        return "worse" if self.difference.low > 0 else "open"


def read_board(path: str | Path) -> list[BoardRun]:
    """Return the ranked runs of a board: ``results.json``, or the folder that it is in.

    Raises:
        FileNotFoundError: there is none.
        ValueError: ``path:line: what`` for a file that is none.
    """
    path = Path(path)
    file = path / "results.json" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{path}: no board's results.json")
    content = read_json(file, "a board's results")
    if "results" not in content:
        raise ValueError(f"{file}:1: not a board's results ('results' is missing)")
    runs = located(file, lambda: converted(content["results"], list[BoardRun]))
    return [run for run in runs if not run.is_submission]


def compare_agents(runs: Sequence[BoardRun], one: str, other: str) -> list[Comparison]:
    """Compare two agents of a board, in each environment and under each budget where both ran.

    Raises:
        ValueError: the board has no such agent, or they have no case and seed in common.
    """
    known = dict.fromkeys(run.agent for run in runs)
    for agent in (one, other):
        if agent not in known:
            raise ValueError(unknown_name("agent of this board", agent, known))
    mine, theirs = ([run for run in runs if run.agent == agent] for agent in (one, other))
    found = _paired(mine, theirs, one, other)
    if not found:
        raise ValueError(f"{one} and {other} have no case and seed in common")
    return found


def compare_boards(runs: Sequence[BoardRun], others: Sequence[BoardRun], names: tuple[str, str]) -> list[Comparison]:
    """Compare each agent that two boards have in common: the first board's runs with the second's.

    Raises:
        ValueError: they have no agent, case and seed in common.
    """
    found = []
    for agent in dict.fromkeys(run.agent for run in runs):
        mine, theirs = ([run for run in board if run.agent == agent] for board in (runs, others))
        found += _paired(mine, theirs, *(f"{agent} ({name})" for name in names))
    if not found:
        raise ValueError("the boards have no agent, case and seed in common")
    return found


def _paired(mine: Iterable[BoardRun], theirs: Iterable[BoardRun], one: str, other: str) -> list[Comparison]:
    known = {(run.env, run.case, run.budget, run.seed): run for run in theirs}
    groups: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    mine = list(mine)
    environments = list(dict.fromkeys(run.env for run in mine))
    for run in sorted(mine, key=lambda run: run.order):
        same = known.get((run.env, run.case, run.budget, run.seed))
        if same is not None:
            groups.setdefault((run.env, run.budget), {}).setdefault(run.case, []).append((run.cost, same.cost))
    return [
        _comparison(*group, one, other, cases)
        for group, cases in sorted(groups.items(), key=lambda entry: environments.index(entry[0][0]))
    ]


def _comparison(env: str, budget: str, one: str, other: str, cases: dict[str, list[tuple[float, float]]]) -> Comparison:
    differences = [np.array([_relative(*pair) for pair in pairs]) for pairs in cases.values()]
    everything = np.concatenate(differences)
    return Comparison(
        env=env, budget=budget, one=one, other=other, cases=len(cases), pairs=everything.size,
        seeds=min(len(pairs) for pairs in cases.values()), wins=int((everything < -_SAME).sum()),
        losses=int((everything > _SAME).sum()), difference=_interval(differences),
    )  # fmt: skip


def _relative(cost: float, other: float) -> float:
    """Return by how much a cost exceeds another, relative to that; the excess itself where the other is 0."""
    return (cost - other) / abs(other) if other else cost


def _interval(differences: list[NDArray[np.float64]]) -> Interval:
    """Return the mean over cases with an interval over cases drawn anew; of one case, over its seeds."""
    if len(differences) == 1:
        return bootstrap(differences, np.mean)
    return bootstrap([np.array([values.mean() for values in differences])], np.mean)
