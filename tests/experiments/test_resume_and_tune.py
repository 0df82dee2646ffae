"""Trainings that are killed go on; searches, mixtures and trackers leave what they promise."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import placezoo
from placezoo.experiments.pretrain import go_on_pretraining, parse_part, pretrain
from placezoo.experiments.tracking import make_trackers
from placezoo.experiments.train import TrainingRun, read_curve, resume, train
from placezoo.experiments.tune import LogRange, TuneRun, _keep_best, search_space, tune_agent

SMALL = {"num_envs": 4, "num_steps": 16, "batch_size": 32, "width": 8, "layers": 1}
RUN = TrainingRun(
    "GraphPartition-v0", dataset="grid", parameters={"num_parts": 2}, hyperparameters=SMALL, timesteps=640,
    validations=2, checkpoint_minutes=0.0,
)  # fmt: skip


class StopTraining(Exception):  # noqa: N818 - nothing went wrong
    pass


def stop_after(updates):
    def show(point, done):
        nonlocal updates
        updates -= 1
        if updates == 0:
            raise StopTraining

    return show


@pytest.mark.parametrize("agent", ["ppo", "giph", "gap"])
def test_a_broken_off_training_goes_on_with_its_own_configuration(agent, tmp_path):
    run = RUN
    if agent == "giph":
        run = TrainingRun("EdgePlace-v0", dataset="giph", agent="giph", timesteps=600, validations=1,
                          hyperparameters={"instances": 2, "group": 2}, checkpoint_minutes=0.0)  # fmt: skip
    if agent == "gap":
        run = dataclasses.replace(RUN, agent="gap", hyperparameters={"width": 8, "batch_size": 2}, timesteps=200)
    with pytest.raises(StopTraining):
        train(run, tmp_path, stop_after(3))
    before = read_curve(tmp_path / "curve.csv")
    assert len(before) == 3
    curve = resume(tmp_path)
    for point, other in zip(curve[:3], before, strict=True):
        np.testing.assert_equal(dataclasses.asdict(point), dataclasses.asdict(other))
    assert curve[-1].timesteps >= run.timesteps
    assert [point.timesteps for point in curve] == sorted(point.timesteps for point in curve)
    assert not (tmp_path / "state.safetensors").exists()
    record = json.loads((tmp_path / "policy.json").read_text())["training"]
    assert record["timesteps"] == run.timesteps
    with pytest.raises(FileNotFoundError, match=r"no training to go on with .* it is complete, --seconds"):
        resume(tmp_path)
    with pytest.raises(ValueError, match="say how much it has in all"):
        resume(tmp_path, timesteps=run.timesteps)
    longer = resume(tmp_path, timesteps=curve[-1].timesteps + run.timesteps)
    assert [point.timesteps for point in longer[: len(curve)]] == [point.timesteps for point in curve]
    assert longer[-1].timesteps >= curve[-1].timesteps + run.timesteps
    assert sum(np.isfinite(point.validation_cost) for point in longer) > run.validations


@pytest.mark.parametrize("backend", ["fast", pytest.param("sb3", marks=pytest.mark.slow)])
def test_killed_by_the_system_a_training_leaves_whole_files_and_goes_on(backend, tmp_path):
    folder = tmp_path / "run"
    command = [
        sys.executable, "-m", "placezoo", "train", "GraphPartition-v0", "--dataset", "grid", "--set", "num_parts=2",
        *(part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")),
        "--timesteps", "4000", "--out", str(folder), "--checkpoint-minutes", "0", "--backend", backend,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    curve = folder / "curve.csv"
    while time.monotonic() < deadline and not (curve.exists() and len(read_curve(curve)) >= 5):
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not [path for path in folder.iterdir() if path.suffix == ".partial"]
    steps = read_curve(curve)[-1].timesteps
    done = subprocess.run(
        [sys.executable, "-m", "placezoo", "train", "GraphPartition-v0", "--resume", "--out", str(folder)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "4,0" in done.stdout
    points = read_curve(curve)
    assert points[-1].timesteps >= 4000
    assert steps < 4000
    record = json.loads((folder / "policy.json").read_text())["training"]
    assert record["hyperparameters"] == SMALL
    assert placezoo.make_agent("ppo", checkpoint=str(folder)).policy.network.config.width == 8


def test_resume_wants_no_other_configuration(tmp_path):
    from placezoo.experiments.training_commands import train_agent

    with pytest.raises(ValueError, match="--resume goes on with the run's own configuration"):
        train_agent("GraphPartition-v0", dataset="grid", out=tmp_path, go_on=True)


def test_options_that_do_not_go_together_are_one_line(tmp_path):
    import dataclasses

    for changes, message in (
        ({"scale": {"env_runners": 2}}, "env_runners is for the backend rllib"),
        ({"backend": "jax"}, "unknown backend"),
        ({"method": "head"}, "method head is for fine-tuning ppo"),
        ({"agent": "gap", "hyperparameters": {}, "backend": "sb3"}, "unknown backend"),
    ):
        with pytest.raises(ValueError, match=message):
            train(dataclasses.replace(RUN, **changes), tmp_path)
    assert not list(tmp_path.iterdir())


def test_pretraining_gives_each_environment_a_checkpoint_over_one_trunk(tmp_path):
    parts = [parse_part("GraphPartition-v0:grid,num_parts=2"), parse_part("EdgePlace-v0:giph")]
    done = []
    scores = pretrain(parts, tmp_path, SMALL, seconds=6.0, on_progress=done.append)
    assert sorted(scores) == ["EdgePlace-v0", "GraphPartition-v0"]
    assert done[-1] == 1.0
    policies = {name: placezoo.make_agent("ppo", checkpoint=str(tmp_path / name)).policy for name in scores}
    trunks = [
        {name for name in policy.network.state_dict() if name.startswith("trunk.")} for policy in policies.values()
    ]
    assert trunks[0] == trunks[1]
    for env_id, instance in (("EdgePlace-v0", "giph/test/0"), ("GraphPartition-v0", "karate")):
        parameters = {"num_parts": 2} if env_id == "GraphPartition-v0" else {}
        problem = placezoo.make_problem(env_id, instance, **parameters)
        agent = placezoo.make_agent("ppo", checkpoint=str(tmp_path), samples=1)  # finds its own below the folder
        assert agent.solve(problem, placezoo.Budget(evaluations=1)).cost.feasible


def test_a_broken_off_pretraining_goes_on(tmp_path):
    parts = [parse_part("GraphPartition-v0:grid,num_parts=2"), parse_part("EdgePlace-v0:giph")]
    trackers = make_trackers(["tensorboard"], tmp_path, {})
    updates = []

    def stop(done):
        updates.append(done)
        if len(updates) == 2:
            raise StopTraining

    with pytest.raises(StopTraining):
        pretrain(parts, tmp_path, SMALL, seconds=8.0, on_progress=stop, trackers=trackers, checkpoint_minutes=0.0)
    before = read_curve(tmp_path / "curve.csv")
    with pytest.raises(ValueError, match="placezoo pretrain --resume"):
        resume(tmp_path)
    scores = go_on_pretraining(tmp_path, updates.append)
    curve = read_curve(tmp_path / "curve.csv")
    assert [point.timesteps for point in curve[:2]] == [point.timesteps for point in before]
    assert curve[2].timesteps == before[-1].timesteps + 64
    assert updates[2] > updates[1]
    assert updates[-1] == 1.0
    for name, score in scores.items():
        policy = placezoo.make_agent("ppo", checkpoint=str(tmp_path / name)).policy
        assert policy.training["validation_cost_over_greedy"] == round(score, 5)
        assert policy.training["env_id"] == name
    with pytest.raises(FileNotFoundError, match="no training to go on with"):
        go_on_pretraining(tmp_path)


def test_parts_of_a_mixture_that_do_not_exist():
    for text, message in (
        ("GraphPartition-v0", "ENV:DATASET"),
        ("GraphPartition-v0:grid,parts=2", "no parameter 'parts'"),
        ("GraphPartition:grid", "unknown environment"),
    ):
        with pytest.raises(ValueError, match=message):
            parse_part(text)
    with pytest.raises(ValueError, match="nothing to learn"):
        pretrain([], "nowhere")


def leveldb_records(content):
    """Yield the records of a log in LevelDB's format behind a header of 7 bytes, as wandb writes it."""
    block, at, parts = 32768, 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:
            at += block - at % block
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        if kind == 0:
            return
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield parts
            parts = b""


