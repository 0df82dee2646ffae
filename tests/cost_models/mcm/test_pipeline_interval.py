import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.cost_models.mcm import moves
from placezoo.cost_models.mcm.constraint_solver import solve, solver_graph
from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval
from placezoo.datasets.dag import Dag
from placezoo.datasets.mcm.package import MultiChipModule
from placezoo.datasets.op_graphs.op_graph import OpGraph
from tests.cost_models.mcm.slow_pipeline import interval, is_valid, links_of, valid_partitions
from tests.instances import built, dags, pipelines

REFUSALS = ("nothing to partition", "a chiplet of mcm has")


def bits(graph, links, chiplets, candidate, probabilities, max_backtracks, seed, random_order):
    rng = np.random.default_rng(seed)
    n = graph.order.size
    visits = rng.permutation(n) if random_order else np.asarray(graph.order)
    assignment = np.empty(n, np.int64)
    solve(graph, visits, candidate, probabilities, max_backtracks, rng, assignment)
    return assignment


def graph_of(case):
    n, links = case
    return solver_graph(Dag(n, np.array(links, np.int64).reshape(-1, 2)))


@given(dags(), st.integers(1, 4), st.integers(0, 10), st.booleans(), st.sampled_from([0, 3, 50]))
def test_whatever_the_candidate_the_answer_is_valid(case, chiplets, seed, random_order, max_backtracks):
    n, links = case
    graph, rng = graph_of(case), np.random.default_rng(seed)
    candidate = rng.integers(-1, chiplets, n)
    probabilities = rng.random((n, chiplets)) ** 3
    found = bits(graph, links, chiplets, candidate, probabilities, max_backtracks, seed, random_order)
    assert found.max() < chiplets
    assert is_valid(links, tuple(found.tolist()))


@given(dags(6, 10), st.integers(1, 3), st.booleans())
def test_valid_candidates_stay_as_they_are(case, chiplets, random_order):
    n, links = case
    graph = graph_of(case)
    for valid in valid_partitions(n, links, chiplets):
        found = bits(graph, links, chiplets, np.array(valid), np.ones((n, chiplets)), 50, 0, random_order)
        assert tuple(found.tolist()) == valid


@pytest.mark.parametrize(
    "links",
    [
        [(0, 1), (1, 2), (2, 3)],
        [(0, 1), (0, 2), (1, 3), (2, 3)],
        [(0, 1), (1, 2), (0, 2), (2, 3)],
        [(0, 3), (1, 3), (2, 3)],
        [(0, 1), (2, 3)],
        [],
    ],
)
def test_every_valid_partition_can_be_drawn_and_nothing_else(links):
    expected = valid_partitions(4, links, 3)
    graph = graph_of((4, links))
    rng, found = np.random.default_rng(0), set()
    for _ in range(6000):
        assignment = np.empty(4, np.int64)
        solve(graph, rng.permutation(4), np.full(4, -1), np.ones((4, 3)), 50, rng, assignment)
        found.add(tuple(assignment.tolist()))
    assert found == expected


def test_draws_follow_the_probabilities_where_nothing_stands_in_the_way():
    graph = graph_of((2, [(0, 1)]))
    probabilities = np.array([[0.8, 0.2], [0.3, 0.7]])
    rng, counts = np.random.default_rng(0), {}
    for _ in range(20_000):
        assignment = np.empty(2, np.int64)
        solve(graph, np.array([0, 1]), np.full(2, -1), probabilities, 50, rng, assignment)
        key = tuple(assignment.tolist())
        counts[key] = counts.get(key, 0) + 1
    # The first on 1 leaves only 1 for the second, and that is closed up to chiplet 0.
    assert counts[0, 1] / 20_000 == pytest.approx(0.8 * 0.7, abs=0.015)
    assert counts[0, 0] / 20_000 == pytest.approx(0.8 * 0.3 + 0.2, abs=0.015)


@pytest.mark.parametrize("num_nodes", [50, 400])
@pytest.mark.parametrize("chiplets", [4, 36])
def test_large_graphs(num_nodes, chiplets):
    """Random layered graphs with skipping edges; the checker is the kernels' own, which the small cases check."""
    rng = np.random.default_rng(num_nodes + chiplets)
    for _ in range(5):
        links = {(i, i + 1) for i in range(num_nodes - 1) if rng.random() < 0.95}
        links |= {(int(a), int(min(a + rng.integers(1, 8), num_nodes - 1))) for a in rng.integers(0, num_nodes - 1, 60)}
        links = sorted((a, b) for a, b in links if a < b)
        model = OpGraph([1.0] * num_nodes, [0.0] * num_nodes, [1.0] * num_nodes, [0.0] * num_nodes, links)
        cost_model = PipelineInterval(model, MultiChipModule(chiplets, 1.0, 1.0, 1e9, 1.0, 0.0))
        graph = solver_graph(cost_model.dag)
        for _ in range(10):
            candidate = rng.integers(-1, chiplets, num_nodes)
            found = bits(graph, links, chiplets, candidate, np.ones((num_nodes, chiplets)), 50, 0, True)
            assert cost_model.evaluate(found).terms["violations"] == 0


