import json
import math
from dataclasses import replace

import numpy as np
import pytest

import placezoo
from placezoo.agents.solution import ClaimError, Solution
from placezoo.datasets.op_graphs.model_zoo import PREFIXES
from placezoo.datasets.registry import is_named
from placezoo.experiments.leaderboard import BestKnown, Leaderboard, load_suite
from tests.instances import ONE_RUN


@pytest.fixture(scope="module")
def problem():
    return placezoo.make_problem("GraphPartition-v0", instance="karate", num_parts=2)


def solve(problem, agent, evaluations, seed=0):
    return placezoo.make_agent(agent).solve(problem, placezoo.Budget(evaluations=evaluations), seed)


def test_only_verified_improvements_get_in(problem, tmp_path):
    table = BestKnown(tmp_path / "table")
    assert math.isnan(table.cost_of(problem))
    weak, strong = solve(problem, "random", 5), solve(problem, "fm", 50)
    assert weak.cost.total > strong.cost.total
    assert table.update(weak)
    assert table.update(strong)
    assert not table.update(weak)  # worse
    assert not table.update(strong)  # as good
    again = BestKnown(tmp_path / "table")
    assert again.cost_of(problem) == strong.cost.total
    (record,) = again
    assert (record.agent, record.instance, record.digest) == ("fm", "karate", problem.instance.digest)
    assert (record.date, record.machine) == (strong.provenance["date"], strong.provenance["processor"])
    again.verify(record)
    assert sorted(path.name for path in (tmp_path / "table").iterdir()) == sorted([".lock", record.file, "index.json"])

    # What does not change the cost does not make another problem.
    reordered = placezoo.make_problem("GraphPartition-v0", instance="karate", num_parts=2, order="spectral")
    assert again.cost_of(reordered) == strong.cost.total
    assert math.isnan(again.cost_of(placezoo.make_problem("GraphPartition-v0", instance="karate", num_parts=3)))


def test_false_claims_and_strangers_files_stay_out(problem, tmp_path):
    table = BestKnown(tmp_path / "table")
    honest = solve(problem, "fm", 50)
    cheaper = replace(honest.cost, total=1.0, terms={**honest.cost.terms, "cut": 1.0})
    with pytest.raises(ClaimError, match="claimed to be 1"):
        table.update(replace(honest, cost=cheaper))
    with pytest.raises(ClaimError, match="digest"):
        table.update(replace(honest, digest="0" * 64))
    infeasible = np.zeros(problem.num_items, np.int64)
    assert not table.update(replace(honest, assignment=infeasible, cost=problem.evaluate(infeasible)))
    for name in ("/etc/passwd", "../karate.graph", "karate/../karate", "giph/test/../0", "giph/secret/0", "x.graph"):
        assert not is_named(name)
        with pytest.raises(ValueError, match="named instances only"):
            table.update(replace(honest, instance=name))
    assert len(table) == 0
    assert not (tmp_path / "table" / "index.json").exists()


def test_a_table_that_was_tampered_with(problem, tmp_path):
    table = BestKnown(tmp_path)
    table.update(solve(problem, "fm", 50))
    content = json.loads((tmp_path / "index.json").read_text())
    content["records"][0]["total"] -= 1
    (tmp_path / "index.json").write_text(json.dumps(content))
    tampered = BestKnown(tmp_path)
    with pytest.raises(ClaimError, match="the table says"):
        tampered.verify(next(iter(tampered)))
    content["records"][0]["file"] = "../../secrets.json"
    (tmp_path / "index.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="file in the table's folder"):
        BestKnown(tmp_path)
    for text, message in (("[]", "object expected"), ("{}", "not a table"), ("{", "not JSON")):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            BestKnown(tmp_path)


def verified(table, records):
    """Score entries again; return how many could be, the others' instances not being at hand."""
    checked = 0
    for record in records:
        try:
            table.verify(record)
        except (OSError, ImportError):
            continue
        checked += 1
    return checked


def test_the_table_of_the_package_is_what_it_says():
    """All entries whose instances are at hand, but for those of traced models."""
    table = BestKnown()
    assert len(table) > 20
    assert verified(table, [record for record in table if not record.instance.startswith(PREFIXES)]) >= 5
    files = {path.name for path in table.folder.iterdir()} - {".lock", "index.json"}
    assert files == {record.file for record in table}


def test_the_table_of_the_package_is_what_it_says_of_traced_models():
    table = BestKnown()
    records = [record for record in table if record.instance.startswith(PREFIXES)]
    assert verified(table, records) == len(records) > 5


def test_handing_in_a_solution(problem, tmp_path, monkeypatch):
    suite = tmp_path / "one.toml"
    suite.write_text(ONE_RUN)
    solution = solve(problem, "fm", 50)
    solution.save(tmp_path / "mine.json")
    board = Leaderboard(load_suite(str(suite)), tmp_path / "out")
    rows = [*board.run(), board.submission(tmp_path / "mine.json")]
    assert rows[1].is_submission
    assert rows[1].agent == "fm (submitted)"
    board.write(rows)
    summary = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [standing["agent"] for standing in summary["standings"]["GraphPartition-v0"]] == ["random"]
    assert summary["results"][0]["gap"] > 0  # the submission is better, and counts as known
    assert "fm (submitted)" in (tmp_path / "out" / "report.html").read_text()

    # A claim names its agent, and nothing is imported because of that.
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    replace(solution, agent="trap:Agent").save(tmp_path / "trap.json")
    board.write([*rows, board.submission(tmp_path / "trap.json")])
    assert "trap:Agent (submitted)" in (tmp_path / "out" / "report.html").read_text()

    other = placezoo.make_problem("GraphPartition-v0", instance="karate", num_parts=3)
    solve(other, "fm", 5).save(tmp_path / "other.json")
    with pytest.raises(ValueError, match="is not in suite one"):
        board.submission(tmp_path / "other.json")
    lie = replace(solution, cost=replace(solution.cost, total=2.0))
    lie.save(tmp_path / "lie.json")
    with pytest.raises(ClaimError, match="total is claimed to be 2"):
        board.submission(tmp_path / "lie.json")


def test_a_boards_runs_update_the_table(problem, tmp_path, run):
    (tmp_path / "one.toml").write_text(ONE_RUN)
    board = Leaderboard(load_suite(str(tmp_path / "one.toml")), tmp_path / "out")
    rows = list(board.run())
    least = min(row.total for row in rows)
    solve(problem, "random", 1).save(tmp_path / "out" / "runs" / "worse.json")
    known = BestKnown(tmp_path / "table")
    for better, line in ((1, "1 of 1 are better"), (0, "0 of 1 are better")):
        code, text, _ = run("best-known", "update", tmp_path / "out", "--table", tmp_path / "table")
        assert code == 0
        assert line in text
        assert text.count("is the best known now") == better
    known = BestKnown(tmp_path / "table")
    assert [record.total for record in known] == [least]
    board.best_known = known
    assert board.better_than_known(list(board.run())) == []
    board.best_known = BestKnown(tmp_path / "nothing")
    assert [solution.cost.total for solution in board.better_than_known(list(board.run()))] == [least]


def test_compressed_solutions(problem, tmp_path):
    solution = solve(problem, "fm", 5)
    solution.save(tmp_path / "s.json.gz")
    solution.save(tmp_path / "s.json")
    assert (tmp_path / "s.json.gz").read_bytes()[:2] == b"\x1f\x8b"
    back = Solution.load(tmp_path / "s.json.gz")
    assert back.assignment.tolist() == Solution.load(tmp_path / "s.json").assignment.tolist()
