"""The command line as a user meets it: in processes of its own, for exit codes and what stands on stderr."""

import itertools
import json
import os
import subprocess
import sys
import warnings

import networkx
import pytest

import placezoo
from placezoo.experiments.settings import parse_settings

SOLVE = (
    "solve",
    "GraphPartition-v0",
    "--instance",
    "karate",
    "--set",
    "num_parts=4",
    "--agent",
    "fm",
    "--evaluations",
    "5",
)


def test_a_solution_is_scored_wherever_its_instance_is(run, tmp_path, monkeypatch):
    from placezoo.agents.solution import Solution
    from placezoo.datasets import from_networkx, write_metis

    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    graph = from_networkx(networkx.path_graph(8))
    write_metis(graph, "own.graph")
    code, _, _ = run("solve", "GraphPartition-v0", "--instance", "own.graph", "--agent", "fm", "--evaluations", 5,
                     "--out", "s.json", "--save-instance", "again.graph")  # fmt: skip
    assert code == 0
    assert run("evaluate", "s.json")[0] == 0
    monkeypatch.chdir(tmp_path)  # the path is looked for beside the solution
    assert run("evaluate", "work/s.json")[0] == 0
    (tmp_path / "work" / "own.graph").rename(tmp_path / "moved.graph")
    code, _, error = run("evaluate", "work/s.json")
    assert code == 2
    assert error == "placezoo: work/s.json: its instance 'own.graph' is not here: give it by --instance PATH\n"
    assert run("evaluate", "work/s.json", "--instance", "moved.graph")[0] == 0
    assert run("evaluate", "work/s.json", "--instance", "work/again.graph")[0] == 0
    code, _, error = run("evaluate", "work/s.json", "--instance", "karate")
    assert code == 1
    assert "digest: the claim is for" in error
    # In memory: the solution has a name that no file has.
    problem = placezoo.make_problem("GraphPartition-v0", graph)
    placezoo.make_agent("fm").solve(problem, placezoo.Budget(evaluations=5)).save("mine.json")
    assert "'graph' is not here" in run("evaluate", "mine.json")[2]
    assert Solution.load("mine.json").instance == "graph"
    assert run("evaluate", "mine.json", "--instance", "moved.graph")[0] == 0


def test_solve_then_evaluate(run, tmp_path):
    out, picture = tmp_path / "s.json", tmp_path / "s.png"
    code, text, _ = run(*SOLVE, "--out", out, "--render", picture)
    assert code == 0
    assert "feasible" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    table, parts = tmp_path / "s.csv", tmp_path / "s.part.4"
    code, text, _ = run("evaluate", out, "--export", table, "--export", parts)
    assert code == 0
    assert "confirmed" in text
    assignment = json.loads(out.read_text())["assignment"]
    assert [int(line) for line in parts.read_text().split()] == assignment
    assert len(table.read_text().splitlines()) == len(assignment) + 1
    code, _, text = run("evaluate", out, out, "--export", table)
    assert (code, text) == (2, "placezoo: --export writes one solution; several are given\n")


