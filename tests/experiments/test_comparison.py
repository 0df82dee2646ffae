"""Paired comparisons, against numbers computed by hand."""

import json

import msgspec
import pytest

from placezoo.experiments.leaderboard.claims import claims
from placezoo.experiments.leaderboard.comparison import BoardRun, compare_agents, compare_boards, read_board


def runs(agent, costs, env="E", feasible=True):
    """Return runs of an agent: costs[case][seed]."""
    return [
        BoardRun(env, f"case {case}", agent, seed, float(cost), 100.0, feasible)
        for case, mine in enumerate(costs)
        for seed, cost in enumerate(mine)
    ]


def test_differences_are_relative_and_paired():
    board = runs("a", [[9, 11], [20, 18]]) + runs("b", [[10, 10], [20, 20]])
    (found,) = compare_agents(board, "a", "b")
    assert (found.env, found.one, found.other) == ("E", "a", "b")
    assert (found.cases, found.pairs, found.wins, found.losses) == (2, 4, 2, 1)
    # Cases: (-0.1 + 0.1) / 2 and (0 - 0.1) / 2.
    assert found.difference.value == pytest.approx(-0.025)
    assert (found.difference.low, found.difference.high) == pytest.approx((-0.05, 0.0))
    assert found.verdict == "open"
    (back,) = compare_agents(board, "b", "a")
    assert (back.wins, back.losses) == (1, 2)


@pytest.mark.parametrize(("better", "verdict"), [("a", "better"), ("b", "worse")])
def test_a_verdict_is_what_the_whole_interval_says(better, verdict):
    costs = [[10 + case] * 3 for case in range(20)]
    less = [[0.9 * cost for cost in mine] for mine in costs]
    board = runs("a", less if better == "a" else costs) + runs("b", costs if better == "a" else less)
    (found,) = compare_agents(board, "a", "b")
    assert found.verdict == verdict
    assert found.difference.low == pytest.approx(found.difference.high)


def test_one_case_has_its_interval_over_seeds():
    board = runs("a", [[8, 10, 12]]) + runs("b", [[10, 10, 10]])
    (found,) = compare_agents(board, "a", "b")
    assert found.difference.value == pytest.approx(0)
    assert found.difference.low < 0 < found.difference.high


def test_failed_and_infeasible_runs_count_as_random_and_nothing_divides_by_zero():
    failed = BoardRun("E", "case 0", "a", 0, None, 100.0, False, "it died")
    (found,) = compare_agents([failed, *runs("b", [[10]])], "a", "b")
    assert found.difference.value == pytest.approx(9.0)
    (found,) = compare_agents(runs("a", [[5]], feasible=False) + runs("b", [[50]]), "a", "b")
    assert found.difference.value == pytest.approx(1.0)
    (found,) = compare_agents(runs("a", [[3]]) + runs("b", [[0]]), "a", "b")
    assert found.difference.value == 3
    (found,) = compare_agents(runs("a", [[0]]) + runs("b", [[0]]), "a", "b")
    assert (found.difference.value, found.wins, found.losses) == (0, 0, 0)


def test_only_what_both_did_is_compared():
    board = runs("a", [[9, 9], [9]]) + runs("b", [[10], [10, 10], [1]]) + runs("a", [[5]], env="F")
    (found,) = compare_agents(board, "a", "b")
    assert (found.cases, found.pairs) == (2, 2)
    before, after = runs("a", [[10]]) + runs("gone", [[1]]), runs("a", [[5]]) + runs("new", [[1]])
    (found,) = compare_boards(after, before, ("after", "before"))
    assert (found.one, found.other, found.difference.value) == ("a (after)", "a (before)", -0.5)
    with pytest.raises(ValueError, match="a and c have no case and seed in common"):
        compare_agents([*board, *runs("c", [[1]], env="G")], "a", "c")
    with pytest.raises(ValueError, match="no agent, case and seed in common"):
        compare_boards(before, runs("b", [[1]]), ("x", "y"))
    with pytest.raises(ValueError, match="unknown agent of this board 'bb'; did you mean b"):
        compare_agents(board, "a", "bb")


def test_budgets_are_compared_apart():
    def at(agent, budget, cost):
        return BoardRun("E", f"case, {budget}", agent, 0, cost, 100.0, True, **budget)

    seconds, evaluations = {"budget_seconds": 10.0}, {"budget_evaluations": 50}
    board = [at("a", evaluations, 5.0), at("a", seconds, 8.0), at("b", seconds, 10.0), at("b", evaluations, 10.0)]
    found = compare_agents(board, "a", "b")
    assert [(one.budget, one.difference.value) for one in found] == [
        ("10 s", pytest.approx(-0.2)),
        ("50 evaluations", -0.5),
    ]


