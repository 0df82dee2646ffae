"""What a first user meets on the command line: help, completion, pictures, progress, a policy's test."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import placezoo
from placezoo import jit
from placezoo.agents.learning.learner import Batch, UpdateLearner
from placezoo.datasets.suggestion import near_names
from placezoo.envs.registration import environments_of
from placezoo.experiments import progress
from placezoo.experiments.help import GROUPS
from placezoo.experiments.policy_test import score_policy
from placezoo.experiments.progress import solving_bar, sparkline
from placezoo.experiments.train import TrainingRun, train
from placezoo.experiments.warm_up import warm_up

KARATE = ("GraphPartition-v0", "--instance", "karate", "--set", "num_parts=4")
SMALL = {"num_envs": 4, "num_steps": 16, "batch_size": 32, "width": 8, "layers": 1}


def test_help_lists_every_command_in_a_group_and_examples_that_are_commands(run):
    code, text, _ = run("--help")
    assert code == 0
    for title, names in GROUPS.items():
        section = text.split(f"{title}:\n")[1].split("\n\n")[0]
        assert {line.split()[0] for line in section.splitlines() if line.strip()} >= set(names)
    assert "Other:" not in text
    examples = [line.split()[1] for line in text.splitlines() if line.strip().startswith("placezoo ")]
    assert len(examples) >= 5
    assert set(examples) <= {name for names in GROUPS.values() for name in names}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("placezoo solve EdgePlace-v0 --agent he", "heft"),
        ("placezoo train EdgePlace-v0 --dataset giph-", "giph-published"),
    ],
)
def test_the_shell_completes_names(words, found):
    environment = {
        **os.environ, "_PLACEZOO_COMPLETE": "complete_bash", "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }  # fmt: skip
    call = "import sys; sys.argv = ['placezoo']; from placezoo.experiments.command_line import main; main()"
    done = subprocess.run([sys.executable, "-c", call], env=environment, capture_output=True, text=True, check=False)
    assert found in done.stdout.split(), done.stderr


def test_names_that_somebody_may_have_meant():
    hyperparameters = ["learning_rate", "num_epochs", "num_envs", "gamma", "entropy_coefficient"]
    assert near_names("lr", hyperparameters) == ["learning_rate"]
    assert near_names("epochs", hyperparameters)[0] == "num_epochs"
    assert near_names("Gama", hyperparameters) == ["gamma"]
    assert near_names("xyzzy", hyperparameters) == []


def test_lr_suggests_learning_rate(run):
    code, _, error = run("train", "GraphPartition-v0", "--dataset", "grid", "--set", "lr=1e-3")
    assert (code, error) == (2, "placezoo: ppo: unknown hyperparameter 'lr'; did you mean learning_rate?\n")


def test_datasets_say_which_environments_take_them(run):
    code, text, _ = run("datasets")
    assert code == 0
    rows = {line.split()[0]: line for line in text.splitlines()}
    assert " partition " in rows["karate"]
    assert " chip " in rows["ariane133-ng45"]
    assert " edge " in rows["giph/SPLIT/NUMBER"]
    assert " device, mcm " in rows["networks/SPLIT/NUMBER"]
    assert environments_of(lambda: None) == []


def test_render_draws_a_saved_solution_and_its_search(run, tmp_path, monkeypatch):
    monkeypatch.setattr("placezoo.envs.rendering.MOST_FRAMES", 5)
    solution = tmp_path / "s.json"
    run("solve", *KARATE, "--agent", "simulated-annealing", "--evaluations", 2000, "--out", solution)
    assert run("render", solution)[:2] == (0, f"written: {tmp_path / 's.png'}\n")
    assert (tmp_path / "s.png").exists()
    assert run("render", solution, "--out", tmp_path / "s.gif", "--search")[0] == 0
    with Image.open(tmp_path / "s.gif") as picture:
        assert 2 <= picture.n_frames <= 5
    code, _, error = run("render", solution, "--out", tmp_path / "s.svg", "--search")
    assert (code, error) == (2, f"placezoo: {tmp_path / 's.svg'}: a search is drawn as .gif\n")
    code, _, error = run("solve", *KARATE, "--agent", "fm", "--render", tmp_path / "s.bmp")
    assert (code, error) == (2, f"placezoo: {tmp_path / 's.bmp'}: a picture ends in .png, .svg, .gif\n")


def test_a_search_is_watched_from_its_start_to_its_best():
    seen = []
    problem = placezoo.make_problem("GraphPartition-v0", "karate", num_parts=4)
    solution = placezoo.make_agent("simulated-annealing").solve(
        problem, placezoo.Budget(evaluations=2000), 0,
        lambda search: seen.append((search.evaluations, search.best_cost and search.best_cost.total)),
    )  # fmt: skip
    assert seen[0] == (0, None)
    assert [total for _, total in seen[1:]] == [point.total for point in solution.trace[:-1]]
    unwatched = placezoo.make_agent("simulated-annealing").solve(problem, placezoo.Budget(evaluations=2000), 0)
    np.testing.assert_array_equal(solution.assignment, unwatched.assignment)


def test_a_terminal_shows_the_best_cost_and_a_pipe_nothing(monkeypatch, capsys):
    with solving_bar("fm on karate") as watch:
        assert watch is None
    terminal = Console(force_terminal=True, width=100)
    monkeypatch.setattr(progress, "progress_console", terminal)
    problem = placezoo.make_problem("GraphPartition-v0", "karate", num_parts=4)
    with solving_bar("random on karate") as watch:
        placezoo.make_agent("random").solve(problem, placezoo.Budget(seconds=0.7), 0, watch)
    assert "random on karate" in capsys.readouterr().out


def test_sparklines():
    assert sparkline([]) == ""
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]) == "█▇▆▅▄▃▂▁"
    assert len(sparkline(list(range(1000)))) == 20


class _Compiling(UpdateLearner):
    """A learner whose first update compiles for an hour."""

    def __init__(self):
        self.updates = 0

    def _make(self, *args, **options):
        raise NotImplementedError

    def set_learning_rate(self, done):
        pass

    def update(self, done, room=None):
        self.updates += 1
        jit.compilation.seconds += 3600.0 if self.updates == 1 else 0.0
        return Batch(1, 0, math.nan)


def test_what_compiles_does_not_count_among_the_seconds_of_a_training(monkeypatch):
    now = [0.0]

    def tick():
        now[0] += 1.0
        return now[0] + jit.compilation.seconds

    monkeypatch.setattr(jit.time, "perf_counter", tick)
    before = jit.compilation.seconds
    learner = _Compiling()
    status = learner.learn(seconds=5.0)
    monkeypatch.setattr(jit.compilation, "seconds", before)
    assert (learner.updates, status.seconds) == (5, 5.0)


def test_compilation_is_counted_and_said_once(monkeypatch, capsys):
    from numba import njit

    monkeypatch.setattr(jit, "_SAY_AFTER", 0.0)
    monkeypatch.setattr(jit.compilation, "_is_said", True)  # the process's own clock
    clock = jit.CompilationClock()
    jit.event.register("numba:compile", clock)
    try:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
        for _ in range(2):
            njit(lambda x: x + 1)(1)
    finally:
        jit.event.unregister("numba:compile", clock)
    assert clock.seconds > 0.0
    assert capsys.readouterr().err.count("compiling kernels, once") == 1


def test_warm_up_leaves_nothing_to_compile():
    list(warm_up(["GraphPartition-v0"]))
    again = list(warm_up(["GraphPartition-v0"]))
    assert {warmed.what for warmed in again} >= {"GraphPartition-v0", "GraphPartition-v0, fm"}
    assert sum(warmed.compiling for warmed in again) < 0.01


def test_a_policy_is_scored_beside_heuristics_at_equal_evaluations(run, tmp_path):
    code, text, _ = run("test", "pretrained", "--env", "EdgePlace-v0", "--dataset", "giph", "--cases", 2)
    assert code == 0
    rows = [line.split("  ") for line in text.splitlines()]
    names = {row[0] for row in rows}
    assert {"ppo (pretrained)", "ppo (untrained)", "random", "greedy", "local-search", "heft"} <= names
    scores = score_policy("pretrained", "giph", "EdgePlace-v0", cases=2, others=["heft"])
    for score in scores:
        agent = {"heft": "heft"}.get(score.agent, "ppo")
        settings = {"checkpoint": score.agent[5:-1]} if agent == "ppo" else {}
        costs = [
            placezoo.make_agent(agent, **settings)
            .solve(placezoo.make_problem("EdgePlace-v0", f"giph/test/{case}"), placezoo.Budget(evaluations=16), case)
            .cost.total
            for case in range(2)
        ]
        assert score.mean == pytest.approx(np.mean(costs))
    assert [score.relative for score in scores] == sorted(score.relative for score in scores)
    code, _, error = run("test", "pretrained", "--env", "EdgePlace-v0", "--dataset", "gihp")
    assert code == 2
    assert "did you mean giph" in error


def test_fine_tuning_begins_its_curve_with_the_policy_it_starts_from(run, tmp_path):
    start = TrainingRun(
        "GraphPartition-v0", dataset="grid", parameters={"num_parts": 2}, hyperparameters=SMALL, timesteps=64,
        validations=1,
    )  # fmt: skip
    before = train(start, tmp_path / "start")
    code, text, _ = run(
        "finetune", tmp_path / "start", "GraphPartition-v0", "--dataset", "grid", "--set", "num_parts=2",
        "--timesteps", 64, "--out", tmp_path / "after",
    )  # fmt: skip
    assert code == 0
    rows = (tmp_path / "after" / "curve.csv").read_text().splitlines()
    step, _, _, training, validation = rows[1].split(",")
    assert (step, training) == ("0", "nan")
    assert float(validation) == pytest.approx(before[-1].validation_cost)
    assert f"validation cost before: {float(validation):.4f}" in text


def test_an_interrupted_training_says_what_is_kept(run, tmp_path, monkeypatch):
    def stop(*_):
        for name in ("policy.json", "state.safetensors"):
            (tmp_path / name).write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr("placezoo.experiments.training_commands.train", stop)
    code, _, error = run("train", "GraphPartition-v0", "--dataset", "grid", "--out", tmp_path)
    assert code == 130
    assert error == (
        f"placezoo: interrupted; the best policy so far is in {tmp_path}; "
        f"go on by: placezoo train GraphPartition-v0 --resume --out {tmp_path}\n"
    )


def test_ppo_says_which_policy_answered_and_when_it_stops(run):
    code, text, _ = run("solve", *KARATE, "--agent", "ppo", "--checkpoint", "pretrained", "--seconds", 2)
    assert code == 0
    assert "ppo: the policy is pretrained; it stops after 16 answers (--set samples=N)" in text
