import itertools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.agents.partition.fiduccia_mattheyses import refine
from placezoo.cost_models import HypergraphCost
from placezoo.datasets import Hypergraph, load, read_partition, write_hmetis
from tests.instances import hypergraphs

ENV = "GraphPartition-v0"
OBJECTIVES = ("cut-net", "km1")


def blocks(count: int, size: int) -> Hypergraph:
    """Return blocks of nodes in nets of three and four, each block joined to the next by one net."""
    nets = [
        [b * size + (i + j) % size for j in range(3 + i % 2)] for b in range(count) for i in range(size) for _ in (0, 1)
    ]
    nets += [[b * size, ((b + 1) % count) * size, ((b + 1) % count) * size + 1] for b in range(count)]
    return Hypergraph.from_nets(count * size, nets, name="blocks")


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "agent", ["random", "greedy", "local-search", "simulated-annealing", "fm", "multilevel", "spectral", "mt-kahypar"]
)
def test_every_agent_returns_what_it_says(agent, objective):
    problem = placezoo.make_problem(ENV, blocks(4, 8), num_parts=4, objective=objective)
    solution = placezoo.make_agent(agent).solve(problem, Budget(evaluations=8 if agent == "mt-kahypar" else 3000))
    assert solution.cost == problem.evaluate(solution.assignment)
    assert solution.cost.feasible
    assert solution.cost.total == solution.cost.terms["cut_net" if objective == "cut-net" else "km1"]
    if agent in ("multilevel", "mt-kahypar"):
        assert solution.cost.total == 4  # the nets between the blocks


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("agent", ["fm", "local-search", "simulated-annealing", "multilevel", "mt-kahypar"])
def test_tiny_optimum_by_brute_force(agent, objective):
    rng = np.random.default_rng(5)
    nets = [rng.choice(9, int(rng.integers(2, 5)), replace=False) for _ in range(14)]
    hypergraph = Hypergraph.from_nets(9, nets, net_weights=rng.integers(1, 4, 14))
    problem = placezoo.make_problem(ENV, hypergraph, num_parts=3, epsilon=0.34, objective=objective)
    costs = (problem.evaluate(np.array(parts)) for parts in itertools.product(range(3), repeat=9))
    optimum = min(cost.total for cost in costs if cost.feasible)
    evaluations = {"multilevel": 600, "mt-kahypar": 8}.get(agent, 30_000)
    assert placezoo.make_agent(agent).solve(problem, Budget(evaluations=evaluations)).cost.total == optimum


@given(
    hypergraph=hypergraphs(max_nodes=20),
    k=st.integers(1, 5),
    objective=st.sampled_from(OBJECTIVES),
    seed=st.integers(0, 99),
)
def test_refinement_never_makes_it_worse(hypergraph, k, objective, seed):
    model = HypergraphCost(hypergraph, min(k, hypergraph.num_nodes), 0.1, objective)
    rng = np.random.default_rng(seed)
    start = rng.integers(0, model.num_parts, hypergraph.num_nodes)
    term = "cut_net" if objective == "cut-net" else "km1"

    def rank(cost):
        return cost.total - cost.terms[term], cost.terms[term]

    assert rank(model.evaluate(refine(model, start, rng))) <= rank(model.evaluate(start))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_refinement_gains_what_it_says(objective):
    """A pass adds its gains up as it moves; the objective falls by just that sum."""
    from placezoo.agents.partition.hypergraph_refinement import pass_over

    rng = np.random.default_rng(1)
    nets = [rng.choice(60, int(rng.integers(2, 9)), replace=False) for _ in range(150)]
    model = HypergraphCost(Hypergraph.from_nets(60, nets, net_weights=rng.integers(1, 9, 150)), 4, 0.1, objective)
    parts = np.arange(60) % 4
    before = model.evaluate(parts).total
    hypergraph = model.hypergraph
    largest = int(hypergraph.weighted_degrees.max())
    gained = pass_over(hypergraph, model.balance, objective, parts, rng.permutation(60), 1, largest)
    assert gained > 0
    assert model.evaluate(parts).total == before - gained


def test_metis_refuses_in_one_line():
    problem = placezoo.make_problem(ENV, blocks(2, 4))
    with pytest.raises(ValueError, match="metis cuts graphs, blocks is a hypergraph"):
        placezoo.make_agent("metis").solve(problem)


def test_objectives_belong_to_kinds_of_instances():
    assert placezoo.make_problem(ENV, blocks(2, 4)).parameters["objective"] == "km1"
    assert "objective" not in placezoo.make_problem(ENV, "karate", objective="cut").parameters
    with pytest.raises(ValueError, match="objective km1 is for hypergraphs"):
        placezoo.make_problem(ENV, "karate", objective="km1")
    with pytest.raises(ValueError, match="objective cut is for graphs"):
        placezoo.make_problem(ENV, blocks(2, 4), objective="cut")
    with pytest.raises(ValueError, match="objective"):
        placezoo.make_problem(ENV, blocks(2, 4), objective="soed")


def test_a_graph_as_a_hypergraph_looks_the_same():
    graph = load("les-miserables")
    one, other = (
        placezoo.make_problem(ENV, instance, num_parts=3) for instance in (graph, Hypergraph.from_graph(graph))
    )
    np.testing.assert_array_equal(one.item_order, other.item_order)
    np.testing.assert_allclose(one.item_features, other.item_features, atol=1e-6)
    np.testing.assert_allclose(one.item_edges[1], other.item_edges[1])


@pytest.mark.parametrize("formulation", ["construct", "improve", "one-shot"])
def test_environments_of_hypergraphs(formulation):
    settings = {"instance": blocks(3, 4), "num_parts": 3, "formulation": formulation}
    check_env(gym.make(ENV, **settings).unwrapped, skip_render_check=True)
    vector = gym.make_vec(ENV, 2, **settings)
    _, info = vector.reset(seed=0)
    assert set(info["cost"]) >= {"total", "cut_net", "km1", "imbalance", "balancedness"}


def test_from_a_file_to_a_partition_file_and_back(tmp_path):
    path = tmp_path / "blocks.hgr"
    write_hmetis(blocks(4, 8), path)
    problem = placezoo.make_problem(ENV, path, num_parts=4, objective="cut-net")
    solution = placezoo.make_agent("multilevel").solve(problem, Budget(evaluations=300))
    problem.export(solution.assignment, tmp_path / "blocks.hgr.part.4")
    assert problem.evaluate(read_partition(tmp_path / "blocks.hgr.part.4", 32)) == solution.cost
    problem.write_instance(tmp_path / "again.hgr")
    assert load(tmp_path / "again.hgr") == problem.instance
