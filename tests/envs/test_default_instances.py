"""``gym.make(id)`` and nothing else, where the extras are not installed."""

import subprocess
import sys

import pytest

import placezoo
from placezoo.envs.registration import PROBLEMS, make_env, make_vector_env

BARE = """
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "onnx")))  # as if they were not installed
import gymnasium as gym
import placezoo

for env_id in (
    "AccelSearch-v0", "ChipPlace-v0", "DevicePlace-v0", "EdgePlace-v0", "GraphPartition-v0", "MCMPartition-v0"
):
    for formulation in ("construct", "improve", "one-shot"):
        env = gym.make(env_id, formulation=formulation)
        observation, info = env.reset(seed=0)
        mask = observation["action_mask"]
        mask = tuple(mask) if formulation == "one-shot" else mask
        observation, reward, *_ = env.step(env.action_space.sample(mask=mask))
        assert env.observation_space.contains(observation)
        assert env.unwrapped.problem.instance == placezoo.make_problem(env_id).instance
    batch = gym.make_vec(env_id, 2)
    batch.reset(seed=0)
    print(env_id, gym.make(env_id).unwrapped.problem.instance.name)
"""


def test_every_environment_works_bare_without_torch():
    done = subprocess.run([sys.executable, "-W", "error", "-c", BARE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "AccelSearch-v0", "ChipPlace-v0", "DevicePlace-v0", "EdgePlace-v0", "GraphPartition-v0", "MCMPartition-v0",
    ]  # fmt: skip


@pytest.mark.parametrize("env_id", PROBLEMS)
def test_defaults_stand_for_what_is_not_named(env_id):
    default = PROBLEMS[env_id].default_instance
    assert make_env(env_id).problem.instance == placezoo.make_problem(env_id, default).instance
    assert make_env(env_id, instance=None).problem.instance.name == default
    for make in (make_env, make_vector_env):
        with pytest.raises(ValueError, match="either instance= or dataset=, and not both"):
            make(env_id, instance=default, dataset="grid")


def test_a_domain_without_a_default_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(PROBLEMS["GraphPartition-v0"], "default_instance", None)
    with pytest.raises(ValueError, match="needs either instance= or dataset="):
        make_env("GraphPartition-v0")
    with pytest.raises(ValueError, match="GraphPartition-v0 has no instance of its own"):
        placezoo.make_problem("GraphPartition-v0")
