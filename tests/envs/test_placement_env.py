import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo.datasets import Graph
from placezoo.envs.problem import PlacementProblem

ENV = "GraphPartition-v0"
FORMULATIONS = ("construct", "improve", "one-shot")


def make(**settings):
    return gym.make(ENV, **{"instance": "karate", "num_parts": 4, **settings})


def allowed_action(observation, rng):
    mask = observation["action_mask"]
    if mask.ndim == 2:
        return np.array([rng.choice(np.flatnonzero(row)) for row in mask])
    return int(rng.choice(np.flatnonzero(mask)))


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("source", [{"instance": "karate"}, {"instance": None, "dataset": "delaunay"}])
def test_gymnasium_checker_is_silent(formulation, source):
    check_env(make(formulation=formulation, render_mode="rgb_array", **source).unwrapped)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("source", [{"instance": "karate"}, {"instance": None, "dataset": "grid"}])
def test_same_seed_same_trajectory(formulation, source):
    def trajectory():
        env, rng = make(formulation=formulation, **source), np.random.default_rng(5)
        steps = [env.reset(seed=3)]
        for _ in range(40):
            observation, reward, terminated, truncated, info = env.step(allowed_action(steps[-1][0], rng))
            steps.append((observation, reward, info))
            if terminated or truncated:
                steps.append(env.reset())
        return steps

    assert data_equivalence(trajectory(), trajectory(), exact=True)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_rewards_sum_to_what_the_cost_fell_by(formulation):
    env, rng = make(formulation=formulation), np.random.default_rng(0)
    problem: PlacementProblem = env.unwrapped.problem
    observation, info = env.reset(seed=1)
    start = info["cost"]["total"]
    total, done = 0.0, False
    while not done:
        observation, reward, terminated, truncated, info = env.step(allowed_action(observation, rng))
        total += reward
        done = terminated or truncated
        cost = problem.evaluate(env.unwrapped.assignment)
        assert info["cost"] == {"total": cost.total, **cost.terms}
        assert info["feasible"] == cost.feasible
        np.testing.assert_array_equal(info["assignment"], env.unwrapped.assignment)
        np.testing.assert_array_equal(observation["assignment"], env.unwrapped.assignment)
    assert total == pytest.approx(start - info["cost"]["total"])


def test_construct_visits_items_in_order_and_ends_feasible():
    env, rng = make(formulation="construct"), np.random.default_rng(0)
    observation, info = env.reset(seed=0)
    visited, terminated = [], False
    while not terminated:
        visited.append(int(observation["current_item"]))
        problem = env.unwrapped.problem
        expected = problem.allowed(env.unwrapped.assignment, visited[-1])
        np.testing.assert_array_equal(observation["action_mask"].astype(bool), expected)
        observation, _, terminated, _, info = env.step(allowed_action(observation, rng))
    assert visited == problem.item_order.tolist()
    assert info["feasible"]
    assert observation["current_item"] == -1


def test_a_forbidden_construction_ends_with_the_penalty():
    env = make(formulation="construct", num_parts=34, epsilon=0.0)
    env.reset(seed=0)
    env.step(0)
    _, reward, terminated, _, info = env.step(0)
    assert terminated
    assert reward == -env.unwrapped.problem.infeasible_penalty
    assert not info["feasible"]


def test_a_forbidden_move_changes_nothing_and_counts():
    env = make(formulation="improve", num_moves=2)
    observation, _ = env.reset(seed=0)
    forbidden = int(np.flatnonzero(observation["action_mask"] == 0)[0])
    after, reward, _, truncated, _ = env.step(forbidden)
    assert (reward, truncated) == (0.0, False)
    np.testing.assert_array_equal(after["assignment"], observation["assignment"])
    assert env.step(forbidden)[3]


def test_improve_actions_are_pairs():
    env = make(formulation="improve")
    observation, _ = env.reset(seed=0)
    action = int(np.flatnonzero(observation["action_mask"])[7])
    item, part = env.unwrapped.decode_action(action)
    assert env.unwrapped.encode_action(item, part) == action
    before = env.unwrapped.assignment
    change = env.unwrapped.problem.move_cost(before, item, part)
    after, reward, *_ = env.step(action)
    assert reward == -change
    assert after["assignment"][item] == part
    assert (after["assignment"] != before).sum() == 1


def test_one_shot_refinements_see_the_last_assignment():
    env = make(formulation="one-shot", refinements=2)
    observation, _ = env.reset(seed=0)
    assert set(observation["assignment"]) == {-1}
    action = np.arange(34) % 4
    observation, first, terminated, *_ = env.step(action)
    np.testing.assert_array_equal(observation["assignment"], action)
    assert not terminated
    assert first == -env.unwrapped.problem.evaluate(action).total
    _, second, terminated, *_ = env.step(action)
    assert (second, terminated) == (0.0, True)


