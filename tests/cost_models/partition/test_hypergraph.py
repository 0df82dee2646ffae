import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.cost_models import HypergraphCost, PartitionCost
from placezoo.cost_models.partition import hypergraph_moves as kernels
from placezoo.datasets import Hypergraph, load
from tests.instances import graphs, hypergraphs

OBJECTIVES = ("cut-net", "km1")


def slow_cost(hypergraph, k, epsilon, objective, assignment) -> dict:
    """Compute every term from its definition, with Python's sets and numbers only."""
    placed = {v: int(p) for v, p in enumerate(assignment) if p >= 0}
    nets = [hypergraph.pins[a:b].tolist() for a, b in zip(hypergraph.net_ptr, hypergraph.net_ptr[1:], strict=False)]
    weights, heavy = hypergraph.node_weights.tolist(), hypergraph.net_weights.tolist()
    spans = [len({placed[v] for v in net if v in placed}) for net in nets]
    cut_net = sum(w for w, span in zip(heavy, spans, strict=True) if span > 1)
    km1 = sum(w * (span - 1) for w, span in zip(heavy, spans, strict=True) if span > 0)
    loads = [sum(weights[v] for v, p in placed.items() if p == part) for part in range(k)]
    ideal = -(-sum(weights) // k)
    limit = int((1 + epsilon) * ideal + 1e-9)
    degrees = [sum(w for w, net in zip(heavy, nets, strict=True) if v in net) for v in range(len(weights))]
    ratios = [degree / weight for degree, weight in zip(degrees, weights, strict=True) if weight]
    penalty = max(1, int(np.ceil(max(ratios, default=1))))
    overweight = sum(max(0, load - limit) for load in loads)
    return {
        "cut_net": cut_net,
        "km1": km1,
        "imbalance": max(loads) / ideal - 1 if ideal else 0.0,
        "balancedness": 1 - sum((k * w / sum(loads) - 1) ** 2 for w in loads) / k if sum(loads) else 1.0,
        "total": (km1 if objective == "km1" else cut_net) + penalty * overweight,
        "feasible": overweight == 0 and len(placed) == len(weights),
    }


@st.composite
def partitions(draw):
    hypergraph = draw(hypergraphs())
    k = draw(st.integers(1, hypergraph.num_nodes))
    n = hypergraph.num_nodes
    assignment = np.array(draw(st.lists(st.integers(-1, k - 1), min_size=n, max_size=n)), np.int64)
    return hypergraph, k, draw(st.sampled_from([0.0, 0.03, 0.5])), draw(st.sampled_from(OBJECTIVES)), assignment


@given(partitions())
def test_equals_the_slow_definition(case):
    *arguments, assignment = case
    found, expected = HypergraphCost(*arguments).evaluate(assignment), slow_cost(*case)
    assert found.total == expected.pop("total")
    assert found.feasible == expected.pop("feasible") == (not found.violations)
    assert dict(found.terms) == pytest.approx(expected)


@given(partitions(), st.data())
def test_moves_are_exact_and_can_be_undone(case, data):
    hypergraph, k, *_, assignment = case
    model = HypergraphCost(*case[:-1])
    state = model.state(assignment)
    changing = ("assignment", "part_weights", "part_cuts", "part_volumes", "outside", "totals", "counts", "spans")
    for _ in range(data.draw(st.integers(1, 12))):
        item = data.draw(st.integers(0, hypergraph.num_nodes - 1))
        source, target, partner = int(state.assignment[item]), data.draw(st.integers(-1, k - 1)), -1
        others = [v for v in range(hypergraph.num_nodes) if v != item and state.assignment[v] == target]
        if others and source >= 0 and target >= 0 and source != target and data.draw(st.booleans()):
            partner = data.draw(st.sampled_from(others))
        move = (item, source, target, partner)
        before = {name: getattr(state, name).copy() for name in changing}
        change = kernels.delta(state, move)
        expected = model.evaluate(state.assignment).total
        kernels.apply(state, move)
        assert change == model.evaluate(state.assignment).total - expected
        fresh = model.state(state.assignment)
        for name in changing:
            np.testing.assert_array_equal(getattr(state, name), getattr(fresh, name), err_msg=name)
        size = state.totals[1]
        assert set(state.boundary[:size]) == set(np.flatnonzero(state.outside > 0))
        assert all(state.boundary[state.boundary_rank[node]] == node for node in state.boundary[:size])
        kernels.undo(state, move)
        for name in changing:
            np.testing.assert_array_equal(getattr(state, name), before[name], err_msg=name)
        kernels.apply(state, move)


@given(partitions(), st.integers(0, 2**32))
def test_proposals_never_leave_the_feasible_partitions(case, seed):
    model = HypergraphCost(*case[:-1])
    state, rng = model.state(case[-1]), np.random.default_rng(seed)
    overweight = np.maximum(state.part_weights - model.max_part_weight, 0).sum()
    for _ in range(50):
        item, source, target, partner = kernels.propose(state, rng)
        assert source == state.assignment[item]
        assert partner < 0 or state.assignment[partner] == target
        kernels.apply(state, (item, source, target, partner))
        now = np.maximum(state.part_weights - model.max_part_weight, 0).sum()
        assert now <= overweight
        overweight = now


@given(graphs(), st.data())
def test_a_graph_as_a_hypergraph_costs_the_same(graph, data):
    k = data.draw(st.integers(1, graph.num_nodes))
    n = graph.num_nodes
    assignment = np.array(data.draw(st.lists(st.integers(-1, k - 1), min_size=n, max_size=n)), np.int64)
    expected = PartitionCost(graph, k).evaluate(assignment)
    for objective in OBJECTIVES:
        found = HypergraphCost(Hypergraph.from_graph(graph), k, 0.03, objective).evaluate(assignment)
        assert (found.total, found.feasible, found.violations) == (
            expected.total,
            expected.feasible,
            expected.violations,
        )
        assert found.terms["cut_net"] == found.terms["km1"] == expected.terms["cut"]


def test_counted_by_hand():
    """Nets {0, 1, 2}, {2, 3} and {0, 3, 4} of weights 2, 3, 5; parts {0}, {1, 2}, {3, 4}."""
    hypergraph = Hypergraph.from_nets(5, [[0, 1, 2], [2, 3], [0, 3, 4]], net_weights=[2, 3, 5])
    cost = HypergraphCost(hypergraph, 3, 1.0).evaluate(np.array([0, 1, 1, 2, 2]))
    assert (cost.total, cost.terms["cut_net"], cost.terms["km1"]) == (10, 10, 10)
    cost = HypergraphCost(hypergraph, 5, 1.0, "cut-net").evaluate(np.arange(5))
    assert (cost.total, cost.terms["cut_net"], cost.terms["km1"]) == (10, 10, 2 * 2 + 3 + 2 * 5)


def test_bad_parameters():
    hypergraph = Hypergraph.from_graph(load("karate"))
    with pytest.raises(ValueError, match="objective"):
        HypergraphCost(hypergraph, 2, objective="cut")
    with pytest.raises(ValueError, match=r"num_parts must be in 1\.\.34"):
        HypergraphCost(hypergraph, 35)
