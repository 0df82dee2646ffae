import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo.datasets import EdgeInstance
from placezoo.datasets.public_files import find_file, public_files
from placezoo.envs.edge.churn import leave_or_join
from placezoo.envs.edge.gp_net import EDGE_FEATURES, NODE_FEATURES, GpNetBuilder
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.wrappers import GpNet, PadGraph
from tests.cost_models.edge.slow_makespan import slow_makespan, transfer_time
from tests.envs.checks import assert_equal
from tests.instances import edge_instances

ENV = "EdgePlace-v0"
FORMULATIONS = ("construct", "improve", "one-shot")


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize(
    "source", [{"instance": "giph/test/0"}, {"dataset": "giph"}, {"dataset": "giph", "episode_churn": 4}]
)
def test_gymnasium_checker_is_silent(formulation, source):
    check_env(gym.make(ENV, formulation=formulation, **source).unwrapped)


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@pytest.mark.parametrize("wrap", [PadGraph, GpNet])
def test_wrapped_environments_pass_the_checker(wrap):
    check_env(wrap(gym.make(ENV, dataset="giph", churn=0.2)))


def test_improving_is_the_default_and_lasts_twice_the_tasks():
    env = gym.make(ENV, dataset="giph", split="test")
    observation, info = env.reset(seed=3)
    problem = env.unwrapped.problem
    begin, rewards, steps, truncated = info["cost"]["total"], 0.0, 0, False
    rng = np.random.default_rng(0)
    while not truncated:
        observation, reward, _, truncated, info = env.step(rng.choice(np.flatnonzero(observation["action_mask"])))
        rewards, steps = rewards + reward, steps + 1
        assert info["feasible"]
    assert steps == 2 * problem.num_items
    assert rewards == pytest.approx(begin - info["cost"]["total"])
    makespan = slow_makespan(problem.instance.task_graph, problem.instance.cluster, env.unwrapped.assignment)[0]
    assert info["cost"]["makespan"] == pytest.approx(makespan)
    assert info["cost"]["slr"] == pytest.approx(makespan / problem.cost_model.lower_bound)


def test_construct_goes_by_upward_rank_and_its_rewards_sum_to_the_makespan():
    env = gym.make(ENV, instance="giph/test/1", formulation="construct")
    observation, _ = env.reset(seed=0)
    total, terminated, visited = 0.0, False, []
    while not terminated:
        visited.append(int(observation["current_item"]))
        observation, reward, terminated, _, info = env.step(observation["action_mask"].argmax())
        total += reward
    assert total == pytest.approx(-info["cost"]["makespan"])
    position = {task: number for number, task in enumerate(visited)}
    assert all(position[a] < position[b] for a, b in env.unwrapped.problem.instance.task_graph.links)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("settings", [{}, {"churn": 0.3, "episode_churn": 2}])
def test_the_batched_environment_follows_changes_like_the_scalar_one(mode, settings):
    settings = {"dataset": "giph", "num_moves": 15, **settings}
    batched = gym.make_vec(ENV, num_envs=3, autoreset_mode=mode, **settings)
    scalar = SyncVectorEnv([lambda: gym.make(ENV, **settings)] * 3, autoreset_mode=mode)
    observation, _ = batched.reset(seed=5)
    expected, _ = scalar.reset(seed=5)
    rng = np.random.default_rng(0)
    changed = begun = 0
    for _ in range(60):
        assert_equal(observation, expected)
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in observation["action_mask"]])
        before = [problem.instance for problem in batched.problems]
        observation, rewards, terminated, truncated, info = batched.step(actions)
        expected, *others, expected_info = scalar.step(actions)
        for found, other in zip((rewards, terminated, truncated), others, strict=True):
            np.testing.assert_allclose(found, other)
        np.testing.assert_allclose(info["cost"]["total"], expected_info["cost"]["total"])
        for problem, old in zip(batched.problems, before, strict=True):
            if problem.instance.task_graph != old.task_graph:
                begun += 1  # an episode with another instance
            else:
                changed += problem.instance.cluster != old.cluster
    assert begun >= 9
    assert changed > 30 if "churn" in settings else changed == 0


def test_tasks_whose_device_left_must_move_first():
    """Episodes with much churn: the mask is of stranded tasks while there are any, and leads back to feasibility."""
    env = gym.make(ENV, dataset="giph", churn=0.5, num_moves=200)
    rng = np.random.default_rng(1)
    stranded_steps = 0
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        for _ in range(150):
            problem, assignment = env.unwrapped.problem, env.unwrapped.assignment
            stranded = ~problem.instance.allowed[np.arange(problem.num_items), assignment]
            action = int(rng.choice(np.flatnonzero(observation["action_mask"])))
            task, device = env.unwrapped.decode_action(action)
            assert problem.instance.cluster.present[device]
            if stranded.any():
                stranded_steps += 1
                assert stranded[task]
            observation, reward, *_ = env.step(action)
            assert reward == pytest.approx(problem.evaluate(assignment).total - problem.evaluate(
                np.where(np.arange(problem.num_items) == task, device, assignment)).total)  # fmt: skip
    assert stranded_steps > 20


