"""Statistics against slow versions written from their definitions."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.agents.solution import TracePoint
from placezoo.experiments.leaderboard import (
    overall,
    performance_profile,
    standings,
    to_latex,
    to_markdown,
    to_pandas,
    win_matrix,
    with_gaps,
)
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import bootstrap, interquartile_mean, primal_integral, saturated


def row(agent="a", case="x", seed=0, total=10.0, env="E", **others):
    values = {
        "env": env, "instance": case, "case": case, "parameters": {}, "agent": agent, "hyperparameters": {},
        "seed": seed, "budget": {"seconds": 1.0}, "total": total, "terms": {}, "feasible": True, "seconds": 1.0,
        "evaluations": 5, "random_cost": 100.0,
    }  # fmt: skip
    return Row(**{**values, **others})


@st.composite
def boards(draw):
    """Draw rows of some agents on some cases, each with its own number of seeds; ties, failures, infeasible runs."""
    agents, cases = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    seeds = [draw(st.integers(1, 3)) for _ in range(cases)]
    rows = []
    for a in range(agents):
        for c in range(cases):
            for s in range(seeds[c]):
                kind = draw(st.sampled_from(["fine", "fine", "fine", "infeasible", "failed"]))
                one = row(f"agent{a}", f"case{c}", s, float(draw(st.integers(1, 6))), random_cost=8.0)
                if kind == "infeasible":
                    one = replace(one, feasible=False)
                elif kind == "failed":
                    one = replace(one, feasible=False, error="boom", total=math.nan)
                rows.append(one)
    return rows


def cost(one):
    if one.error:
        return one.random_cost
    return one.total if one.feasible else max(one.total, one.random_cost)


@given(boards())
def test_gaps_and_scores(rows):
    for one in with_gaps(rows):
        known = [r.total for r in rows if r.case == one.case and r.feasible]
        if known:
            assert one.gap == pytest.approx(cost(one) / min(known) - 1)
            assert one.score == pytest.approx(min(max((8.0 - cost(one)) / (8.0 - min(known)), 0.0), 1.0))
        else:
            assert one.score == 0.0
            assert one.gap == cost(one)


def test_gaps_refer_to_the_table_and_to_bounds():
    gaps = with_gaps([row(total=12.0, best_known=10.0), row("b", total=15.0, best_known=10.0)])
    assert [one.gap for one in gaps] == pytest.approx([0.2, 0.5])
    assert [one.score for one in gaps] == pytest.approx([88 / 90, 85 / 90])
    better = with_gaps([row(total=8.0, best_known=10.0)])[0]
    assert (better.gap, better.score) == (0.0, 1.0)
    bounded = with_gaps([row(total=12.0, lower_bound=6.0), row("b", total=9.0, lower_bound=6.0)])
    assert [one.gap for one in bounded] == pytest.approx([1.0, 0.5])
    assert bounded[1].score == 1.0  # nobody knows anything better
    nothing_cut = with_gaps([row(total=0.0), row("b", total=3.0)])
    assert [one.gap for one in nothing_cut] == [0.0, 3.0]


@given(boards())
def test_wins_ranks_and_profiles(rows):
    rows = with_gaps(rows)
    agents = list(dict.fromkeys(one.agent for one in rows))
    cases = list(dict.fromkeys(one.case for one in rows))
    matrix = win_matrix(rows)
    assert list(matrix.agents) == agents

    def of(agent, case):
        return [cost(one) for one in rows if (one.agent, one.case) == (agent, case)]

    for i, a in enumerate(agents):
        for j, b in enumerate(agents):
            shares = []
            for case in cases:
                pairs = [(x, y) for x in of(a, case) for y in of(b, case)]
                shares.append(sum(1.0 if x < y else 0.5 if x == y else 0.0 for x, y in pairs) / len(pairs))
            assert matrix.probability[i, j] == pytest.approx(np.mean(shares))
    np.testing.assert_allclose(matrix.probability + matrix.probability.T, 1.0)

    full = [case for case in cases if is_saturated(rows, case)]
    assert {case for _, case in saturated(rows)} == set(full)
    deciding = cases if len(full) == len(cases) else [case for case in cases if case not in full]
    for standing in standings(rows):
        ranks = []
        for case in deciding:
            mine = np.mean(of(standing.agent, case))
            others = [np.mean(of(other, case)) for other in agents if other != standing.agent]
            ties = sum(math.isclose(mean, mine) for mean in others)
            ranks.append(1 + sum(mean < mine and not math.isclose(mean, mine) for mean in others) + ties / 2)
        assert standing.rank == pytest.approx(np.mean(ranks))

    thresholds = np.array([0.0, 0.3, 1.0, 10.0])
    for agent, shares in performance_profile(rows, thresholds).items():
        for threshold, share in zip(thresholds, shares, strict=True):
            within = [
                np.mean([
                    one.feasible and one.gap <= threshold + 1e-12
                    for one in rows if (one.agent, one.case) == (agent, case)
                ])
                for case in cases
            ]  # fmt: skip
            assert share == pytest.approx(np.mean(within))
        assert (np.diff(shares) >= 0).all()


def is_saturated(rows, case):
    """Three agents have nothing but the least cost, each twice at least: by plain loops."""
    mine = [one for one in rows if one.case == case]
    least = min((one.total for one in mine if one.feasible), default=None)
    at_best = 0
    for agent in {one.agent for one in mine}:
        runs = [one for one in mine if one.agent == agent]
        at_best += len(runs) > 1 and all(one.feasible and one.total == least for one in runs)
    return at_best >= 3


def solved(*trace, bound=None, **others):
    """Return a row with a solution's trace of (evaluations, seconds, total)."""
    points = tuple(TracePoint(*point) for point in trace)
    solution = SimpleNamespace(trace=points, bound=bound)
    return row(total=trace[-1][2], solution=solution, **others)


