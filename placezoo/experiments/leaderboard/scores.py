"""Gaps, scores and rankings, with intervals over seeds.

Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from placezoo.experiments.leaderboard.runs import Row

_RESAMPLES = 2000
_CONFIDENCE = 0.95

Key = tuple[str, str]  # environment and case
K = TypeVar("K")


class Interval(NamedTuple):
    """A statistic with its bootstrap interval; the ends are NaN where every agent's case had but one seed."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Standing:
    """How an agent stands among the others.

    Attributes:
        agent: its label.
        place: 1 for the best; None for an agent that was not run on every case.
        cases: how many cases it was run on.
        runs: how many runs.
        feasible: how many of them found a feasible solution.
        gap: interquartile mean of the gaps over cases and seeds.
        mean_gap: their mean.
        score: interquartile mean of the scores.
        rank: mean over cases of its rank by mean cost; ties share the mean of their ranks.
        wins: mean probability that it beats another agent, see ``win_matrix``.
        seconds: mean of its runs.
        evaluations: mean of its runs.
    """

    agent: str
    place: int | None
    cases: int
    runs: int
    feasible: int
    gap: Interval
    mean_gap: Interval
    score: Interval
    rank: float
    wins: float
    seconds: float
    evaluations: float


def counted_cost(row: Row) -> float:
    """Return the cost that a run counts with: an infeasible or failed one counts as a random assignment, at least."""
    if row.error:
        return row.random_cost
    return row.total if row.feasible else max(row.total, row.random_cost)


def with_gaps(rows: Iterable[Row]) -> list[Row]:
    """Return rows with gap and score; the best known is the table's or the best feasible cost among the rows."""
    rows = list(rows)
    best = {case: min([r.best_known for r in mine if r.best_known == r.best_known] + [
        r.total for r in mine if r.feasible
    ], default=math.nan) for case, mine in by_case(rows).items()}  # fmt: skip
    return [_with_gap(row, best[row.env, row.case]) for row in rows]


def _with_gap(row: Row, best: float) -> Row:
    cost = counted_cost(row)
    reference = best if math.isnan(row.lower_bound) else row.lower_bound
    span = row.random_cost - best
    if math.isnan(best):
        return replace(row, gap=cost if math.isnan(reference) else cost / reference - 1.0, score=0.0)
    # Where the reference is 0 (nothing is cut) there is no relative excess: it is the excess itself.
    gap = cost / reference - 1.0 if reference else cost
    score = float(np.clip((row.random_cost - cost) / span, 0.0, 1.0)) if span > 0 else float(cost <= best)
    return replace(row, gap=gap, score=score)


