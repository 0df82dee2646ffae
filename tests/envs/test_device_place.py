import itertools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given

import placezoo
from placezoo import Budget
from placezoo.agents.device.heuristics import expert_blocks, topological_fill
from placezoo.agents.search.repair import repair
from placezoo.datasets import OpGraph
from placezoo.envs.device.list_scheduling import list_placement
from tests.envs.checks import (
    assert_batched_equals_scalar,
    assert_rewards_sum_to_what_the_cost_fell_by,
    assert_totals_are_those_of_evaluate,
)
from tests.instances import placed_models, random_model

ENV = "DevicePlace-v0"
FORMULATIONS = ("construct", "improve", "one-shot")


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize(("topology", "priorities"), [("p100x2-pcie", 1), ("p100x2-pcie", 5), ("v100x2x4-ethernet", 3)])
def test_gymnasium_checker_is_silent(formulation, topology, priorities):
    settings = {"topology": topology, "priorities": priorities}
    check_env(gym.make(ENV, instance=random_model(), formulation=formulation, **settings).unwrapped)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("priorities", [1, 4])
def test_rewards_sum_to_what_the_cost_fell_by(formulation, priorities):
    env = gym.make(ENV, instance=random_model(), formulation=formulation, priorities=priorities)
    assert assert_rewards_sum_to_what_the_cost_fell_by(env)["feasible"]


@pytest.mark.parametrize("priorities", [1, 3])
@pytest.mark.parametrize("formulation", ["construct", "improve"])
def test_the_batched_environment_equals_the_scalar_one(formulation, priorities):
    assert_batched_equals_scalar(
        ENV, {"instance": random_model(12), "formulation": formulation, "priorities": priorities}
    )


@given(placed_models())
def test_features_links_and_order(case):
    graph, _, _, _ = case
    problem = placezoo.make_problem(ENV, graph)
    features = problem.item_features
    assert features.shape == (problem.num_items, len(problem.feature_names.items))
    assert np.all((features >= 0) & (features <= 1))
    assert sorted(problem.item_order) == list(range(problem.num_items))
    groups = problem.cost_model.groups
    links, sizes = problem.group_links
    expected = {}
    for a, b in {(int(a), int(groups[b])) for a, b in graph.edges if groups[a] != groups[b]}:
        key = int(groups[a]), b
        expected[key] = expected.get(key, 0.0) + graph.output_bytes[a]
    assert {tuple(link): size for link, size in zip(links.tolist(), sizes, strict=True)} == pytest.approx(expected)


def test_random_placements_respect_the_memory_of_parameters():
    graph = random_model(60, held=1e8)
    problem = placezoo.make_problem(ENV, graph, topology="v100x4-nvlink", memory_gb=3.5)
    assert problem.cost_model.held_bytes.sum() > 0.7 * 4 * 3.5e9
    for seed in range(20):
        assignment = problem.initial_assignment(np.random.default_rng(seed))
        assert np.bincount(assignment, problem.cost_model.held_bytes).max() <= 3.5e9


def test_memory_as_a_share_of_what_the_model_needs_alone():
    problem = placezoo.make_problem(ENV, random_model(60), topology="p100x2-pcie", memory_share=0.8)
    alone = problem.evaluate(np.zeros(60, np.int64))
    assert not alone.feasible
    assert np.asarray(problem.topology.memory).tolist() == pytest.approx([0.8 * alone.terms["peak_memory"]] * 2)


def test_legalizing_finds_room():
    problem = placezoo.make_problem(ENV, random_model(60, held=1e8), topology="v100x4-nvlink", memory_gb=3.6)
    for start in (np.zeros(60, np.int64), np.arange(60) % 2):
        before, after = problem.evaluate(start), problem.evaluate(problem.legalize(start))
        assert not before.feasible
        assert after.feasible
    feasible = problem.legalize(problem.initial_assignment(np.random.default_rng(0)))
    assert problem.legalize(feasible).tolist() == feasible.tolist()


def test_repair_finds_room_and_gives_up_where_there_is_none():
    problem = placezoo.make_problem(ENV, random_model(60, held=1e8), topology="v100x4-nvlink", memory_gb=3.6)
    start = np.zeros(60, np.int64)
    assert problem.evaluate(repair(problem, start)).feasible
    whole = OpGraph([1e9] * 4, [0.0] * 4, [1e6, 1e6, 6e8, 5e8], [1e6] * 4, [[0, 1], [1, 2], [2, 3]])
    tight = placezoo.make_problem(ENV, whole, topology="p100x2-pcie", memory_gb=1.0, grouping="own")
    best = repair(tight, np.zeros(4, np.int64))  # operator 3 and what it reads do not fit anywhere
    every = tight.totals(np.array(list(itertools.product(range(2), repeat=4))))
    assert every.min() > tight.infeasible_penalty / 2
    assert tight.evaluate(best).total <= tight.evaluate(np.zeros(4, np.int64)).total


