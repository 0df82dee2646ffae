"""What holds of the environments of every problem."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from tests.envs.test_vector import assert_equal


def assert_rewards_sum_to_what_the_cost_fell_by(env, num_resources):
    """Play an episode at random; return the last info."""
    observation, info = env.reset(seed=1)
    begin = info["cost"]["total"] if env.unwrapped.formulation == "improve" else 0.0
    rng, total, done = np.random.default_rng(0), 0.0, False
    while not done:
        if env.unwrapped.formulation == "one-shot":
            action = rng.integers(0, num_resources, env.action_space.shape)
        else:
            action = int(rng.choice(np.flatnonzero(observation["action_mask"])))
        observation, reward, terminated, truncated, info = env.step(action)
        total, done = total + reward, terminated or truncated
    assert total == pytest.approx(begin - info["cost"]["total"])
    return info


def assert_totals_are_those_of_evaluate(problem):
    """Compare the costs of many assignments at once with those of one after another."""
    rng = np.random.default_rng(0)
    assignments = np.array([problem.initial_assignment(rng) for _ in range(5)])
    assignments[1, 0] = -1
    assert problem.totals(assignments).tolist() == [problem.evaluate(one).total for one in assignments]


def assert_batched_equals_scalar(env_id, settings):
    """Step three environments at random, batched and one by one."""
    batched, scalar = gym.make_vec(env_id, 3, **settings), SyncVectorEnv([lambda: gym.make(env_id, **settings)] * 3)
    observation, _ = batched.reset(seed=5)
    expected, _ = scalar.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(40):
        assert_equal(observation, expected)
        actions = np.array(
            [rng.choice(np.flatnonzero(mask)) if mask.any() else 0 for mask in observation["action_mask"]]
        )
        observation, *found, _ = batched.step(actions)
        expected, *others, _ = scalar.step(actions)
        for one, other in zip(found, others, strict=True):
            np.testing.assert_allclose(one, other)
