"""The proxy cost against published values, an independent slow version, and itself after any moves."""

import csv
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo import datasets
from placezoo.cost_models import ProxyCost
from placezoo.cost_models.chip import proxy_state
from placezoo.datasets.chip.canvas import Canvas
from placezoo.datasets.chip.netlist import ORIENTATIONS, Netlist, NodeType
from tests.cost_models.chip.slow_proxy import slow_proxy
from tests.examples import examples
from tests.instances import netlists

EXACT = {"rel": 1e-9, "abs": 1e-9}


def terms(cost):
    return [cost.terms[name] for name in ("wirelength", "density", "congestion")]


@pytest.fixture
def chip_data():
    """Return a finder of files below chip/ that skips, by name, where one is missing."""

    def find(name: str) -> Path:
        for folder in os.environ.get("PLACEZOO_DATA", "").split(os.pathsep):
            if folder and (Path(folder) / "chip" / name).is_file():
                return Path(folder) / "chip" / name
        pytest.skip(f"chip/{name} is not in PLACEZOO_DATA")

    return find


CASES = [
    ("ariane133_NanGate45", "legalized"), ("ariane133_SKY130HD", "initial"), ("ariane133_SKY130HD", "legalized"),
    ("ariane136_NanGate45", "initial"), ("ariane136_NanGate45", "legalized"), ("ariane136_SKY130HD", "initial"),
    ("ariane136_SKY130HD", "legalized"), ("mempool_tile_NanGate45", "initial"), ("nvdla_NanGate45", "initial"),
    ("nvdla_NanGate45", "legalized"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "plc"), CASES)
def test_published_costs(case, plc, chip_data):
    with open(chip_data("tilos/costs.csv")) as file:
        row = next(row for row in csv.DictReader(file) if (row["case"], row["plc"]) == (case, plc))
    if case == "ariane133_NanGate45":
        files = chip_data("ariane133_ng45.pb.txt.gz"), chip_data("ariane133_ng45_legalized.plc")
    else:
        files = chip_data(f"tilos/{case}/netlist.pb.txt.xz"), chip_data(f"tilos/{case}/{plc}.plc")
    netlist = datasets.read_netlist(*files)
    cost = ProxyCost(netlist).evaluate(netlist.placement)
    expected = [float(row[name]) for name in ("tilos_wl_cost", "tilos_density", "tilos_congestion_clamped")]
    assert terms(cost) == pytest.approx(expected, **EXACT)
    assert cost.total == pytest.approx(float(row["proxy_1_.5_.5"]), **EXACT)
    # What Google's closed binary wrote into the header, to its four digits.
    header = datasets.read_plc(files[1]).costs
    assert cost.terms["wirelength"] == pytest.approx(header["wirelength"], abs=6e-5)
    assert cost.terms["density"] == pytest.approx(header["density"], abs=6e-5)


def test_random_placements_of_ariane(chip_data):
    netlist = datasets.read_netlist(chip_data("ariane133_ng45.pb.txt.gz"), chip_data("ariane133_ng45_legalized.plc"))
    cases = json.loads(gzip.decompress(chip_data("ariane133_ng45_reference.json.gz").read_bytes()))
    assert len(cases) == 3
    for case in cases:
        placement = netlist.with_positions(case["positions"])
        cost = ProxyCost(netlist, smoothing_range=case["smoothing_range"]).evaluate(placement)
        expected = [case["wirelength_cost"], case["density_cost"], case["congestion_cost"]]
        assert terms(cost) == pytest.approx(expected, **EXACT)


def test_literals_of_circuit_trainings_own_test(chip_data):
    """Its congestion (1.1244) is of a closed binary on a grid of its own, and is left out."""
    netlist = datasets.read_netlist(chip_data("circuit_training_tests/macro_tiles_10x10/netlist.pb.txt.xz"))
    expected = json.loads(chip_data("circuit_training_tests/ct_plc_client_test_expected.json").read_text())
    literal = {key.split(" @")[0]: value for key, value in expected.items()}
    cost = ProxyCost(netlist).evaluate(netlist.placement)
    assert cost.terms["wirelength"] == pytest.approx(literal["plc.get_cost()"], **EXACT)
    assert cost.terms["density"] == pytest.approx(literal["plc.get_density_cost()"], **EXACT)
    assert netlist.total_area == literal["plc.get_area()"]
    state = ProxyCost(netlist).state()
    assert state.totals[proxy_state.LENGTH] == pytest.approx(literal["plc.get_wirelength()"], **EXACT)
    assert netlist.macros.tolist() == literal["plc.get_macro_indices()"]


@pytest.mark.parametrize(
    "name",
    ["0P1M1m", "0P2M0m", "0P3M0m", "0P4M0m", "sample_clustered_macroxy", "sample_clustered_nomacro",
     "sample_clustered_uniform_two_soft", "ariane_hard2soft", "ariane_port2soft", "ariane_soft2hard"],
)  # fmt: skip
@pytest.mark.parametrize("smoothing_range", [0, 2])
def test_small_published_netlists_against_the_slow_version(name, smoothing_range, chip_data):
    netlist = datasets.read_netlist(chip_data(f"tilos_tests/{name}/netlist.pb.txt"))
    for columns, rows in ((10, 10), (7, 13), (3, 2)):
        on_grid = netlist.with_canvas(columns=columns, rows=rows)
        cost = ProxyCost(on_grid, smoothing_range).evaluate(on_grid.placement)
        assert terms(cost) == pytest.approx(slow_proxy(on_grid, on_grid.placement, smoothing_range), **EXACT)


