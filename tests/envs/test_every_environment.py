"""What holds of every registered environment, in every formulation, on its small problem."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

from placezoo.envs.registration import PROBLEMS
from placezoo.envs.vector import FORMULATIONS
from placezoo.envs.wrappers import FlattenGraph, PadGraph, RelativeReward, TimeLimitBudget
from tests.envs.checks import (
    allowed_action,
    assert_batched_equals_scalar,
    assert_rewards_sum_to_what_the_cost_fell_by,
    assert_totals_are_those_of_evaluate,
)
from tests.instances import SMALL, small_problem, small_settings

every_environment = pytest.mark.parametrize("env_id", PROBLEMS)
every_formulation = pytest.mark.parametrize("formulation", FORMULATIONS)


def test_every_environment_has_a_small_problem():
    assert SMALL.keys() == PROBLEMS.keys()


@every_environment
@every_formulation
def test_gymnasium_checker_is_silent(env_id, formulation):
    check_env(gym.make(env_id, render_mode="rgb_array", **small_settings(env_id, formulation)).unwrapped)


@every_environment
@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
@pytest.mark.parametrize("wrap", [PadGraph, FlattenGraph, RelativeReward, lambda env: TimeLimitBudget(env, seconds=60)])
def test_wrapped_environments_pass_the_checker(env_id, wrap):
    env = gym.make(env_id, **small_settings(env_id, PROBLEMS[env_id].default_formulation))
    check_env(wrap(env.unwrapped), skip_render_check=True)


@every_environment
@every_formulation
def test_rewards_sum_to_what_the_cost_fell_by(env_id, formulation):
    assert_rewards_sum_to_what_the_cost_fell_by(gym.make(env_id, **small_settings(env_id, formulation)))


@every_environment
@every_formulation
def test_the_batched_environment_equals_the_scalar_one(env_id, formulation):
    settings = small_settings(env_id, formulation) | ({"num_moves": 6} if formulation == "improve" else {})
    assert_batched_equals_scalar(env_id, settings, steps=small_problem(env_id).num_items + 3)


@every_environment
@every_formulation
def test_the_same_seed_gives_the_same_trajectory(env_id, formulation):
    def trajectory():
        env, rng = gym.make(env_id, **small_settings(env_id, formulation)), np.random.default_rng(5)
        steps = [env.reset(seed=3)]
        for _ in range(15):
            observation, reward, terminated, truncated, info = env.step(allowed_action(steps[-1][0], rng))
            steps.append((observation, reward, info))
            if terminated or truncated:
                steps.append(env.reset())
        return steps

    assert data_equivalence(trajectory(), trajectory(), exact=True)


@every_environment
def test_many_costs_at_once(env_id):
    assert_totals_are_those_of_evaluate(small_problem(env_id))


@every_environment
@every_formulation
def test_pictures_show_the_assignment(env_id, formulation):
    env = gym.make(env_id, render_mode="rgb_array", **small_settings(env_id, formulation))
    observation, _ = env.reset(seed=0)
    first = env.render()
    env.step(allowed_action(observation, np.random.default_rng(0)))
    second = env.render()
    assert first.shape == second.shape == (640, 640, 3)
    assert first.dtype == np.uint8
    assert (first != second).any()