def test_memory_masks_what_does_not_fit():
    graph = OpGraph([1.0] * 3, [0] * 3, [0] * 3, [6e8, 6e8, 1e8], [[0, 1], [1, 2]])
    problem = placezoo.make_problem(ENV, graph, topology="p100x2-pcie", memory_gb=1.0)
    assert problem.allowed(np.array([0, -1, -1]), 1).tolist() == [False, True]
    assert problem.allowed(np.array([0, 1, -1]), 2).tolist() == [True, True]
    assert not problem.evaluate(np.array([0, 0, 0])).feasible


@pytest.mark.parametrize("grouping", ["own", "chains", "layers"])
def test_heuristics_place_everything_and_are_no_worse_than_one_device(grouping):
    problem = placezoo.make_problem(ENV, random_model(80), grouping=grouping)
    alone = min(problem.evaluate(np.full(problem.num_items, d)).total for d in range(4))
    for name in ("single-device", "expert", "m-topo", "m-etf", "m-sct", "m-heft", "metis", "greedy", "local-search"):
        solution = placezoo.make_agent(name).solve(problem, Budget(evaluations=16 if name == "metis" else 500))
        assert solution.cost.feasible
        assert solution.cost.total >= problem.cost_model.lower_bound
        if name in ("single-device", "expert"):
            assert solution.cost.total <= alone
    assert placezoo.make_agent("single-device").solve(problem).cost.total == alone


@given(placed_models(max_ops=12))
def test_list_schedulers_on_any_model(case):
    """On one device any order is the same; elsewhere groups stay whole and every group is placed."""
    graph, _, _, _ = case
    for topology in ("p100x2-pcie", "v100x4-nvlink"):
        problem = placezoo.make_problem(ENV, graph, topology=topology)
        for earliest_first in (True, False):
            placement = list_placement(problem.cost_model, earliest_first)
            assert placement.min() >= 0
            assert placement.max() < problem.num_resources
            assert problem.evaluate(placement).terms["step_time"] <= problem.cost_model.serial_bound


def test_blocks_and_fills_are_contiguous():
    problem = placezoo.make_problem(ENV, random_model(50))
    for placement in (expert_blocks(problem, 3), topological_fill(problem)):
        along = placement[problem.item_order]
        assert np.all(np.diff(along) >= 0)
    assert len(set(expert_blocks(problem, 3))) == 3
    times = np.bincount(problem.cost_model.groups, problem.cost_model.op_time[:, 0])
    first, second = np.bincount(expert_blocks(problem, 2), times)
    assert 0 <= first - (first + second) / 2 < times.max()  # the operator that passes the half is the first one's last


def test_a_chain_gains_nothing_and_a_fork_does():
    chain = OpGraph([1e9] * 4, [0] * 4, [1e3] * 4, [0] * 4, [[0, 1], [1, 2], [2, 3]])
    fork = OpGraph([1e9] * 4, [0] * 4, [1e3] * 4, [0] * 4, [[0, 1], [0, 2], [0, 3]])
    for graph, faster in ((chain, False), (fork, True)):
        problem = placezoo.make_problem(ENV, graph)
        alone = placezoo.make_agent("single-device").solve(problem).cost.total
        assert (placezoo.make_agent("m-heft").solve(problem).cost.total < 0.7 * alone) == faster


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"topology": "v100"}, "unknown topology 'v100'"),
        ({"grouping": "none"}, "unknown grouping 'none'"),
        ({"memory_gb": 0}, r"memory_gb must be a finite number in \(0, 1e\+09\) or None"),
        ({"memory_share": -1}, r"memory_share must be a finite number in \(0, 1e\+09\) or None"),
        ({"memory_share": 0.5, "memory_gb": 1.0}, "either memory_gb or memory_share, not both"),
        ({"priorities": 0}, r"priorities must be a whole number in 1..1024, not 0"),
        ({"memory_gb": 1e-6}, "needs .* GB for its parameters, v100x4-nvlink has 0.00"),
        ({"instance": "karate"}, "DevicePlace-v0 places an OpGraph, not a Graph"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        placezoo.make_problem(ENV, **{"instance": random_model(), **settings})
    with pytest.raises(ValueError, match=r"expert: devices must be in 1..4"):
        placezoo.make_agent("expert", devices=9).solve(placezoo.make_problem(ENV, random_model()))


@pytest.mark.parametrize("priorities", [1, 4])
def test_many_costs_at_once(priorities):
    assert_totals_are_those_of_evaluate(placezoo.make_problem(ENV, random_model(), priorities=priorities))
