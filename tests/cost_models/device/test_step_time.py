import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.cost_models.device import moves as kernels
from placezoo.cost_models.device.step_time import StepTime
from placezoo.datasets.device.topology import DeviceTopology
from placezoo.datasets.op_graphs.op_graph import OpGraph
from tests.cost_models.device.slow_step_time import slow_step_time
from tests.instances import placed_models


def pair(bandwidth=1.0, latency=0.0, memory=100.0):
    """Return two equal devices that do one FLOP a second."""
    return DeviceTopology(
        ["x"] * 2, [1.0] * 2, [1e9] * 2, [memory] * 2, [[0, 1], [1, 0]], [bandwidth] * 2, [latency] * 2, efficiency=1.0,
        launch_overhead=0.0,
    )  # fmt: skip


@given(placed_models(), st.sampled_from(["none", "operators", "items"]))
def test_equals_the_simulation_event_by_event(case, priorities):
    graph, topology, assignment, rng = case
    priority = rng.integers(0, 3, graph.num_ops).astype(float) if priorities == "operators" else None
    model = StepTime(graph, topology, priority=priority, levels=3 if priorities == "items" else 1)
    device = model.expand(assignment)
    if priorities == "items":
        levels = rng.integers(0, 3, model.num_groups)
        assignment, priority = np.concatenate([assignment, levels]), levels[model.groups].astype(float)
    step_time, peak, busy, start, end, transfers = slow_step_time(graph, topology, device, priority)
    cost, timeline = model.evaluate(assignment), model.timeline(assignment)
    assert cost.terms["step_time"] == pytest.approx(step_time)
    assert timeline.peak.tolist() == pytest.approx([peak[d] for d in range(topology.num_devices)])
    assert timeline.busy.tolist() == pytest.approx([busy[d] for d in range(topology.num_devices)])
    for op in start:
        assert (timeline.start[op], timeline.end[op]) == pytest.approx((start[op], end[op]))
    count = int(timeline.sent[0])
    found = sorted(zip(*(column[:count].tolist() for column in timeline[2:6]), strict=True))
    assert np.array(found).ravel() == pytest.approx(np.array(sorted(transfers)).ravel())
    over = [max(0.0, peak[d] - topology.memory[d]) for d in range(topology.num_devices)]
    assert cost.terms["overflow"] == pytest.approx(sum(over))
    assert cost.feasible == (not any(over) and bool((device >= 0).all()))
    if not any(over):
        assert cost.total == pytest.approx(step_time)
    else:
        assert cost.total >= model.serial_bound


@given(placed_models())
def test_bounds(case):
    graph, topology, _, rng = case
    model = StepTime(graph, topology)
    whole = rng.integers(0, topology.num_devices, model.num_groups)
    step_time = model.evaluate(whole).terms["step_time"]
    assert model.lower_bound - 1e-9 <= step_time <= model.serial_bound + 1e-9
    for device in range(topology.num_devices):
        alone = model.evaluate(np.full(model.num_groups, device)).terms["step_time"]
        assert alone == pytest.approx(model.op_time[:, device].sum())


@given(placed_models(), st.data())
def test_moves_are_exact_and_can_be_undone(case, data):
    graph, topology, assignment, _ = case
    model = StepTime(graph, topology)
    state = model.state(assignment)
    for _ in range(data.draw(st.integers(1, 5))):
        item = data.draw(st.integers(0, model.num_groups - 1))
        target = data.draw(st.integers(-1, topology.num_devices - 1))
        move = (item, int(state.assignment[item]), target, -1)
        before = model.cost_of(state)
        change = kernels.delta(state, move)
        assert model.cost_of(state) == before
        kernels.apply(state, move)
        assert model.cost_of(state).total == pytest.approx(before.total + change)
        assert model.evaluate(state.assignment) == model.cost_of(state)
        if data.draw(st.booleans()):
            kernels.undo(state, move)
            assert model.cost_of(state) == before


