"""Chiplet partitions: dynamic programming, CP-SAT and the learned partitioner against all valid partitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.agents.mcm.contiguous_blocks import best_blocks
from placezoo.agents.mcm.order_program import accept, aim, attempt, exceeding_blocks, order_state, reject, shift
from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval
from placezoo.datasets import OpGraph
from placezoo.datasets.mcm.package import MultiChipModule
from tests.cost_models.mcm.slow_pipeline import is_valid, links_of, valid_partitions
from tests.examples import examples
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


def topological_orders(n, links):
    """Return all topological orders, by trying all permutations."""
    before = set(map(tuple, links.tolist()))
    found = []
    for order in itertools.permutations(range(n)):
        place = {item: at for at, item in enumerate(order)}
        if all(place[u] < place[v] for u, v in before):
            found.append(np.array(order))
    return found


def least_chain(cost_model, count):
    """Return the interval of the best chain among all assignments, inf if none is feasible."""
    n, links, least = cost_model.num_items, cost_model.dag.links, np.inf
    for one in itertools.product(range(count), repeat=n):
        assignment = np.array(one)
        spans = assignment[links[:, 1]] - assignment[links[:, 0]]
        if set(one) == set(range(max(one) + 1)) and ((spans >= 0) & (spans <= 1)).all():
            cost = cost_model.evaluate(assignment)
            least = min(least, cost.total if cost.feasible else np.inf)
    return least


@given(replicating_models(6, 8, 1e9, 1e6), st.integers(1, 3), st.sampled_from([20.0, 60.0, 1e3]))
def test_the_best_blocks_of_all_orders_are_the_best_chain(graph, count, sram):
    package = MultiChipModule(count, 4e12, 1e12, 1e6 * sram, 1e10, 1e-6)
    cost_model = built(lambda: PipelineInterval(graph, package), "nothing to partition", "a chiplet of mcm has")
    blocks = [
        best_blocks(cost_model, order) for order in topological_orders(cost_model.num_items, cost_model.dag.links)
    ]
    least = min((cost_model.evaluate(one).total for one in blocks if one is not None), default=np.inf)
    assert least == pytest.approx(least_chain(cost_model, count))


def slow_excess(cost_model, order, target, cap):
    """Return the least sum of what blocks exceed a target by, over all cuts of an order into chains within a cap."""
    n, links, least = cost_model.num_items, cost_model.dag.links, np.inf
    for blocks in range(1, min(cost_model.package.count, n) + 1):
        for cuts in itertools.combinations(range(1, n), blocks - 1):
            assignment = np.empty(n, np.int64)
            assignment[order] = np.searchsorted(cuts, np.arange(n), side="right")
            if (assignment[links[:, 1]] - assignment[links[:, 0]] > 1).any():
                continue
            state = cost_model.state(assignment)
            if not cost_model.cost_of(state).feasible:
                continue
            sends = np.array([sent / 1e10 + 1e-6 if sent > 0 else 0.0 for sent in state.sent])
            intervals = state.compute + sends[:-1] + sends[1:]
            if (intervals <= cap).all():
                least = min(least, np.maximum(intervals - target, 0.0).sum())
    return least


@given(
    replicating_models(8, 9, 1e9, 1e6), st.integers(1, 4), st.sampled_from([20.0, 60.0, 1e3]),
    st.floats(0.3, 1.1), st.floats(1.0, 2.0), st.integers(0, 100),
)  # fmt: skip
def test_the_program_follows_the_order(graph, count, sram, aimed, slack, seed):
    """Attempts give the least excess over all cuts; kept or taken back, the state is that of the order it has."""
    package = MultiChipModule(count, 4e12, 1e12, 1e6 * sram, 1e10, 1e-6)
    cost_model = built(lambda: PipelineInterval(graph, package), "nothing to partition", "a chiplet of mcm has")
    rng, n, links = np.random.default_rng(seed), cost_model.num_items, cost_model.dag.links
    target = aimed * (cost_model.program.seconds.sum() / count + 1e-6)
    cap = 1.00001234 * slack * (target + cost_model.program.seconds.max())  # nothing that is equal but for rounding
    state = order_state(cost_model, cost_model.order)
    assert aim(state, target, cap) == pytest.approx(
        slow_excess(cost_model, state.order, target, cap), rel=1e-9, abs=1e-15
    )
    for _ in range(8):
        place, distance = int(rng.integers(n)), int(rng.integers(1, n + 1)) * (1 if rng.random() < 0.5 else -1)
        old = state.order.copy()
        begin, end = shift(state, place, distance)
        if begin == end:
            continue
        found = attempt(state, begin, end)
        position = np.argsort(state.order)
        assert (position[links[:, 0]] < position[links[:, 1]]).all()
        assert (np.flatnonzero(old != state.order) >= begin).all()
        assert (np.flatnonzero(old != state.order) < end).all()
        assert found == pytest.approx(slow_excess(cost_model, state.order, target, cap), rel=1e-9, abs=1e-15)
        if rng.random() < 0.5:
            accept(state, begin, end)
        else:
            reject(state, begin, end)
            assert state.order.tolist() == old.tolist()
        anew = order_state(cost_model, state.order)
        least = aim(anew, target, cap)
        if least < np.inf:
            exceeding = np.zeros((count, 2), np.int64)
            number = exceeding_blocks(state, exceeding)
            assert (number > 0) == (least > 0.0)
            assert number <= 1 or (exceeding[: number - 1, 0] >= exceeding[1:number, 1]).all()  # from the last on
        for kept, right in ((state.forward, anew.forward), (state.backward, anew.backward)):
            np.testing.assert_allclose(kept, right, rtol=1e-9, atol=1e-18)
        for name in ("position", "last", "seconds", "crossing", "tensors", "farthest", "nearest", "fewest", "most"):
            np.testing.assert_allclose(getattr(state, name), getattr(anew, name), rtol=1e-9)


@given(replicating_models(6, 8, 1e9, 1e6))
@examples(40)
def test_order_search_finds_the_best_chain(graph):
    problem = built(
        lambda: placezoo.make_problem(ENV, graph, package="mcm4", sram_mb=100.0),
        "operators to place", "nothing to partition",
    )  # fmt: skip
    solution = placezoo.make_agent("order-search").solve(problem, Budget(evaluations=600))
    assert solution.cost.total <= least_chain(problem.cost_model, 4) * (1 + 1e-9)


def branches(length=7, seed=0):
    """Return a model of four branches from one operator to another: cutting it well takes an order of its own."""
    rng = np.random.default_rng(seed)
    n = 4 * length + 2
    edges = [(0, 1 + length * branch) for branch in range(4)]
    edges += [(at, at + 1) for branch in range(4) for at in range(1 + length * branch, length * (branch + 1))]
    edges += [(length * (branch + 1), n - 1) for branch in range(4)]
    return OpGraph(rng.uniform(1e8, 2e9, n), np.full(n, 1e5), np.full(n, 1e4), np.full(n, 1e4), edges, name="branches")


def test_order_search_beats_the_two_orders_of_dynamic_programming():
    for seed in range(3):
        problem = placezoo.make_problem(ENV, branches(seed=seed), package="mcm4")
        two = placezoo.make_agent("dynamic-programming").solve(problem).cost.total
        found = placezoo.make_agent("order-search").solve(problem, Budget(evaluations=4000), seed=1)
        assert found.cost.feasible
        assert found.evaluations <= 4000
        assert found.cost.total < two
        again = placezoo.make_agent("order-search").solve(problem, Budget(evaluations=4000), seed=1)
        assert again.assignment.tolist() == found.assignment.tolist()


@pytest.mark.parametrize("evaluations", [1, 2, 3, 5])
def test_order_search_keeps_few_evaluations(evaluations):
    problem = placezoo.make_problem(ENV, random_model(60), package="mcm8")
    solution = placezoo.make_agent("order-search").solve(problem, Budget(evaluations=evaluations))
    assert solution.cost.feasible
    assert solution.evaluations <= evaluations


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"share": 1.0}, "share must be a finite number in"), ({"temperature": 0}, "temperature must be"),
        ({"rounds": 0}, "rounds must be a whole number of at least 1"),
        ({"reach": 0}, "reach must be a whole number of at least 1"),
    ],
)  # fmt: skip
def test_what_order_search_refuses(given, message):
    with pytest.raises(ValueError, match=f"order-search: {message}"):
        placezoo.make_agent("order-search", **given)
