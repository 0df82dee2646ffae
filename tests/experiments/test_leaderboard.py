import csv
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numba
import pytest

from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.registry import is_for, make_agent
from placezoo.agents.search.clock import CLOCK
from placezoo.datasets import public_files as registry
from placezoo.experiments.leaderboard import Leaderboard, load_suite, run, suite_names
from placezoo.experiments.leaderboard.runs import Task
from placezoo.experiments.leaderboard.trainings import training_line
from placezoo.experiments.leaderboard.workers import perform_all

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


def test_run_resume_and_results(suite_file, tmp_path):
    board = Leaderboard(load_suite(str(suite_file)), tmp_path / "out")
    assert board.needs_training
    board.train()
    assert not board.needs_training
    rows = list(board.run())
    assert len(rows) == 2 * 3 * 2
    assert all(row.is_new for row in rows)
    board.write(rows)

    summary = json.loads((tmp_path / "out" / "results.json").read_text())
    with (tmp_path / "out" / "results.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(summary["results"]) == 12
    for line, row in zip(lines, rows, strict=True):
        assert float(line["total"]) == row.total
        assert (line["agent"], line["case"], line["seed"]) == (row.agent, row.case, str(row.seed))
        assert (tmp_path / "out" / line["file"]).exists()
    assert {standing["agent"] for standing in summary["standings"]["GraphPartition-v0"]} == {"random", "fm", "ppo"}
    assert summary["machine"]["placezoo"]
    assert summary["packages"]["numba"] == numba.__version__

    # A second call does nothing again; a damaged or forged run is done again, and only that.
    folder = tmp_path / "out"
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    again = Leaderboard(load_suite(str(suite_file)), folder)
    assert not any(row.is_new for row in again.run())
    damaged, forged = folder / rows[0].file, folder / rows[3].file
    damaged.write_text(damaged.read_text()[:100])
    forged.write_text(forged.read_text().replace('"total": ', '"total": 1'))
    redone = [folder / row.file for row in again.run() if row.is_new]
    assert redone == [damaged, forged]
    for path, modified in before.items():
        assert (path.stat().st_mtime_ns == modified) == (path not in redone)


def test_nothing_is_trained_that_nobody_acts_by(suite_file, tmp_path):
    assert {row.agent for row in run(str(suite_file), ["random"], out=tmp_path / "out")} == {"random"}
    assert not (tmp_path / "out" / "trained").exists()


def test_a_changed_suite_is_run_again(suite_file, tmp_path):
    text = SUITE.replace('[[agents]]\nname = "ppo"\ncheckpoint = "trained"\n', "")
    text = text[: text.index("[training]")] + text[text.index("[[problems]]") :]
    suite_file.write_text(text)
    assert sum(row.is_new for row in Leaderboard(load_suite(str(suite_file)), tmp_path / "out").run()) == 8
    suite_file.write_text(text.replace("starts = 5", "starts = 6"))
    board = Leaderboard(load_suite(str(suite_file)), tmp_path / "out")
    finished = list(board.run(finished_only=True))  # those of fm are others now
    assert [row.agent for row in finished] == ["random"] * 4
    assert board.write(finished).unfinished == 4
    assert "4 runs of the suite are not finished" in (tmp_path / "out" / "report.html").read_text()
    assert sum(row.is_new for row in Leaderboard(load_suite(str(suite_file)), tmp_path / "out").run()) == 4


def test_kill_and_resume(suite_file, tmp_path):
    """Kill -9 in the middle; the next call keeps every finished run and does the rest."""
    suite_file.write_text(SUITE.replace("seeds = [0, 1]", "seeds = [0, 1, 2]"))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "placezoo", "leaderboard", str(suite_file), "--out", str(out), "--jobs", "2"]
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
    new, taken = map(
        int, re.match(r"(\d+) runs done, (\d+) taken from an earlier call; all 18 v", done.stdout).groups()
    )
    assert new + taken == 18
    assert taken >= len(finished)  # its workers end what they were at
    for path, content in finished.items():
        assert path.read_bytes() == content
    assert (out / "report.html").exists()
    assert len(list((out / "runs").glob("*.json"))) == 18


