import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.datasets import OpGraph, load_package
from tests.cost_models.mcm.slow_pipeline import is_valid, links_of
from tests.envs.checks import (
    assert_batched_equals_scalar,
    assert_rewards_sum_to_what_the_cost_fell_by,
    assert_totals_are_those_of_evaluate,
)
from tests.instances import built, placed_models, random_model

ENV = "MCMPartition-v0"
FORMULATIONS = ("construct", "improve", "one-shot")


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("package", ["mcm4", "mcm16"])
def test_gymnasium_checker_is_silent(formulation, package):
    check_env(gym.make(ENV, instance=random_model(), package=package, formulation=formulation).unwrapped)


def test_one_shot_is_the_default_and_answers_are_made_valid():
    env = gym.make(ENV, instance=random_model(), package="mcm8", refinements=3)
    assert env.unwrapped.formulation == "one-shot"
    env.reset(seed=0)
    rng, steps, terminated = np.random.default_rng(0), 0, False
    while not terminated:
        _, _, terminated, _, info = env.step(rng.integers(0, 8, env.action_space.shape))
        assert info["feasible"]
        steps += 1
    assert steps == 3


@pytest.mark.parametrize("formulation", ["construct", "improve"])
@given(st.integers(0, 50))
def test_masks_never_lead_to_an_invalid_partition(formulation, seed):
    env = gym.make(ENV, instance=random_model(20, seed), package="mcm4", formulation=formulation)
    problem = env.unwrapped.problem
    observation, _ = env.reset(seed=seed)
    rng, done = np.random.default_rng(seed), False
    while not done:
        choices = np.flatnonzero(observation["action_mask"])
        if choices.size == 0:
            break
        observation, _, terminated, truncated, _ = env.step(int(rng.choice(choices)))
        assert problem.evaluate(env.unwrapped.assignment).terms["violations"] == 0
        done = terminated or truncated
    assert is_valid(links_of(problem), tuple(env.unwrapped.assignment.tolist()))


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_rewards_sum_to_what_the_cost_fell_by(formulation):
    env = gym.make(ENV, instance=random_model(), package="mcm4", formulation=formulation)
    assert assert_rewards_sum_to_what_the_cost_fell_by(env)["feasible"]


@pytest.mark.parametrize("formulation", ["construct", "improve"])
def test_the_batched_environment_equals_the_scalar_one(formulation):
    assert_batched_equals_scalar(ENV, {"instance": random_model(12), "package": "mcm4", "formulation": formulation})


@given(placed_models())
def test_features_and_order(case):
    graph, _, _, _ = case
    problem = built(
        lambda: placezoo.make_problem(ENV, graph, package="mcm4", sram_mb=1e3),
        "operators to place", "nothing to partition",
    )  # fmt: skip
    features = problem.item_features
    assert features.shape == (problem.num_items, len(problem.feature_names.items))
    assert np.all((features >= 0) & (features <= 1))
    place = np.argsort(problem.item_order)
    assert all(place[a] < place[b] for a, b in links_of(problem))


def test_sampling_and_fixing():
    problem = placezoo.make_problem(ENV, random_model(40), package="mcm8")
    rng = np.random.default_rng(0)
    even = np.full((40, 8), 1 / 8)
    for drawn in problem.sample(even, 20, rng):
        assert is_valid(links_of(problem), tuple(drawn.tolist()))
        assert problem.realize(drawn).tolist() == drawn.tolist()
    first = problem.realize(rng.integers(0, 8, 40))
    assert is_valid(links_of(problem), tuple(first.tolist()))
    sure = np.zeros((40, 8))
    sure[:, 0] = 1.0
    assert problem.sample(sure, 1, rng).max() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"package": "mcm5"}, "unknown package 'mcm5'; did you mean"),
        ({"package": "mcm36"}, "random model has 30 operators to place, mcm36 has 36 chiplets"),
        ({"sram_mb": 0}, r"sram_mb must be a finite number in \(0, 1e\+09\) or None"),
        ({"sram_mb": 0.01}, r"operator \d+ needs .* MB, a chiplet of mcm4 has 0.0"),
        ({"max_backtracks": -1}, "max_backtracks must be a whole number of at least 0, not -1"),
        ({"instance": "karate"}, "MCMPartition-v0 partitions an OpGraph, not a Graph"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        placezoo.make_problem(ENV, **{"instance": random_model(), "package": "mcm4", **settings})


def test_what_cannot_fit_and_what_is_cyclic():
    graph = OpGraph([1.0] * 6, [6e6] * 6, [0.0] * 6, [6e6] * 6, [])
    with pytest.raises(ValueError, match=r"needs 9.0 MB for its parameters, mcm4 has 8.0"):
        placezoo.make_problem(ENV, graph, package="mcm4", sram_mb=2.0)
    with pytest.raises(ValueError, match="the operators have a cycle"):
        OpGraph([1.0] * 2, [0.0] * 2, [0.0] * 2, [0.0] * 2, [[0, 1], [1, 0]])
    cheap = OpGraph([0.0] * 2, [1.0] * 2, [0.0] * 2, [0.0] * 2, [], kinds=("aten.arange", "aten.arange"))
    with pytest.raises(ValueError, match="every operator can be replicated"):
        placezoo.make_problem(ENV, cheap, package="mcm4")


def test_packages_of_the_users(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("count: 3\nchiplet: simba\nsram: 1e6\n")
    package = load_package(path)
    assert (package.count, package.sram, package.link_bandwidth) == (3, 1e6, 100e9)
    for text, message in (
        ("count: 3\n", "'peak_flops' is missing"),
        ("chiplet: simba\n", "'count' is missing"),
        ("count: 3\nchiplet: simbad\n", "unknown chiplet 'simbad'"),
        ("count: 99\nchiplet: simba\n", r"a package has 1..64 chiplets, not 99"),
        ("count: 3\nchiplet: simba\nsram: big\n", "sram must be a number, not 'big'"),
        ("- 3\n", "a mapping expected, not a list"),
        ("count: [\n", "not YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as caught:
            load_package(path)
        assert str(caught.value).startswith(str(path))


def test_many_costs_at_once():
    assert_totals_are_those_of_evaluate(placezoo.make_problem(ENV, random_model(), package="mcm4"))


@pytest.mark.parametrize("agent", ["random", "greedy", "local-search", "simulated-annealing", "ppo"])
def test_general_agents(agent):
    problem = placezoo.make_problem(ENV, random_model(16), package="mcm4")
    solution = placezoo.make_agent(agent).solve(problem, Budget(evaluations=300))
    assert solution.cost.feasible
    assert is_valid(links_of(problem), tuple(solution.assignment.tolist()))