@given(netlists(), st.integers(0, 3))
def test_any_netlist_against_the_slow_version(netlist, smoothing_range):
    cost = ProxyCost(netlist, smoothing_range).evaluate(netlist.placement)
    assert terms(cost) == pytest.approx(slow_proxy(netlist, netlist.placement, smoothing_range), **EXACT)


@given(netlists(), st.integers(0, 2**32), st.integers(0, 2))
@examples(40)
def test_any_sequence_of_changes_leaves_what_a_fresh_evaluation_gives(netlist, seed, smoothing_range):
    """Changes of up to four blocks: moved, turned, taken away and put back; some tried only."""
    model = ProxyCost(netlist, smoothing_range)
    state = model.state()
    rng = np.random.default_rng(seed)
    for _ in range(12):
        count = int(rng.integers(1, min(4, model.blocks.size) + 1))
        proxy_state.begin_change(state)
        for block in rng.choice(model.blocks.size, size=count, replace=False):
            x, y = rng.uniform(-5, 65, 2)
            turn = int(rng.integers(8)) if state.kinds[block] == proxy_state.HARD else 0
            proxy_state.list_block(state, block, x, y, turn, int(rng.random() < 0.8))
        before = state.totals.copy(), state.x.copy(), state.orientation.copy(), state.terminal_cell.copy()
        total = proxy_state.try_change(state)
        for array, old in zip((state.totals, state.x, state.orientation, state.terminal_cell), before, strict=True):
            np.testing.assert_array_equal(array, old)
        if rng.random() < 0.7:
            proxy_state.commit(state)
            assert state.totals[proxy_state.TOTAL] == total
        kept, grids, lengths = state.totals.copy(), state.grids.copy(), state.net_length.copy()
        proxy_state.rebuild(state)
        np.testing.assert_allclose(kept, state.totals, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(grids, state.grids, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(lengths, state.net_length, rtol=1e-9, atol=1e-9)


def test_weights_smoothing_and_feasibility():
    netlist = datasets.generate_netlist(num_hard=6, num_soft=12, seed=1)
    plain, weighted = ProxyCost(netlist), ProxyCost(netlist, smoothing_range=1, weights=(1, 0.1, 2))
    cost = weighted.evaluate(netlist.placement)
    assert cost.total == pytest.approx(np.dot([1, 0.1, 2], terms(cost)))
    assert terms(cost)[2] != terms(plain.evaluate(netlist.placement))[2]
    assert not cost.feasible  # all macros lie in the middle
    assert "overlap" in cost.violations[0]
    names = [netlist.names[node] for node in netlist.hard_macros]
    outside = netlist.with_positions({names[0]: (-100.0, 0.0)})
    assert any("stick out" in text and names[0] in text for text in weighted.evaluate(outside).violations)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"smoothing_range": -1}, "smoothing_range"), ({"smoothing_range": 1.5}, "smoothing_range"),
        ({"weights": (1, 2)}, "weights"), ({"weights": (1, -1, 0)}, "weights"),
        ({"weights": (1, float("nan"), 0)}, "weights"),
    ],
)  # fmt: skip
def test_bad_parameters(arguments, message):
    netlist = datasets.generate_netlist(num_hard=2, num_soft=2)
    with pytest.raises(ValueError, match=message):
        ProxyCost(netlist, **arguments)


def test_a_placement_of_another_netlist_is_refused():
    first, second = (datasets.generate_netlist(num_hard=2, num_soft=2, seed=seed) for seed in (0, 1))
    with pytest.raises(ValueError, match="the placement is of"):
        ProxyCost(first).evaluate(second.placement)


def test_orientations_are_those_of_def():
    """A pin right of the centre: where it is in each orientation (LEF/DEF reference, figure of orientations)."""
    expected = {"N": (3, 1), "FN": (-3, 1), "S": (-3, -1), "FS": (3, -1), "E": (1, -3), "FE": (-1, -3), "W": (-1, 3), "FW": (1, 3)}  # fmt: skip # noqa: E501
    for turn, place in expected.items():
        netlist = Netlist(
            ("M", "M/p"), np.array([NodeType.HARD_MACRO, NodeType.HARD_PIN]), np.array([0, 0]),
            np.array([[8.0, 4.0], [0, 0]]), np.array([[10.0, 10.0], [0, 0]]), np.array([[0, 0], [3.0, 1.0]]),
            np.array([ORIENTATIONS.index(turn), 0]), np.zeros(2, bool), np.array([0, 1]), np.array([1]), np.ones(1),
            Canvas(20, 20),
        )  # fmt: skip
        assert tuple(netlist.placement.node_positions[1] - 10) == place
        assert tuple(netlist.placement.extents[0]) == ((8, 4) if turn in ("N", "FN", "S", "FS") else (4, 8))