def test_optional_instances_may_be_missing_others_may_not(monkeypatch, tmp_path):

    monkeypatch.setenv("PLACEZOO_DATA", "")
    monkeypatch.setattr(registry, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(
        registry, "_download", lambda entry: (_ for _ in ()).throw(OSError(f"cannot download {entry.name}"))
    )
    board = Leaderboard(load_suite("quick"), tmp_path)
    assert board.missing == ["airfoil1", "4elt", "ariane133-ng45"]
    names = list(dict.fromkeys(case.heading for case in board.cases))
    assert names[:4] == ["karate", "les-miserables", "delaunay/test/0", "synthetic-chips/test/0"]
    assert "transformers:bert-base,training,batch=8" in names
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
    rows = list(board.run())
    ran = {(row.env, row.agent) for row in rows}
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
    board.write(rows)
    report = (tmp_path / "out" / "report.html").read_text()
    assert report.index(f"<h2 id='{graphs}'>") < report.index(f"<h2 id='{devices}'>")


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
        (('["karate", "florentine"]', '["karate", 3]'), r"problems\[0\].instances\[1\]"),
        (("[[problems]]", "[[problems]]\nbudget = { seconds = 9 }"), "budget"),
        (("seeds = [0, 1]", "seeds = []"), "seeds"),
        (("seconds = 0.2", "seconds = nan"), "seconds must be a finite number above 0 or None, not nan"),
        (("[[problems]]", '[[problems]]\nreference = "best-know"'), "did you mean best-known"),
    ],
)
def test_bad_suites_are_one_line(suite_file, change, message):
    suite_file.write_text(SUITE.replace(*change))
    with pytest.raises(ValueError, match=message) as caught:
        load_suite(str(suite_file))
    assert str(suite_file) in str(caught.value)


BUDGETS = """
version = 1
description = "several budgets"
seconds = [0.1, 2]
seeds = [0, 1, 2]
[[problems]]
env = "GraphPartition-v0"
instances = ["karate"]
[[problems]]
env = "EdgePlace-v0"
instances = ["giph/test/0", "giph-churn/test/0"]
seconds = [0.1]
evaluations = [50, 200]
[[problems]]
env = "EdgePlace-v0"
instances = ["giph/test/1"]
seconds = 3
evaluations = 9
[[agents]]
name = "random"
[[agents]]
name = "heft"
where = { instance = "giph/*", budget = "seconds" }
[[agents]]
name = "cp-sat"
"""


def budgets_of(suite):
    return [(group.env, group.seconds, group.evaluations) for group in suite.problems]


def test_each_budget_of_a_list_is_one_of_its_own(tmp_path):
    (tmp_path / "several.toml").write_text(BUDGETS)
    suite = load_suite(str(tmp_path / "several.toml"))
    graphs, edge = "GraphPartition-v0", "EdgePlace-v0"
    assert budgets_of(suite) == [
        (graphs, 0.1, None), (graphs, 2, None), (edge, 0.1, None), (edge, None, 50), (edge, None, 200), (edge, 3, 9),
    ]  # fmt: skip
    board = Leaderboard(suite, tmp_path / "out")
    titles = [case.title for case in board.cases]
    assert titles[:4] == ["karate, 0.1 s", "karate, 2 s", "giph/test/0, 0.1 s", "giph-churn/test/0, 0.1 s"]
    assert [case.heading for case in board.cases[:2]] == ["karate", "karate"]
    ran = {(run.case.title, run.agent.label) for run in board.runs() if run.agent.label == "heft"}
    assert ran == {("giph/test/0, 0.1 s", "heft")}


def test_a_cut_is_a_part_of_the_same_runs(tmp_path):
    (tmp_path / "several.toml").write_text(BUDGETS)
    suite = load_suite(str(tmp_path / "several.toml"))
    whole = {str(path) for path in paths(suite, tmp_path)}
    cut = suite.cut(seeds=2, seconds=[0.1], evaluations=[50])
    assert budgets_of(cut) == [
        ("GraphPartition-v0", 0.1, None),
        ("EdgePlace-v0", 0.1, None),
        ("EdgePlace-v0", None, 50),
    ]
    part = {str(path) for path in paths(cut, tmp_path)}
    assert part < whole
    assert {group.seeds for group in cut.problems} == {(0, 1)}
    assert budgets_of(suite.cut(seeds=1)) == budgets_of(suite)
    with pytest.raises(ValueError, match="has no budget of 7 s"):
        suite.cut(seconds=[7])
    with pytest.raises(ValueError, match="seeds must be at least 1, not 0"):
        suite.cut(seeds=0)


