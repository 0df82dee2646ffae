"""Soft-macro placers: what they keep, what they gain, and the forces by hand."""

import numpy as np
import pytest

from placezoo import datasets
from placezoo.cost_models import ProxyCost
from placezoo.cost_models.chip import proxy_state
from placezoo.cost_models.chip.force_directed import ATTRACT, MOVE_FACTORS, REPEL, STEPS, force_directed
from placezoo.cost_models.chip.soft_placer import place_soft_macros, sweep
from placezoo.cost_models.chip.spreading import relax, spread
from placezoo.datasets import Canvas, Netlist, NodeType


def springs_of(model):
    return model.springs(model.block_of_node[model.netlist.soft_macros])


def chain(num_soft=1):
    """A port at the left, one at the right, soft macros between them, one net from each to the next."""
    n = num_soft + 2
    types = np.array([NodeType.PORT, *[NodeType.SOFT_MACRO] * num_soft, NodeType.PORT])
    sizes = np.zeros((n, 2))
    sizes[1:-1] = 2, 2
    centers = np.full((n, 2), 10.0)
    centers[0], centers[-1] = (0, 10), (20, 10)
    return Netlist(
        tuple(f"n{i}" for i in range(n)), types, np.arange(n), sizes, centers, np.zeros((n, 2)), np.zeros(n),
        types == NodeType.PORT, np.arange(0, 2 * n - 1, 2), np.repeat(np.arange(n), 2)[1:-1], np.ones(n - 1),
        Canvas(20, 20, 4, 4),
    )  # fmt: skip


def test_springs_come_to_rest_at_equal_distances():
    model = ProxyCost(chain(3))
    state = model.state()
    links = springs_of(model)
    relax(state, links, np.zeros((3, 2)), 0.0, 200)
    assert state.x.tolist() == pytest.approx([0, 5, 10, 15, 20])
    # With a pull as strong as the springs, halfway to the anchors.
    anchors = np.array([[10.0, 0.0]] * 3)
    relax(state, links, anchors, 1e9, 50)
    assert state.x[1:4] == pytest.approx(10)
    assert state.y[1:4] == pytest.approx(0, abs=1e-6)


def test_springs_merge_weights_and_offsets():
    netlist = datasets.generate_netlist(num_hard=4, num_soft=6, seed=0)
    model = ProxyCost(netlist)
    links = springs_of(model)
    owner = model.block_of_node
    for i, block in enumerate(links.blocks):
        expected = {}
        for net, weight in enumerate(netlist.net_weights):
            driver, *sinks = netlist.net_nodes[netlist.net_indptr[net] : netlist.net_indptr[net + 1]]
            for sink in sinks:
                for here, there in ((driver, sink), (sink, driver)):
                    if owner[here] == block and owner[there] != block:
                        total, offset = expected.get(int(owner[there]), (0.0, np.zeros(2)))
                        expected[int(owner[there])] = total + weight, offset + weight * netlist.offsets[there]
        found = range(links.ptr[i], links.ptr[i + 1])
        assert {int(links.other[k]) for k in found} == set(expected)
        for k in found:
            total, offset = expected[int(links.other[k])]
            assert links.weight[k] == pytest.approx(total)
            assert links.offset[k] == pytest.approx(offset / total)


def test_spreading_fills_no_more_than_there_is_room_for():
    netlist = datasets.generate_netlist(num_hard=1, num_soft=200, seed=3, grid=(8, 8), soft_utilization=0.4)
    model = ProxyCost(netlist)
    state = model.state()
    links = springs_of(model)
    rng = np.random.default_rng(0)
    state.x[links.blocks], state.y[links.blocks] = rng.normal(netlist.canvas.width / 2, 20, (2, 200))
    cell = netlist.canvas.cell_width * netlist.canvas.cell_height
    room = np.full(64, 0.8 * cell)
    room[:16] = 0.0  # the two lowest rows are taken
    anchors = np.empty((200, 2))
    spread(state, links, room, anchors)
    columns = np.floor(anchors[:, 0] / netlist.canvas.cell_width).astype(int)
    rows = np.floor(anchors[:, 1] / netlist.canvas.cell_height).astype(int)
    area = np.prod(netlist.sizes[netlist.soft_macros], axis=1)
    filled = np.bincount(rows * 8 + columns, area, minlength=64)
    assert filled.sum() == pytest.approx(area.sum())
    assert filled[:16].sum() < 0.05 * area.sum()
    # Half a block may be too much on either side of each cut.
    assert np.all(filled <= room + 3 * area.max())
    assert filled.max() < 2 * 0.8 * cell