def test_reset_options():
    env = gym.make(ENV, dataset="delaunay", num_parts=3, formulation="improve")
    start = np.arange(34) % 3
    observation, info = env.reset(options={"instance": "karate", "assignment": start})
    assert info["instance"] == "karate"
    np.testing.assert_array_equal(env.unwrapped.assignment, start)
    assert observation["assignment"].shape == (200,)
    assert set(observation["assignment"][34:]) == {-1}
    for options, message in (
        ({"graph": 1}, "unknown reset option 'graph'"),
        ({"instance": "karat"}, "did you mean karate"),
        ({"instance": "karate", "assignment": np.zeros(3, int)}, "34 whole numbers"),
        ({"instance": "karate", "assignment": np.full(34, -1)}, "unplaced"),
        ({"instance": Graph.from_edges(201, [(0, 1)])}, "has 201 items"),
    ):
        with pytest.raises(ValueError, match=message):
            env.reset(options=options)


def test_construct_continues_a_partial_assignment():
    env = make(formulation="construct")
    partial = np.full(34, -1)
    partial[:30] = np.arange(30) % 4
    observation, _ = env.reset(options={"assignment": partial})
    assert observation["current_item"] >= 30
    for _ in range(4):
        observation, _, terminated, _, _ = env.step(int(observation["action_mask"].argmax()))
    assert terminated
    np.testing.assert_array_equal(env.unwrapped.assignment[:30], partial[:30])
    with pytest.raises(ValueError, match="nothing to construct"):
        env.reset(options={"assignment": np.arange(34) % 4})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(dataset="grid"), "either instance= or dataset="),
        (dict(formulation="constuct"), "did you mean construct"),
        (dict(num_part=3), "unknown parameter 'num_part'; did you mean num_parts"),
        (dict(num_moves=3), "unknown parameter 'num_moves'"),
        (dict(formulation="improve", num_moves=0), "num_moves"),
        (dict(formulation="one-shot", refinements=0), "refinements"),
        (dict(num_parts=35), r"num_parts must be in 1\.\.34"),
        (dict(num_parts=0), r"num_parts must be in 1\.\.34"),
        (dict(order="random"), "unknown order"),
        (dict(instance=7), "partitions a Graph, not a int"),
        (dict(render_mode="ascii"), "render_mode"),
    ],
)
def test_bad_settings(settings, message):
    from placezoo.envs.registration import make_env

    with pytest.raises(ValueError, match=message):
        make_env(ENV, **{"instance": "karate", "num_parts": 4, **settings})


def test_human_mode_draws_in_a_window_and_closes_it():
    import matplotlib.pyplot as plt

    env = make(formulation="improve", render_mode="human")
    env.reset(seed=0)
    assert len(plt.get_fignums()) == 1
    env.close()
    assert plt.get_fignums() == []


def test_step_before_reset():
    with pytest.raises(gym.error.ResetNeeded):
        make().unwrapped.step(0)


def test_features_have_names_and_stay_in_range():
    env = make()
    observation, _ = env.reset(seed=0)
    names = env.unwrapped.feature_names
    assert observation["items"].nodes.shape == (34, len(names.items))
    assert observation["items"].edges.shape == (2 * 78, len(names.item_edges))
    assert observation["resources"].nodes.shape == (4, len(names.resources))
    column = observation["items"].nodes[:, names.items.index("order")]
    assert np.argsort(column, kind="stable").tolist() == env.unwrapped.problem.item_order.tolist()


def test_order_cut_counts_crossing_edges():
    problem = placezoo.make_problem(ENV, instance="karate", num_parts=4)
    graph, names = problem.instance, problem.feature_names.items
    rank = np.argsort(problem.item_order)
    crossing = np.zeros(34)
    for (u, v), weight in zip(graph.edges, graph.edge_weights[graph.rows < graph.indices], strict=True):
        first, last = sorted((rank[u], rank[v]))
        crossing[first + 1 : last + 1] += weight
    expected = crossing / crossing.max()
    np.testing.assert_allclose(problem.item_features[:, names.index("order_cut")], expected[rank], rtol=1e-6)
    window = 1 + int(0.03 * 34)
    ahead = [expected[min(i + 1, 33) : i + 1 + window].min() for i in range(34)]
    np.testing.assert_allclose(
        problem.item_features[:, names.index("order_cut_ahead")], np.array(ahead)[rank], rtol=1e-6
    )


@given(st.integers(1, 12), st.integers(0, 2**32), st.booleans())
def test_random_assignments_are_balanced(k, seed, weighted):
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 5, 60) if weighted else np.ones(60, int)
    graph = Graph.from_edges(60, [(i, i + 1) for i in range(59)], node_weights=weights)
    problem = placezoo.make_problem(ENV, instance=graph, num_parts=k, epsilon=0.1)
    assert problem.evaluate(problem.initial_assignment(rng)).feasible
