"""Features of (task, device) pairs, against evaluations of each placement one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.cost_models.edge import outlook
from placezoo.cost_models.edge.ranks import mean_times
from placezoo.datasets import DeviceCluster, EdgeInstance, TaskGraph
from placezoo.envs.edge.problem import EdgePlaceProblem
from tests.examples import examples
from tests.instances import edge_instances


def slow_features(problem, assignment, item):
    """Return the features by the definitions: one evaluation and one schedule for each device."""
    model, devices = problem.cost_model, problem.num_resources
    allowed = problem.instance.allowed[item]
    found = np.zeros((devices, 7))
    for device in np.flatnonzero(allowed):
        tried = assignment.copy()
        tried[item] = device
        plan, cost = model.schedule(tried), model.evaluate(tried)
        took = model.compute_time[item, device]
        ahead = plan.end[item] + slow_optimistic(problem, item, device)
        queued = plan.start[item] - plan.ready[item]
        makespan = cost.terms["makespan"]
        found[device] = plan.end[item], ahead, cost.total, makespan, queued, plan.ready[item], took
    least, most = found[allowed].min(axis=0), found[allowed].max(axis=0)
    double = max(2 * found[allowed, 6].mean(), 1e-300)
    features = np.zeros((devices, 8))
    for device in np.flatnonzero(allowed):
        gap = found[device] - least
        spread = np.maximum(most - least, 1e-300)
        lookahead = gap[2] / spread[2] if model.objective == "total-cost" else gap[1] / max(spread[1], double)
        features[device] = (
            lookahead, gap[0] / spread[0], min(gap[3] / double, 1), gap[0] / max(spread[0], double),
            min(found[device, 4] / double, 1), min(gap[5] / double, 1), min(gap[6] / double, 1),
            min(found[device, 0] / (2 * model.weights[3]), 1),
        )  # fmt: skip
    return features


def slow_optimistic(problem, task, device):
    """Return PEFT's optimistic cost of a task on a device by its recursion."""
    graph, transfer = problem.instance.task_graph, mean_times(problem.instance)[1]
    longest = 0.0
    for edge, (source, target) in enumerate(graph.links.tolist()):
        if source == task:
            ways = [
                slow_optimistic(problem, target, other)
                + problem.cost_model.compute_time[target, other]
                + (transfer[edge] if other != device else 0.0)
                for other in np.flatnonzero(problem.instance.allowed[target])
            ]
            longest = max(longest, min(ways))
    return longest


@examples(60)
@given(edge_instances(max_tasks=6), st.sampled_from(["makespan", "slr", "total-cost"]), st.integers(0, 2**32))
def test_features_are_those_of_placing_the_task_on_each_device(instance, objective, seed):
    problem = EdgePlaceProblem(instance, objective=objective)
    rng = np.random.default_rng(seed)
    placed = int(rng.integers(problem.num_items))
    assignment = np.full(problem.num_items, -1)
    assignment[problem.item_order[:placed]] = problem.initial_assignment(rng)[problem.item_order[:placed]]
    item = int(problem.item_order[placed])
    state = problem.kernel(assignment).state
    before = [array.copy() for array in (state.assignment, state.schedule.end, state.totals)]
    mask = np.zeros(problem.num_resources, np.int8)
    problem.step_kernel.allowed(state, item, mask)
    features = np.full((problem.num_resources, len(outlook.PAIR_FEATURE_NAMES)), 7.0, np.float32)
    outlook.look(state, item, mask, features)
    np.testing.assert_allclose(features, slow_features(problem, assignment, item), atol=1e-6)
    assert features.min() >= 0
    assert features.max() <= 1
    for array, old in zip((state.assignment, state.schedule.end, state.totals), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("objective", ["makespan", "total-cost"])
def test_nothing_is_seen_of_forbidden_devices(objective):
    problem = EdgePlaceProblem(_instance(), objective=objective)
    mask = np.array([0, 1, 0], np.int8)
    features = np.ones((3, 8), np.float32)
    outlook.look(problem.kernel().state, 0, mask, features)
    assert (features[[0, 2]] == 0).all()
    outlook.look(problem.kernel().state, 0, np.zeros(3, np.int8), features)
    assert (features == 0).all()


def _instance():
    away = 1.0 - np.eye(3)
    cluster = DeviceCluster([1.0, 2.0, 3.0], away, 0.5 * away, np.ones((3, 1), bool))
    return EdgeInstance(TaskGraph([4.0, 5.0], [0, 0], [(0, 1)], [2.0]), cluster)
