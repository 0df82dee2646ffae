"""A problem and an agent of another package: everything general works on them, with no edit inside this one."""

import importlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo.datasets.dataset import DATASETS
from placezoo.envs.registration import PROBLEMS

ROOT = Path(__file__).parents[1]
MODULE, ENV, INSTANCE = "examples.quadratic_assignment", "QuadraticAssignment-v0", "quadratic-assignment/test/0"


@pytest.fixture(scope="module")
def qap():
    """The example, registered for the tests of this file alone."""
    module = importlib.import_module(MODULE)
    placezoo.register_problem(module.QuadraticAssignmentProblem)
    yield module
    del PROBLEMS[ENV], DATASETS["quadratic-assignment"]
    del sys.modules[MODULE]


def tiny(qap, seed, n=5, m=6):
    rng = np.random.default_rng(seed)
    flow, distance = np.triu(rng.integers(0, 5, (n, n)), 1), np.triu(rng.integers(1, 9, (m, m)), 1)
    return placezoo.make_problem(ENV, qap.Facilities(flow + flow.T, distance + distance.T))


def slow_cost(problem, assignment):
    flow, distance = problem.instance.flow, problem.instance.distance
    pairs = [(i, j) for i in range(len(flow)) for j in range(len(flow)) if i != j]
    pairs = [(i, j) for i, j in pairs if assignment[i] >= 0 and assignment[j] >= 0]
    shared = sum(assignment[i] == assignment[j] for i, j in pairs) / 2
    ways = sum(flow[i, j] * distance[assignment[i], assignment[j]] for i, j in pairs)
    return ways + shared * problem.infeasible_penalty


@given(seed=st.integers(0, 10_000))
def test_moves_change_the_cost_by_what_they_say(qap, seed):
    problem, rng = tiny(qap, seed), np.random.default_rng(seed)
    kernel = problem.kernel(rng.integers(-1, problem.num_resources, problem.num_items))
    assert problem.cost_of(kernel.state).total == pytest.approx(slow_cost(problem, kernel.state.assignment))
    kernel = problem.kernel(problem.initial_assignment(rng))
    for _ in range(20):
        move = kernel.propose(kernel.state, rng)
        before = slow_cost(problem, kernel.state.assignment)
        change = kernel.delta(kernel.state, move)
        kernel.apply(kernel.state, move)
        after = slow_cost(problem, kernel.state.assignment)
        assert after - before == pytest.approx(change)
        assert problem.cost_of(kernel.state).total == pytest.approx(after)
        if rng.random() < 0.5:
            kernel.undo(kernel.state, move)
            assert slow_cost(problem, kernel.state.assignment) == before


def test_annealing_finds_the_optimum(qap):
    problem = tiny(qap, 7)
    least = min(slow_cost(problem, one) for one in itertools.permutations(range(6), 5))
    solution = placezoo.make_agent("simulated-annealing").solve(problem, placezoo.Budget(evaluations=3000), seed=0)
    assert solution.cost.feasible
    assert solution.cost.total == least


@pytest.mark.parametrize("formulation", ["construct", "improve", "one-shot"])
def test_all_formulations_scalar_and_batched(qap, formulation):
    scalar = gym.make(ENV, dataset="quadratic-assignment", formulation=formulation)
    batched = gym.make_vec(ENV, 2, dataset="quadratic-assignment", formulation=formulation)
    first, info = scalar.reset(seed=5)
    many, _ = batched.reset(seed=5)
    np.testing.assert_array_equal(first["assignment"], many["assignment"][0])
    ended, paid = False, 0.0
    while not ended:
        masks = many["action_mask"]
        action = masks.argmax(axis=-1) if formulation != "one-shot" else np.tile(np.arange(8), (2, 1))
        many, rewards, terminated, truncated, _ = batched.step(action)
        first, reward, *over, info = scalar.step(action[0])
        assert reward == pytest.approx(rewards[0])
        assert (terminated[0], truncated[0]) == tuple(over)
        ended, paid = any(over), paid + reward
    if formulation == "construct":
        assert paid == pytest.approx(-info["cost"]["total"])
    assert info["feasible"]


