import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import placezoo
from placezoo.envs.wrappers import FlattenGraph, PadGraph, RelativeReward, TimeLimitBudget

ENV = "GraphPartition-v0"


def make(**settings):
    return gym.make(ENV, **{"dataset": "grid", "num_parts": 4, **settings})


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version.*")
@pytest.mark.parametrize("formulation", ["construct", "improve", "one-shot"])
@pytest.mark.parametrize("wrap", [PadGraph, FlattenGraph, RelativeReward, lambda env: TimeLimitBudget(env, seconds=60)])
def test_wrapped_environments_pass_the_checker(formulation, wrap):
    check_env(wrap(make(formulation=formulation).unwrapped), skip_render_check=True)


def test_padding_keeps_everything_and_adds_zeros():
    env = make()
    padded = PadGraph(env, max_items=300, max_edges=900)
    found, _ = padded.reset(seed=4)
    plain, _ = env.reset(seed=4)
    n, e = len(plain["items"].nodes), len(plain["items"].edges)
    assert (found["num_items"], found["num_item_edges"]) == (n, e)
    np.testing.assert_array_equal(found["item_features"][:n], plain["items"].nodes)
    np.testing.assert_array_equal(found["item_edge_links"][:e], plain["items"].edge_links)
    np.testing.assert_array_equal(found["item_edge_features"][:e], plain["items"].edges)
    assert not found["item_features"][n:].any()
    assert not found["item_edge_links"][e:].any()
    assert found["item_features"].shape[0] == 300
    assert set(found["assignment"][n:]) == {-1}
    np.testing.assert_array_equal(found["action_mask"], plain["action_mask"])


def test_equal_instances_share_their_key_and_others_do_not():
    env = PadGraph(make())
    keys = [int(env.reset(options={"instance": f"grid/train/{i}"})[0]["instance_key"][0]) for i in (0, 1, 0)]
    assert keys[0] == keys[2] != keys[1]


def test_too_small_padding_is_refused():
    with pytest.raises(ValueError, match=r"max_items=10, but this environment's instances need 196"):
        PadGraph(make(), max_items=10)


def test_flat_vectors_hold_each_part_where_the_layout_says():
    env = make(instance="karate", dataset=None)
    flat = FlattenGraph(env)
    vector, _ = flat.reset(seed=0)
    plain, _ = env.reset(seed=0)
    assert vector.size == max(part.stop for part in flat.layout.values())
    np.testing.assert_array_equal(vector[flat.layout["item_features"]], plain["items"].nodes.ravel())
    np.testing.assert_array_equal(vector[flat.layout["action_mask"]], plain["action_mask"])
    np.testing.assert_allclose(vector[flat.layout["current_item"]], plain["current_item"] / 34, rtol=1e-6)
    np.testing.assert_allclose(vector[flat.layout["assignment"]], -1 / 3, rtol=1e-6)


def test_relative_rewards_sum_to_the_share_of_a_random_cost():
    env = RelativeReward(make(instance="karate", dataset=None))
    observation, _ = env.reset(seed=0)
    total, terminated = 0.0, False
    while not terminated:
        observation, reward, terminated, _, info = env.step(int(observation["action_mask"].argmax()))
        total += reward
    problem = placezoo.make_problem(ENV, instance="karate", num_parts=4)
    rng = np.random.default_rng(0)
    random_cost = np.mean([problem.evaluate(problem.initial_assignment(rng)).total for _ in range(8)])
    assert total == pytest.approx(-info["cost"]["total"] / random_cost)


def test_a_useless_reference_is_refused():
    with pytest.raises(ValueError, match="must be above 0"):
        RelativeReward(make(), reference=lambda problem: 0.0).reset(seed=0)


def test_budget_of_evaluations_truncates_each_episode():
    env = TimeLimitBudget(make(formulation="improve"), evaluations=3)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(0)[3] for _ in range(3)] == [False, False, True]


def test_budget_of_seconds_truncates():
    env = TimeLimitBudget(make(formulation="improve"), seconds=0.05)
    env.reset(seed=0)
    time.sleep(0.06)
    assert env.step(0)[3]


@pytest.mark.parametrize("arguments", [{}, {"seconds": 0.0}, {"evaluations": 0}, {"seconds": float("nan")}])
def test_bad_budgets(arguments):
    with pytest.raises(ValueError, match=r"needs|must be"):
        TimeLimitBudget(make(), **arguments)
