"""GAP, CNC, coarsening and the multilevel wrapper."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.agents.gap.learner import GAPConfig, GAPLearner
from placezoo.agents.gap.network import GapConfig, GapGraph, GapNetwork, expected_cut, imbalance
from placezoo.agents.partition.coarsening import coarsen, contract
from placezoo.datasets import similarity_graph
from placezoo.datasets.partition.landmarks import landmark_distances
from placezoo.envs.registration import problem_class
from placezoo.envs.source import ProblemSource
from tests.examples import examples
from tests.instances import random_graph

ENV = "GraphPartition-v0"


@given(st.integers(0, 2**32 - 1))
@examples(60)
def test_contraction_keeps_weights_and_cuts(seed):
    """A partition of the coarse graph cuts what its projection cuts, and parts weigh the same."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    groups = rng.integers(0, max(1, graph.num_nodes // 2), graph.num_nodes)
    _, groups = np.unique(groups, return_inverse=True)
    coarse = contract(graph, groups, int(groups.max()) + 1)
    assert coarse.node_weights.sum() == graph.node_weights.sum()
    parts = rng.integers(0, min(3, coarse.num_nodes), coarse.num_nodes)
    costs = [
        placezoo.make_problem(ENV, part, num_parts=min(3, coarse.num_nodes), epsilon=5.0)
        .evaluate(assignment)
        .terms["cut"]
        for part, assignment in ((coarse, parts), (graph, parts[groups]))
    ]
    assert costs[0] == costs[1]


@given(st.integers(0, 2**32 - 1))
@examples(60)
def test_coarsening_matches_neighbours_within_weight_and_parts(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    within = rng.integers(0, 2, graph.num_nodes)
    limit = int(rng.integers(4, 12))
    fine, part = graph, within
    for level in coarsen(graph, 2, limit, rng, within):
        sizes = np.bincount(level.coarse)
        assert sizes.max() <= 2
        assert level.graph.num_nodes == sizes.size < fine.num_nodes
        joined = np.flatnonzero(sizes == 2)
        assert (level.graph.node_weights[joined] <= limit).all()
        for group in joined:
            first, second = np.flatnonzero(level.coarse == group)
            assert part[first] == part[second]
        following = np.empty(sizes.size, np.int64)
        following[level.coarse] = part
        fine, part = level.graph, following


def test_landmark_distances_by_networkx():
    import networkx as nx

    rng = np.random.default_rng(0)
    graph = random_graph(rng, 20)
    found = landmark_distances(graph, 3)
    assert found.shape == (20, 3)
    plain = nx.Graph([tuple(edge) for edge in graph.edges.tolist()])
    for column in found.T:
        source = int(np.argmin(column))
        lengths = nx.single_source_shortest_path_length(plain, source)
        expected = [lengths[node] / max(lengths.values()) if node in lengths else 1.0 for node in range(20)]
        np.testing.assert_allclose(column, expected, rtol=1e-6)
    assert len({int(np.argmin(column)) for column in found.T}) == 3


def test_the_expected_cut_by_its_definition():
    """By the formula of GAP with dense matrices; of a certain partition it is the normalised cut."""
    rng = np.random.default_rng(1)
    graph = random_graph(rng, 15)
    arrays = GapGraph.of(graph, 2)
    adjacency = torch.zeros(15, 15)
    adjacency[arrays.edge_index[0], arrays.edge_index[1]] = arrays.edge_weights
    y = torch.softmax(torch.randn(15, 3), 1)
    gamma = y.T @ adjacency.sum(1)
    expected = ((y / gamma) @ (1 - y).T * adjacency).sum()
    torch.testing.assert_close(expected_cut(y.log(), arrays), expected)
    certain = np.arange(15) % 3
    problem = placezoo.make_problem(ENV, graph, num_parts=3, epsilon=5.0)
    log_y = torch.nn.functional.one_hot(torch.tensor(certain), 3).float().log()
    normalized = problem.evaluate(certain).terms["normalized_cut"]
    assert float(expected_cut(log_y, arrays)) == pytest.approx(normalized, rel=1e-5)
    shares = np.bincount(certain, graph.node_weights, 3) / graph.node_weights.sum()
    assert float(imbalance(log_y, arrays)) == pytest.approx(3 * ((shares - 1 / 3) ** 2).sum(), rel=1e-5)


def test_gap_learns_on_small_graphs_and_answers_on_larger_ones(tmp_path):
    source = ProblemSource(problem_class(ENV), dataset="grid", parameters={"num_parts": 2})
    one = GAPLearner(source, config=GAPConfig(width=16, layers=2, learning_rate=5e-3))
    costs = []
    one.learn(timesteps=1600, on_update=lambda status: costs.append(status.relative_cost))
    one.checkpoint().save(tmp_path)
    agent = placezoo.make_agent("gap", checkpoint=str(tmp_path))
    import networkx as nx

    mesh = placezoo.datasets.from_networkx(nx.convert_node_labels_to_integers(nx.grid_2d_graph(40, 25)))
    problem = placezoo.make_problem(ENV, mesh, num_parts=2)
    solution = agent.solve(problem, Budget(evaluations=1))
    assert solution.cost.feasible
    assert solution.cost.terms["cut"] <= 60  # 25 is the least; random halves cut 970
    with pytest.raises(ValueError, match="into 2 parts, not into 3"):
        agent.solve(placezoo.make_problem(ENV, mesh, num_parts=3))


def test_gap_says_what_it_is_not_for():
    source = ProblemSource(problem_class("EdgePlace-v0"), dataset="giph")
    with pytest.raises(ValueError, match="gap learns GraphPartition-v0"):
        GAPLearner(source)
    with pytest.raises(ValueError, match="no checkpoint was given"):
        placezoo.make_agent("gap").solve(placezoo.make_problem(ENV, "karate"))
    with pytest.raises(ValueError, match="gap: width"):
        GAPConfig(width=0)


def test_cnc_separates_clusters_of_points():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [6, 0], [0, 6], [6, 6]])
    labels = np.repeat(np.arange(4), 30)
    graph = similarity_graph(centres[labels] + rng.standard_normal((120, 2)), neighbours=8)
    assert graph.positions is not None
    problem = placezoo.make_problem(ENV, graph, num_parts=4)
    solution = placezoo.make_agent("cnc").solve(problem, Budget(seconds=20), seed=0)
    assert solution.cost.feasible
    agree = max((np.array(order)[solution.assignment] == labels).mean() for order in itertools.permutations(range(4)))
    assert agree > 0.95