def test_ppo_learns_it(qap):
    from placezoo.agents.ppo.config import PPOConfig
    from placezoo.agents.ppo.own_learner import PPOLearner
    from placezoo.envs.source import ProblemSource

    source = ProblemSource(qap.QuadraticAssignmentProblem, dataset="quadratic-assignment")
    learner = PPOLearner(source, "construct", PPOConfig(num_envs=32, num_steps=32, batch_size=256), seed=0)
    costs = []
    learner.learn(timesteps=20_480, on_update=lambda status: costs.append(status.relative_cost))
    assert np.mean(costs[-4:]) < 0.97 * costs[0]


def run(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "placezoo", *arguments], capture_output=True, text=True, cwd=ROOT, check=False, **more
    )


def test_the_command_line_takes_it(tmp_path):
    out = tmp_path / "s.json"
    done = run(
        "solve", f"{MODULE}:{ENV}", "--instance", INSTANCE, "--agent", "greedy", "--evaluations", "1", "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert "feasible" in done.stdout
    assert run("--import", MODULE, "evaluate", out).returncode == 0
    refused = run("evaluate", out)
    assert refused.returncode == 2
    assert "unknown environment 'QuadraticAssignment-v0'" in refused.stderr
    assert run("--import", "no.such", "envs").stderr == "placezoo: --import no.such: no module named 'no'\n"


PACKAGE = """
from dataclasses import dataclass

import placezoo
from examples.quadratic_assignment import QuadraticAssignmentProblem


class Elsewhere(QuadraticAssignmentProblem):
    env_id = "Elsewhere-v0"


@dataclass(frozen=True)
class Once(placezoo.Agent):
    '''One random assignment.'''

    name = "once"

    def _search(self, search):
        search.evaluate(search.problem.initial_assignment(search.rng))
"""


def test_entry_points_of_an_installed_package_are_found(tmp_path):
    (tmp_path / "elsewhere.py").write_text(PACKAGE)
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[placezoo.problems]\nElsewhere-v0 = elsewhere:Elsewhere\nBroken-v0 = nowhere:Broken\n"
        "[placezoo.agents]\nonce = elsewhere:Once\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    program = (
        "import sys, gymnasium as gym, placezoo; assert 'elsewhere' not in sys.modules;"
        "from placezoo.agents.registry import is_for;"
        "env = gym.make('Elsewhere-v0', instance='quadratic-assignment/test/1'); env.reset(seed=0);"
        "agent = placezoo.make_agent('once');"
        "print(agent.solve(env.unwrapped.problem, placezoo.Budget(evaluations=1)).cost.feasible, is_for('once', 'X'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "True True\n", done.stderr
    assert "once" in run("agents", env=environment).stdout
    broken = run("solve", "Broken-v0", "--instance", "x", "--agent", "once", env=environment)
    assert broken.returncode == 2
    assert "environment Broken-v0, from nowhere:Broken" in broken.stderr


def test_what_is_registered_must_be_whole_and_its_name_free(qap):
    class Nameless(qap.QuadraticAssignmentProblem):
        env_id = "GraphPartition-v0"

    with pytest.raises(ValueError, match=r"GraphPartition-v0 is placezoo\.envs\.partition.*choose another id"):
        placezoo.register_problem(Nameless)
    with pytest.raises(ValueError, match=r"PlacementProblem cannot be registered without draw, .*, env_id, short_name"):
        placezoo.register_problem(placezoo.envs.PlacementProblem)
    with pytest.raises(ValueError, match=r"greedy is search\.greedy:Greedy, choose another name"):
        placezoo.register_agent("greedy", "elsewhere:Greedy")
    with pytest.raises(ValueError, match="there is a dataset giph already"):
        placezoo.datasets.register_dataset(placezoo.datasets.Dataset("giph", "", lambda rng, name: None, {}, 1, 1))
