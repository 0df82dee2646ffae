"""What ``multilevel`` is made of: communities, recursive bisection, local searches, small components set aside."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.agents.partition.communities import find_communities
from placezoo.agents.partition.local_searches import refine_locally
from placezoo.agents.partition.recursive_bisection import bisect_recursively
from placezoo.agents.partition.small_components import Core
from placezoo.cost_models import PartitionCost
from placezoo.datasets import Graph, from_networkx
from tests.instances import graphs, two_cliques

ENV = "GraphPartition-v0"


def modularity(graph: Graph, community: np.ndarray) -> float:
    """Return the modularity from its definition, times the weight of all edges."""
    total = graph.weighted_degrees.sum()
    inside = graph.edge_weights[community[graph.rows] == community[graph.indices]].sum()
    volumes = np.bincount(community, graph.weighted_degrees)
    return inside - (volumes**2).sum() / max(total, 1)


@given(graph=graphs(max_nodes=30), seed=st.integers(0, 99))
def test_communities_stay_within_components_and_have_more_modularity_than_single_nodes(graph, seed):
    community = find_communities(graph, np.random.default_rng(seed))
    assert set(community) == set(range(community.max() + 1))
    assert modularity(graph, community) >= modularity(graph, np.arange(graph.num_nodes)) - 1e-9
    for component in nx.connected_components(nx.Graph(graph.edges.tolist())):
        inside = list(component)
        outside = np.setdiff1d(np.arange(graph.num_nodes), inside)
        assert not set(community[inside]) & set(community[outside])


def test_two_cliques_are_two_communities():
    community = find_communities(two_cliques(8), np.random.default_rng(0))
    np.testing.assert_array_equal(community, np.arange(16) // 8)


@given(
    graph=graphs(max_nodes=30), k=st.integers(1, 5), epsilon=st.sampled_from([0.0, 0.03, 0.3]), seed=st.integers(0, 999)
)
def test_local_searches_never_worsen_a_partition_nor_its_balance(graph, k, epsilon, seed):
    """The cut falls by what is returned, to the last unit; no part is overweight that was not so before."""
    model = PartitionCost(graph, min(k, graph.num_nodes), epsilon)
    rng = np.random.default_rng(seed)
    parts = rng.integers(0, model.num_parts, graph.num_nodes)
    loads = np.bincount(parts, graph.node_weights, model.num_parts)
    cut = model.cut(parts)
    gained = refine_locally(graph, model.balance, parts, rng)
    assert gained >= 0
    assert model.cut(parts) == cut - gained
    assert (np.bincount(parts, graph.node_weights, model.num_parts) <= np.maximum(loads, model.max_part_weight)).all()


def test_a_local_search_goes_over_a_hill():
    """Single moves of a clique's nodes all cost more until most of them have gone."""
    graph = two_cliques(12)
    parts = (np.arange(24) >= 18).astype(np.int64)
    model = PartitionCost(graph, 2, 0.6)
    refine_locally(graph, model.balance, parts, np.random.default_rng(0))
    assert model.evaluate(parts).total == 1


@given(graph=graphs(max_nodes=40), k=st.integers(1, 6), seed=st.integers(0, 99))
def test_recursive_bisection_gives_every_node_a_part(graph, k, seed):
    k = min(k, graph.num_nodes)
    limit = PartitionCost(graph, k, 0.03).max_part_weight
    first, second = (bisect_recursively(graph, k, limit, np.random.default_rng(seed), tries=1) for _ in range(2))
    assert first.shape == (graph.num_nodes,)
    assert set(first) <= set(range(k))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_recursive_bisection_keeps_the_balance_and_beats_growing(k):
    problem = placezoo.make_problem(ENV, "delaunay/test/0", num_parts=k)
    rng = np.random.default_rng(0)
    cost = problem.evaluate(bisect_recursively(problem.instance, k, problem.cost_model.max_part_weight, rng))
    assert cost.feasible
    assert cost.total < min(problem.evaluate(problem.greedy(rng)).total for _ in range(10))


def test_recursive_bisection_ends_when_it_is_told():
    graph = two_cliques(30)
    asked = iter([False, True])
    assert bisect_recursively(graph, 2, 31, np.random.default_rng(0), is_over=lambda: next(asked)) is None


@given(
    graph=graphs(max_nodes=30, max_weight=3), k=st.integers(1, 4), epsilon=st.sampled_from([0.0, 0.1, 0.5, 2.0]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_small_components_fit_wherever_the_rest_lies(graph, k, epsilon, seed):
    """The whole cuts what the rest cuts, and is within balance where the rest is."""
    problem = placezoo.make_problem(ENV, graph, num_parts=min(k, graph.num_nodes), epsilon=epsilon)
    core = Core.of(problem)
    assert core.problem.cost_model.max_part_weight == problem.cost_model.max_part_weight
    assert core.problem.num_items + (core.components >= 0).sum() == problem.num_items
    assignment = np.random.default_rng(seed).integers(0, core.problem.num_resources, core.problem.num_items)
    whole = core.whole(assignment)
    np.testing.assert_array_equal(whole[core.nodes], assignment)
    before, after = core.problem.evaluate(assignment), problem.evaluate(whole)
    assert after.terms["cut"] == before.terms["cut"]
    assert after.feasible == before.feasible


def test_small_components_let_the_rest_be_cut_where_it_is_cheap():
    """A bridge is the best cut of a dumbbell with unequal ends, once loose nodes can make up for the weights."""
    dumbbell = nx.disjoint_union(nx.complete_graph(30), nx.complete_graph(12))
    dumbbell.add_edge(0, 30)
    dumbbell.add_nodes_from(range(42, 62))
    problem = placezoo.make_problem(ENV, from_networkx(dumbbell), num_parts=2, epsilon=0.1)
    solution = placezoo.make_agent("multilevel").solve(problem, Budget(evaluations=6))
    assert solution.cost.feasible
    assert solution.cost.total == 1


def test_multilevel_takes_a_checkpoint_only_with_its_agent():
    with pytest.raises(ValueError, match="a checkpoint needs the agent"):
        placezoo.make_agent("multilevel", checkpoint="pretrained")