def test_a_schedule_by_hand():
    """A diamond: 0 sends to 1 and 2, which both send to 3; 2 is elsewhere, and its transfers take a second."""
    graph = OpGraph([1, 2, 3, 1], [0] * 4, [1, 1, 1, 1], [0] * 4, [[0, 1], [0, 2], [1, 3], [2, 3]])
    model = StepTime(graph, pair())
    timeline = model.timeline([0, 0, 1, 0])
    assert timeline.start.tolist() == [0, 1, 2, 6]
    assert timeline.end.tolist() == [1, 3, 5, 7]
    assert timeline.peak.tolist() == [3, 2]  # 0: outputs of 1, 2 and 3; 1: what it received and its own output
    assert model.evaluate([0, 0, 0, 0]).total == 7
    assert model.lower_bound == 5


def test_transfers_share_a_link_and_a_tensor_is_sent_once():
    graph = OpGraph([1, 0, 0, 0, 0], [0] * 5, [4, 2, 1, 1, 1], [0] * 5, [[0, 2], [0, 3], [1, 4]])
    model = StepTime(graph, pair())
    timeline = model.timeline([0, 0, 1, 1, 1])
    assert int(timeline.sent[0]) == 2
    # Operator 0 runs first and ends at 1, operator 1 right after it: the second transfer waits for the first.
    assert timeline.transfer_begin[:2].tolist() == [1, 5]
    assert timeline.transfer_end[:2].tolist() == [5, 7]
    assert timeline.start[[2, 3, 4]].tolist() == [5, 5, 7]


def test_memory_of_training_and_its_violation():
    graph = OpGraph([1], [0], [2], [10], state_bytes=3.0)
    cost = StepTime(graph, pair(memory=41.0)).evaluate([0])
    assert cost.terms["peak_memory"] == 42
    assert not cost.feasible
    assert cost.violations == ("device 0 needs 0.000 GB, it has 0.000",)
    assert cost.total > StepTime(graph, pair()).serial_bound
    assert StepTime(graph, pair(memory=42.0)).evaluate([0]).feasible


def test_priorities_decide_among_what_is_ready():
    graph = OpGraph([1, 2, 4], [0] * 3, [1] * 3, [0] * 3)
    assert StepTime(graph, pair()).timeline([0, 0, 0]).start.tolist() == [0, 1, 3]
    assert StepTime(graph, pair(), priority=[0, 1, 2]).timeline([0, 0, 0]).start.tolist() == [6, 4, 0]


def test_bad_input():
    graph = OpGraph([1, 1], [0] * 2, [1] * 2, [0] * 2, group=[5, 5])
    assert StepTime(graph, pair()).num_groups == 1
    for call, message in (
        (lambda: StepTime(graph, pair(), groups=[0, 1]), "groups split operators .* the model's group 5"),
        (lambda: StepTime(graph, pair(), groups=[0]), "2 operators but groups of shape"),
        (lambda: StepTime(graph, pair(), priority=[1.0]), "priority must be 2 finite numbers"),
        (lambda: StepTime(graph, pair()).evaluate([2]), r"item 0 is assigned to 2, resources are 0..1"),
        (lambda: OpGraph([], [], [], []), "at least one operator"),
        (lambda: OpGraph([1, 1], [0], [0] * 2, [0] * 2), "2 operators but bytes_moved of shape"),
        (lambda: OpGraph([-1], [0], [0], [0]), "flops must be finite and at least 0, but for operator 0"),
        (lambda: OpGraph([1, 1], [0] * 2, [0] * 2, [0] * 2, [[0, 1], [1, 0]]), "operators have a cycle: 0 -> 1 -> 0"),
        (lambda: OpGraph([1], [0], [0], [0], state_bytes=float("nan")), "state_bytes must be finite"),
        (lambda: DeviceTopology([], [], [], [], [], [], []), "at least one device"),
        (lambda: DeviceTopology(["a"], [0.0], [1.0], [1.0], [], [], []), "peak_flops must be above 0"),
        (lambda: DeviceTopology(["a"] * 2, [1.0] * 2, [1.0] * 2, [1.0] * 2, [[0, 1]], [1.0], [0.0]),
         "device 0 cannot be reached from device 1"),
        (lambda: DeviceTopology(["a"], [1.0], [1.0], [1.0], [[0, 0]], [1.0], [0.0]), "node 0 is linked to itself"),
        (lambda: DeviceTopology(["a"], [1.0], [1.0], [1.0], [[0, 4]], [1.0], [0.0]), r"outside the nodes 0..0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()
