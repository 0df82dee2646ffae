import csv
import functools
import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from placezoo.cost_models.accel import moves
from placezoo.cost_models.accel.accelerator_cost import OBJECTIVES, AcceleratorCost
from placezoo.cost_models.accel.layer_cost import (
    ARRAYS,
    BATCH,
    COLUMNS,
    COMPUTE,
    DRAM_BYTES,
    INPUT_SRAM,
    LANES,
    OUTPUT_SRAM,
    ROWS,
    SECONDS,
    WEIGHT_SRAM,
    derive,
)  # fmt: skip
from placezoo.datasets import load, load_design_space, load_technology
from placezoo.datasets.accel.layer_graph import Choice, Layer, LayerGraph
from placezoo.datasets.accel.workload import Workload
from placezoo.datasets.public_files import find_file, public_files
from tests.cost_models.accel.slow_accelerator import slow_cost
from tests.instances import small_network

SPACES = ("systolic", "systolic-small", "gemmini", "apollo", "fast")
TECH = load_technology("dosa")
TERMS = ("latency", "energy", "area", "tdp")


@st.composite
def networks(draw):
    """Draw one or two small networks of layers of all kinds, some of which hang on choices."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for number in range(draw(st.integers(1, 2))):
        choices = (Choice("first", ("a", "b")), Choice("second", ("a", "b", "c")))[: rng.integers(0, 3)]
        layers = []
        for place in range(rng.integers(1, 6)):
            when = tuple(
                (one, int(rng.integers(len(choices[one].options)))) for one in range(len(choices)) if rng.random() < 0.4
            )
            sizes = [int(size) for size in rng.integers(1, (20, 300, 200, 100))]
            values = [float(size) for size in rng.integers(1, 30_000, 3)]
            kind = ("product", "separable", "elementwise")[rng.integers(3)]
            lines = (
                [int(size) for size in rng.integers((1, 7, 1, 1), (200, 90, 7, 3))]
                if kind == "separable"
                else [0, 0, 0, 1]
            )
            layers.append(Layer(f"{place}", kind, *values, *sizes, *lines, when))
        edges = [(a, b) for b in range(len(layers)) for a in range(b) if rng.random() < 0.5]
        found.append(LayerGraph(tuple(layers), edges, choices, f"network {number}"))
    return found


def drawn(model, rng):
    return np.array([rng.integers(0, count) for count in model.num_options])


@given(networks(), st.sampled_from(SPACES), st.sampled_from(tuple(OBJECTIVES)), st.integers(0, 2**32))
def test_equals_the_definition(graphs, name, objective, seed):
    space = load_design_space(name)
    model = AcceleratorCost(graphs, space, TECH, objective)
    assignment = drawn(model, np.random.default_rng(seed))
    cost = model.evaluate(assignment)
    latency, energy, area, peak = slow_cost(graphs, space, TECH, assignment.tolist())
    assert [cost.terms[name] for name in TERMS] == pytest.approx([latency, energy, area, peak], rel=1e-9)
    batch = model.state(assignment).hardware[BATCH] if objective != "latency" else 1.0
    powers = OBJECTIVES[objective]
    wanted = (latency / batch) ** powers[0] * (energy / batch) ** powers[1] * peak ** powers[2]
    assert cost.total == pytest.approx(wanted, rel=1e-9)
    assert cost.total <= model.penalty


@given(networks(), st.sampled_from(SPACES), st.booleans(), st.integers(0, 2**32))
def test_any_moves_equal_a_full_evaluation(graphs, name, limited, seed):
    rng = np.random.default_rng(seed)
    space = load_design_space(name)
    model = AcceleratorCost(graphs, space, TECH, "edp", space.limits if limited else {})
    state = model.state(drawn(model, rng))
    for _ in range(6):
        item = int(rng.integers(model.num_items))
        move = (item, int(state.assignment[item]), int(rng.integers(-1, model.num_options[item])), -1)
        if rng.random() < 0.5 and (state.assignment >= 0).all():
            move = tuple(int(part) for part in moves.propose(state, rng))
        before, total = state.assignment.copy(), state.totals[0]
        change = moves.delta(state, move)
        np.testing.assert_array_equal(state.assignment, before)
        assert state.totals[0] == total
        moves.apply(state, move)
        fresh = model.state(state.assignment)
        assert state.totals[0] - total == change
        for array in ("layers", "totals", "hardware"):
            np.testing.assert_array_equal(getattr(state, array), getattr(fresh, array))
        if rng.random() < 0.3:
            moves.undo(state, move)
            np.testing.assert_array_equal(state.assignment, before)
            assert state.totals[0] == total


@given(networks(), st.sampled_from(SPACES), st.integers(0, 2**32))
def test_never_fewer_cycles_than_multiply_adds_nor_less_traffic_than_operands(graphs, name, seed):
    model = AcceleratorCost(graphs, load_design_space(name), TECH)
    state = model.state(drawn(model, np.random.default_rng(seed)))
    elements = state.hardware[[ARRAYS, ROWS, COLUMNS]].prod()
    there = state.layers[:, SECONDS] > 0
    separable = np.array([layer.kind == "separable" for layer in model.layers])  # ST-OS is the paper's own count
    macs = state.hardware[BATCH] * model.multiply_adds
    assert np.all((state.layers[:, COMPUTE] * 1e9 * elements * (1 + 1e-9) >= macs)[there & ~separable])
    if not model.space.edge_fusion:
        least = [state.hardware[BATCH] * (one.inputs + one.outputs) + one.weights for one in model.layers]
        assert np.all((state.layers[:, DRAM_BYTES] * (1 + 1e-9) >= model._repeats * least)[there])


def test_limits_that_no_design_meets_are_said_before_the_search():
    network, space = small_network(), load_design_space("systolic")
    for limits, said in (
        ({"area_mm2": 1e-3}, "no design of systolic has an area of at most 0.001 mm2: the smallest has 0.0"),
        ({"power_w": 1e-3}, "no design of systolic has a peak power of at most 0.001 W"),
        ({"memory_mb": 1e-6}, "no design of systolic has a memory of at most 1e-06 MB"),
        ({"accuracy": 50.0}, "a limit of accuracy needs a network with choices and a table"),
    ):
        with pytest.raises(ValueError, match=said):
            AcceleratorCost([network], space, TECH, "latency", limits)
    graph = LayerGraph(network.layers, network.edges, (Choice("x", ("a", "b")),), table="own")
    with pytest.raises(ValueError, match="no network has an accuracy of at least 99: the best has 70"):
        AcceleratorCost([graph], space, TECH, "latency", {"accuracy": 99.0}, np.array([60.0, 70.0]))


def test_the_fewest_cycles_of_a_tiny_space_by_listing_it():
    space = load_design_space("systolic-small")
    model = AcceleratorCost(Workload.of(load("nasbench201:303330")).networks, space, TECH, "latency", space.limits)
    listed = np.stack(np.unravel_index(np.arange(space.size), model.num_options), axis=1)
    totals = np.empty(len(listed))
    moves.evaluate_all(model.state(), listed, totals)
    feasible = np.array([model.evaluate(one).feasible for one in listed[:: len(listed) // 50]])
    assert ((totals[:: len(listed) // 50] < model.penalty) == feasible).all()
    best = listed[totals.argmin()]
    assert model.evaluate(best).feasible
    assert [model.items[number].options[option] for number, option in enumerate(best)][5] in ("os", "st-os")


def published(name):
    path = find_file(public_files()[name])
    if path is None:
        pytest.skip(f"{name} is not in PLACEZOO_DATA")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return list(csv.DictReader(io.StringIO(file.read())))


SIZES = ("C", "K", "N", "P", "Q", "R", "S", "Hstride", "Wstride")


def best_of_each(rows, column):
    """Return what is best of each (architecture, layer): dimension, accumulator entries a column, scratchpad, sizes."""
    best = {}
    for row in rows:
        architecture = tuple(int(row[f"arch.{name}"]) for name in ("meshX", "mem1_depth", "mem2_entries"))
        key = architecture, tuple(int(row[f"prob.{name}"]) for name in SIZES)
        best[key] = min(best.get(key, np.inf), float(row[column]))
    return best


@functools.cache
def gemmini_state(sizes):
    """Return the state of one layer on some Gemmini."""
    c, filters, batch, p, q, r, s, down, across = sizes
    image = batch * c * ((p - 1) * down + r) * ((q - 1) * across + s)
    outputs = batch * p * q
    layer = Layer("l", "product", image, filters * c * r * s, filters * outputs, 1, outputs, c * r * s, filters)
    return AcceleratorCost([LayerGraph((layer,))], load_design_space("gemmini"), TECH).state()


def gemmini_layer(architecture, sizes, flow, quantity):
    """Return seconds (0) or joules (1) of a layer on an architecture by our model."""
    state, (dimension, depth, scratchpad) = gemmini_state(sizes), architecture
    hardware = state.hardware
    hardware[[ROWS, COLUMNS, LANES]] = dimension
    hardware[[INPUT_SRAM, WEIGHT_SRAM]] = scratchpad / 2
    hardware[OUTPUT_SRAM] = 4 * depth * dimension
    derive(hardware, state.technology)
    state.assignment[3] = flow
    moves.refresh(state, -1, -1)
    return state.layers[0, quantity]


PUBLISHED = (
    ("dosa-timeloop", "target.cycle", 0, 0.69), ("dosa-timeloop", "target.energy", 1, 0.76),
    ("gemmini-rtl", "target.gemmini_cycle", 0, 0.66),
)  # fmt: skip


@pytest.mark.parametrize(("name", "column", "quantity", "least"), PUBLISHED)
def test_ranks_agree_with_published_simulations(name, column, quantity, least):
    """The published best is that of about ten random mappings of a layer, ours of all."""
    best = best_of_each(published(name), column)
    found = [min(gemmini_layer(*key, flow, quantity) for flow in (0, 1)) for key in best]
    assert spearmanr(found, list(best.values())).statistic > least


def test_areas_are_within_what_the_fit_says():
    areas = {}
    for row in published("dosa-timeloop"):
        key = tuple(int(row[f"arch.{name}"]) for name in ("meshX", "mem1_depth", "mem2_entries"))
        areas[key] = float(row["target.area"])
    assert len(areas) == 95
    tech = TECH
    errors = []
    for (dimension, depth, scratchpad), area in areas.items():
        ours = tech.mac_mm2 * dimension**2 + tech.edge_mm2 * 2 * dimension
        ours += tech.sums_mm2_per_kb * 4 * depth * dimension / 1024 + tech.sram_mm2_per_kb * scratchpad / 1024
        errors.append(abs(ours / area - 1.0))
    assert np.mean(errors) == pytest.approx(0.058, abs=0.001)
    assert max(errors) == pytest.approx(0.214, abs=0.002)
