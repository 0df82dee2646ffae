import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.cost_models import Makespan
from placezoo.cost_models.edge import moves as kernels
from placezoo.cost_models.edge.ranks import by_decreasing, downward_rank, mean_times, upward_rank
from placezoo.datasets import DeviceCluster, TaskGraph, get_dataset, load
from placezoo.datasets.public_files import find_file, is_here, public_files
from tests.cost_models.edge.slow_makespan import slow_makespan, transfer_time
from tests.instances import edge_instances


def assignments(instance, data, allow_unplaced=False):
    devices = st.integers(-1 if allow_unplaced else 0, instance.cluster.num_devices - 1)
    n = instance.task_graph.num_tasks
    return np.array(data.draw(st.lists(devices, min_size=n, max_size=n)), np.int64)


@pytest.mark.parametrize(("split", "count"), [("train", 60), ("test", 100)])
def test_every_published_case(split, count):
    if not is_here(public_files()[f"giph-{split}-cases"]):
        pytest.skip("GiPH's cases are not in PLACEZOO_DATA")
    dataset = get_dataset("giph-published")
    assert dataset.size(split) == count
    for number in range(count):
        instance = dataset.instance(split, number)
        model = Makespan(instance.task_graph, instance.cluster)
        assert model.evaluate(instance.placement).total == pytest.approx(instance.published["start"], rel=1e-5)


def test_every_published_heft_placement():
    from placezoo.datasets.json_content import read_json

    for split in ("train", "test"):
        path = find_file(public_files()[f"giph-{split}-cases"])
        if path is None:
            pytest.skip("GiPH's cases are not in PLACEZOO_DATA")
        for number, case in enumerate(read_json(path)["cases"]):
            instance = load(f"giph-published/{split}/{number}")
            model = Makespan(instance.task_graph, instance.cluster)
            found = model.evaluate(np.array(case["heft_placement"])).total
            assert found == pytest.approx(case["heft_makespan"], rel=1e-5)


@given(edge_instances(), st.data())
def test_equals_the_simulation_event_by_event(instance, data):
    """Whole numbers make ties in time common."""
    graph, cluster = instance.task_graph, instance.cluster
    assignment = assignments(instance, data, allow_unplaced=True)
    model = Makespan(graph, cluster)
    makespan, total, start, end = slow_makespan(graph, cluster, assignment)
    cost = model.evaluate(assignment)
    assert cost.terms["makespan"] == pytest.approx(makespan, abs=1e-9)
    assert cost.terms["total_cost"] == pytest.approx(total, abs=1e-9)
    schedule = model.schedule(assignment)
    for task in start:
        assert (schedule.start[task], schedule.end[task]) == pytest.approx((start[task], end[task]), abs=1e-9)
    violations = sum(d >= 0 and not instance.allowed[t, d] for t, d in enumerate(assignment))
    assert cost.total == pytest.approx(makespan + model.penalty * violations)
    assert cost.feasible == (violations == 0 and bool((assignment >= 0).all()))
    assert len(cost.violations) == violations + bool((assignment < 0).any())


@given(edge_instances(whole_numbers=False), st.data())
def test_noise_is_the_mean_over_its_draws(instance, data):
    assignment = assignments(instance, data)
    graph, cluster = instance.task_graph, instance.cluster
    model = Makespan(graph, cluster, noise=0.3, repeats=4, seed=5)
    program = model.state(assignment).program
    assert program.compute_noise.shape == (5, graph.num_tasks)
    for factors in (program.compute_noise, program.transfer_noise):
        assert np.all((factors >= 0.7) & (factors <= 1.3))
    runs = [slow_makespan(graph, cluster, assignment, *rows) for rows in zip(*program[-2:], strict=True)][1:]
    cost = model.evaluate(assignment)
    assert cost.terms["makespan"] == pytest.approx(np.mean([run[0] for run in runs]))
    assert cost.terms["total_cost"] == pytest.approx(np.mean([run[1] for run in runs]))
    assert Makespan(graph, cluster, noise=0.3, repeats=4, seed=5).evaluate(assignment) == cost