def placed_randomly(seed):
    netlist = datasets.generate_netlist(num_hard=12, num_soft=60, seed=seed)
    rng = np.random.default_rng(seed)
    canvas = netlist.canvas
    positions = {
        netlist.names[m]: rng.uniform(0.1, 0.9, 2) * [canvas.width, canvas.height] for m in netlist.hard_macros
    }
    return netlist, netlist.with_positions(positions)


@pytest.mark.parametrize("seed", range(4))
def test_our_placer_beats_forces_and_leaves_hard_macros_alone(seed):
    netlist, placement = placed_randomly(seed)
    model = ProxyCost(netlist)
    state = model.state(placement)
    before = state.x.copy(), state.y.copy()
    links = springs_of(model)
    force_directed(state, links, np.array(STEPS), np.array(ATTRACT), np.array(REPEL), np.array(MOVE_FACTORS), 1.0)
    by_force = model.cost_of(state).total
    floor = place_soft_macros(state, links)
    spread_out = model.cost_of(state).total
    sweep(state, links.blocks, floor, 3)
    proxy_state.rebuild(state)
    swept = model.cost_of(state).total
    assert swept < spread_out
    assert swept < by_force
    fixed = np.setdiff1d(np.arange(state.x.size), links.blocks)
    np.testing.assert_array_equal(state.x[fixed], before[0][fixed])
    np.testing.assert_array_equal(state.y[fixed], before[1][fixed])
    inside = state.x[links.blocks]
    assert inside.min() > 0
    assert inside.max() < netlist.canvas.width


def test_the_result_depends_on_nothing_but_the_hard_macros():
    netlist, placement = placed_randomly(7)
    model = ProxyCost(netlist)
    results = []
    for start in (placement, netlist.placement.netlist.with_placement(placement).placement):
        state = model.state(placement)
        links = springs_of(model)
        if start is not placement:
            state.x[links.blocks] += 50.0
            proxy_state.rebuild(state)
        sweep(state, links.blocks, place_soft_macros(state, links), 3)
        results.append((state.x.copy(), state.y.copy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_a_sweep_finds_the_best_cell_of_a_single_macro():
    """Without congestion in the cost a sweep is exact: no cell is better than the one it chose."""
    netlist, placement = placed_randomly(2)
    model = ProxyCost(netlist, weights=(1.0, 0.5, 0.0))
    state = model.state(placement)
    blocks = model.block_of_node[netlist.soft_macros]
    for block in blocks[:8]:
        sweep(state, np.array([block]), np.inf, 1)
        proxy_state.rebuild(state)
        chosen = model.cost_of(state).total
        x, y = state.x[block], state.y[block]
        canvas = netlist.canvas
        totals = []
        for row in range(canvas.rows):
            for column in range(canvas.columns):
                state.x[block], state.y[block] = (column + 0.5) * canvas.cell_width, (row + 0.5) * canvas.cell_height
                proxy_state.rebuild(state)
                totals.append(model.cost_of(state).total)
        state.x[block], state.y[block] = x, y
        proxy_state.rebuild(state)
        assert chosen <= min(totals) + 1e-3


def run_forces(state, links, steps, attract, repel):
    force_directed(state, links, np.array([steps]), np.array([attract]), np.array([repel]), np.array([1.0]), 1.0)


def test_attraction_moves_the_farthest_by_the_largest_step():
    netlist = chain(2)
    model = ProxyCost(netlist)
    state = model.state()
    links = springs_of(model)
    run_forces(state, links, 10, 1.0, 0.0)
    # Both start in the middle at (10, 10) and are pulled to their ports; the largest step is 20 / 10.
    assert state.x[1] < 10 < state.x[2]
    run_forces(state, links, 1, 1.0, 0.0)
    # One step: as far as the canvas allows; both pulls are equal, so both would move by 20, off the canvas: cancelled.
    assert state.x[1:3].tolist() == [10, 10]


def test_repulsion_parts_coincident_macros():
    netlist = chain(2)
    model = ProxyCost(netlist)
    state = model.state()
    links = springs_of(model)
    run_forces(state, links, 20, 0.0, 1.0)
    gap = max(abs(state.x[1] - state.x[2]), abs(state.y[1] - state.y[2]))
    assert gap >= 2 - 1e-9  # they are 2 wide
