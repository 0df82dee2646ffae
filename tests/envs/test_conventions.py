"""Gymnasium's conventions, for every environment in every formulation: masks, odd actions, copies, batched ``info``."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from placezoo.envs.actions import read_actions
from placezoo.envs.registration import PROBLEMS
from placezoo.envs.vector import FORMULATIONS
from placezoo.envs.wrappers import (
    CanvasImage,
    FlattenGraph,
    GpNet,
    PackGraphs,
    PadGraph,
    RelativeReward,
    TimeLimitBudget,
)
from tests.envs.checks import (
    allowed_action,
    assert_a_copy_goes_on_alike,
    assert_batched_info_is_gymnasiums,
    assert_equal,
    assert_equal_info,
)
from tests.instances import small_settings

every_environment = pytest.mark.parametrize("env_id", PROBLEMS)
every_formulation = pytest.mark.parametrize("formulation", FORMULATIONS)
COPIES = {"pickled": lambda env: pickle.loads(pickle.dumps(env)), "deep": copy.deepcopy}
copied_both_ways = pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)


def made(env_id, formulation, **settings):
    few = {"num_moves": 6} if formulation == "improve" else {}
    return gym.make(env_id, **small_settings(env_id, formulation), **few, **settings)


# --- The documented loop ----------------------------------------------------------------------------------------------


@every_environment
@every_formulation
def test_the_documented_loop_draws_by_the_mask_and_ends(env_id, formulation):
    env = made(env_id, formulation)
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    terminated = truncated = False
    steps = 0
    while not (terminated or truncated):
        mask = observation["action_mask"]
        action = env.action_space.sample(mask=mask)
        assert env.action_space.contains(action)
        assert mask[..., action].all() if mask.ndim == 1 else mask[np.arange(len(mask)), action].all()
        observation, _, terminated, truncated, _ = env.step(action)
        steps += 1
    most = {"construct": env.unwrapped.problem.num_items, "improve": 6, "one-shot": 1}[formulation]
    assert 1 <= steps <= most
    assert env.observation_space.contains(observation)


@every_environment
@pytest.mark.parametrize("formulation", [None, *FORMULATIONS])
def test_the_documented_loop_begins_bare(env_id, formulation):
    env = gym.make(env_id) if formulation is None else gym.make(env_id, formulation=formulation)
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample(mask=observation["action_mask"]))
        if terminated or truncated:
            break
    assert env.observation_space.contains(observation)


@every_environment
@pytest.mark.parametrize("formulation", ["construct", "improve"])
def test_all_environments_draw_by_their_masks_at_once(env_id, formulation):
    env = gym.make_vec(env_id, 3, **small_settings(env_id, formulation))
    observation, _ = env.reset(seed=0)
    actions = env.action_space.sample(mask=observation["action_mask"])
    assert (observation["action_mask"][np.arange(3), actions] == 1).all()


# --- Actions outside of the space -------------------------------------------------------------------------------------


def outside(space):
    """Return actions that the space does not hold: just below, just above, far off, in the last place."""
    if isinstance(space, gym.spaces.Discrete):
        return [-1, int(space.n), 2**40, np.int64(-int(space.n)), np.uint64(2**64 - 1)]
    inside = np.zeros(space.shape, np.int64)
    found = []
    for place, value in ((-1, -1), (0, int(space.nvec[0])), (0, -int(space.nvec[0])), (0, 2**40)):
        found.append(inside.copy())
        found[-1][place] = value
    return [*found, np.full(space.shape, -1)]


@every_environment
@every_formulation
def test_actions_outside_of_the_space_are_forbidden_ones(env_id, formulation):
    env = made(env_id, formulation)
    batched = gym.make_vec(env_id, 2, **small_settings(env_id, formulation))
    problem = env.unwrapped.problem
    for action in outside(env.action_space):
        observation, _ = env.reset(seed=3)
        after, reward, terminated, truncated, info = env.step(action)
        np.testing.assert_array_equal(after["assignment"], observation["assignment"])
        if formulation == "improve":
            assert (reward, terminated, truncated) == (0.0, False, False)
        else:
            assert (reward, terminated, truncated) == (-problem.infeasible_penalty, True, False)
            assert not info["feasible"]
        batched.reset(seed=3)
        both = np.array([action, action])
        found, rewards, terminateds, truncateds, infos = batched.step(both)
        assert (rewards[0], terminateds[0], truncateds[0]) == (reward, terminated, truncated)
        np.testing.assert_array_equal(found["assignment"][0], after["assignment"])
        assert infos["cost"]["total"][0] == pytest.approx(info["cost"]["total"])


@every_formulation
@pytest.mark.parametrize(
    "wrong", [1.0, np.float32(0), "0", None, True, [0, [1]], np.zeros((2, 2, 2), int), np.zeros(0, int), 10**30]
)
def test_actions_of_another_shape_or_type_are_refused_in_one_line(formulation, wrong):
    env = made("GraphPartition-v0", formulation)
    batched = gym.make_vec("GraphPartition-v0", 2, **small_settings("GraphPartition-v0", formulation))
    for one in (env, batched):
        before, _ = one.reset(seed=0)
        with pytest.raises(ValueError, match=r"whole number.*, not ") as refusal:
            one.step(wrong)
        assert "\n" not in str(refusal.value)
        np.testing.assert_array_equal(before["action_mask"], one.unwrapped.action_masks())
    with pytest.raises(ValueError, match="whole numbers of shape"):
        batched.step(np.zeros((3, *env.action_space.shape), int))  # for three environments
    with pytest.raises(ValueError, match="whole number"):
        env.step(np.zeros((1, *env.action_space.shape), int))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_whole_numbers_of_any_width_are_actions(dtype):
    assert read_actions(dtype(3), gym.spaces.Discrete(4)) == 3
    assert read_actions(np.array([0, 3, 4], dtype), gym.spaces.Discrete(4), 3).tolist() == [0, 3, -1]


@every_environment
def test_pairs_that_do_not_exist_have_no_action(env_id):
    env = made(env_id, "improve").unwrapped
    env.reset(seed=0)
    items, resources = env.source.max_items, env.source.max_resources
    assert env.decode_action(env.encode_action(items - 1, resources - 1)) == (items - 1, resources - 1)
    for item, resource in ((0, -1), (-1, 0), (0, resources), (items, 0)):
        with pytest.raises(ValueError, match=rf"items are 0\.\.{items - 1} and resources 0\.\.{resources - 1}"):
            env.encode_action(item, resource)
    for action in (-1, items * resources):
        with pytest.raises(ValueError, match="actions are 0"):
            env.decode_action(action)


# --- Copies -----------------------------------------------------------------------------------------------------------


@every_environment
@every_formulation
@copied_both_ways
def test_copies_go_on_from_the_middle_of_an_episode(env_id, formulation, duplicate):
    env = made(env_id, formulation, **({"refinements": 3} if formulation == "one-shot" else {}))
    assert data_equivalence(duplicate(env).reset(seed=1), env.reset(seed=1), exact=True)
    rng = np.random.default_rng(0)
    for _ in range(2):
        env.step(allowed_action({"action_mask": env.unwrapped.action_masks()}, rng))
    kept = env.unwrapped.assignment
    copied = duplicate(env)
    other = duplicate(env)
    other.step(allowed_action({"action_mask": other.unwrapped.action_masks()}, rng))
    np.testing.assert_array_equal(env.unwrapped.assignment, kept)  # a copy shares no state
    assert_a_copy_goes_on_alike(env, copied, steps=env.unwrapped.problem.num_items + 5)


@every_environment
@every_formulation
@copied_both_ways
def test_batched_environments_are_copied_too(env_id, formulation, duplicate):
    settings = small_settings(env_id, formulation) | ({"num_moves": 4} if formulation == "improve" else {})
    if formulation == "one-shot":
        settings["refinements"] = 3
    env = gym.make_vec(env_id, 2, **settings)
    duplicate(env).reset(seed=0)
    observation, _ = env.reset(seed=0)
    rng, copied = np.random.default_rng(0), None
    for step in range(8):
        if step == 2:
            copied = duplicate(env)
        actions = np.array([allowed_action({"action_mask": mask}, rng) for mask in observation["action_mask"]])
        observation, rewards, terminated, truncated, info = env.step(actions)
        if copied is not None:
            found, *others, found_info = copied.step(actions)
            assert_equal(found, observation)
            assert data_equivalence(others, [rewards, terminated, truncated], exact=True)
            assert_equal_info(found_info, info)


WRAPPERS = {
    "PadGraph": ("GraphPartition-v0", "construct", PadGraph),
    "FlattenGraph": ("GraphPartition-v0", "construct", FlattenGraph),
    "RelativeReward": ("GraphPartition-v0", "improve", RelativeReward),
    "TimeLimitBudget": ("GraphPartition-v0", "improve", lambda env: TimeLimitBudget(env, 60, 5)),
    "GpNet": ("EdgePlace-v0", "improve", GpNet),
    "CanvasImage": ("ChipPlace-v0", "construct", CanvasImage),
}


@copied_both_ways
@pytest.mark.parametrize(("env_id", "formulation", "wrap"), WRAPPERS.values(), ids=WRAPPERS)
def test_wrapped_environments_are_copied(env_id, formulation, wrap, duplicate):
    env = wrap(made(env_id, formulation))
    env.reset(seed=0)
    env.step(allowed_action({"action_mask": env.unwrapped.action_masks()}, np.random.default_rng(0)))
    assert_a_copy_goes_on_alike(env, duplicate(env), steps=8)


@copied_both_ways
def test_packed_environments_are_copied(duplicate):
    env = PackGraphs(made("GraphPartition-v0", "construct"))
    env.reset(seed=0)
    copied = duplicate(env)
    assert data_equivalence(copied.step(1)[0].value, env.step(1)[0].value, exact=True)


@copied_both_ways
def test_a_copy_is_in_the_same_changing_world(duplicate):
    env = gym.make("EdgePlace-v0", dataset="giph", churn=0.5, num_moves=40)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    while env.unwrapped.problem.instance.cluster is env.unwrapped.problem.whole_cluster:
        env.step(allowed_action({"action_mask": env.unwrapped.action_masks()}, rng))
    copied = duplicate(env)
    assert copied.unwrapped.problem.whole_cluster == env.unwrapped.problem.whole_cluster
    assert_a_copy_goes_on_alike(env, copied, steps=60)


@every_environment
def test_copied_problems_and_instances_are_equal_and_cannot_be_changed(env_id):
    problem = made(env_id, "construct").unwrapped.problem
    assert copy.deepcopy(problem) is problem
    assert copy.deepcopy(problem.instance) is problem.instance
    problem.item_features  # noqa: B018 - remembered, and not part of the copy
    found = pickle.loads(pickle.dumps(problem))
    assert (found.instance, found.parameters) == (problem.instance, problem.parameters)
    assert found.instance.digest == problem.instance.digest
    for array in [value for value in vars(found.instance).values() if isinstance(value, np.ndarray)]:
        assert not array.flags.writeable


# --- Vector environments ----------------------------------------------------------------------------------------------


@every_environment
@every_formulation
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_batched_info_is_that_of_gymnasiums_vector_environment(env_id, formulation, mode):
    settings = small_settings(env_id, formulation) | ({"num_moves": 3} if formulation == "improve" else {})
    assert_batched_info_is_gymnasiums(env_id, settings, mode, steps=8 if formulation != "construct" else 30)


def test_environments_in_spawned_processes_equal_those_in_this_one():
    settings = {"instance": "karate", "num_parts": 3, "formulation": "improve", "num_moves": 2}
    makers = [lambda: gym.make("placezoo:GraphPartition-v0", **settings)] * 2
    spawned = AsyncVectorEnv(makers, shared_memory=False, context="spawn", autoreset_mode="SameStep")
    try:
        here = SyncVectorEnv(makers, autoreset_mode="SameStep")
        batched = gym.make_vec("GraphPartition-v0", 2, autoreset_mode="SameStep", **settings)
        for env in (spawned, here, batched):
            env.reset(seed=0)
        for actions in ([0, 1], [5, -1], [7, 2]):
            found, *_, info = spawned.step(np.array(actions))
            for env in (here, batched):
                observation, *_, expected = env.step(np.array(actions))
                assert_equal(observation, found)
                assert_equal_info(expected, info)
    finally:
        spawned.close()
