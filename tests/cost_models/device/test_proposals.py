"""What moves are drawn for placed models: exact, within memory, whole clusters, and from the critical path."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.cost_models.device import moves as kernels
from placezoo.cost_models.device import proposals
from placezoo.cost_models.device.step_time import StepTime
from tests.instances import placed_models, random_model


def companions_of(model, state, move):
    """Return the groups that go with a move's item."""
    bits = ~min(move[3], -1)
    near = state.guide.near[move[0]].tolist() if move[0] < model.num_groups else []
    return [group for position, group in enumerate(near) if bits >> position & 1]


def moved(model, state, move):
    """Return the assignment after a move, by what its four integers mean."""
    item, source, target, partner = move
    assignment = state.assignment.copy()
    assert assignment[item] == source
    if partner >= 0:
        assert assignment[partner] == target != source >= 0
        assignment[partner] = source
    for one in (item, *companions_of(model, state, move)):
        assert assignment[one] == source
        assignment[one] = target
    return assignment


@given(placed_models(max_ops=14), st.sampled_from([1, 3]), st.integers(0, 2**32))
def test_proposed_moves_are_exact_can_be_undone_and_stay_within_memory(case, levels, seed):
    graph, topology, assignment, rng = case
    model = StepTime(graph, topology, levels=levels)
    if levels > 1:
        assignment = np.concatenate([assignment, rng.integers(0, levels, model.num_groups)])
    state = model.state(assignment)
    rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
    for _ in range(15):
        before, here = model.cost_of(state), state.assignment.copy()
        move = kernels.propose(state, rng)
        assert move == kernels.propose(model.state(here), same)  # by assignment and generator alone
        item, source, target, _ = move
        count = topology.num_devices if item < model.num_groups else levels
        assert target == source or 0 <= target < count
        assert len(companions_of(model, state, move)) < proposals.LARGEST_CLUSTER
        there = moved(model, state, move)
        after = model.evaluate(there)
        assert kernels.delta(state, move) == pytest.approx(after.total - before.total, abs=1e-12)
        assert model.cost_of(state) == before
        if not state.totals[kernels.OVERFULL]:
            assert not any("needs" in violation for violation in after.violations)
        kernels.apply(state, move)
        assert state.assignment.tolist() == there.tolist()
        assert model.cost_of(state) == after
        if source != target and rng.random() < 0.5:
            kernels.undo(state, move)
            assert state.assignment.tolist() == here.tolist()
            assert model.cost_of(state) == before
        same.bit_generator.state = rng.bit_generator.state


def test_every_single_move_within_memory_is_drawn():
    problem = placezoo.make_problem(
        "DevicePlace-v0", random_model(6, held=1e8), topology="p100x2-pcie", memory_share=0.7, priorities=3
    )
    state = problem.kernel(problem.initial_assignment(np.random.default_rng(0))).state
    assert problem.cost_of(state).feasible
    wanted = set()
    for item in range(problem.num_items):
        for target in np.flatnonzero(problem.exists[item]):
            there = state.assignment.copy()
            there[item] = target
            if target != state.assignment[item] and problem.evaluate(there).feasible:
                wanted.add((item, int(target)))
    rng = np.random.default_rng(0)
    drawn = [kernels.propose(state, rng) for _ in range(5000)]
    assert {move[:3:2] for move in drawn if move[1] != move[2] and move[3] == -1} == wanted
    assert len(wanted) < 6 + 6 * 2  # some do not fit
    assert any(move[3] >= 0 for move in drawn)


@given(placed_models(max_ops=12))
def test_everything_starts_when_its_cause_ends(case):
    graph, topology, assignment, _ = case
    model = StepTime(graph, topology)
    timeline, device, n = model.timeline(assignment), model.expand(assignment), graph.num_ops
    sent = int(timeline.sent[0])
    moment = np.concatenate([timeline.end, timeline.transfer_end[:sent]])
    for op in np.flatnonzero(device >= 0):
        cause = timeline.cause[op]
        assert timeline.start[op] == (moment[cause] if cause >= 0 else 0.0)
        if cause >= 0:
            assert device[op] == (device[cause] if cause < n else timeline.transfer_to[cause - n])
    start, links = topology.routes
    for number in range(sent):
        cause, op = timeline.transfer_cause[number], timeline.transfer_op[number]
        assert timeline.transfer_begin[number] == moment[cause]
        if cause < n:
            assert cause == op
        else:  # it waited for a link that the other one held
            routes = []
            for transfer in (number, cause - n):
                pair = device[timeline.transfer_op[transfer]] * topology.num_devices + timeline.transfer_to[transfer]
                routes.append(set(links[start[pair] : start[pair + 1]].tolist()))
            assert routes[0] & routes[1]


