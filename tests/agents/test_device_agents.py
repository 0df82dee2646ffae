"""Placements of neural networks without learning: m-SCT's favourite children, METIS, and priorities."""

import itertools

import numpy as np
import pytest
from hypothesis import given

import placezoo
from placezoo import Budget
from placezoo.datasets import OpGraph
from placezoo.envs.device.list_scheduling import favourite_children, list_placement
from tests.instances import placed_models

ENV = "DevicePlace-v0"


@given(placed_models(max_ops=12))
def test_favourites_are_children_and_nobody_is_two_operators_favourite(case):
    graph, _, _, _ = case
    favourite = favourite_children(placezoo.make_problem(ENV, graph).cost_model)
    children = {(int(a), int(b)) for a, b in graph.edges}
    chosen = [(op, int(child)) for op, child in enumerate(favourite) if child >= 0]
    assert set(chosen) <= children
    assert len({child for _, child in chosen}) == len(chosen)


def test_the_favourite_is_the_child_on_the_critical_path():
    # 0 -> 1 (long) and 0 -> 2 (short), a large tensor: to wait for it is worst for the long child.
    graph = OpGraph([1e9, 9e12, 1e9], [0.0] * 3, [1e8, 1.0, 1.0], [0.0] * 3, [[0, 1], [0, 2]])
    problem = placezoo.make_problem(ENV, graph)
    assert favourite_children(problem.cost_model).tolist() == [1, -1, -1]
    chain = OpGraph([1e9] * 4, [0.0] * 4, [1e6] * 4, [0.0] * 4, [[0, 1], [1, 2], [2, 3]])
    assert favourite_children(placezoo.make_problem(ENV, chain).cost_model).tolist() == [1, 2, 3, -1]


def test_devices_wait_for_favourites():
    """Two chains and a stray: the device of the first chain is kept for its next operator."""
    graph = OpGraph([1e12, 1e12, 1e12], [0.0] * 3, [1e9, 1.0, 1.0], [0.0] * 3, [[0, 1]], name="stray")
    problem = placezoo.make_problem(ENV, graph, topology="p100x2-pcie")
    placement = list_placement(problem.cost_model, True, favourite_children(problem.cost_model))
    assert placement[0] == placement[1] != placement[2]


@given(placed_models(max_ops=10))
def test_metis_and_priorities_on_any_model(case):
    graph, _, _, _ = case
    for priorities in (1, 3):
        problem = placezoo.make_problem(ENV, graph, topology="p100x2-pcie", priorities=priorities)
        for agent in ("metis", "m-sct", "expert"):
            solution = placezoo.make_agent(agent).solve(problem, Budget(evaluations=4))
            assert len(solution.assignment) == problem.num_items
            assert solution.cost.feasible
            assert solution.cost.total >= problem.cost_model.lower_bound - 1e-12


def test_metis_cuts_where_little_is_sent():
    # Two rings of operators with one thin link.
    edges = [[a, a + 1] for a in range(9)]
    outputs = [1e8] * 10
    outputs[4] = 1.0
    graph = OpGraph([1e9] * 10, [0.0] * 10, outputs, [0.0] * 10, edges)
    problem = placezoo.make_problem(ENV, graph, topology="p100x2-pcie")
    placement = placezoo.make_agent("metis").solve(problem, Budget(evaluations=16)).assignment
    assert len(set(placement[:5])) == 1
    assert len(set(placement[5:])) == 1
    assert placement[0] != placement[9]


def test_priorities_follow_critical_paths_unless_told_otherwise():
    """One device, three ready operators, one with a long child elsewhere: whoever goes first decides."""
    graph = OpGraph([1e12, 1e12, 1e12, 3e12], [0.0] * 4, [1.0] * 4, [1e9, 1e9, 1e9, 1e9], [[2, 3]])
    problem = placezoo.make_problem(ENV, graph, topology="p100x2-pcie", priorities=4)
    times = {}
    for levels in itertools.permutations(range(4)):
        times[levels] = problem.evaluate(np.array([0, 0, 0, 1, *levels])).total
    assert problem.with_priorities(np.array([0, 0, 0, 1]))[4:].argmax() == 2
    ranked = problem.evaluate(problem.with_priorities(np.array([0, 0, 0, 1]))).total
    assert ranked == pytest.approx(min(times.values()))
    assert max(times.values()) > 1.2 * ranked
    plain = placezoo.make_problem(ENV, graph, topology="p100x2-pcie")
    assert plain.evaluate(np.array([0, 0, 0, 1])).total > 1.2 * ranked  # first come first served


def test_agents_that_are_for_two_environments_say_so():
    with pytest.raises(ValueError, match=r"metis is for GraphPartition-v0 and DevicePlace-v0, it cannot solve Edge"):
        placezoo.make_agent("metis").solve(placezoo.make_problem("EdgePlace-v0", "giph/test/0"))
