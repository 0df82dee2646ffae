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

_SAME = 1e-9  # relative: costs this close are the same
_SATURATED = 3  # so many agents at the best cost, and a case tells nobody apart

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
        limits: what the budgets limit that it was run under: ``seconds`` or ``evaluations``; each ranks by itself.
        place: 1 for the best; None for an agent that was not run on every case, or whose evaluations do not compare.
        cases: how many cases it was run on.
        deciding: on how many of them the ranking rests: those that are not saturated.
        runs: how many runs, of every case at its longest budget.
        feasible: how many of them found a feasible solution.
        gap: interquartile mean of the gaps over cases and seeds.
        mean_gap: their mean.
        score: interquartile mean of the scores.
        rank: mean over cases of its rank by mean cost; ties share the mean of their ranks.
        wins: mean probability that it beats another agent, see ``win_matrix``.
        seconds: mean of its runs.
        evaluations: mean of its runs.
        integral: mean primal integral over the budget, see ``primal_integral``.
        gaps: ``gap`` at each budget, by the budget in words, over the cases that have it.
        compares: whether its evaluations compare with others', where they are what is limited.
    """

    agent: str
    limits: str
    place: int | None
    cases: int
    deciding: int
    runs: int
    feasible: int
    gap: Interval
    mean_gap: Interval
    score: Interval
    rank: float
    wins: float
    seconds: float
    evaluations: float
    integral: float
    gaps: dict[str, float]
    compares: bool


def counted_cost(row: Row) -> float:
    """Return the cost that a run counts with: an infeasible or failed one counts as a random assignment, at least."""
    if row.error:
        return row.random_cost
    return row.total if row.feasible else max(row.total, row.random_cost)


def with_gaps(rows: Iterable[Row]) -> list[Row]:
    """Return rows with best, gap and score: the best of a problem is the table's or any row's, at whatever budget."""
    rows = list(rows)
    best = {
        problem: min(
            [row.best_known for row in mine if not math.isnan(row.best_known)]
            + [row.total for row in mine if row.feasible],
            default=math.nan,
        )
        for problem, mine in _grouped(rows, lambda row: row.problem_key).items()
    }
    return [_with_gap(replace(row, best=best[row.problem_key])) for row in rows]


def _with_gap(row: Row) -> Row:
    cost, best = counted_cost(row), row.best
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


def by_limits(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return rows grouped by what their budgets limit, seconds first."""
    groups = _grouped(rows, lambda row: row.limits)
    return {limits: groups[limits] for limits in sorted(groups, key=lambda limits: (limits != "seconds", limits))}


