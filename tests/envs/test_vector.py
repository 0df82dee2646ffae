import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from placezoo.envs import PlacementVectorEnv
from tests.envs.checks import assert_equal

ENV = "GraphPartition-v0"
SETTINGS = {"construct": {}, "improve": {"num_moves": 17}, "one-shot": {"refinements": 3}}


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("formulation", list(SETTINGS))
@pytest.mark.parametrize("source", [{"instance": "karate"}, {"dataset": "grid"}])
def test_equals_the_scalar_environments_seed_for_seed(mode, formulation, source):
    settings = {"num_parts": 4, "formulation": formulation, **source, **SETTINGS[formulation]}
    batched = gym.make_vec(ENV, num_envs=4, autoreset_mode=mode, **settings)
    assert isinstance(batched, PlacementVectorEnv)
    scalar = SyncVectorEnv([lambda: gym.make(ENV, **settings)] * 4, autoreset_mode=mode)
    observation, info = batched.reset(seed=7)
    expected, expected_info = scalar.reset(seed=7)
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(260):
        assert_equal(observation, expected)
        for term, values in info["cost"].items():
            np.testing.assert_allclose(values, expected_info["cost"][term], err_msg=term)
        if formulation == "one-shot":
            actions = rng.integers(0, 4, batched.action_space.shape)
        else:  # mostly allowed actions, some forbidden ones
            actions = np.array(
                [
                    rng.choice(np.flatnonzero(mask)) if mask.any() and rng.random() < 0.99 else rng.integers(mask.size)
                    for mask in observation["action_mask"]
                ]
            )
        observation, rewards, terminated, truncated, info = batched.step(actions)
        expected, *others, expected_info = scalar.step(actions)
        for found, other in zip((rewards, terminated, truncated), others, strict=True):
            np.testing.assert_array_equal(found, other)
        ended += int((terminated | truncated).sum())
    assert ended >= 4


def test_observations_are_in_the_space():
    env = gym.make_vec(ENV, num_envs=3, dataset="grid", num_parts=2)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    observation, *_ = env.step(observation["action_mask"].argmax(axis=1))
    assert observation in env.observation_space


def test_earlier_observations_do_not_change():
    env = gym.make_vec(ENV, num_envs=2, instance="karate", num_parts=2)
    observation, _ = env.reset(seed=0)
    kept = {name: np.copy(observation[name]) for name in ("assignment", "action_mask", "current_item")}
    features = [graph.nodes.copy() for graph in observation["resources"]]
    env.step(np.array([0, 1]))
    for name, value in kept.items():
        np.testing.assert_array_equal(observation[name], value)
    for graph, value in zip(observation["resources"], features, strict=True):
        np.testing.assert_array_equal(graph.nodes, value)


def test_finished_episodes_report_their_assignment():
    env = gym.make_vec(ENV, num_envs=2, instance="florentine", num_parts=3, autoreset_mode="SameStep")
    observation, _ = env.reset(seed=0)
    for _ in range(15):
        observation, _, terminated, _, info = env.step(observation["action_mask"].argmax(axis=1))
    assert terminated.all()
    assert info["_final_info"].all()
    assert (info["final_info"]["assignment"] >= 0).all()
    assert info["final_info"]["feasible"].all()
    assert (observation["assignment"] == -1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(num_envs=0), "num_envs"),
        (dict(render_mode="rgb_array"), "does not draw"),
        (dict(autoreset_mode="Disabled"), "NEXT_STEP or SAME_STEP"),
    ],
)
def test_bad_settings(settings, message):
    from placezoo.envs.registration import make_vector_env

    with pytest.raises(ValueError, match=message):
        make_vector_env(ENV, **{"num_envs": 2, "instance": "karate", **settings})


def test_wrong_number_of_seeds():
    env = gym.make_vec(ENV, num_envs=2, instance="karate")
    with pytest.raises(ValueError, match="3 seeds for 2"):
        env.reset(seed=[1, 2, 3])