def test_construction_does_not_follow_changes():
    with pytest.raises(ValueError, match="changes within episodes, which construct does not follow"):
        gym.make(ENV, dataset="giph", formulation="construct", churn=0.1)


@given(edge_instances(), st.integers(0, 2**32))
def test_clusters_keep_every_type_that_is_needed(instance, seed):
    rng = np.random.default_rng(seed)
    types = instance.task_graph.hardware_type
    whole = cluster = instance.cluster
    for _ in range(20):
        changed = leave_or_join(cluster, whole, types, rng)
        difference = changed.present != cluster.present
        assert difference.sum() <= 1
        EdgeInstance(instance.task_graph, changed)  # every task can run somewhere
        for device in np.flatnonzero(changed.present):
            assert changed.support_matrix[device].tolist() == whole.support_matrix[device].tolist()
        cluster = changed


def test_a_cluster_shrinks_and_grows_again():
    problem = placezoo.make_problem(ENV, "giph/test/0", episode_churn=6)
    rng = np.random.default_rng(0)
    counts = {int(problem.next_episode(rng).instance.cluster.present.sum()) for _ in range(30)}
    assert min(counts) <= problem.num_resources - 4
    assert placezoo.make_problem(ENV, "giph/test/0").next_episode(rng).instance == problem.instance


@given(edge_instances(whole_numbers=False), st.integers(0, 2**32))
def test_gp_net_by_its_definition(instance, seed):
    graph, cluster = instance.task_graph, instance.cluster
    problem = placezoo.make_problem(ENV, instance)
    rng = np.random.default_rng(seed)
    assignment = rng.integers(0, cluster.num_devices, graph.num_tasks)  # some tasks where they cannot run
    state = problem.kernel(assignment).state
    arrays = GpNetBuilder(problem).build(state)
    pairs = [
        (t, d)
        for t in range(graph.num_tasks)
        for d in range(cluster.num_devices)
        if instance.allowed[t, d] or assignment[t] == d
    ]
    assert [tuple(pair) for pair in arrays.pairs] == pairs
    assert arrays.pivots.tolist() == [assignment[t] == d for t, d in pairs]
    expected = {}
    for e, (a, b) in enumerate(graph.links):
        for i, (t, d) in enumerate(pairs):
            for j, (u, f) in enumerate(pairs):
                if t == a and u == b and (assignment[a] == d or assignment[b] == f):
                    expected[i, j] = (graph.bytes[e], cluster.delay[d, f], cluster.inverse_bandwidth[d, f],
                                      transfer_time(graph, cluster, e, d, f))  # fmt: skip
    assert sorted(tuple(link) for link in arrays.links) == sorted(expected)
    raw = np.array([expected[tuple(link)] for link in arrays.links]).reshape(-1, 4)
    scale = np.abs(raw).max(axis=0, initial=0.0)
    assert arrays.edges[:, :4] == pytest.approx(raw / np.where(scale > 0, scale, 1), abs=1e-5)
    schedule = state.schedule
    rows = []
    for t, d in pairs:
        begin = max(
            (schedule.end[a] + transfer_time(graph, cluster, e, assignment[a], d)
             for e, (a, b) in enumerate(graph.links) if b == t), default=0.0,
        )  # fmt: skip
        begin = schedule.start[t] if assignment[t] == d else begin
        took = graph.compute[t] / cluster.speed[d]
        busy = sum(
            max(0.0, min(schedule.end[o], begin + took) - max(schedule.start[o], begin))
            for o in range(graph.num_tasks)
            if o != t and assignment[o] == d
        )
        rows.append((graph.compute[t], 1 / cluster.speed[d], took, begin - schedule.start[t],
                     begin + took - schedule.end[t], busy))  # fmt: skip
    raw = np.array(rows)
    raw[np.abs(raw) < 1e-9] = 0.0
    scale = np.abs(raw).max(axis=0)
    found = arrays.nodes[:, [0, 1, 2, 3, 5, 6]]
    assert found == pytest.approx(raw / np.where(scale > 0, scale, 1), abs=1e-4)
    assert arrays.nodes.shape[1] == len(NODE_FEATURES)
    assert np.abs(arrays.nodes).max(initial=0) <= 1
    assert np.abs(arrays.edges).max(initial=0) <= 1
    assert arrays.edges.shape[1] == len(EDGE_FEATURES)