def learned(costs, twin="twin"):
    return [msgspec.structs.replace(run, is_learned=True, twin=twin) for run in runs("ours", costs)]


def scaled(factor, cases=20, seeds=5):
    return [[factor * (10 + case + 0.01 * seed) for seed in range(seeds)] for case in range(cases)]


def test_who_beats_everybody_and_its_twin_leads():
    board = learned(scaled(0.9)) + runs("twin", scaled(0.95)) + runs("good", scaled(0.92)) + runs("bad", scaled(2.0))
    (claim,) = claims(board)
    assert (claim.leads, claim.verdict) == (True, "leads")
    assert (claim.strongest.other, claim.against_twin.other) == ("good", "twin")
    assert claim.strongest.difference.value == pytest.approx(0.9 / 0.92 - 1)


@pytest.mark.parametrize(
    ("board", "missing"),
    [
        (
            learned(scaled(0.9)) + runs("twin", scaled(0.8)) + runs("good", scaled(1.0)),
            ["its twin twin is better by 12.5 %"],
        ),
        (
            learned(scaled(0.9)) + runs("twin", scaled(0.95)) + runs("good", scaled(0.8)) + runs("best", scaled(0.6)),
            ["best is better by 50.0 %"],
        ),
        (
            learned(scaled(0.9)) + runs("twin", scaled(0.95)) + runs("good", scaled(0.9)),
            ["the interval against good includes 0 (0.0 to 0.0 %)"],
        ),
        (learned(scaled(0.9), "") + runs("good", scaled(1.0)), ["no twin is named"]),
        (learned(scaled(0.9)) + runs("good", scaled(1.0)), ["its twin twin did not run on its cases"]),
        (learned(scaled(0.9)) + runs("twin", scaled(0.95)), ["no classical agent ran on its cases"]),
        (
            learned(scaled(0.9, 19, 4)) + runs("twin", scaled(0.95, 19, 4)) + runs("good", scaled(1.0, 19, 4)),
            ["19 cases, 20 are needed", "4 seeds, 5 are needed"],
        ),
        (
            learned(scaled(0.9, 20)) + runs("twin", scaled(0.95, 20)) + runs("good", scaled(1.0, 21)),
            ["it ran on 20 of 21 cases"],
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(board, missing):
    (claim,) = claims(board)
    assert claim.missing == tuple(missing)
    assert claim.verdict == "does not lead: " + "; ".join(missing)


def test_evaluations_that_do_not_compare_are_no_rivals():
    def by_evaluations(board, **others):
        return [msgspec.structs.replace(run, budget_evaluations=50, **others) for run in board]

    board = by_evaluations(learned(scaled(0.9)) + runs("twin", scaled(0.95)) + runs("good", scaled(1.0)))
    board += by_evaluations(runs("solver", scaled(0.5)), counts_evaluations=False)
    (claim,) = claims(board)
    assert claim.leads
    (claim,) = claims([msgspec.structs.replace(run, budget_seconds=1.0, budget_evaluations=None) for run in board])
    assert claim.missing == ("solver is better by 80.0 %",)


def test_files_that_are_no_board(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no board's results\.json"):
        read_board(tmp_path)
    file = tmp_path / "results.json"
    for text, what in (
        ("{", "1"),
        ("{}", "'results' is missing"),
        ('{"results": [{"env": 3}]}', "env"),
        ('{"results": 3}', "array"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=what) as error:
            read_board(tmp_path)
        assert "\n" not in str(error.value)
        assert str(error.value).startswith(str(file))


def test_the_command(tmp_path, run):
    code, _, _ = run(
        "leaderboard", "quick/partition", "--only", "--agent", "fm", "--agent", "random", "--out", tmp_path, "--jobs", 0
    )
    assert code == 0
    code, text, _ = run("compare", tmp_path, "--agent", "fm", "--against", "random")
    assert code == 0
    assert "GraphPartition-v0" in text
    assert "better" in text.splitlines()[1]
    code, text, _ = run("compare", tmp_path / "results.json", tmp_path)
    assert text.count("0.0 %") >= 2
    assert len(json.loads((tmp_path / "results.json").read_text())["results"]) > 1
    for wrong in ((tmp_path,), (tmp_path, "--agent", "fm"), (tmp_path, tmp_path, "--against", "fm")):
        code, _, text = run("compare", *wrong)
        assert (code, text) == (2, "placezoo: give one board with --agent and --against, or two boards\n")