def test_saturated_where_the_best_is_proved_once_or_repeated():
    three = [row(agent, "x", seed, 10.0) for agent in "abc" for seed in (0, 1)]
    assert saturated(with_gaps(three)) == {("E", "x")}
    assert saturated(with_gaps(three[:-1])) == set()  # the third has one run, and nothing is proved
    assert saturated(with_gaps([*three, row("d", "x", total=9.0)])) == set()
    assert saturated(with_gaps([replace(one, best_known=9.0) for one in three])) == set()
    once = [row(agent, "x", 0, 10.0) for agent in "ab"] + [solved((1, 0.1, 10.0), agent="c", case="x", bound=10.0)]
    assert saturated(with_gaps(once)) == {("E", "x")}
    assert saturated(with_gaps([*three[:4], replace(three[4], lower_bound=10.0)])) == {("E", "x")}


def test_saturated_cases_do_not_decide():
    rows = [row(agent, "easy", seed, 10.0) for agent in "abc" for seed in (0, 1)]
    rows += [row(agent, "easy", seed, 50.0) for agent in "d" for seed in (0, 1)]
    rows += [
        row(agent, "hard", seed, total)
        for agent, total in zip("abcd", (13, 12, 14, 11), strict=True)
        for seed in (0, 1)
    ]
    found = standings(with_gaps(rows))
    assert [(one.agent, one.place, one.cases, one.deciding) for one in found] == [
        ("d", 1, 2, 1), ("b", 2, 2, 1), ("a", 3, 2, 1), ("c", 4, 2, 1),
    ]  # fmt: skip
    easy = standings(with_gaps([one for one in rows if one.case == "easy"]))
    assert [one.agent for one in easy][-1] == "d"  # there is nothing else to go by


def test_seconds_and_evaluations_rank_apart_at_the_longest_budget():
    def runs(agent, seconds, evaluations, **others):
        totals = [({"seconds": 1.0}, seconds[0]), ({"seconds": 10.0}, seconds[1]), ({"evaluations": 50}, evaluations)]
        return [row(agent, str(budget), total=total, instance="i", budget=budget, **others) for budget, total in totals]

    rows = with_gaps(
        runs("slow", (30, 10), 40) + runs("fast", (12, 12), 20) + runs("inner", (15, 15), 11, counts_evaluations=False)
    )
    assert {one.best for one in rows} == {10.0}  # of one problem, whatever the budget
    found = standings(rows)
    assert [(one.limits, one.agent, one.place, one.compares) for one in found] == [
        ("seconds", "slow", 1, True), ("seconds", "fast", 2, True), ("seconds", "inner", 3, True),
        ("evaluations", "fast", 1, True), ("evaluations", "slow", 2, True), ("evaluations", "inner", None, False),
    ]  # fmt: skip
    assert found[0].gaps == pytest.approx({"1 s": 2.0, "10 s": 0.0})
    assert found[0].gap.value == 0.0
    assert found[3].gaps == pytest.approx({"50 evaluations": 1.0})
    text = to_markdown(rows)
    assert "**E, by seconds**" in text
    assert "**E, by evaluations**" in text


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=6), st.booleans())
def test_primal_integral_is_the_area_under_the_gap(steps, by_seconds):
    """Against the mean of the gap at the middles of many intervals."""
    end, best = 30, 1.0
    steps = sorted(steps)
    trace, least = [], math.inf
    for at, total in steps:
        least = min(least, total)
        trace.append((at + 1, float(at), float(least)))
    budget = {"seconds": float(end)} if by_seconds else {"evaluations": end}
    (one,) = with_gaps([solved(*trace, best_known=best, budget=budget)])
    gaps = []
    for middle in np.arange(end) + 0.5:
        reached = [total for _, at, total in trace if at <= middle]
        gaps.append(1 - best / reached[-1] if reached else 1.0)
    assert primal_integral(one) == pytest.approx(np.mean(gaps))