@given(placed_models(max_ops=12))
def test_the_critical_path_fills_the_whole_step(case):
    """Its events follow each other without a gap, so that what is weighed twice, transfers, is all that is beyond."""
    graph, topology, assignment, _ = case
    model = StepTime(graph, topology)
    timeline, n = model.timeline(assignment), graph.num_ops
    seconds = np.empty(model.num_groups)
    proposals.critical_time(model.program, timeline, seconds)
    event, path = int(np.argmax(timeline.end)), []
    while event >= 0:
        path.append(event)
        event = int(timeline.cause[event] if event < n else timeline.transfer_cause[event - n])
    expected = np.zeros(model.num_groups)
    covered = 0.0
    for after, event in zip([None, *path], path, strict=False):
        transfer = event - n
        begin, end = (
            (timeline.start[event], timeline.end[event])
            if event < n
            else (timeline.transfer_begin[transfer], timeline.transfer_end[transfer])
        )
        covered += end - begin
        expected[model.groups[event if event < n else timeline.transfer_op[transfer]]] += end - begin
        if event >= n and after is not None and after < n:
            expected[model.groups[after]] += end - begin
    assert covered == pytest.approx(model.evaluate(assignment).terms["step_time"])
    assert seconds == pytest.approx(expected)


@pytest.mark.parametrize("most", [3, 40])
def test_the_nearest_groups_are_nearest(most):
    model = StepTime(random_model(30), placezoo.datasets.load_topology("p100x2-pcie"))
    graph = nx.Graph(model.group_links[0].tolist())
    start = np.cumsum([0, *(graph.degree[group] for group in range(30))])
    neighbours = np.array([other for group in range(30) for other in sorted(graph[group])])
    near = np.empty((30, most), np.int32)
    proposals.nearest_groups(start, neighbours, near)
    for group in range(30):
        distance = nx.single_source_shortest_path_length(graph, group)
        found = near[group][near[group] >= 0].tolist()
        assert len(set(found)) == len(found) == min(most, len(distance) - 1)
        assert group not in found
        assert [distance[other] for other in found] == sorted(distance.values())[1 : len(found) + 1]


def test_a_cluster_goes_where_none_of_its_groups_would():
    """Two chains with heavy tensors: half of one, elsewhere alone, has to wait for the other half."""
    graph = placezoo.datasets.OpGraph(
        [1e12] * 4, [0.0] * 4, [1e9, 1e9, 1e9, 1e9], [0.0] * 4, [[0, 1], [2, 3]], name="two chains"
    )
    problem = placezoo.make_problem("DevicePlace-v0", graph, topology="p100x2-pcie")
    kernel = problem.kernel(np.zeros(4, np.int64))
    single = [kernel.delta(kernel.state, (group, 0, 1, -1)) for group in range(4)]
    rng = np.random.default_rng(0)
    best = min(kernel.delta(kernel.state, kernel.propose(kernel.state, rng)) for _ in range(200))
    assert best < min(single)
    assert best + problem.evaluate(np.zeros(4, np.int64)).total == problem.evaluate(np.array([0, 0, 1, 1])).total


@pytest.mark.parametrize("agent", ["local-search", "simulated-annealing"])
@pytest.mark.parametrize("seed", range(3))
def test_search_finds_the_optimum_within_memory(agent, seed):
    problem = placezoo.make_problem(
        "DevicePlace-v0", random_model(5, seed, held=1e8), topology="p100x2-pcie", memory_share=0.6, priorities=2
    )
    every = np.array(list(itertools.product(range(2), repeat=10)))
    totals = problem.totals(every)
    assert totals.max() > problem.infeasible_penalty / 2  # not everything fits
    solution = placezoo.make_agent(agent).solve(problem, Budget(evaluations=3000), seed=seed)
    assert solution.cost.feasible
    assert solution.cost.total == pytest.approx(totals.min())
    assert solution.trace[-1].evaluations <= 3000