def by_budget(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return rows grouped by their budgets, in words, from the least."""
    kinds = by_limits(rows).values()
    ordered = [row for mine in kinds for row in sorted(mine, key=lambda row: tuple(row.budget.values()))]
    return _grouped(ordered, lambda row: row.budget_text)


def at_longest(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of each problem under its largest budget; the rows are of one kind of budget."""
    rows = list(rows)
    longest = {
        problem: max(tuple(row.budget.values()) for row in mine)
        for problem, mine in _grouped(rows, lambda row: row.problem_key).items()
    }
    return [row for row in rows if tuple(row.budget.values()) == longest[row.problem_key]]


def saturated(rows: Iterable[Row]) -> set[Key]:
    """Return the cases that tell nobody apart: three agents are at one best cost, proved or repeated.

    It is proved where a solution's bound or the problem's lower bound says so; then one run at it is enough. Else all
    runs of each of the three must be at it, at least two.

    Args:
        rows: of ``with_gaps``; submissions are left out.
    """
    found = set()
    for case, mine in by_case(row for row in rows if not row.is_submission).items():
        least = min((row.best for row in mine), default=math.nan)
        enough = least * (1 + _SAME) if least > 0 else least + _SAME
        bounds = [row.lower_bound for row in mine]
        bounds += [row.solution.bound for row in mine if row.solution is not None and row.solution.bound is not None]
        is_proved = any(bound >= least - _SAME * abs(least) for bound in bounds)
        at_best = 0
        for runs in by_agent(mine).values():
            reached = [row.feasible and row.total <= enough for row in runs]
            at_best += any(reached) if is_proved else len(runs) > 1 and all(reached)
        if at_best >= _SATURATED:
            found.add(case)
    return found


def primal_integral(row: Row) -> float:
    """Return the mean primal gap of a run over its budget of seconds (else evaluations): 0 for the best all the time.

    The primal gap is 1 before the first solution, then the excess over the best cost relative to the solution's
    (Berthold 2013, "Measuring the impact of primal heuristics"). A failed or infeasible run has 1.
    """
    if row.solution is None or not row.feasible or row.error:
        return 1.0
    by_seconds = row.budget.get("seconds") is not None
    end = float(row.budget["seconds"] if by_seconds else row.budget["evaluations"])
    integral, since, gap = 0.0, 0.0, 1.0
    for point in row.solution.trace:
        # What an evaluation returned was there when it was counted: evaluation 1 is at 0 of the axis.
        position = min(point.seconds if by_seconds else max(point.evaluations - 1.0, 0.0), end)
        integral += gap * (position - since)
        since = position
        if point.total >= row.total - _SAME * abs(row.total):  # less was infeasible
            gap = min(gap, _primal_gap(point.total, row.best))
    return (integral + gap * (end - since)) / end


def _primal_gap(cost: float, best: float) -> float:
    if math.isnan(best) or cost * best < 0:
        return 1.0
    largest = max(abs(cost), abs(best))
    return min(abs(cost - best) / largest, 1.0) if largest > 0 else 0.0


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
    """Return the agents from best to worst, by the interquartile mean of their gaps at each case's longest budget.

    Budgets of seconds and of evaluations rank apart, one after the other. Saturated cases do not decide, unless all
    are. Agents without every case come last, as do those whose evaluations do not compare; they have no place.

    Args:
        rows: of ``with_gaps``; submissions are left out.
    """
    ranked = [row for row in rows if not row.is_submission]
    return [standing for mine in by_limits(ranked).values() for standing in _standings_of(mine)]


def _standings_of(every: list[Row]) -> list[Standing]:
    rows = at_longest(every)
    all_cases = len(by_case(rows))
    deciding = undecided(rows)
    ranks, wins = _mean_ranks(deciding), win_matrix(deciding)
    found = []
    for agent, mine in by_agent(rows).items():
        budgets = by_budget(row for row in every if row.agent == agent)
        gaps = {
            text: float(interquartile_mean(np.array([row.gap for row in at_it]))) for text, at_it in budgets.items()
        }
        its_own = [row for row in deciding if row.agent == agent]
        found.append(_standing(agent, mine, its_own, gaps, ranks.get(agent, math.nan), wins))
    found.sort(key=lambda s: (not s.compares, s.cases < all_cases, *_finite(s.gap.value, s.mean_gap.value), s.agent))
    return [
        replace(standing, place=place) if standing.cases == all_cases and standing.compares else standing
        for place, standing in enumerate(found, start=1)
    ]


def _finite(*values: float) -> tuple[float, ...]:
    """Return values that sort, with NaN last."""
    return tuple(math.inf if math.isnan(value) else value for value in values)


def undecided(rows: Iterable[Row]) -> list[Row]:
    """Return the rows on which a ranking rests: of the cases that are not saturated, or all if there are no others."""
    rows = list(rows)
    full = saturated(rows)
    return [row for row in rows if (row.env, row.case) not in full] or rows


def overall(rows: Iterable[Row]) -> list[Standing]:
    """Return the agents that were run on every case of every environment, from best to worst by their scores.

    Gaps of different environments do not compare; scores, ranks and wins do.

    Args:
        rows: of ``with_gaps``, of one kind of budget.
    """
    found = [standing for standing in standings(rows) if standing.place is not None]
    found.sort(key=lambda s: (-s.score.value, s.rank, s.agent))
    return [replace(standing, place=place) for place, standing in enumerate(found, start=1)]


def _standing(
    agent: str, rows: list[Row], deciding: list[Row], gaps: dict[str, float], rank: float, wins: WinMatrix
) -> Standing:
    cases = list(by_case(deciding).values())
    ran = [row for row in rows if not row.error]

    def over_cases(value: Callable[[Row], float], statistic: Callable[..., NDArray[np.float64]]) -> Interval:
        samples = [np.array([value(row) for row in case]) for case in cases]
        return bootstrap(samples, statistic) if samples else Interval(math.nan, math.nan, math.nan)

    return Standing(
        agent=agent,
        limits=rows[0].limits,
        place=None,
        cases=len(by_case(rows)),
        deciding=len(cases),
        runs=len(rows),
        feasible=sum(row.feasible for row in rows),
        gap=over_cases(lambda row: row.gap, interquartile_mean),
        mean_gap=over_cases(lambda row: row.gap, np.mean),
        score=over_cases(lambda row: row.score, interquartile_mean),
        rank=rank,
        wins=wins.of(agent) if agent in wins.agents else math.nan,
        seconds=float(np.mean([row.seconds for row in ran])) if ran else math.nan,
        evaluations=float(np.mean([row.evaluations for row in ran])) if ran else math.nan,
        integral=float(np.mean([primal_integral(row) for row in rows])),
        gaps=gaps,
        compares=rows[0].limits == "seconds" or all(row.counts_evaluations for row in rows),
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