def test_similarity_graphs_are_symmetric_and_refuse_nonsense():
    points = np.random.default_rng(0).random((50, 5))
    graph = similarity_graph(points, neighbours=4)
    assert graph.num_nodes == 50
    assert np.diff(graph.indptr).min() >= 4
    assert graph.positions is None
    for bad, message in (
        (points[:3], "neighbours"),
        (points[0], "points must be"),
        (points * np.nan, "points must be"),
    ):
        with pytest.raises(ValueError, match=message):
            similarity_graph(bad, neighbours=4)


@pytest.mark.parametrize("agent", ["fm", "greedy", "simulated-annealing", "random"])
def test_any_agent_partitions_the_coarsest_graph(agent):
    problem = placezoo.make_problem(ENV, "delaunay/test/0", num_parts=4)
    multilevel = placezoo.make_agent("multilevel", agent=agent, starts=2, coarsest=40, inner_evaluations=500)
    solution = multilevel.solve(problem, Budget(evaluations=12), seed=0)
    assert solution.cost.feasible
    assert solution.evaluations == 12
    assert solution.cost == problem.evaluate(solution.assignment)
    assert solution.cost.total <= 1.25 * placezoo.make_agent("greedy").solve(problem, Budget(evaluations=1)).cost.total


def test_multilevel_with_a_trained_policy_below(tmp_path):
    from placezoo.experiments.train import TrainingRun, train

    small = {"num_envs": 4, "num_steps": 16, "batch_size": 32, "width": 8, "layers": 1}
    run = TrainingRun(
        ENV, dataset="grid", parameters={"num_parts": 4}, hyperparameters=small, timesteps=64, validations=1
    )
    train(run, tmp_path)
    problem = placezoo.make_problem(ENV, "delaunay/test/1", num_parts=4)
    agent = placezoo.make_agent("multilevel", agent="ppo", checkpoint=str(tmp_path), starts=1)
    assert agent.solve(problem, Budget(evaluations=2)).cost.feasible


def test_multilevel_finds_the_optimum_of_tiny_graphs():
    rng = np.random.default_rng(3)
    for _ in range(5):
        graph = random_graph(rng, 9)
        problem = placezoo.make_problem(ENV, graph, num_parts=2, epsilon=0.3)
        best = min(problem.evaluate(np.array(parts)).total for parts in itertools.product(range(2), repeat=9))
        agent = placezoo.make_agent("multilevel", coarsest=4)
        assert agent.solve(problem, Budget(evaluations=300), seed=0).cost.total == best


def test_multilevel_refuses_nonsense():
    for settings_, message in (
        ({"agent": "multilevel"}, "another one"),
        ({"coarsest": 0}, "coarsest"),
        ({"patience": -1}, "patience"),
        ({"populations": 0}, "populations"),
    ):
        with pytest.raises(ValueError, match=message):
            placezoo.make_agent("multilevel", **settings_)


def test_networks_of_gap_take_every_encoder():
    graph = GapGraph.of(random_graph(np.random.default_rng(0), 12), 2)
    for encoder in ("graph-sage", "gin", "graph-transformer"):
        network = GapNetwork(GapConfig(3, 2, encoder, 8, 1))
        torch.testing.assert_close(network(graph).exp().sum(1), torch.ones(12))