def paths(suite, folder):
    board = Leaderboard(suite, folder)
    return [board._path(run) for run in board.runs()]


def test_results_on_the_processors_clock_are_other_results(tmp_path, monkeypatch):
    (tmp_path / "several.toml").write_text(BUDGETS)
    suite = load_suite(str(tmp_path / "several.toml")).cut(evaluations=[50])
    by_wall = set(paths(suite, tmp_path))
    monkeypatch.setenv(CLOCK, "cpu")
    assert not by_wall & set(paths(suite, tmp_path))
    (row, *_) = run(suite, ["random"], out=tmp_path / "out")
    assert row.solution.provenance["clock"] == "cpu"


def test_twins_and_what_does_not_compare(tmp_path):
    text = BUDGETS + '[[agents]]\nname = "ppo"\ncheckpoint = "untrained"\ntwin = "random"\n'
    (tmp_path / "twin.toml").write_text(text)
    agents = {agent.label: agent for agent in load_suite(str(tmp_path / "twin.toml")).agents}
    assert agents["ppo"].is_learned
    assert not agents["random"].is_learned
    assert not agents["cp-sat"].counts_evaluations
    assert agents["random"].counts_evaluations
    for twin in ("randon", "ppo"):
        (tmp_path / "twin.toml").write_text(text.replace('twin = "random"', f'twin = "{twin}"'))
        with pytest.raises(ValueError, match="the twin of ppo: unknown agent"):
            load_suite(str(tmp_path / "twin.toml"))


def test_how_policies_were_trained_is_told_where_checkpoints_know():
    line = training_line("ours", make_agent("ppo", checkpoint="pretrained"), "EdgePlace-v0")
    assert re.fullmatch(r"ours: [\d,]+ s on giph, [\d,]+ steps.* \(AMD EPYC 2026-.*\)", line)
    assert training_line("fresh", make_agent("ppo", checkpoint="untrained"), "EdgePlace-v0") == ""
    assert training_line("on the instance", make_agent("gdp"), "DevicePlace-v0") == ""
    assert training_line("no policy", make_agent("random"), "EdgePlace-v0") == ""
    inner = make_agent("multilevel", agent="ppo", checkpoint="pretrained")
    assert "on delaunay" in training_line("inside", inner, "GraphPartition-v0")


def test_agents_of_the_suites_fit_what_they_run_on():
    """A checkpoint that comes with the package is for one environment: the suite must say so."""
    for name in suite_names():
        suite = load_suite(name)
        for agent in suite.agents:
            if agent.hyperparameters.get("checkpoint") != "pretrained":
                continue
            for group in suite.problems:
                if is_for(agent.name, group.env) and agent.env in (None, group.env):
                    actor = agent.hyperparameters.get("agent", agent.name)  # multilevel has one inside
                    policy = Checkpoint.load(checkpoint_folder("pretrained", actor, group.env))
                    assert policy.env_id == group.env