def test_criticality_moves_towards_the_critical_path():
    problem = placezoo.make_problem(ENV, "giph/test/0")
    state = problem.kernel(problem.initial_assignment(np.random.default_rng(0))).state
    builder = GpNetBuilder(problem)
    tasks, edges = problem.cost_model.critical_path(state.assignment)
    column = NODE_FEATURES.index("criticality")
    graph = builder.build(state)
    sources = np.bincount(problem.instance.task_graph.links[:, 1], minlength=problem.num_items) == 0
    assert graph.nodes[sources[graph.pairs[:, 0]], column].tolist() == [1.0] * int(sources[graph.pairs[:, 0]].sum())
    for _ in range(200):
        builder.update(state)
    after = builder.build(state).nodes[:, column]
    assert (edges[1:] >= 0).all()  # the whole path is of transfers: a walk takes it almost surely
    for task in tasks:
        assert after[graph.pairs[:, 0] == task].min() > 0.9


def test_the_wrapper_shows_what_the_builder_builds_and_its_actions_work():
    env = GpNet(gym.make(ENV, dataset="giph", churn=0.1))
    observation, _ = env.reset(seed=2)
    rng = np.random.default_rng(0)
    for _ in range(30):
        base = env.unwrapped
        count = int((observation["task"] >= 0).sum())
        slots = np.flatnonzero(observation["selectable"] == 1)
        slot = int(rng.choice(slots))
        task, device = int(observation["task"][slot]), int(observation["device"][slot])
        assert observation["action_mask"][observation["action"][slot]] == 1
        assert not observation["pivot"][slot]
        assert observation["pivot"][:count].sum() == base.problem.num_items
        observation, _, _, truncated, _ = env.step(int(observation["action"][slot]))
        if truncated:
            break
        assert base.assignment[task] == device
        allowed = base.problem.instance.allowed
        movable = ~allowed[np.arange(base.problem.num_items), base.assignment]
        movable = set(np.flatnonzero(movable if movable.any() else allowed.sum(axis=1) > 1).tolist())
        selectable = set(observation["task"][observation["selectable"] == 1].tolist())
        assert selectable == (movable - {task} or movable)  # the task that has just moved rests, if another can move


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"churn": 1.5}, r"churn must be a finite number in \[0, 1\]"),
        ({"episode_churn": -1}, "episode_churn must be a whole number"),
        ({"noise": 2.0}, r"noise must be a finite number in \[0, 1\)"),
        ({"objective": "energy"}, "unknown objective 'energy'"),
        ({"instance": "karate"}, "EdgePlace-v0 places an EdgeInstance, not a Graph"),
        ({"instance": "giph/test/1000"}, "has instances 0..99"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ENV, **{"instance": "giph/test/0", **settings})


def test_a_file_of_many_cases_is_no_instance():
    if find_file(public_files()["giph-train-cases"]) is None:
        pytest.skip("giph-train-cases is not in PLACEZOO_DATA")
    with pytest.raises(ValueError, match="file of many cases"):
        gym.make(ENV, instance="giph-train-cases")


def test_gp_net_wraps_nothing_else():
    with pytest.raises(ValueError, match="GpNet wraps EdgePlace-v0 in the formulation improve"):
        GpNet(gym.make("GraphPartition-v0", instance="karate", num_parts=2))
    with pytest.raises(ValueError, match="GpNet wraps EdgePlace-v0"):
        GpNet(gym.make(ENV, dataset="giph", formulation="construct"))


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_pictures(formulation):
    env = gym.make(ENV, instance="giph/test/0", formulation=formulation, render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    first = env.render()
    assert first.shape == (640, 640, 3)
    if formulation != "one-shot":
        env.step(int(observation["action_mask"].argmax()))
        assert (env.render() != first).any()
    for panel in env.unwrapped.problem.panels(env.unwrapped.assignment):
        from matplotlib.figure import Figure

        panel(Figure().add_subplot())


@given(
    edge_instances(whole_numbers=False) | edge_instances(),
    st.sampled_from([{}, {"objective": "total-cost"}, {"objective": "slr", "noise": 0.3, "repeats": 3}]),
    st.integers(0, 1000),
)
def test_greedy_is_the_general_construction_to_the_last_bit(instance, parameters, seed):
    problem = placezoo.make_problem(ENV, instance, **parameters)
    found = problem.greedy(np.random.default_rng(seed))
    np.testing.assert_array_equal(found, PlacementProblem.greedy(problem, np.random.default_rng(seed)))


def test_greedy_is_the_general_construction_on_larger_programs():
    for number in range(5):
        problem = placezoo.make_problem(ENV, f"giph/test/{number}")
        found = problem.greedy(np.random.default_rng(number))
        np.testing.assert_array_equal(found, PlacementProblem.greedy(problem, np.random.default_rng(number)))