@given(edge_instances(), st.data())
def test_bounds_and_objectives(instance, data):
    graph, cluster = instance.task_graph, instance.cluster
    assignment = assignments(instance, data)
    assignment = np.where(
        instance.allowed[np.arange(len(assignment)), assignment], assignment, instance.allowed.argmax(1)
    )
    model = Makespan(graph, cluster)
    cost = model.evaluate(assignment)
    times = model.compute_time[np.arange(len(assignment)), assignment]
    assert cost.total >= model.lower_bound - 1e-9
    assert cost.total >= np.bincount(assignment, times).max() - 1e-9
    assert cost.total <= model.penalty + 1e-9
    assert cost.terms["slr"] == pytest.approx(cost.total / model.lower_bound)
    for objective, term in (("slr", "slr"), ("total-cost", "total_cost")):
        other = Makespan(graph, cluster, objective=objective).evaluate(assignment)
        assert other.total == pytest.approx(cost.terms[term])
        assert dict(other.terms) == pytest.approx(dict(cost.terms))


@given(edge_instances(), st.data())
def test_the_critical_path_explains_the_makespan(instance, data):
    assignment = assignments(instance, data)
    graph, model = instance.task_graph, Makespan(instance.task_graph, instance.cluster)
    schedule = model.schedule(assignment)
    tasks, edges = model.critical_path(assignment)
    assert schedule.end[tasks[-1]] == schedule.end.max()
    assert schedule.start[tasks[0]] == 0.0
    assert edges[0] == -1
    for before, task, edge in zip(tasks, tasks[1:], edges[1:], strict=False):
        waited = 0.0
        if edge >= 0:
            assert tuple(graph.links[edge]) == (before, task)
            waited = transfer_time(graph, instance.cluster, edge, assignment[before], assignment[task])
        else:
            assert assignment[before] == assignment[task]
        assert schedule.start[task] == pytest.approx(schedule.end[before] + waited)


@given(edge_instances(), st.data())
def test_moves_are_exact_and_can_be_undone(instance, data):
    model = Makespan(instance.task_graph, instance.cluster)
    state = model.state(assignments(instance, data, allow_unplaced=True))
    n, k = model.num_tasks, model.num_devices
    for _ in range(data.draw(st.integers(1, 6))):
        task, target = data.draw(st.integers(0, n - 1)), data.draw(st.integers(-1, k - 1))
        source, partner = int(state.assignment[task]), -1
        others = [t for t in range(n) if t != task and state.assignment[t] == target]
        if others and source >= 0 and target >= 0 and source != target and data.draw(st.booleans()):
            partner = data.draw(st.sampled_from(others))
        move = (task, source, target, partner)
        before = model.cost_of(state)
        change = kernels.delta(state, move)
        assert model.cost_of(state) == before
        kernels.apply(state, move)
        after = model.cost_of(state)
        assert after.total == pytest.approx(before.total + change, abs=1e-6)
        assert model.evaluate(state.assignment) == after
        if data.draw(st.booleans()):
            kernels.undo(state, move)
            assert model.cost_of(state) == before


@given(edge_instances(), st.integers(0, 2**32))
def test_proposals_stay_feasible_and_reach_every_device(instance, seed):
    model = Makespan(instance.task_graph, instance.cluster)
    state = model.state(instance.allowed.argmax(axis=1))
    rng = np.random.default_rng(seed)
    seen = set()
    for _ in range(400):
        move = kernels.propose(state, rng)
        if move[1] != move[2]:
            assert instance.allowed[move[0], move[2]]
            kernels.apply(state, move)
            seen.add((move[0], move[2]))
    for task in np.flatnonzero(instance.allowed.sum(axis=1) > 1):
        assert any(task == moved for moved, _ in seen)


