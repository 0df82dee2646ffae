"""The wheel in an empty environment, without extras: what the core promises, and what it says of the rest."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CORE = """
import json, sys
import gymnasium as gym
import placezoo
from placezoo.agents.registry import AGENTS, is_for

assert "torch" not in sys.modules and "ray" not in sys.modules
budget = placezoo.Budget(evaluations=20)
chain = placezoo.datasets.OpGraph([1e9] * 50, [1e6] * 50, [1e5] * 50, [1e6] * 50, [[i, i + 1] for i in range(49)])
instances = {
    "ChipPlace-v0": "synthetic-chips/test/0", "DevicePlace-v0": chain, "EdgePlace-v0": "giph/test/1",
    "GraphPartition-v0": "karate", "MCMPartition-v0": chain, "AccelSearch-v0": "nasbench201:301423",
}
solved, refused = [], {}
for env_id, instance in instances.items():
    env = gym.make(env_id, instance=instance, formulation="construct")
    observation, info = env.reset(seed=0)
    env.step(env.action_space.sample(mask=observation["action_mask"]))
    problem = placezoo.make_problem(env_id, instance)
    for name, entry in AGENTS.items():
        if not is_for(name, env_id):
            continue
        try:
            solution = placezoo.make_agent(name).solve(problem, budget, seed=0)
        except ImportError as error:
            refused[name] = str(error)
        else:
            assert solution.assignment.shape == (problem.num_items,)
            solved.append([env_id, name])
for env_id in instances:
    for formulation in ("construct", "improve", "one-shot"):
        env = gym.make(env_id, formulation=formulation)
        observation, info = env.reset(seed=0)
        mask = observation["action_mask"]
        env.step(env.action_space.sample(mask=tuple(mask) if formulation == "one-shot" else mask))
    assert env.unwrapped.problem.instance == placezoo.make_problem(env_id).instance
assert placezoo.datasets.load("networks/test/6").num_ops > 100
rows = list(placezoo.leaderboard.run("standard/edge", ["heft"]))
assert len(rows) == 30 and all(row.feasible for row in rows)
board = placezoo.leaderboard
print(json.dumps(
    {"solved": solved, "refused": refused, "suites": board.suite_names(), "best": len(board.BestKnown())}
))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"  # a copy: building leaves folders behind
    ignored = shutil.ignore_patterns(".venv", ".git", "site", "build", "dist", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    assert len(list(folder.glob("*.tar.gz"))) == 1
    return found


@pytest.mark.slow
def test_the_wheel_has_everything_it_reads(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "placezoo"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name for name in tracked.stdout.split() if name not in inside} == set()
    assert not any(name.startswith(("tests", "docs", "benchmarks")) for name in inside)


@pytest.mark.slow
def test_the_core_without_extras(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PLACEZOO_DATA")}
    done = subprocess.run(
        [str(python), "-c", CORE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    for env_id in (
        "AccelSearch-v0", "ChipPlace-v0", "DevicePlace-v0", "EdgePlace-v0", "GraphPartition-v0", "MCMPartition-v0",
    ):  # fmt: skip
        for agent in ("random", "greedy", "local-search", "simulated-annealing"):
            assert [env_id, agent] in said["solved"]
    for agent, extra in (("metis", "solvers"), ("ppo", "agents"), ("giph", "agents"), ("cp-sat", "solvers")):
        assert f"pip install 'placezoo[{extra}]'" in said["refused"][agent]
    assert {"quick", "standard", "full"} <= set(said["suites"])
    assert said["best"] > 20

    placezoo = tmp_path / "env" / "bin" / "placezoo"
    for arguments, extra in (
        ("train GraphPartition-v0 --dataset delaunay --seconds 1 --out x", "agents"),
        ("solve GraphPartition-v0 --instance karate --agent mt-kahypar", "solvers"),
        ("trace transformers:bert-base,batch=3", "agents,trace"),
        ("tune EdgePlace-v0 --dataset giph --out y", "rllib"),
    ):
        command = [str(placezoo), *arguments.split()]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2, (arguments, done.stdout)
        assert done.stderr.count("\n") == 1, done.stderr
        assert f"placezoo[{extra}]" in done.stderr, done.stderr
    listed = subprocess.run([str(placezoo), "agents"], env=environment, capture_output=True, text=True, check=True)
    assert "mt-kahypar" in listed.stdout