def by_case(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """Return rows grouped by environment and case, in order."""
    return _grouped(rows, lambda row: (row.env, row.case))


def by_environment(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return rows grouped by environment, in order."""
    return _grouped(rows, lambda row: row.env)


def by_agent(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return rows grouped by agent, in order."""
    return _grouped(rows, lambda row: row.agent)


def _grouped(rows: Iterable[Row], key: Callable[[Row], K]) -> dict[K, list[Row]]:
    groups: dict[K, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def interquartile_mean(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Return the mean of the middle half along an axis."""
    return stats.trim_mean(values, 0.25, axis=axis)


def bootstrap(samples: Sequence[NDArray[np.float64]], statistic: Callable[..., NDArray[np.float64]]) -> Interval:
    """Return a statistic of all values together, and its 95 % interval when the seeds of each case are drawn anew.

    Args:
        samples: one array for each case, a value for each seed.
        statistic: (values, axis=) -> number; ``interquartile_mean`` or ``np.mean``.
    """
    value = float(statistic(np.concatenate(samples), axis=-1))
    drawn = [sample for sample in samples if sample.size > 1]
    if not drawn:
        return Interval(value, math.nan, math.nan)
    fixed = np.concatenate([np.zeros(0), *(sample for sample in samples if sample.size == 1)])

    def of_all(*resampled: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        rest = np.broadcast_to(fixed, (*resampled[0].shape[:-1], fixed.size))
        return statistic(np.concatenate([*resampled, rest], axis=axis), axis=axis)

    found = stats.bootstrap(
        drawn, of_all, n_resamples=_RESAMPLES, confidence_level=_CONFIDENCE, method="percentile", vectorized=True,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return Interval(value, float(found.confidence_interval.low), float(found.confidence_interval.high))


def standings(rows: Iterable[Row]) -> list[Standing]:
    """Return the agents from best to worst, by the interquartile mean of their gaps; those without every case last.

    Args:
        rows: of ``with_gaps``; submissions are left out.
    """
    rows = [row for row in rows if not row.is_submission]
    all_cases = len(by_case(rows))
    ranks, wins = _mean_ranks(rows), win_matrix(rows)
    found = [_standing(agent, mine, ranks[agent], wins.of(agent)) for agent, mine in by_agent(rows).items()]
    found.sort(key=lambda s: (s.cases < all_cases, s.gap.value, s.mean_gap.value, s.agent))
    return [
        replace(standing, place=place) if standing.cases == all_cases else standing
        for place, standing in enumerate(found, start=1)
    ]


def overall(rows: Iterable[Row]) -> list[Standing]:
    """Return the agents that were run on every case of every environment, from best to worst by their scores.

    Gaps of different environments do not compare; scores, ranks and wins do.
    """
    found = [standing for standing in standings(rows) if standing.place is not None]
    found.sort(key=lambda s: (-s.score.value, s.rank, s.agent))
    return [replace(standing, place=place) for place, standing in enumerate(found, start=1)]


def _standing(agent: str, rows: list[Row], rank: float, wins: float) -> Standing:
    cases = by_case(rows).values()
    gaps = [np.array([row.gap for row in case]) for case in cases]
    ran = [row for row in rows if not row.error]
    return Standing(
        agent=agent,
        place=None,
        cases=len(gaps),
        runs=len(rows),
        feasible=sum(row.feasible for row in rows),
        gap=bootstrap(gaps, interquartile_mean),
        mean_gap=bootstrap(gaps, np.mean),
        score=bootstrap([np.array([row.score for row in case]) for case in cases], interquartile_mean),
        rank=rank,
        wins=wins,
        seconds=float(np.mean([row.seconds for row in ran])) if ran else math.nan,
        evaluations=float(np.mean([row.evaluations for row in ran])) if ran else math.nan,
    )


def _mean_ranks(rows: list[Row]) -> dict[str, float]:
    ranks: dict[str, list[float]] = {}
    for case in by_case(rows).values():
        agents = by_agent(case)
        # Rounded, so that equal costs summed in another order stay a tie.
        means = [float(f"{np.mean([counted_cost(row) for row in mine]):.12g}") for mine in agents.values()]
        for agent, rank in zip(agents, stats.rankdata(means), strict=True):
            ranks.setdefault(agent, []).append(float(rank))
    return {agent: float(np.mean(mine)) for agent, mine in ranks.items()}


@dataclass(frozen=True)
class WinMatrix:
    """How often each agent beats each other one.

    Attributes:
        agents: the labels.
        probability: float64 [agents, agents]: that the row's run is better than the column's; 0.5 on the diagonal, NaN
            where two agents have no case in common.
    """

    agents: tuple[str, ...]
    probability: NDArray[np.float64]

    def of(self, agent: str) -> float:
        """Return an agent's mean against the others, NaN if there are none."""
        place = self.agents.index(agent)
        against = np.delete(self.probability[place], place)
        against = against[np.isfinite(against)]
        return float(against.mean()) if against.size else math.nan


def win_matrix(rows: Iterable[Row]) -> WinMatrix:
    """Return the probability of improvement of each agent over each other one: over pairs of seeds, then over cases.

    A tie counts as half a win. Submissions are left out.
    """
    rows = [row for row in rows if not row.is_submission]
    agents = tuple(by_agent(rows))
    number = {agent: index for index, agent in enumerate(agents)}
    total, shared = np.zeros((len(agents), len(agents))), np.zeros((len(agents), len(agents)))
    for case in by_case(rows).values():
        costs = {agent: np.array([counted_cost(row) for row in mine]) for agent, mine in by_agent(case).items()}
        for one, mine in costs.items():
            for other, theirs in costs.items():
                difference = theirs[None, :] - mine[:, None]
                near = np.abs(difference) <= 1e-12 * np.abs(mine[:, None])
                total[number[one], number[other]] += np.where(near, 0.5, difference > 0).mean()
                shared[number[one], number[other]] += 1
    return WinMatrix(agents, np.divide(total, shared, out=np.full_like(total, np.nan), where=shared > 0))


def performance_profile(rows: Iterable[Row], thresholds: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return for each agent the share of its runs whose gap is at most each threshold (Dolan & Moré 2002).

    Args:
        rows: of ``with_gaps``; submissions are left out, and an infeasible or failed run is within no threshold.
        thresholds: float64 [T], gaps.

    Returns:
        float64 [T] for each agent; every case weighs the same.
    """
    rows = [row for row in rows if not row.is_submission]
    return {
        agent: np.mean(
            [
                np.mean([(row.gap <= thresholds + 1e-12) & row.feasible for row in case], axis=0)
                for case in by_case(mine).values()
            ],
            axis=0,
        )
        for agent, mine in by_agent(rows).items()
    }
