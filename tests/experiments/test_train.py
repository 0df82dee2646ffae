import json

import numpy as np
import pytest
import torch

import placezoo
from placezoo import Budget
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.experiments.train import TrainingRun, read_curve, train

SMALL = {"num_envs": 4, "num_steps": 16, "batch_size": 32, "width": 8, "layers": 1}


def test_a_training_folder_holds_policy_curve_and_record(tmp_path):
    run = TrainingRun(
        "GraphPartition-v0",
        dataset="grid",
        parameters={"num_parts": 2},
        hyperparameters=SMALL,
        timesteps=256,
        validations=2,
    )
    seen = []
    curve = train(run, tmp_path, lambda point, done: seen.append((point, done)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "curve.csv",
        "curve.png",
        "finished.safetensors",
        "policy.json",
        "policy.safetensors",
    ]
    assert [point.timesteps for point in curve] == [64, 128, 192, 256]
    assert [point for point, _ in seen] == curve
    assert seen[-1][1] == 1.0
    for point, other in zip(read_curve(tmp_path / "curve.csv"), curve, strict=True):
        np.testing.assert_equal(tuple(point.__dict__.values()), tuple(other.__dict__.values()))
    validations = [point.validation_cost for point in curve if np.isfinite(point.validation_cost)]
    assert len(validations) >= 2
    record = json.loads((tmp_path / "policy.json").read_text())["training"]
    assert record["dataset"] == "grid"
    assert record["validation_cost_over_greedy"] == pytest.approx(min(validations), abs=1e-5)


def test_the_kept_policy_has_the_validation_score_of_the_record(tmp_path):
    from placezoo.agents.learning.learner import mean_greedy_cost

    run = TrainingRun(
        "GraphPartition-v0",
        dataset="grid",
        parameters={"num_parts": 2},
        hyperparameters=SMALL,
        timesteps=64,
        validations=1,
    )
    train(run, tmp_path)
    agent = placezoo.make_agent("ppo", checkpoint=str(tmp_path), samples=1)
    ratios = []
    for index in range(20):
        problem = placezoo.make_problem("GraphPartition-v0", instance=f"grid/validation/{index}", num_parts=2)
        ratios.append(agent.solve(problem, Budget(evaluations=1)).cost.total / mean_greedy_cost(problem))
    record = json.loads((tmp_path / "policy.json").read_text())["training"]
    assert record["validation_cost_over_greedy"] == pytest.approx(np.mean(ratios), abs=1e-4)


def test_one_instance_can_be_learned(tmp_path):
    run = TrainingRun("GraphPartition-v0", instance="florentine", hyperparameters=SMALL, timesteps=64, validations=1)
    assert train(run, tmp_path)[-1].timesteps == 64


def test_nothing_is_written_for_a_bad_run(tmp_path):
    for run in (
        TrainingRun("GraphPartition-v0", dataset="none", timesteps=1),
        TrainingRun("GraphPartition-v0", dataset="grid", timesteps=0),
        TrainingRun("GraphPartition-v0", dataset="grid", timesteps=1, formulation="constuct"),
    ):
        with pytest.raises(ValueError, match=r"unknown dataset|timesteps|did you mean construct"):
            train(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_may_start_from_the_fresh_policy(tmp_path):
    fresh = placezoo.make_agent("ppo", checkpoint="untrained").policy_for(
        placezoo.make_problem("EdgePlace-v0", "giph/train/0")
    )
    tiny = {"num_envs": 4, "num_steps": 16, "batch_size": 64, "num_epochs": 1, "learning_rate": 1e-5}
    run = TrainingRun(
        "EdgePlace-v0", dataset="giph", formulation="construct", hyperparameters=tiny, timesteps=64, validations=1,
        start="untrained", seed=7,
    )  # fmt: skip
    train(run, tmp_path)
    trained = Checkpoint.load(tmp_path)
    assert trained.training["start"] == "untrained"
    weights = fresh.network.state_dict()
    assert any((value != weights[name]).any() for name, value in trained.network.state_dict().items())
    for name, value in trained.network.state_dict().items():  # one small step from there, whatever the seed
        torch.testing.assert_close(value, weights[name], atol=1e-4, rtol=0.0)
