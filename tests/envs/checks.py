"""What holds of the environments of every problem."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import SyncVectorEnv


def assert_equal(found, expected):
    """Compare two batches of observations."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, tuple):
            for graph, other in zip(found[name], value, strict=True):
                for part, other_part in zip(graph, other, strict=True):
                    np.testing.assert_array_equal(part, other_part, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], value, err_msg=name)


def allowed_action(observation, rng):
    """Return a random action that the mask allows; of one-shot masks one in each row; 0 where nothing is allowed."""
    mask = observation["action_mask"]
    if mask.ndim == 2:
        return np.array([rng.choice(np.flatnonzero(row)) for row in mask])
    return int(rng.choice(np.flatnonzero(mask))) if mask.any() else 0


def assert_rewards_sum_to_what_the_cost_fell_by(env):
    """Play an episode at random; what ``info`` says of each step is what the problem says. Return the last info.

    Moves leave open what ``evaluate`` derives anew (a chip's soft macros): there ``info`` says what they made of it.
    """
    problem, rng = env.unwrapped.problem, np.random.default_rng(0)
    formulation = env.unwrapped.formulation
    observation, info = env.reset(seed=1)
    begin = info["cost"]["total"] if formulation == "improve" else 0.0
    derived = formulation != "improve" or problem.kernel().complete is None
    total, done = 0.0, False
    while not done:
        observation, reward, terminated, truncated, info = env.step(allowed_action(observation, rng))
        total, done = total + reward, terminated or truncated
        cost = problem.evaluate(env.unwrapped.assignment)
        assert info["cost"].keys() == {"total", *cost.terms}
        if derived:
            assert info["cost"] == pytest.approx({"total": cost.total, **cost.terms})
        assert info["feasible"] == cost.feasible
        np.testing.assert_array_equal(info["assignment"], env.unwrapped.assignment)
    jammed = formulation == "construct" and not info["feasible"]
    assert total == pytest.approx(begin - info["cost"]["total"] - jammed * problem.infeasible_penalty)
    return info


def assert_totals_are_those_of_evaluate(problem):
    """Compare the costs of many assignments at once with those of one after another."""
    rng = np.random.default_rng(0)
    assignments = np.array([problem.initial_assignment(rng) for _ in range(5)])
    assignments[1, 0] = -1
    assert problem.totals(assignments).tolist() == [problem.evaluate(one).total for one in assignments]


def assert_batched_equals_scalar(env_id, settings, steps=60):
    """Step three environments at random, batched and one by one, beyond the ends of episodes."""
    batched, scalar = gym.make_vec(env_id, 3, **settings), SyncVectorEnv([lambda: gym.make(env_id, **settings)] * 3)
    observation, _ = batched.reset(seed=5)
    expected, _ = scalar.reset(seed=5)
    rng, ended = np.random.default_rng(0), 0
    for _ in range(steps):
        assert_equal(observation, expected)
        actions = np.array([allowed_action({"action_mask": mask}, rng) for mask in observation["action_mask"]])
        observation, rewards, *ends, info = batched.step(actions)
        expected, expected_rewards, *expected_ends, expected_info = scalar.step(actions)
        np.testing.assert_allclose(rewards, expected_rewards)
        np.testing.assert_array_equal(ends, expected_ends)
        np.testing.assert_allclose(info["cost"]["total"], expected_info["cost"]["total"])
        ended += int(np.any(ends, axis=0).sum())
    assert ended >= 3


def assert_equal_info(found, expected):
    """Compare two batches of ``info``, key by key: keys, types, shapes, values and masks, the last observations too."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_equal_info(found[name], value)
        elif name == "final_obs":
            assert found[name].shape == value.shape
            for one, other in zip(found[name], value, strict=True):
                assert (one is None) == (other is None)
                assert other is None or data_equivalence(one, other, exact=True)
        else:
            assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
            if value.dtype == np.float64:
                np.testing.assert_allclose(found[name], value, err_msg=name)
            else:
                np.testing.assert_array_equal(found[name], value, err_msg=name)


def assert_batched_info_is_gymnasiums(env_id, settings, mode, steps):
    """Step two environments at random by ``PlacementVectorEnv`` and ``SyncVectorEnv``; ``info`` is the same."""
    batched = gym.make_vec(env_id, 2, autoreset_mode=mode, **settings)
    scalar = SyncVectorEnv([lambda: gym.make(env_id, **settings)] * 2, autoreset_mode=mode)
    observation, info = batched.reset(seed=5)
    _, expected = scalar.reset(seed=5)
    rng, finals = np.random.default_rng(0), 0
    for _ in range(steps):
        assert_equal_info(info, expected)
        actions = [allowed_action({"action_mask": mask}, rng) for mask in observation["action_mask"]]
        actions = np.array(actions, batched.single_action_space.dtype)
        if finals == 0 and actions.ndim == 1:
            actions[0] = -1  # so that constructions end at different times
        observation, *_, info = batched.step(actions)
        *_, expected = scalar.step(actions)
        finals += "final_obs" in expected
    assert (finals > 0) == (mode == "SameStep")


def assert_a_copy_goes_on_alike(env, copied, steps):
    """Step an environment and its copy; they observe, earn and end the same, also in the next episode."""
    rng = np.random.default_rng(1)
    observation = None
    for _ in range(steps):
        mask = env.unwrapped.action_masks()
        action = allowed_action({"action_mask": mask}, rng)
        observation, reward, terminated, truncated, info = env.step(action)
        assert data_equivalence(copied.step(action), (observation, reward, terminated, truncated, info), exact=True)
        if terminated or truncated:
            assert data_equivalence(copied.reset(), env.reset(), exact=True)
    assert data_equivalence(copied.reset(seed=9), env.reset(seed=9), exact=True)
