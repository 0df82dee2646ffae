"""What is seen of a move before it is simulated, beside slow versions from the definitions."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo.cost_models.device import moves as kernels
from placezoo.cost_models.device.move_features import HAND_MADE, MOVE_FEATURE_NAMES, move_features
from placezoo.cost_models.device.outlook import BINS, look_ahead
from placezoo.cost_models.device.proposals import critical_time
from placezoo.cost_models.device.step_time import StepTime
from placezoo.datasets import OpGraph
from tests.cost_models.device.test_proposals import companions_of
from tests.instances import placed_models


def placed_state(case, levels=1):
    graph, topology, assignment, rng = case
    model = StepTime(graph, topology, levels=levels)
    if levels > 1:
        assignment = np.concatenate([assignment, rng.integers(0, levels, model.num_groups)])
    return model, model.state(assignment)


def schedule(model, state):
    """Return the events of a timeline as a graph: an edge from each to those that cannot start before its end."""
    timeline, device, n = state.timeline, model.expand(state.assignment), model.op_graph.num_ops
    took = {int(op): timeline.end[op] - timeline.start[op] for op in np.flatnonzero(device >= 0)}
    graph, (start, links) = nx.DiGraph(), model.topology.routes
    position = {event: place for place, event in enumerate(timeline.order.tolist())}
    on_device, on_link, sent = {}, {}, {}
    for op in took:
        on_device.setdefault(device[op], []).append(op)
    for number in range(int(timeline.sent[0])):
        op, to = int(timeline.transfer_op[number]), int(timeline.transfer_to[number])
        sent[op, to], took[n + number] = n + number, timeline.transfer_end[number] - timeline.transfer_begin[number]
        graph.add_edge(op, n + number)
        pair = device[op] * model.num_devices + to
        for link in links[start[pair] : start[pair + 1]]:
            on_link.setdefault(int(link), []).append(n + number)
    graph.add_nodes_from(took)
    for events in (*on_device.values(), *on_link.values()):
        events.sort(key=position.__getitem__)
        graph.add_edges_from(itertools.pairwise(events))
    for a, b in model.op_graph.edges.tolist():
        if device[a] >= 0 and device[b] >= 0:
            graph.add_edge(a if device[a] == device[b] else sent[a, device[b]], b)
    return graph, took


@given(placed_models(max_ops=12))
def test_the_rest_of_a_step_is_the_longest_path_through_its_schedule(case):
    model, state = placed_state(case)
    look_ahead(state)
    graph, took = schedule(model, state)
    after = dict.fromkeys(graph, 0.0)
    for event in reversed(list(nx.topological_sort(graph))):
        after[event] = max((after[child] + took[child] for child in graph[event]), default=0.0)
    step, end = state.timeline.end.max(), state.timeline.end
    for event, seconds in after.items():
        assert state.outlook.after[event] == pytest.approx(seconds)
    for group in range(model.num_groups):
        ops = np.flatnonzero(np.asarray(model.groups) == group)
        slack = min(step - end[op] - after.get(int(op), 0.0) for op in ops)
        assert state.outlook.slack[group] == pytest.approx(slack, abs=1e-9)
        assert state.outlook.slack[group] >= -1e-9
        assert state.outlook.start[group] == state.timeline.start[ops].min()


@given(placed_models(max_ops=12))
def test_the_critical_path_is_shared_out_and_loads_add_up(case):
    model, state = placed_state(case)
    look_ahead(state)
    outlook, seconds = state.outlook, np.zeros(model.num_groups)
    critical_time(state.program, state.timeline, seconds)
    assert outlook.computes + outlook.reads + outlook.sends == pytest.approx(seconds)
    assert outlook.waits.sum() == pytest.approx(outlook.blocks.sum())
    device = model.expand(state.assignment)
    edges = {(int(a), int(b)) for a, b in model.op_graph.edges}
    waits = np.zeros(model.num_groups)
    event = int(np.argmax(state.timeline.end))
    while event >= 0:  # who waits for another's device, and not for its data
        is_op = event < device.size
        cause = int(state.timeline.cause[event] if is_op else state.timeline.transfer_cause[event - device.size])
        if is_op and 0 <= cause < device.size and (cause, event) not in edges:
            waits[model.groups[event]] += state.timeline.end[cause] - state.timeline.start[cause]
            assert outlook.waits_for[model.groups[event]] >= 0
            assert outlook.holds_up[model.groups[cause]] >= 0
        event = cause
    assert outlook.waits == pytest.approx(waits)
    step = state.timeline.end.max()
    assert outlook.load.sum(axis=1) * step / BINS == pytest.approx(state.timeline.busy)
    assert np.all(outlook.load <= 1.0 + 1e-9)


def seen_slowly(model, state, move):
    """Return the features of a move of groups from their definitions, by name; those of another priority left out."""
    item, source, target, partner = move
    moved = [item, *companions_of(model, state, move)]
    groups, outlook, timeline = np.asarray(model.groups), state.outlook, state.timeline
    device, step = model.expand(state.assignment), max(timeline.end.max(), 1e-300)
    bandwidth, latency = (values.reshape(model.num_devices, -1) for values in model.routes)
    output, memory = np.asarray(model.op_graph.output_bytes), np.maximum(np.asarray(model.topology.memory), 1.0)
    ops = [int(op) for op in np.flatnonzero(np.isin(groups, moved))]
    time, shares = model.op_time[ops, target].sum() / step, ("computes", "reads", "sends", "waits", "blocks")
    seen = {
        "alone": partner == -1, "cluster": partner < -1, "swap": partner >= 0, "groups": len(moved) / 12, "time": time,
        "slack": min(outlook.slack[moved].min() / step, 1), "start": min(outlook.start[moved].min() / step, 1),
        **{name: getattr(outlook, name)[moved].sum() / step for name in shares},
        "busy_here": timeline.busy[source] / step, "busy_there": timeline.busy[target] / step,
        "balance": (timeline.busy[target] - timeline.busy[source]) / step + 2 * time,
        "room_here": 1 - timeline.peak[source] / memory[source],
        "room_there": 1 - (timeline.peak[target] + model.held_bytes[moved].sum()) / memory[target],
        "partner_computes": outlook.computes[partner] / step if partner >= 0 else 0,
        "partner_slack": outlook.slack[partner] / step if partner >= 0 else 0,
    }  # fmt: skip
    for name in ("joins", "bytes_there", "bytes_here", "bytes_elsewhere", "bytes_farther"):
        seen[name] = 0.0
    for (a, b), size in zip(model.group_links[0].tolist(), model.group_links[1], strict=True):
        for mine, other in ((a, b), (b, a)):
            place = state.assignment[other]
            if mine not in moved or other in moved or place < 0:
                continue
            if place == target:
                seen["bytes_there"] += size / bandwidth[source, target] / step
                seen["joins"] += min(outlook.reads[mine], outlook.sends[other]) / step
                seen["joins"] += min(outlook.sends[mine], outlook.reads[other]) / step
            elif place == source:
                seen["bytes_here"] += size / bandwidth[source, target] / step
            else:
                seen["bytes_elsewhere"] += size / bandwidth[source, place] / step
                seen["bytes_farther"] += (size / bandwidth[target, place] - size / bandwidth[source, place]) / step
    where = np.where(np.isin(groups, moved), target, device)
    ways = {}
    for op in ops:
        before = [int(a) for a, b in model.op_graph.edges if b == op]
        behind = [int(b) for a, b in model.op_graph.edges if a == op and device[b] >= 0]

        def sent(a, b):
            if where[a] < 0 or where[a] == where[b]:
                return 0.0
            return latency[where[a], where[b]] + output[a] / bandwidth[where[a], where[b]]

        ready = max([timeline.end[a] + sent(a, op) for a in before], default=0.0)
        rest = [outlook.after[b] + timeline.end[b] - timeline.start[b] + sent(op, b) for b in behind]
        ways[op] = (ready + model.op_time[op, target] + max(rest, default=0.0)) / step - 1
    critical = [op for op in ops if timeline.end[op] + outlook.after[op] >= step * (1 - 1e-9)]
    seen["excess"] = max([-1, *ways.values()])
    seen["critical_excess"] = max([-1, *(ways[op] for op in critical)]) if seen["computes"] > 0 else 0
    parts = [min(int(0.5 * (timeline.start[op] + timeline.end[op]) / step * BINS), BINS - 1) for op in ops]
    for name, place in (("load_here", source), ("load_there", target)):
        took = model.op_time[ops, target]
        seen[name] = took @ outlook.load[place, parts] / took.sum() if took.sum() > 0 else 0
    return seen


@given(placed_models(max_ops=12), st.sampled_from([1, 3]), st.integers(0, 2**32))
def test_features_of_moves_are_what_they_claim(case, levels, seed):
    model, state = placed_state(case, levels)
    rng, features = np.random.default_rng(seed), np.empty(len(MOVE_FEATURE_NAMES), np.float32)
    for _ in range(20):
        move = kernels.draw(state, rng)
        item, source, target, _ = move
        if source == target:
            continue
        move_features(state, move, features)
        seen = dict(zip(MOVE_FEATURE_NAMES, features.tolist(), strict=True))
        assert not state.outlook.is_moved.any()
        if item >= model.num_groups:
            group, outlook = item - model.num_groups, state.outlook
            level = state.assignment[model.num_groups :]
            assert seen["priority"] == 1
            assert seen["level"] == pytest.approx(source / 2)
            assert seen["step"] == pytest.approx((target - source) / 2)
            for name in ("waits", "blocks", "computes"):
                assert seen[f"{name}_up"] == pytest.approx(np.sign(target - source) * seen[name])
            first, last = outlook.waits_for[group], outlook.holds_up[group]
            assert seen["passes"] == (first >= 0 and source <= level[first] < target)
            assert seen["lets_pass"] == (last >= 0 and target < level[last] <= source)
        elif source >= 0 and state.timeline.end.max() > 0:
            for name, value in seen_slowly(model, state, move).items():
                assert seen[name] == pytest.approx(np.clip(value, -2, 2), rel=1e-4, abs=1e-5), name
        kernels.apply(state, move)
    assert np.isfinite(features).all() or not features.size


def test_a_move_that_joins_what_is_sent_is_seen_and_scored_so():
    """A chain over two devices: its second half comes to the first, or another operator leaves."""
    graph = OpGraph([1e9] * 4, [0.0] * 4, [1e6] * 4, [0.0] * 4, [[0, 1], [1, 2], [2, 3]])
    problem = placezoo.make_problem("DevicePlace-v0", graph, topology="p100x2-pcie", grouping="own")
    state = problem.kernel(np.array([0, 0, 1, 1])).state
    good, bad = (np.zeros(len(MOVE_FEATURE_NAMES), np.float32) for _ in range(2))
    move_features(state, (1, 0, 1, -1), bad)  # one transfer ends, another begins
    companion = 1 << state.guide.near[2].tolist().index(3)
    move_features(state, (2, 1, 0, ~companion), good)  # with its neighbour: nothing is sent any more
    score = np.array([HAND_MADE.get(name, 0.0) for name in MOVE_FEATURE_NAMES])
    assert good @ score > bad @ score
    joins = MOVE_FEATURE_NAMES.index("joins")
    assert good[joins] == bad[joins] > 0