def test_an_offline_run_of_wandb_can_be_read_back(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wandb's own
        curve = train(RUN, tmp_path, trackers=make_trackers(["wandb", "tensorboard"], tmp_path, {"seed": 3}))
        from wandb.proto.wandb_internal_pb2 import Record

        (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
        logged = {}
        for data in leveldb_records(path.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            if record.HasField("history"):
                row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
                logged[row["_step"]] = row
    assert sorted(logged) == [point.timesteps for point in curve]
    for point in curve:
        assert logged[point.timesteps]["episodes"] == point.episodes
        if np.isfinite(point.validation_cost):
            assert logged[point.timesteps]["validation_cost"] == pytest.approx(point.validation_cost)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("episodes")] == [point.timesteps for point in curve]


def test_unknown_trackers_are_named(tmp_path):
    with pytest.raises(ValueError, match="did you mean wandb"):
        make_trackers(["wandbb"], tmp_path, {})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xdist_group("ray")
def test_tuning_tries_keeps_the_best_and_goes_on(tmp_path):
    """Four short trainings on this machine; a second call takes the first one's results."""
    import dataclasses

    base = dataclasses.replace(RUN, timesteps=None, seconds=2.0, hyperparameters={
        name: value for name, value in SMALL.items() if name != "width"
    })  # fmt: skip
    rows = tune_agent(TuneRun(base, samples=4, asha=True), tmp_path)
    assert len(rows) == 4
    assert [row.validation_cost for row in rows] == sorted(row.validation_cost for row in rows)
    table = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [row["trial"] for row in table] == [row.trial for row in rows]
    assert {"learning_rate", "width", "encoder"} <= set(table[0])
    best = placezoo.make_agent("ppo", checkpoint=str(tmp_path / "best")).policy
    assert best.network.config.width == rows[0].hyperparameters["width"]
    again = tune_agent(TuneRun(base, samples=4, asha=True), tmp_path)
    assert again == rows


def test_the_best_policy_is_never_half_of_another_one(tmp_path):
    training, best, elsewhere = (tmp_path / name for name in ("training", "best", "elsewhere"))
    for folder in (training, best, elsewhere):
        folder.mkdir()
        (folder / "policy.json").write_text(folder.name)
    for name in (".lock", "state.safetensors", "policy.safetensors"):
        (training / name).write_text("")
    (best / "old").write_text("")
    with pytest.raises(FileNotFoundError):
        _keep_best(tmp_path / "missing", best)
    assert (best / "policy.json").read_text() == "best"
    _keep_best(training, best)
    assert {path.name for path in best.iterdir()} == {"policy.json", "policy.safetensors"}
    assert (best / "policy.json").read_text() == "training"
    (tmp_path / "link").symlink_to(elsewhere)
    _keep_best(training, tmp_path / "link")
    assert (elsewhere / "policy.json").read_text() == "elsewhere"
    assert {path.name for path in tmp_path.iterdir()} == {"training", "best", "elsewhere", "link"}


def test_search_spaces_leave_out_what_is_set():
    space = search_space("ppo", {"width": 8})
    assert "width" not in space
    assert isinstance(space["learning_rate"], LogRange)
    assert "clip_range" not in search_space("gap", {})
    with pytest.raises(ValueError, match="samples must be at least 1"):
        TuneRun(RUN, samples=0)


@pytest.mark.parametrize(
    ("env_id", "instance", "parameters"),
    [
        ("ChipPlace-v0", "synthetic-chips/test/0", {}),
        ("EdgePlace-v0", "giph/test/0", {}),
        ("GraphPartition-v0", "delaunay/test/0", {"num_parts": 4, "order": "spectral"}),
        ("GraphPartition-v0", "les-miserables", {"num_parts": 7}),
    ],
)
def test_the_packages_policies_solve_at_once(env_id, instance, parameters):
    problem = placezoo.make_problem(env_id, instance, **parameters)
    agent = placezoo.make_agent("ppo", checkpoint="pretrained", samples=2)
    solution = agent.solve(problem, placezoo.Budget(evaluations=2), seed=0)
    assert solution.cost.feasible
    assert solution.cost.total < problem.reference_cost


def test_every_environment_with_a_dataset_has_a_small_policy_that_says_how_it_was_made():
    from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
    from placezoo.datasets import DATASETS
    from placezoo.envs.registration import environments_of

    trained_on = {env_id for dataset in DATASETS.values() for env_id in environments_of(dataset.generate)}
    assert len(trained_on) >= 5
    for env_id in trained_on:  # what has no dataset yet has nothing to train on
        folder = checkpoint_folder("pretrained", "ppo", env_id)
        policy = Checkpoint.load(folder)
        assert policy.env_id == env_id
        assert sum(path.stat().st_size for path in folder.iterdir()) < 5e6
        assert policy.training["validation_cost_over_greedy"] < 1.2
        assert {"dataset", "seed", "seconds_done", "timesteps_done", "hyperparameters"} <= set(policy.training)


def test_fine_tuning_starts_from_the_packages_policy(tmp_path):
    import dataclasses

    run = dataclasses.replace(
        RUN, env_id="EdgePlace-v0", dataset="giph", parameters={}, start="pretrained", method="experts", timesteps=256,
        hyperparameters={"num_envs": 4, "num_steps": 16, "batch_size": 32}, validations=1,
    )  # fmt: skip
    train(run, tmp_path)
    policy = placezoo.make_agent("ppo", checkpoint=str(tmp_path)).policy
    assert policy.network.config.experts == 1
