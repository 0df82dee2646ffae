import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.agents.partition.coarsening import coarsen, contract
from placezoo.agents.partition.flow_refinement import refine_by_flow
from placezoo.cost_models import PartitionCost
from placezoo.datasets import Graph
from placezoo.datasets.partition import graph_generators as generators
from tests.instances import graphs, two_cliques

ENV = "GraphPartition-v0"


def contract_slowly(graph: Graph, coarse: np.ndarray, count: int) -> Graph:
    """Return the contracted graph by sorting the ends of all edges, validated as any graph is."""
    first, second = coarse[graph.rows], coarse[graph.indices]
    across = first != second
    keys, place = np.unique(first[across] * count + second[across], return_inverse=True)
    weights = np.bincount(place, graph.edge_weights[across], minlength=keys.size).astype(np.int64)
    rows, columns = np.divmod(keys, count)
    once = rows < columns
    return Graph.from_edges(
        count, np.stack([rows[once], columns[once]], axis=1), edge_weights=weights[once],
        node_weights=np.bincount(coarse, graph.node_weights, minlength=count).astype(np.int64),
    )  # fmt: skip


@given(graph=graphs(max_nodes=25), groups=st.integers(1, 25), seed=st.integers(0, 999))
def test_contraction_equals_the_slow_one(graph, groups, seed):
    drawn = np.random.default_rng(seed).integers(0, groups, graph.num_nodes)
    coarse = np.unique(drawn, return_inverse=True)[1]
    count = int(coarse.max()) + 1
    ours, slow = contract(graph, coarse, count), contract_slowly(graph, coarse, count)
    assert ours == slow
    for name in ("indptr", "indices", "edge_weights", "node_weights"):
        assert getattr(ours, name).dtype == getattr(slow, name).dtype
        assert not getattr(ours, name).flags.writeable


@given(
    graph=graphs(max_nodes=30), by=st.sampled_from(["matching", "clusters"]), k=st.integers(1, 3),
    heaviest=st.integers(1, 20), seed=st.integers(0, 99),
)  # fmt: skip
def test_levels_keep_the_partition_and_the_weights(graph, by, k, heaviest, seed):
    """Nodes of two parts are never joined, none becomes heavier than it may, and a cut is the same on all levels."""
    rng = np.random.default_rng(seed)
    part = rng.integers(0, k, graph.num_nodes)
    cut = PartitionCost(graph, min(3, graph.num_nodes)).cut(part) if graph.num_nodes >= 3 else None
    for level in coarsen(graph, 2, heaviest, rng, part, by):
        coarser = np.empty(level.graph.num_nodes, np.int64)
        coarser[level.coarse] = part
        np.testing.assert_array_equal(coarser[level.coarse], part)
        merged = np.bincount(level.coarse) > 1
        assert (level.graph.node_weights[merged] <= heaviest).all()
        assert level.graph.node_weights.sum() == graph.node_weights.sum()
        assert level.graph.num_nodes < level.coarse.size
        part = coarser
        if cut is not None and level.graph.num_nodes >= 3:
            assert PartitionCost(level.graph, 3).cut(part) == cut


@given(
    graph=graphs(max_nodes=30), k=st.integers(1, 5), epsilon=st.sampled_from([0.0, 0.03, 0.3]), seed=st.integers(0, 999)
)
def test_flows_never_worsen_a_partition_nor_its_balance(graph, k, epsilon, seed):
    """The cut falls by what is returned, to the last unit; no part is overweight that was not so before."""
    model = PartitionCost(graph, min(k, graph.num_nodes), epsilon)
    rng = np.random.default_rng(seed)
    parts = rng.integers(0, model.num_parts, graph.num_nodes)
    before, cut = model.evaluate(parts), model.cut(parts)
    gained = refine_by_flow(graph, model.balance, parts, rng)
    after = model.evaluate(parts)
    assert gained >= 0
    assert model.cut(parts) == cut - gained
    assert after.total - after.terms["cut"] <= before.total - before.terms["cut"]
    assert set(np.unique(parts)) <= set(range(model.num_parts))


@pytest.mark.parametrize("seed", range(5))
def test_flows_find_the_smallest_cut_between_two_cliques(seed):
    """From a cut three nodes off, single moves all cost more; the flow goes there at once."""
    graph = two_cliques(12)
    parts = (np.arange(24) >= 15).astype(np.int64)
    model = PartitionCost(graph, 2, 0.3)
    refine_by_flow(graph, model.balance, parts, np.random.default_rng(seed))
    assert model.evaluate(parts).total == 1


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_multilevel_finds_the_optimum_of_a_tiny_graph(k, seed):
    graph = generators.erdos_renyi(9, 17, np.random.default_rng(seed))
    problem = placezoo.make_problem(ENV, graph, num_parts=k, epsilon=0.34)
    costs = (problem.evaluate(np.array(parts)) for parts in itertools.product(range(k), repeat=9))
    optimum = min(cost.total for cost in costs if cost.feasible)
    assert placezoo.make_agent("multilevel").solve(problem, Budget(evaluations=200)).cost.total == optimum


def test_multilevel_is_determined_by_seed_and_evaluations():
    problem = placezoo.make_problem(ENV, "delaunay/test/0", num_parts=4)
    first, second = (placezoo.make_agent("multilevel").solve(problem, Budget(evaluations=40), 3) for _ in range(2))
    np.testing.assert_array_equal(first.assignment, second.assignment)
    assert first.cost.feasible


def test_combining_answers_of_mt_kahypar_never_worsens_them():
    problem = placezoo.make_problem(ENV, "delaunay/test/0", num_parts=4)
    solution = placezoo.make_agent("multilevel-kahypar", starts=3).solve(problem, Budget(evaluations=20))
    assert solution.evaluations == 20
    assert solution.cost == problem.evaluate(solution.assignment)
    assert solution.cost.feasible
    of_the_library = [point.total for point in solution.trace if point.evaluations <= 3]
    assert solution.cost.total <= min(of_the_library)
