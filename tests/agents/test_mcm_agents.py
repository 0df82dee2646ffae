"""Chiplet partitions: dynamic programming, CP-SAT and the learned partitioner against all valid partitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.agents.mcm.contiguous_blocks import best_blocks
from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval
from placezoo.datasets.mcm.package import MultiChipModule
from tests.cost_models.mcm.slow_pipeline import is_valid, links_of, valid_partitions
from tests.instances import built, random_model, replicating_models

ENV = "MCMPartition-v0"


@given(replicating_models(8, 9, 1e9, 1e6), st.integers(1, 4), st.sampled_from([20.0, 60.0, 1e3]))
def test_blocks_are_the_best_of_all_contiguous_chains(graph, count, sram):
    package = MultiChipModule(count, 4e12, 1e12, 1e6 * sram, 1e10, 1e-6)
    cost_model = built(lambda: PipelineInterval(graph, package), "nothing to partition", "a chiplet of mcm has")
    order, n = cost_model.order, cost_model.num_items
    links = cost_model.dag.links
    least = np.inf
    for blocks in range(1, min(count, n) + 1):
        for cuts in itertools.combinations(range(1, n), blocks - 1):
            assignment = np.empty(n, np.int64)
            assignment[order] = np.searchsorted(cuts, np.arange(n), side="right")
            if (assignment[links[:, 1]] - assignment[links[:, 0]] <= 1).all():
                cost = cost_model.evaluate(assignment)
                assert cost.terms["violations"] == 0
                if cost.feasible:
                    least = min(least, cost.total)
    found = best_blocks(cost_model, order)
    if found is None:
        assert least == np.inf
    else:
        cost = cost_model.evaluate(found)
        assert cost.feasible
        assert cost.total == pytest.approx(least)


@given(replicating_models(6, 9, 1e9, 1e6))
def test_cp_sat_is_optimal(graph):
    pytest.importorskip("ortools")
    problem = built(
        lambda: placezoo.make_problem(ENV, graph, package="mcm4", sram_mb=100.0),
        "operators to place", "nothing to partition",
    )  # fmt: skip
    costs = [problem.evaluate(np.array(one)) for one in valid_partitions(problem.num_items, links_of(problem), 4)]
    least = min((cost.total for cost in costs if cost.feasible), default=None)
    solution = placezoo.make_agent("cp-sat", workers=1).solve(problem, Budget(seconds=20))
    if least is not None:
        assert solution.cost.total == pytest.approx(least, rel=1e-4)
        assert solution.bound <= least * (1 + 1e-9)
        assert solution.bound >= least * (1 - 1e-4)


def test_equal_blocks_are_valid_and_about_equal():
    problem = placezoo.make_problem(ENV, random_model(200), package="mcm8")
    blocks = problem.equal_blocks()
    assert is_valid(links_of(problem), tuple(blocks.tolist()))
    compute = np.bincount(blocks, problem.cost_model.program.seconds)
    assert compute.max() < 1.5 * compute.mean()


def test_dynamic_programming_is_no_worse_than_equal_blocks():
    for seed in range(3):
        problem = placezoo.make_problem(ENV, random_model(60, seed), package="mcm8")
        greedy = placezoo.make_agent("greedy").solve(problem).cost.total
        best = placezoo.make_agent("dynamic-programming").solve(problem)
        assert best.cost.feasible
        assert best.cost.total <= greedy


def test_the_learned_partitioner_learns_and_its_partitions_are_valid():
    pytest.importorskip("torch")
    problem = placezoo.make_problem(ENV, random_model(24), package="mcm4")
    drawn = placezoo.make_agent("random").solve(problem, Budget(evaluations=960))
    solution = placezoo.make_agent("one-shot-ppo").solve(problem, Budget(evaluations=960))
    assert solution.cost.feasible
    assert solution.evaluations == 960
    bound = placezoo.make_agent("cp-sat").solve(problem, Budget(seconds=5)).bound
    assert bound <= solution.cost.total
    assert solution.cost.total <= 1.05 * drawn.cost.total