@given(pipelines())
def test_interval_memory_and_rules_equal_the_slow_ones(case):
    graph, package, rng = case
    model = built(lambda: PipelineInterval(graph, package), *REFUSALS)
    links = links_of(model)
    for _ in range(5):
        assignment = rng.integers(0, package.count, model.num_items)
        cost, state = model.evaluate(assignment), model.state(assignment)
        assert (cost.terms["violations"] == 0) == is_valid(links, tuple(assignment.tolist()))
        by_op = dict(zip(model.items.tolist(), assignment.tolist(), strict=True))
        expected, memories = interval(graph, package, set(model.replicas.tolist()), by_op)
        assert cost.terms["interval"] == pytest.approx(expected)
        assert state.memory.tolist() == pytest.approx(memories)
        over = sum(max(0.0, memory - package.sram) for memory in memories)
        assert cost.terms["overflow"] == pytest.approx(over)
        assert cost.feasible == (cost.terms["violations"] == 0 and over == 0)
        if cost.feasible:
            assert cost.total == pytest.approx(expected)
            assert model.lower_bound <= expected + 1e-9
        else:
            assert cost.total >= model.penalty


@given(pipelines())
def test_replicas_are_what_cheap_operators_compute_from_nothing(case):
    graph, package, _ = case
    model = built(lambda: PipelineInterval(graph, package), *REFUSALS)
    expected = set()
    for op in graph.dag.order.tolist():
        sources = [int(a) for a, b in graph.edges if b == op]
        if graph.kinds[op] == "aten.add.Tensor" and all(one in expected for one in sources):
            expected.add(op)
    assert set(model.replicas.tolist()) == expected


@given(pipelines(), st.integers(0, 100))
def test_moves_are_exact_undone_and_keep_the_rules(case, seed):
    graph, package, rng = case
    model = built(lambda: PipelineInterval(graph, package), *REFUSALS)
    solver = solver_graph(model.dag)
    start = np.empty(model.num_items, np.int64)
    even = np.ones((model.num_items, package.count))
    solve(solver, rng.permutation(model.num_items), np.full(model.num_items, -1), even, 50, rng, start)
    state = model.state(start)
    for _ in range(30):
        before, total = state.assignment.copy(), state.totals.copy()
        move = moves.propose(state, rng)
        assert state.assignment.tolist() == before.tolist()
        added = moves.delta(state, move)
        assert state.assignment.tolist() == before.tolist()
        np.testing.assert_array_equal(state.totals, total)
        moves.apply(state, move)
        fresh = model.state(state.assignment)
        assert state.totals.tolist() == fresh.totals.tolist()
        assert added == pytest.approx(fresh.totals[0] - total[0], abs=1e-9)
        assert state.totals[moves.VIOLATIONS] == 0
        if rng.random() < 0.5:
            moves.undo(state, move)
            assert state.assignment.tolist() == before.tolist()
            assert state.totals.tolist() == total.tolist()


@given(pipelines())
def test_moves_of_improving_steps_are_those_that_keep_the_rules(case):
    graph, package, rng = case
    model = built(lambda: PipelineInterval(graph, package), *REFUSALS)
    links = links_of(model)
    start = np.empty(model.num_items, np.int64)
    even = np.ones((model.num_items, package.count))
    solve(solver_graph(model.dag), rng.permutation(model.num_items), np.full(model.num_items, -1), even, 50, rng, start)
    state, mask = model.state(start), np.zeros((model.num_items, package.count), np.int8)
    before = state.totals.copy(), state.direct.copy()
    moves.movable(state, mask)
    np.testing.assert_array_equal(state.totals, before[0])
    np.testing.assert_array_equal(state.direct, before[1])
    for item in range(model.num_items):
        for place in range(package.count):
            moved = start.copy()
            moved[item] = place
            assert mask[item, place] == (place != start[item] and is_valid(links, tuple(moved.tolist())))


def test_by_hand():
    """Three operators of 2, 3 and 4 seconds on two chiplets; the first sends 6 bytes at 2 bytes/s and half a second."""
    graph = OpGraph([2.0, 3.0, 4.0], [0.0] * 3, [6.0, 1.0, 1.0], [0.0] * 3, [[0, 1], [0, 2]])
    model = PipelineInterval(graph, MultiChipModule(2, 1.0, 1.0, 1e3, 2.0, 0.5))
    cost = model.evaluate(np.array([0, 1, 1]))
    assert cost.terms["interval"] == 3 + 4 + 6 / 2 + 0.5
    assert cost.terms["compute"] == 7
    assert cost.terms["communication"] == 3.5
    assert model.evaluate(np.array([0, 0, 1])).terms["interval"] == 2 + 3 + 3.5
    assert model.evaluate(np.array([0, 0, 0])).terms["interval"] == 9
    skipped = PipelineInterval(graph, MultiChipModule(3, 1.0, 1.0, 1e3, 2.0, 0.5)).evaluate(np.array([0, 2, 2]))
    assert skipped.violations == ("1 chiplets are skipped",)
    assert skipped.total > 9