def test_primal_integrals_at_the_edges():
    assert primal_integral(with_gaps([row(error="boom", total=math.nan, feasible=False)])[0]) == 1.0
    assert primal_integral(with_gaps([solved((1, 0.0, 0.0))])[0]) == 0.0  # nothing is cut, and that at once
    # What cost less before was infeasible, and what comes after the end does not count.
    (one,) = with_gaps([solved((1, 0.0, 3.0), (5, 0.5, 8.0), (9, 2.0, 8.0), best_known=4.0)])
    assert primal_integral(one) == pytest.approx(0.5 * 1.0 + 0.5 * 0.5)


def test_interquartile_mean():
    assert interquartile_mean(np.array([1.0, 2.0, 3.0, 100.0])) == 2.5
    assert interquartile_mean(np.arange(8.0)) == np.mean([2, 3, 4, 5])


def test_bootstrap_draws_the_seeds_of_each_case():
    """The interval against one made by plain loops from many resamples."""
    rng = np.random.default_rng(1)
    samples = [rng.normal(mean, 1.0, size) for mean, size in ((0, 5), (4, 8), (8, 3), (2, 1))]
    found = bootstrap(samples, interquartile_mean)
    assert found.value == interquartile_mean(np.concatenate(samples))
    values = []
    for _ in range(20_000):
        drawn = sorted(float(v) for sample in samples for v in rng.choice(sample, sample.size))
        cut = len(drawn) // 4
        middle = drawn[cut : len(drawn) - cut]
        values.append(sum(middle) / len(middle))
    low, high = np.quantile(values, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.08)
    assert found.high == pytest.approx(high, abs=0.08)
    assert found == bootstrap(samples, interquartile_mean)  # the same each time
    alone = bootstrap([np.array([1.0]), np.array([3.0])], np.mean)
    assert alone.value == 2.0
    assert math.isnan(alone.low)
    same = bootstrap([np.array([2.0, 2.0])], np.mean)
    assert same == (2.0, 2.0, 2.0)


def test_who_is_ranked():
    rows = with_gaps(
        [
            row("everywhere", "x", total=20.0), row("everywhere", "y", total=20.0, env="F"),
            row("sometimes", "x", total=10.0), row("handed in", "x", total=5.0, is_submission=True),
        ]
    )  # fmt: skip
    (first,) = (s for s in standings(r for r in rows if r.env == "E") if s.agent == "sometimes")
    assert first.place == 1
    assert first.gap.value == 1.0  # to the submission, which counts as known and is not ranked
    assert [s.agent for s in standings(r for r in rows if r.env == "E")] == ["sometimes", "everywhere"]
    assert [s.agent for s in overall(rows)] == ["everywhere"]
    incomplete = standings(with_gaps([row("a", "x"), row("a", "y"), row("b", "x", total=1.0)]))
    assert [(s.agent, s.place, s.cases) for s in incomplete] == [("a", 1, 2), ("b", None, 1)]


def test_exports():
    rows = [row("fm", "4elt", seed, 320.0 + seed) for seed in (0, 1)]
    rows += [row("my_agent & co", "4elt", 0, math.nan, error="boom", feasible=False)]
    table = to_pandas(rows)
    assert list(table["agent"]) == ["fm", "fm", "my_agent & co"]
    assert table["gap"].tolist() == pytest.approx([0.0, 1 / 320, 100 / 320 - 1])
    text = to_markdown(rows)
    assert "**E**" in text
    assert "| fm | 0.2 % |" in text
    costs = to_markdown(rows, "costs")
    assert "| fm | 320.50 ± 0.71 |" in costs
    assert "| my_agent & co | 100.00 * |" in costs
    latex = to_latex(rows, "costs")
    assert r"my\_agent \& co & 100.00 * \\" in latex
    assert r"fm & 320.50 $\pm$ 0.71 \\" in latex
    assert latex.count(r"\toprule") == latex.count(r"\bottomrule") == 1
    with pytest.raises(ValueError, match="table must be one of standings, costs"):
        to_latex(rows, "prices")
