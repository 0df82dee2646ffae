"""Off the grid: quick trials against full evaluations, free places against a fine grid, joint annealing's promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.agents.chip.macro_placer import MacroPlacer
from placezoo.cost_models import ProxyCost
from placezoo.cost_models.chip import proxy_state
from placezoo.cost_models.chip.free_places import FreePlaces, is_free, put_down
from placezoo.cost_models.chip.joint_annealing import _optimal_interval, anneal_jointly
from placezoo.cost_models.chip.quick_trials import build, keep, quick_trials, take_back, try_quickly
from placezoo.datasets import generate_netlist
from placezoo.datasets.chip.netlist import Placement
from placezoo.envs.chip.problem import ChipPlaceProblem
from tests.cost_models.chip.slow_proxy import slow_proxy
from tests.examples import examples
from tests.instances import netlists


def placement_of(model, state):
    netlist = model.netlist
    centers, turns = netlist.centers.copy(), netlist.orientations.copy()
    centers[model.blocks] = np.stack([state.x, state.y], axis=1)
    turns[model.blocks] = state.orientation
    return Placement(netlist, centers, turns)


@given(netlists(), st.integers(0, 2))
def test_merged_nets_cost_the_same(netlist, smoothing_range):
    model = ProxyCost(netlist, smoothing_range)
    state = model.merged_state()
    proxy_state.rebuild(state)
    expected = slow_proxy(netlist, netlist.placement, smoothing_range)
    assert list(model.cost_of(state).terms.values()) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_equal_nets_are_merged():
    netlist = generate_netlist(num_hard=6, num_soft=4, seed=0)
    model = ProxyCost(netlist)
    merged, whole = model.merged_state(), model.state()
    assert 0 < merged.net_weights.size < whole.net_weights.size
    proxy_state.rebuild(merged)
    np.testing.assert_allclose(merged.totals, whole.totals, rtol=1e-12)
    np.testing.assert_allclose(merged.grids, whole.grids, rtol=1e-9, atol=1e-9)


@given(netlists(), st.integers(0, 2**32), st.integers(0, 2))
@examples(60)
def test_quick_trials_are_exact(netlist, seed, smoothing_range):
    """Any sequence of trials of one or two blocks, kept and taken back, against the slow version and a fresh state."""
    model = ProxyCost(netlist, smoothing_range)
    state = model.merged_state()
    proxy_state.rebuild(state)
    trials, rng = quick_trials(state), np.random.default_rng(seed)
    build(trials)
    movable = np.flatnonzero(state.kinds != proxy_state.POINT)
    if movable.size == 0:
        return
    for step in range(16):
        proxy_state.begin_change(state)
        for block in rng.choice(movable, size=min(int(rng.integers(1, 3)), movable.size), replace=False):
            turn = int(state.orientation[block])
            x, y = rng.uniform(-5, 65, 2)
            kind = rng.random()
            if kind < 0.3:  # within a cell, mostly
                x, y = state.x[block] + rng.normal() * 0.3, state.y[block] + rng.normal() * 0.3
            elif kind < 0.5:
                x, y = state.x[block], state.y[block]
            if state.kinds[block] == proxy_state.HARD and rng.random() < 0.5:
                turn = proxy_state.flipped(turn, int(rng.integers(4)))
            proxy_state.list_block(state, block, x, y, turn, 1)
        before = [array.copy() for array in state[13:21]]
        total = try_quickly(trials, np.inf)
        if step % 4 == 0:
            placement = placement_of(model, state)
            expected = np.dot(slow_proxy(netlist, placement, smoothing_range), model.weights)
            assert total == pytest.approx(expected, rel=1e-9, abs=1e-9)
        if rng.random() < 0.5:
            keep(trials)
            assert state.totals[proxy_state.TOTAL] == total
        else:
            take_back(trials)
            for array, old in zip(state[13:21], before, strict=True):
                np.testing.assert_array_equal(array, old)
        kept = [array.copy() for array in (state.totals, state.grids, state.net_length, state.terminal_cell)]
        build(trials)
        for array, old in zip((state.totals, state.grids, state.net_length, state.terminal_cell), kept, strict=True):
            np.testing.assert_allclose(old, array, rtol=1e-9, atol=1e-9)


@given(netlists(), st.integers(0, 2**32), st.integers(0, 2))
@examples(60)
def test_trials_stop_early_only_above_the_limit(netlist, seed, smoothing_range):
    """One block or two, anywhere, flipped or not, after others were kept: what is within the limit is told exactly."""
    state = ProxyCost(netlist, smoothing_range).merged_state()
    trials, rng = quick_trials(state), np.random.default_rng(seed)
    build(trials)
    movable = np.flatnonzero(state.kinds != proxy_state.POINT)
    for _ in range(8 if movable.size else 0):
        listed = []
        for block in rng.choice(movable, size=min(int(rng.integers(1, 3)), movable.size), replace=False):
            turn, place = state.orientation[block], rng.uniform(-5, 65, 2)
            if state.kinds[block] == proxy_state.HARD and rng.random() < 0.5:
                turn = proxy_state.flipped(turn, int(rng.integers(4)))
            if rng.random() < 0.3:
                place = state.x[block], state.y[block]
            listed.append((block, *place, turn))
        exact = None
        for above in (np.inf, 1e-9, 0.0, -1e-9, -1e-5, -1e-2, -1.0):
            proxy_state.begin_change(state)
            for move in listed:
                proxy_state.list_block(state, *move, 1)
            total = try_quickly(trials, np.inf if exact is None else exact + above)
            if exact is None and rng.random() < 0.5:  # kept, so that the next trials begin elsewhere
                keep(trials)
                break
            take_back(trials)
            exact = total if exact is None else exact
            assert total == exact or (total == np.inf and above < 0)


def some_places(seed, count=7, width=40.0, height=30.0):
    """Return places with some macros down, a blockage, and rooms."""
    rng = np.random.default_rng(seed)
    half = rng.uniform(1, 4, (count, 2))
    room = np.where(rng.random((count, 2)) < 0.5, 0.01, rng.uniform(0, 2, (count, 2)))
    return FreePlaces(
        rng.uniform(0, width, count), rng.uniform(0, height, count), half, room, np.arange(count),
        np.zeros(count, np.int8), np.array([[5.0, 5.0, 12.0, 9.0]]), np.array([width, height, 0.01]),
    )  # fmt: skip


def slow_is_free(places, block, x, y):
    (hw, hh), edge = places.half[block], places.canvas[2]
    if not (edge <= x - hw and x + hw <= places.canvas[0] - edge and edge <= y - hh):
        return False
    if y + hh > places.canvas[1] - edge:
        return False
    for other in np.flatnonzero(places.is_down):
        gap_x = abs(places.x[other] - x) - hw - places.half[other, 0]
        gap_y = abs(places.y[other] - y) - hh - places.half[other, 1]
        if other != block and gap_x < max(places.room[[block, other], 0]):
            if gap_y < max(places.room[[block, other], 1]):
                return False
    x0, y0, x1, y1 = places.blockages[0]
    return not (x + hw > x0 - edge and x - hw < x1 + edge and y + hh > y0 - edge and y - hh < y1 + edge)


@pytest.mark.parametrize("seed", range(15))
def test_macros_go_to_the_nearest_free_places(seed):
    """No place of a fine grid is free and nearer; what is put down is free, and stays so."""
    places = some_places(seed)
    wishes = np.stack([places.x, places.y], axis=1)
    for block in range(places.x.size):
        if not put_down(places, np.array([block])):
            assert not any(
                slow_is_free(places, block, x, y) for x in np.arange(0, 40, 0.5) for y in np.arange(0, 30, 0.5)
            )
            return
        assert is_free(places, block, places.x[block], places.y[block], -1)
        assert slow_is_free(places, block, places.x[block], places.y[block])
        distance = np.hypot(*(wishes[block] - [places.x[block], places.y[block]]))
        for dx in np.linspace(-distance, distance, 15):
            for dy in np.linspace(-distance, distance, 15):
                if np.hypot(dx, dy) < distance - 1e-6:
                    assert not slow_is_free(places, block, wishes[block, 0] + dx, wishes[block, 1] + dy)


def test_wires_are_shortest_in_the_optimal_interval():
    netlist = generate_netlist(num_hard=6, num_soft=10, seed=4, grid=(9, 8), hard_utilization=0.25)
    model = ProxyCost(netlist)
    joint = MacroPlacer().begin(ChipPlaceProblem(netlist))[0]
    state = joint.trials.proxy
    rng = np.random.default_rng(0)
    state.x[:], state.y[:] = rng.uniform(0, netlist.canvas.width, (2, state.x.size))
    # Equal weights: the median interval goes by nets, not by their weights.
    state = state._replace(net_weights=np.ones_like(state.net_weights))
    proxy_state.rebuild(state)
    trials = quick_trials(state)
    for block in joint.soft:
        low, high = _optimal_interval(trials, block, 0, joint.ends)
        spans = []
        for x in (low, high, low - 1.0, high + 1.0):
            state.x[block] = x
            proxy_state.rebuild(state)
            spans.append(state.totals[proxy_state.LENGTH])
        assert spans[0] == pytest.approx(spans[1])
        assert min(spans[2:]) >= spans[0] - 1e-9
    assert model.blocks.size == state.x.size


@pytest.mark.parametrize("flips", [True, False])
def test_joint_annealing_keeps_its_promises(flips):
    """Hard macros stay apart, soft ones inside; the best is what it is said to be; nothing drifts."""
    netlist = generate_netlist(num_hard=8, num_soft=24, seed=4, grid=(9, 8), hard_utilization=0.3)
    problem, agent = ChipPlaceProblem(netlist, movable="all", flips=flips), MacroPlacer()
    joint, is_legal = agent.begin(problem)
    assert is_legal
    state, model = joint.trials.proxy, problem.cost_model
    first, rng = state.totals[proxy_state.TOTAL], np.random.default_rng(1)
    for temperature in (1e-2, 1e-3, 1e-5):
        anneal_jointly(joint, temperature, 0.4, 0.5, 4000, rng)
        kept = state.totals.copy()
        proxy_state.rebuild(state)
        np.testing.assert_allclose(kept, state.totals, rtol=1e-9)
        for block in joint.hard:
            assert is_free(joint.places, block, state.x[block], state.y[block], -1)
        centers, half = np.stack([state.x, state.y], 1)[joint.soft], joint.places.half[joint.soft]
        assert (centers - half >= 0).all()
        assert (centers + half <= [netlist.canvas.width, netlist.canvas.height]).all()
        if not flips:
            np.testing.assert_array_equal(state.orientation, netlist.orientations[model.blocks])
    assert joint.best_total[0] < first
    state.x[:], state.y[:], state.orientation[:] = joint.best.T
    assert model.evaluate(placement_of(model, state)).total == pytest.approx(joint.best_total[0], rel=1e-9)