def test_an_unknown_agent_is_found_before_anything_runs(suite_file, tmp_path):
    suite_file.write_text(SUITE.replace('"fm"', '"fn"'))
    with pytest.raises(ValueError, match="did you mean fm"):
        Leaderboard(load_suite(str(suite_file)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- Side by side -----------------------------------------------------------------------------------------------------

BY_EVALUATIONS = """
version = 1
description = "searches that a seed determines"
evaluations = 300
seeds = [0, 1]
[[problems]]
env = "GraphPartition-v0"
instances = ["karate"]
[[problems]]
env = "EdgePlace-v0"
instances = ["giph/test/1"]
[[agents]]
name = "random"
[[agents]]
name = "local-search"
[[agents]]
name = "heft"
"""


def test_workers_and_this_process_find_the_same(tmp_path):
    path = tmp_path / "both.toml"
    path.write_text(BY_EVALUATIONS)
    rows = {jobs: list(run(str(path), out=tmp_path / str(jobs), jobs=jobs)) for jobs in (0, 2)}
    found = {
        jobs: {(row.case, row.agent, row.seed): row.solution.assignment.tolist() for row in mine}
        for jobs, mine in rows.items()
    }
    assert len(found[0]) == 2 * (2 * 2 + 1)
    assert found[0] == found[2]
    assert all(row.evaluations <= 300 for row in rows[2])


AGENTS = """
import os
import time
from dataclasses import dataclass

import numpy as np
import placezoo


@dataclass(frozen=True)
class Zeros(placezoo.Agent):
    \"\"\"Everything in part 0, or alternating.\"\"\"

    name = "zeros"
    alternating: bool = True

    def _search(self, search):
        print("agents may print")
        search.evaluate(np.arange(search.problem.num_items) * self.alternating % 2)


@dataclass(frozen=True)
class Broken(placezoo.Agent):
    name = "broken"
    how: str = "raises"

    def _search(self, search):
        if self.how == "raises":
            raise RuntimeError("I am\\nbroken")
        if self.how == "dies":
            os._exit(7)
        time.sleep(60)


class NoAgent:
    pass
"""


@pytest.fixture
def my_agents(tmp_path, monkeypatch):
    (tmp_path / "my_agents.py").write_text(AGENTS.replace('\\"', '"'))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_agents"
    sys.modules.pop("my_agents", None)


@pytest.mark.parametrize("jobs", [0, 2])
def test_an_agent_from_elsewhere_runs_beside_the_others(my_agents, tmp_path, jobs):
    path = tmp_path / "both.toml"
    path.write_text(BY_EVALUATIONS)
    agents = ["random", "my_agents:Zeros", "my_agents:Broken"]
    rows = list(run(str(path), agents, out=tmp_path / "out", jobs=jobs))
    karate = [row for row in rows if row.instance == "karate"]
    assert {row.agent for row in karate} == set(agents)
    zeros = next(row for row in karate if row.agent == "my_agents:Zeros")
    assert zeros.solution.agent == "my_agents:Zeros"
    assert (zeros.feasible, zeros.evaluations) == (True, 1)
    broken = [row for row in rows if row.agent == "my_agents:Broken"]
    assert len(broken) == 4
    assert {row.error for row in broken} == {"RuntimeError: I am broken"}
    assert {row.gap > 0 for row in broken} == {True}  # a failed run counts as a random assignment
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 8


def test_a_process_that_dies_takes_only_its_own_run_with_it(my_agents, tmp_path):
    def task(name, **settings):
        path = str(tmp_path / "runs" / f"{len(tasks)}.json")
        return Task("GraphPartition-v0", "karate", {}, name, settings, {"evaluations": 5}, 0, path)

    tasks: list[Task] = []
    for how in ("dies", "raises", "dies"):
        tasks += [task("my_agents:Broken", how=how)]
        tasks += [task("random")]
    errors = dict(perform_all(tasks, 1))
    assert [errors[i] for i in range(6)] == [
        "the process died (exit status 7)", "", "RuntimeError: I am broken", "", "the process died (exit status 7)", "",
    ]  # fmt: skip


def test_a_run_that_hangs_is_stopped(my_agents, tmp_path, monkeypatch):
    from placezoo.experiments.leaderboard import workers

    monkeypatch.setattr(workers, "_GRACE", 5.0)
    task = Task(
        "GraphPartition-v0", "karate", {}, "my_agents:Broken", {"how": "hangs"}, {"seconds": 0.1}, 0,
        str(tmp_path / "x.json"),
    )  # fmt: skip
    assert list(perform_all([task], 1)) == [(0, "stopped after 6 s")]


def test_agents_in_memory(tmp_path):
    import placezoo

    path = tmp_path / "both.toml"
    path.write_text(BY_EVALUATIONS)
    agents = [placezoo.make_agent("fm", starts=2), "heft"]
    rows = list(placezoo.leaderboard.run(str(path), agents))
    assert {(row.env, row.agent) for row in rows} == {("GraphPartition-v0", "fm"), ("EdgePlace-v0", "heft")}
    assert rows[0].hyperparameters["starts"] == 2

    @dataclass(frozen=True)
    class Local(placezoo.Agent):
        name = "local"

        def _search(self, search):
            search.evaluate(search.problem.initial_assignment(search.rng))

    assert {row.agent for row in run(str(path), [Local()])} == {"local"}
    with pytest.raises(ValueError, match="agent local: other processes cannot import its class; jobs=0, or put it"):
        list(run(str(path), [Local()], jobs=1))


@pytest.mark.parametrize(
    ("agent", "error", "message"),
    [
        ("my_agents:Nobody", ValueError, "the module my_agents has no Nobody"),
        ("my_agents:NoAgent", ValueError, "must be a dataclass derived from placezoo.Agent"),
        ("nowhere_at_all:Agent", ImportError, "no module named 'nowhere_at_all'"),
        ("my_agents:", ValueError, "named module:Class"),
        ("nobody", ValueError, "unknown agent"),
    ],
)
def test_agents_that_are_none(my_agents, tmp_path, agent, error, message):
    path = tmp_path / "both.toml"
    path.write_text(BY_EVALUATIONS)
    with pytest.raises(error, match=message):
        next(run(str(path), [agent]))


def test_two_processes_in_one_folder(tmp_path):
    """The second says so in one line and touches nothing; when the first is killed, a third goes on."""
    path, out = tmp_path / "both.toml", tmp_path / "out"
    path.write_text(BY_EVALUATIONS.replace("evaluations = 300", "seconds = 0.5"))
    command = [sys.executable, "-m", "placezoo", "leaderboard", str(path), "--out", str(out), "--jobs", "1"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(out.glob("runs/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    second = subprocess.run(command, capture_output=True, text=True)
    assert (second.returncode, second.stderr) == (
        2, f"placezoo: {out}: another leaderboard is at work there; wait, or choose another --out\n",
    )  # fmt: skip
    first.send_signal(signal.SIGKILL)
    first.wait()
    third = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "all 10 verified" in third.stdout
    assert len(list(out.glob("runs/*.json"))) == 10


# --- A disk that is full, a folder that cannot be written -------------------------------------------------------------


def test_a_full_disk_is_one_line_and_leaves_earlier_results_whole(tmp_path):
    """The limit of a file's size stands for the disk: writing fails in the middle."""
    path, out = tmp_path / "both.toml", tmp_path / "out"
    path.write_text(BY_EVALUATIONS)
    command = [sys.executable, "-m", "placezoo", "leaderboard", str(path), "--out", str(out), "--jobs", "0"]
    subprocess.run(command, capture_output=True, check=True)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    path.write_text(BY_EVALUATIONS.replace("seeds = [0, 1]", "seeds = [0, 1, 2]"))

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    for jobs in ("0", "1"):
        command[-1] = jobs
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=full)
        assert done.returncode == 2
        assert re.fullmatch(rf"placezoo: {out}/runs/\S+.json: file too large\n", done.stderr), done.stderr
        assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    "command",
    [
        "leaderboard {suite} --out {folder}/out",
        "solve GraphPartition-v0 --instance karate --agent fm --evaluations 3 --out {folder}/out/s.json",
    ],
)
def test_a_folder_that_cannot_be_written(tmp_path, command):
    """A file stands where the folder should be: even root cannot write there."""
    suite = tmp_path / "both.toml"
    suite.write_text(BY_EVALUATIONS)
    (tmp_path / "out").write_text("a file")
    filled = command.format(suite=suite, folder=tmp_path).split()
    done = subprocess.run([sys.executable, "-m", "placezoo", *filled], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / "out") in done.stderr
    assert (tmp_path / "out").read_text() == "a file"


# --- Suites -----------------------------------------------------------------------------------------------------------


def test_parts_of_a_suite_and_titles_of_cases(tmp_path):
    edge = load_suite("standard/edge")
    assert edge.name == "standard/edge"
    assert {group.env for group in edge.problems} == {"EdgePlace-v0"}
    titles = [case.title for case in Leaderboard(edge, tmp_path).cases]
    assert len(set(titles)) == len(titles) == 20 * (3 + 3) + 4 * (1 + 1)  # the last under small budgets only
    assert "giph/test/0, 10 s" in titles
    assert "giph/test/0, 200 evaluations" in titles
    assert load_suite("quick/chip").training is None
    assert load_suite("quick/partition").training is not None
    with pytest.raises(ValueError, match="suite iccad04: unknown environment 'edge'"):
        load_suite("iccad04/edge")


@pytest.mark.parametrize("name", ["../quick", "/etc/passwd", "quick/../quick", "quick/", "standard/../../x"])
def test_suites_are_no_paths(name):
    with pytest.raises(ValueError, match="unknown"):
        load_suite(name)