@pytest.mark.parametrize(
    ("keys", "value", "what"),
    [
        (("cost", "total"), 1, "cost: total is claimed to be 1"),
        (("assignment", 0), 9, "assignment: "),
        (("problem", "digest"), "00", "digest: "),
    ],
)
def test_tampered_solutions_fail_with_one_line(run, tmp_path, keys, value, what):
    out = tmp_path / "s.json"
    run(*SOLVE, "--out", out)
    content = json.loads(out.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    out.write_text(json.dumps(content))
    code, _, error = run("evaluate", out)
    assert code == 1
    assert error.count("\n") == 1
    assert what in error
    assert str(out) in error


@pytest.mark.parametrize("command", ["envs", "agents", "datasets"])
def test_lists_have_one_line_each(run, command):
    code, text, _ = run(command)
    assert code == 0
    lines = text.strip().splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert len(names) == len(set(names))
    known = {"envs": "GraphPartition-v0", "agents": "simulated-annealing", "datasets": "karate"}
    assert known[command] in names


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("solve", "GraphPartition-v1", "--instance", "karate", "--agent", "fm"), "did you mean GraphPartition-v0"),
        (("solve", "GraphPartition-v0", "--instance", "karat", "--agent", "fm"), "did you mean karate"),
        (("solve", "GraphPartition-v0", "--instance", "none.graph", "--agent", "fm"), "none.graph: no such file"),
        (("solve", "GraphPartition-v0", "--instance", "karate", "--agent", "fn"), "did you mean fm"),
        ((*SOLVE, "--set", "num_part=3"), "unknown setting 'num_part'; did you mean num_parts"),
        ((*SOLVE, "--set", "num_parts=3"), "given twice"),
        ((*SOLVE, "--set", "epsilon"), "NAME=VALUE expected"),
        ((*SOLVE, "--set", "epsilon=NaN"), "epsilon must be a finite number"),
        ((*SOLVE, "--set", "starts=NaN"), "starts must be a whole number of at least 1 or None"),
        ((*SOLVE[:5], "num_parts=0", *SOLVE[6:]), "num_parts must be in 1..34"),
        ((*SOLVE[:5], "num_parts=35", *SOLVE[6:]), "num_parts must be in 1..34"),
        ((*SOLVE[:5], "num_parts=two", *SOLVE[6:]), "num_parts must be a whole number"),
        ((*SOLVE, "--seconds", "nan"), "seconds must be a finite number"),
        ((*SOLVE, "--seconds", "fast"), "valid number"),
        ((*SOLVE, "--colour", "red"), "No such option"),
        (("solve", "GraphPartition-v0", "--agent", "fm"), "Missing"),
        (
            ("solve", "GraphPartition-v0", "--instance", "karate", "--agent", "ppo", "--checkpoint", "none"),
            "not a checkpoint",
        ),
        (("train", "GraphPartition-v0"), "either instance= or dataset="),
        (("train", "GraphPartition-v0", "--dataset", "delauney"), "did you mean delaunay"),
        (("train", "GraphPartition-v0", "--dataset", "grid", "--agent", "gapp"), "unknown learned agent"),
        (("train", "GraphPartition-v0", "--dataset", "grid", "--backend", "rlib"), "unknown backend"),
        (("train", "GraphPartition-v0", "--dataset", "grid", "--set", "learning_rate=NaN"), "learning_rate must be"),
        (("train", "GraphPartition-v0", "--dataset", "grid", "--set", "depth=3"), "unknown hyperparameter 'depth'"),
        (("train", "GraphPartition-v0", "--dataset", "grid", "--seconds", "0"), "seconds must be above 0"),
        (("evaluate", "none.json"), "none.json: no such file"),
        (("leaderboard", "quik"), "did you mean quick"),
        (("leaderboard", "none.toml"), "none.toml: no such file"),
        (("data", "get", "4el"), "did you mean 4elt"),
        (("data", "verify", "4el"), "did you mean 4elt"),
        (("evaluat",), "No such command"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(run, tmp_path, monkeypatch, arguments, what):
    monkeypatch.chdir(tmp_path)
    code, out, error = run(*arguments)
    assert code == 2
    assert what in error
    assert error.count("\n") == 1
    assert error.startswith("placezoo: ")
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_malformed_graph_files_name_the_line(run, tmp_path):
    path = tmp_path / "bad.graph"
    path.write_text("3 2\n2\n1 3\n\n")
    code, _, error = run("solve", "GraphPartition-v0", "--instance", path, "--agent", "fm")
    assert (code, error) == (2, f"placezoo: {path}:3: node 3 does not list node 2 in return\n")


def test_an_unwritable_folder_is_one_line(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, error = run(*SOLVE, "--out", tmp_path / "file" / "s.json")
    assert code == 2
    assert error.count("\n") == 1


def test_settings_are_json_where_they_can_be():
    assert parse_settings(["a=1", "b=0.5", "c=true", "d=null", "e=bfs", 'f="1"', "g=x=y"]) == {
        "a": 1, "b": 0.5, "c": True, "d": None, "e": "bfs", "f": "1", "g": "x=y",
    }  # fmt: skip


def test_data_commands(run, public_graph):
    public_graph("airfoil1")
    code, text, _ = run("data", "get", "airfoil1")
    assert code == 0
    assert "airfoil1.graph" in text
    code, text, _ = run("data", "verify", "airfoil1")
    assert code == 0
    assert "is the published file (MIT)" in text
    code, text, _ = run("data", "path")
    assert code == 0
    assert "PLACEZOO_DATA" in text


def test_a_damaged_data_file_fails_the_check(run, tmp_path, monkeypatch):
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "power.graph").write_text("2 1\n2\n1\n")
    monkeypatch.setenv("PLACEZOO_DATA", str(tmp_path))
    code, _, error = run("data", "verify", "power")
    assert code == 1
    assert "not the published power" in error


def test_module_and_process(tmp_path):
    """``python -m placezoo`` in a process of its own: no traceback, nothing left behind."""
    command = [sys.executable, "-m", "placezoo", *SOLVE, "--out", "s.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(
        [*command[:-2], "--set", "num_parts=1e400"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


def test_tracing_solving_and_the_timeline(run, tmp_path, monkeypatch):
    from placezoo.datasets.op_graphs import model_zoo

    monkeypatch.setattr(model_zoo, "cache_folder", lambda: tmp_path / "cache")
    model, solution, timeline = tmp_path / "m.json.gz", tmp_path / "s.json", tmp_path / "t.json"
    code, text, error = run("trace", "transformers:distilbert", "--anew", "--out", model)
    assert (code, error) == (0, "")
    assert "tracing transformers:distilbert" in text
    assert "66.36 M parameters" in text
    text = run("trace", "transformers:distilbert")[1]
    assert "tracing" not in text
    assert "from the package: traced by torch 2." in text
    code, text, error = run(
        "solve", "DevicePlace-v0", "--instance", model, "--agent", "m-etf", "--set", "topology=p100x2-pcie",
        "--out", solution, "--export", timeline,
    )  # fmt: skip
    assert (code, error) == (0, "")
    assert run("evaluate", solution)[0] == 0
    events = json.loads(timeline.read_text())["traceEvents"]
    operators = [event for event in events if event["ph"] == "X" and event["tid"] == 0]
    step_time = json.loads(solution.read_text())["cost"]["terms"]["step_time"]
    assert max(event["ts"] + event["dur"] for event in operators) == pytest.approx(1e6 * step_time)
    for pid in (0, 1):  # one operator at a time
        own = sorted((event["ts"], event["dur"]) for event in operators if event["pid"] == pid)
        assert all(a + took <= b + 1e-6 for (a, took), (b, _) in itertools.pairwise(own))
    for arguments, what in (
        (("trace", "resnet-50"), "a model or an .onnx file expected; models: transformers:bert-base"),
        (("trace", "transformers:resnet-51"), "did you mean transformers:resnet-50"),
        (("solve", "DevicePlace-v0", "--instance", model, "--agent", "m-etf", "--export", tmp_path / "t.txt"), ".json"),
        ((*SOLVE, "--export", tmp_path / "x.json"), "GraphPartition-v0 is exported as .csv"),
    ):
        code, _, error = run(*arguments)
        assert code == 2
        assert what in error
        assert error.count("\n") == 1
    assert not (tmp_path / "x.json").exists()


def test_training_and_using_giph(run, tmp_path):
    code, text, _ = run(
        "train", "EdgePlace-v0", "--dataset", "giph", "--agent", "giph", "--timesteps", "300", "--out", tmp_path / "g",
        "--set", "instances=1", "--set", "group=2",
    )  # fmt: skip
    assert code == 0
    assert {path.name for path in (tmp_path / "g").iterdir()} == {
        "policy.json", "policy.safetensors", "curve.csv", "curve.png", "finished.safetensors",
    }  # fmt: skip
    code, text, _ = run(
        "solve", "EdgePlace-v0", "--instance", "giph/test/0", "--agent", "giph", "--checkpoint", tmp_path / "g",
        "--evaluations", "50", "--render", tmp_path / "e.png",
    )  # fmt: skip
    assert code == 0
    assert "slr" in text
    assert (tmp_path / "e.png").read_bytes().startswith(b"\x89PNG")
    code, text, _ = run(
        "finetune", tmp_path / "g", "EdgePlace-v0", "--instance", "giph/test/0", "--timesteps", "100", "--out",
        tmp_path / "f",
    )  # fmt: skip
    assert code == 0
    code, _, error = run("train", "EdgePlace-v0", "--dataset", "giph", "--agent", "gihp")
    assert code == 2
    assert "did you mean giph" in error


def test_a_warning_about_an_instance_is_one_line(run, tmp_path, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets it for its process
    (tmp_path / "b.lef").write_text("MACRO B CLASS BLOCK ; SIZE 10 BY 10 ; END B\n")
    (tmp_path / "d.def").write_text(
        "UNITS DISTANCE MICRONS 1000 ;\nDIEAREA ( 0 0 ) ( 90000 90000 ) ;\nCOMPONENTS 1 ;\n- u B ;\nEND COMPONENTS\n"
        "END DESIGN\n"
    )
    instance = f"{tmp_path / 'd.def'},{tmp_path / 'b.lef'}"
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code, out, err = run("solve", "ChipPlace-v0", "--instance", instance, "--agent", "greedy", "--evaluations", "1")
    assert code == 0
    assert "feasible" in out
    assert err.strip() == f"placezoo: {instance} has no nets: the wirelength of every placement is 0"


def test_places_off_the_grid_go_into_files_and_are_confirmed(run, tmp_path):
    out, table, again = tmp_path / "s.json", tmp_path / "a.csv", tmp_path / "b.csv"
    code, text, _ = run(
        "solve", "ChipPlace-v0", "--instance", "synthetic-chips/test/0", "--agent", "macro-placer",
        "--evaluations", 200, "--set", "movable=all", "--out", out, "--export", table, "--render", tmp_path / "p.png",
    )  # fmt: skip
    assert code == 0, text
    places = json.loads(out.read_text())["refinement"]
    assert repr(places[0][0]) in table.read_text()
    code, text, _ = run("evaluate", out, "--export", again)
    assert (code, "confirmed" in text) == (0, True)
    assert again.read_text() == table.read_text()
    content = json.loads(out.read_text())
    del content["refinement"]
    out.write_text(json.dumps(content))
    code, _, text = run("evaluate", out)
    assert code == 1
    assert "changed after" in text
