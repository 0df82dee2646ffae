import csv
import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser

import numpy as np
import pytest

from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.registry import is_for
from placezoo.datasets import public_files as registry
from placezoo.experiments.leaderboard import Leaderboard
from placezoo.experiments.results import gaps_to_best
from placezoo.experiments.suite import load_suite, suite_names

SUITE = """
name = "tiny"
version = 1
description = "two small graphs"
seconds = 0.2
seeds = [0, 1]

[training]
env_id = "GraphPartition-v0"
dataset = "grid"
timesteps = 64
validations = 1
parameters = { num_parts = 2 }
hyperparameters = { num_envs = 4, num_steps = 16, batch_size = 32, width = 8, layers = 1 }

[[problems]]
env = "GraphPartition-v0"
instances = ["karate", "florentine"]
parameters = { num_parts = 2 }

[[agents]]
name = "random"

[[agents]]
name = "fm"
starts = 5

[[agents]]
name = "ppo"
checkpoint = "trained"
"""


@pytest.fixture
def suite_file(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return path


class Page(HTMLParser):
    """Collects what a report shows."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.images, self.open, self.text = 0, [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tables += tag == "table"
        if tag == "img":
            self.images.append(dict(attrs)["src"][:21])
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_run_resume_and_report(suite_file, tmp_path):
    board = Leaderboard(load_suite(str(suite_file)), tmp_path / "out")
    assert board.needs_training
    board.train()
    assert not board.needs_training
    results = list(board.run())
    assert len(results) == 2 * 3 * 2
    assert all(result.is_new for result in results)
    board.write(results)

    summary = json.loads((tmp_path / "out" / "results.json").read_text())
    with (tmp_path / "out" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(summary["results"]) == 12
    for row, result in zip(rows, results, strict=True):
        assert float(row["total"]) == result.solution.cost.total
        assert (tmp_path / "out" / row["file"]).exists()
    assert set(summary["scores"]) == {"random", "fm", "ppo"}

    text = (tmp_path / "out" / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.tables == 3
    assert sorted(page.images) == ["data:image/png;base64"] * 2 + ["data:image/svg+xml;ba"] * 3
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert {"karate", "florentine", "fm"} <= set(page.text)

    # A second call does nothing again; a damaged or forged run is done again, and only that.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").iterdir()}
    again = Leaderboard(load_suite(str(suite_file)), tmp_path / "out")
    assert not any(result.is_new for result in again.run())
    damaged, forged = results[0].path, results[3].path
    damaged.write_text(damaged.read_text()[:100])
    forged.write_text(forged.read_text().replace('"total": ', '"total": 1'))
    redone = [result.path for result in again.run() if result.is_new]
    assert redone == [damaged, forged]
    for path, modified in before.items():
        assert (path.stat().st_mtime_ns == modified) == (path not in redone)


def test_a_changed_suite_is_run_again(suite_file, tmp_path):
    text = SUITE.replace('[[agents]]\nname = "ppo"\ncheckpoint = "trained"\n', "")
    text = text[: text.index("[training]")] + text[text.index("[[problems]]") :]
    suite_file.write_text(text)
    assert sum(result.is_new for result in Leaderboard(load_suite(str(suite_file)), tmp_path / "out").run()) == 8
    suite_file.write_text(text.replace("starts = 5", "starts = 6"))
    assert sum(result.is_new for result in Leaderboard(load_suite(str(suite_file)), tmp_path / "out").run()) == 4


def test_kill_and_resume(suite_file, tmp_path):
    """Kill -9 in the middle; the next call keeps every finished run and does the rest."""
    suite_file.write_text(
        SUITE.replace("timesteps = 64", "timesteps = 64").replace("seeds = [0, 1]", "seeds = [0, 1, 2]")
    )
    out = tmp_path / "out"
    command = [sys.executable, "-m", "placezoo", "leaderboard", str(suite_file), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    deadline = time.monotonic() + 120
    while len(list((out / "runs").glob("*.json"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.read_bytes() for path in (out / "runs").glob("*.json")}
    assert 5 <= len(finished) < 18
    assert not (out / "report.html").exists()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
    assert f"{18 - len(finished)} runs done, {len(finished)} taken from an earlier call; all 18 verified" in done.stdout
    for path, content in finished.items():
        assert path.read_bytes() == content
    assert (out / "report.html").exists()
    assert len(list((out / "runs").glob("*.json"))) == 18


def test_gaps_count_infeasible_runs_as_random(suite_file, tmp_path):
    board = Leaderboard(load_suite(str(suite_file)), tmp_path / "out")
    board.train()
    results = list(board.run())
    gaps = gaps_to_best(results)
    best = min(result.solution.cost.total for result in results if result.solution.instance == "karate")
    fm = np.mean(
        [r.solution.cost.total for r in results if (r.solution.instance, r.solution.agent) == ("karate", "fm")]
    )
    assert gaps["fm"]["karate"] == pytest.approx(fm / best - 1)
    assert gaps["random"]["karate"] > gaps["fm"]["karate"]
    cost = results[0].solution.cost
    object.__setattr__(cost, "feasible", False)
    reference = board.problems[0].reference_cost
    others = [r.solution.cost.total for r in results[1:2]]
    assert gaps_to_best(results)["random"]["karate"] == pytest.approx(
        np.mean([max(cost.total, reference), *others]) / best - 1
    )


def test_optional_instances_may_be_missing_others_may_not(monkeypatch, tmp_path):

    monkeypatch.setenv("PLACEZOO_DATA", "")
    monkeypatch.setattr(registry, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(
        registry, "_download", lambda entry: (_ for _ in ()).throw(OSError(f"cannot download {entry.name}"))
    )
    board = Leaderboard(load_suite("quick"), tmp_path)
    assert board.missing == ["airfoil1", "4elt"]
    names = [problem.instance.name for problem in board.problems]
    assert names[:3] == ["karate", "les-miserables", "delaunay/test/0"]
    assert names[3:] == [f"transformers:{model},training,batch=8" for model in ("bert-base", "resnet-50")]
    path = tmp_path / "strict.toml"
    path.write_text(SUITE.replace('"florentine"', '"4elt"'))
    with pytest.raises(OSError, match="cannot download 4elt"):
        Leaderboard(load_suite(str(path)), tmp_path)


def test_a_suite_may_mix_environments(tmp_path):
    path = tmp_path / "mixed.toml"
    path.write_text(
        'version = 1\ndescription = "graphs and chips"\nseconds = 0.1\nseeds = [0]\n'
        '[[problems]]\nenv = "GraphPartition-v0"\ninstances = ["karate"]\n'
        '[[problems]]\nenv = "ChipPlace-v0"\ninstances = ["synthetic-chips/test/0"]\n'
        '[[agents]]\nname = "random"\n'
    )
    board = Leaderboard(load_suite(str(path)), tmp_path / "out")
    board.write(list(board.run()))
    with open(tmp_path / "out" / "results.csv") as file:
        graph, chip = csv.DictReader(file)
    assert (graph["cut"] != "", graph["wirelength"]) == (True, "")
    assert (chip["cut"], chip["wirelength"] != "") == ("", True)
    assert "synthetic-chips/test/0" in (tmp_path / "out" / "report.html").read_text()


def test_agents_run_where_they_fit_and_each_environment_has_its_table(suite_file, tmp_path):
    from placezoo.datasets import OpGraph, write_op_graph

    network = tmp_path / "chain.json"
    write_op_graph(OpGraph([1e9] * 6, [1e6] * 6, [1e5] * 6, [1e6] * 6, [[i, i + 1] for i in range(5)]), network)
    more = (
        f'[[problems]]\nenv = "DevicePlace-v0"\ninstances = ["{network}"]\n'
        'parameters = { topology = "p100x2-pcie" }\n'
        '[[agents]]\nname = "m-topo"\n[[agents]]\nname = "greedy"\nenv = "DevicePlace-v0"\nstarts = 2\n'
    )
    suite_file.write_text(SUITE + more)
    board = Leaderboard(load_suite(str(suite_file)), tmp_path / "out")
    board.train()
    results = list(board.run())
    ran = {(result.solution.env_id, result.solution.agent) for result in results}
    graphs, devices = "GraphPartition-v0", "DevicePlace-v0"
    # fm is for graphs, and the policy was trained on them; m-topo is for devices, and the suite has greedy there only.
    assert ran == {
        (graphs, "random"),
        (graphs, "fm"),
        (graphs, "ppo"),
        (devices, "random"),
        (devices, "m-topo"),
        (devices, "greedy"),
    }
    board.write(results)
    report = (tmp_path / "out" / "report.html").read_text()
    assert report.index(f"<h3>{graphs}</h3>") < report.index(f"<h3>{devices}</h3>")
    assert Page(report).tables == 2 + 3


def test_a_suite_with_nothing_at_hand_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PLACEZOO_DATA", "")
    import requests

    def unreachable(*_args, **_kwargs):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", unreachable)
    monkeypatch.setattr(registry, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(OSError, match="suite iccad04: none of its instances"):
        Leaderboard(load_suite("iccad04"), tmp_path)


def test_all_suites_of_the_package_load():
    assert "quick" in suite_names()
    for name in suite_names():
        assert load_suite(name).name == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("version = 1", "version = "), "not TOML"),
        (("seconds = 0.2\n", ""), "seconds"),
        (('name = "random"', 'names = "random"'), "'name' is missing"),
        (("[[problems]]", "[[problem]]"), "'problems' is missing"),
        (('"tiny"', '"tiny"\ncolour = 1'), "colour"),
    ],
)
def test_bad_suites_are_one_line(suite_file, change, message):
    suite_file.write_text(SUITE.replace(*change))
    with pytest.raises(ValueError, match=message) as caught:
        load_suite(str(suite_file))
    assert str(suite_file) in str(caught.value)


def test_agents_of_the_suites_fit_what_they_run_on():
    """A checkpoint that comes with the package is for one environment: the suite must say so."""
    for name in suite_names():
        suite = load_suite(name)
        for agent in suite.agents:
            if agent.hyperparameters.get("checkpoint") != "pretrained":
                continue
            for group in suite.problems:
                if is_for(agent.name, group.env) and agent.env in (None, group.env):
                    policy = Checkpoint.load(checkpoint_folder("pretrained", agent.name))
                    assert policy.env_id == group.env


def test_an_unknown_agent_is_found_before_anything_runs(suite_file, tmp_path):
    suite_file.write_text(SUITE.replace('"fm"', '"fn"'))
    with pytest.raises(ValueError, match="did you mean fm"):
        Leaderboard(load_suite(str(suite_file)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