def test_many_at_once_are_the_same_as_one_by_one():
    instance = load("giph/test/0")
    model = Makespan(instance.task_graph, instance.cluster)
    rng = np.random.default_rng(0)
    many = rng.integers(0, model.num_devices, (50, model.num_tasks))
    assert model.evaluate_many(many).tolist() == [model.evaluate(row).total for row in many]
    with pytest.raises(ValueError, match=r"assignments must be of shape \[B, "):
        model.evaluate_many(many[0])


@given(edge_instances(), st.data())
def test_masks(instance, data):
    """While a task is where it cannot run, only such tasks may move."""
    assignment = assignments(instance, data)
    model = Makespan(instance.task_graph, instance.cluster)
    mask = np.zeros((model.num_tasks, model.num_devices), np.int8)
    kernels.movable(model.state(assignment), mask)
    here = instance.allowed[np.arange(len(assignment)), assignment]
    for task, device in itertools.product(range(model.num_tasks), range(model.num_devices)):
        expected = instance.allowed[task, device] and device != assignment[task] and (here.all() or not here[task])
        assert mask[task, device] == expected


@given(edge_instances(whole_numbers=False))
def test_ranks_by_their_recursive_definition(instance):
    graph, cluster, allowed = instance.task_graph, instance.cluster, instance.allowed
    compute, transfer = mean_times(instance)

    def mean(values):
        return sum(values) / len(values) if values else 0.0

    devices = [np.flatnonzero(row).tolist() for row in allowed]
    expected = [mean([graph.compute[t] / cluster.speed[d] for d in devices[t]]) for t in range(graph.num_tasks)]
    assert compute == pytest.approx(np.array(expected))
    for edge, (a, b) in enumerate(graph.links):
        pairs = [(p, q) for p in devices[a] for q in devices[b] if p != q]
        assert transfer[edge] == pytest.approx(mean([transfer_time(graph, cluster, edge, p, q) for p, q in pairs]))

    def up(task):
        later = [transfer[e] + up(b) for e, (a, b) in enumerate(graph.links) if a == task]
        return compute[task] + max(later, default=0.0)

    def down(task):
        earlier = [down(a) + compute[a] + transfer[e] for e, (a, b) in enumerate(graph.links) if b == task]
        return max(earlier, default=0.0)

    rank = upward_rank(graph, compute, transfer)
    assert rank == pytest.approx(np.array([up(task) for task in range(graph.num_tasks)]))
    assert downward_rank(graph, compute, transfer) == pytest.approx(np.array([down(t) for t in range(graph.num_tasks)]))
    order = by_decreasing(rank, graph).tolist()
    assert all(order.index(a) < order.index(b) for a, b in graph.links)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": 1.0}, r"noise must be a finite number in \[0, 1\)"),
        ({"noise": float("nan")}, r"noise must be a finite number in \[0, 1\)"),
        ({"noise": 0.1, "repeats": 0}, "repeats must be a whole number of at least 1"),
        ({"objective": "time"}, "unknown objective 'time'"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
    ],
)
def test_bad_parameters(arguments, message):
    graph = TaskGraph(compute=[1.0, 2.0], hardware_type=[0, 0], edges=[[0, 1]], bytes=[3.0])
    cluster = DeviceCluster(speed=[1.0], delay=[[0.0]], inverse_bandwidth=[[0.0]], supports=[[0]])
    with pytest.raises(ValueError, match=message):
        Makespan(graph, cluster, **arguments)


def test_bad_assignments():
    instance = load("giph/test/1")
    model = Makespan(instance.task_graph, instance.cluster)
    n, k = model.num_tasks, model.num_devices
    for wrong, message in (
        (np.full(n, k), f"item 0 is assigned to {k}, resources are 0..{k - 1}"),
        (np.full(n, -2), "item 0 is assigned to -2"),
        (np.zeros(n + 1, np.int64), f"an assignment is {n} whole numbers"),
        (np.zeros(n), f"an assignment is {n} whole numbers, not float64"),
    ):
        with pytest.raises(ValueError, match=message):
            model.evaluate(wrong)
