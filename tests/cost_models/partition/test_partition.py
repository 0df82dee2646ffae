import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.cost_models import Cost, PartitionCost
from placezoo.cost_models.partition import moves as kernels
from placezoo.datasets import Graph, load, to_networkx
from tests.instances import graphs


def slow_cost(graph: Graph, k: int, epsilon: float, assignment) -> dict:
    """Compute every term from its definition, with NetworkX and Python numbers only."""
    network = to_networkx(graph)
    placed = {v: int(p) for v, p in enumerate(assignment) if p >= 0}
    groups = [{v for v, p in placed.items() if p == part} for part in range(k)]
    cut = sum(w for u, v, w in network.edges(data="weight") if u in placed and v in placed and placed[u] != placed[v])
    weights = [sum(network.nodes[v]["weight"] for v in group) for group in groups]
    total = sum(network.nodes[v]["weight"] for v in network)
    ideal = -(-total // k)
    limit = int((1 + epsilon) * ideal + 1e-9)
    normalized = 0.0
    for group in groups:
        volume = sum(network.degree(v, weight="weight") for v in group)
        leaving = sum(
            w
            for u, v, w in network.edges(data="weight")
            if u in placed and v in placed and (u in group) != (v in group)
        )
        normalized += leaving / volume if volume else 0.0
    ratios = [
        network.degree(v, weight="weight") / network.nodes[v]["weight"] for v in network if network.nodes[v]["weight"]
    ]
    penalty = max(1, int(np.ceil(max(ratios, default=1))))
    overweight = sum(max(0, w - limit) for w in weights)
    return {
        "cut": cut,
        "imbalance": max(weights) / ideal - 1 if ideal else 0.0,
        "normalized_cut": normalized,
        "balancedness": 1 - sum((k * w / sum(weights) - 1) ** 2 for w in weights) / k if sum(weights) else 1.0,
        "total": cut + penalty * overweight,
        "feasible": overweight == 0 and len(placed) == graph.num_nodes,
    }


@st.composite
def partitions(draw, allow_unplaced: bool = True):
    graph = draw(graphs())
    k = draw(st.integers(1, graph.num_nodes))
    part = st.integers(-1 if allow_unplaced else 0, k - 1)
    assignment = np.array(draw(st.lists(part, min_size=graph.num_nodes, max_size=graph.num_nodes)), dtype=np.int64)
    return graph, k, draw(st.sampled_from([0.0, 0.03, 0.5])), assignment


@given(partitions())
def test_equals_the_slow_definition(case):
    graph, k, epsilon, assignment = case
    model = PartitionCost(graph, k, epsilon)
    found, expected = model.evaluate(assignment), slow_cost(graph, k, epsilon, assignment)
    assert found.total == expected.pop("total")
    assert found.feasible == expected.pop("feasible")
    assert found.feasible == (not found.violations)
    assert model.cut(assignment) == expected["cut"]
    assert dict(found.terms) == pytest.approx(expected)


@given(partitions(), st.data())
def test_moves_are_exact_and_can_be_undone(case, data):
    graph, k, epsilon, assignment = case
    model = PartitionCost(graph, k, epsilon)
    state = model.state(assignment)
    for _ in range(data.draw(st.integers(1, 12))):
        item = data.draw(st.integers(0, graph.num_nodes - 1))
        source, target, partner = int(state.assignment[item]), data.draw(st.integers(-1, k - 1)), -1
        others = [v for v in range(graph.num_nodes) if v != item and state.assignment[v] == target]
        if others and source >= 0 and target >= 0 and source != target and data.draw(st.booleans()):
            partner = data.draw(st.sampled_from(others))
        move = (item, source, target, partner)
        before = [array.copy() for array in state[:8]]
        change = kernels.delta(state, move)
        expected = model.evaluate(state.assignment).total
        kernels.apply(state, move)
        assert change == model.evaluate(state.assignment).total - expected
        fresh = model.state(state.assignment)
        for name in ("part_weights", "part_cuts", "part_volumes", "outside", "totals"):
            np.testing.assert_array_equal(getattr(state, name), getattr(fresh, name), err_msg=name)
        size = state.totals[1]
        assert set(state.boundary[:size]) == set(np.flatnonzero(state.outside > 0))
        assert all(state.boundary[state.boundary_rank[node]] == node for node in state.boundary[:size])
        kernels.undo(state, move)
        for index in (0, 1, 2, 3, 4, 7):  # all but the order of the boundary list
            np.testing.assert_array_equal(state[index], before[index])
        kernels.apply(state, move)


@given(partitions(), st.integers(0, 2**32))
def test_proposals_never_leave_the_feasible_partitions(case, seed):
    graph, k, epsilon, assignment = case
    model = PartitionCost(graph, k, epsilon)
    state, rng = model.state(assignment), np.random.default_rng(seed)
    overweight = np.maximum(state.part_weights - model.max_part_weight, 0).sum()
    for _ in range(50):
        item, source, target, partner = kernels.propose(state, rng)
        assert source == state.assignment[item]
        assert partner < 0 or state.assignment[partner] == target
        kernels.apply(state, (item, source, target, partner))
        now = np.maximum(state.part_weights - model.max_part_weight, 0).sum()
        assert now <= overweight
        overweight = now


@given(partitions())
def test_masks_hold_what_they_say(case):
    graph, k, epsilon, assignment = case
    model = PartitionCost(graph, k, epsilon)
    state = model.state(assignment)
    for item in range(graph.num_nodes):
        mask = np.zeros(k, np.int8)
        kernels.allowed(state, item, mask)
        loads = [
            sum(graph.node_weights[v] for v in range(graph.num_nodes) if v != item and assignment[v] == p)
            for p in range(k)
        ]
        room = [load + graph.node_weights[item] <= model.max_part_weight for load in loads]
        expected = room if any(room) else [load == min(loads) for load in loads]
        assert mask.astype(bool).tolist() == expected
    mask = np.zeros((graph.num_nodes, k), np.int8)
    kernels.movable(state, mask)
    assert mask.any()
    can_change = mask.copy()
    can_change[np.arange(graph.num_nodes), np.maximum(assignment, 0)] = 0
    if can_change.any() and not can_change[assignment < 0].any():
        moved = np.flatnonzero(can_change.any(axis=1))
        overweight = state.part_weights[assignment[moved]] > model.max_part_weight
        assert np.all((state.outside[moved] > 0) | overweight)


def test_an_infeasible_partition_never_beats_mending_it():
    """Any move from an overweight part to one with room lowers or keeps the total."""
    graph = load("les-miserables")
    model = PartitionCost(graph, 4)
    assignment = np.zeros(graph.num_nodes, np.int64)
    state = model.state(assignment)
    for item in range(graph.num_nodes):
        assert kernels.delta(state, (item, 0, 1, -1)) <= 0


def test_large_weights_on_light_nodes_do_not_overflow():
    """Penalty times overweight is beyond int64 here; the total stays what Python's numbers say, up to rounding."""
    graph = Graph.from_edges(3, [(0, 1)], edge_weights=[2**50], node_weights=[1, 2**50, 2**50])
    model = PartitionCost(graph, 3, 0.0)
    together = model.evaluate(np.zeros(3, np.int64))
    assert together.total == pytest.approx(2**50 * (2**51 + 1 - model.max_part_weight))
    assert together.total > 2**63
    state = model.state(np.zeros(3, np.int64))
    move = (1, 0, 1, -1)
    change = kernels.delta(state, move)
    kernels.apply(state, move)
    assert together.total + change == pytest.approx(model.cost_of(state).total)


def test_brute_force_optimum_of_a_barbell():
    barbell = nx.barbell_graph(4, 0)
    graph = Graph.from_edges(8, list(barbell.edges))
    model = PartitionCost(graph, 2, 0.0)
    costs = [model.evaluate(np.array(a)) for a in itertools.product(range(2), repeat=8)]
    assert min(cost.total for cost in costs if cost.feasible) == 1
    assert min(cost.total for cost in costs) == 1  # an unbalanced one cuts less and costs more


def test_published_cut_of_the_karate_split():
    """The club's real split (Zachary 1977), counted by NetworkX."""
    club = nx.karate_club_graph()
    split = np.array([0 if club.nodes[v]["club"] == "Mr. Hi" else 1 for v in club], dtype=np.int64)
    unweighted = Graph.from_edges(34, list(club.edges))
    assert PartitionCost(unweighted, 2).evaluate(split).total == nx.cut_size(
        club, set(np.flatnonzero(split == 0).tolist())
    )


@pytest.mark.parametrize(
    ("num_parts", "epsilon", "message"),
    [
        (0, 0.03, r"num_parts must be in 1\.\.34"),
        (35, 0.03, r"num_parts must be in 1\.\.34"),
        (2.5, 0.03, "whole number"),
        (True, 0.03, "whole number"),
        (2, -0.1, "epsilon"),
        (2, float("nan"), "epsilon"),
        (2, "much", "epsilon"),
    ],
)
def test_bad_parameters(num_parts, epsilon, message):
    with pytest.raises(ValueError, match=message):
        PartitionCost(load("karate"), num_parts, epsilon)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (np.zeros(33, np.int64), "34 whole numbers"),
        (np.zeros(34), "whole numbers"),
        (np.full(34, 2), "item 0 is assigned to 2"),
        (np.full(34, -2), "item 0 is assigned to -2"),
    ],
)
def test_bad_assignments(assignment, message):
    with pytest.raises(ValueError, match=message):
        PartitionCost(load("karate"), 2).evaluate(assignment)


def test_costs_rank_feasible_first_then_by_total():
    good, bad, broken = Cost(1.0), Cost(2.0), Cost(0.5, feasible=False)
    assert good.is_better_than(bad)
    assert bad.is_better_than(broken)
    assert not broken.is_better_than(bad)
    assert not good.is_better_than(good)
