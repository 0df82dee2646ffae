import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.cost_models import SystolicArray
from placezoo.cost_models.accel.systolic import DATAFLOWS
from tests.cost_models.accel.mobilenets import mobilenet
from tests.cost_models.accel.slow_systolic import slow_run

sizes = st.integers(1, 40)
sides = st.integers(1, 9)


def run_of(array, row):
    if "gemm" in row:
        return array.gemm(**{name.lower(): size for name, size in row["gemm"].items()})
    return array.convolution(**row["conv"])


def test_every_row_of_scale_sim():
    found = (Path(folder) / "accel/scale_sim.json" for folder in os.environ.get("PLACEZOO_DATA", "").split(os.pathsep))
    path = next((path for path in found if path.is_file()), None)
    if path is None:
        pytest.skip("accel/scale_sim.json is not in PLACEZOO_DATA")
    content = json.loads(path.read_text())
    rows = content["published"] + content["measured"]
    assert len(rows) == 64
    for row in rows:
        array = SystolicArray(rows=row["rows"], columns=row["cols"], dataflow=row["dataflow"])
        run = run_of(array, row)
        assert run.cycles == row["total_cycles"] - row["stall_cycles"] + 1  # it counts from 0
        for name in ("ifmap_reads", "filter_reads", "ofmap_writes"):
            assert getattr(run, name) == row.get(f"sram_{name}", getattr(run, name))
        if row["stall_cycles"] == 0:
            share = 100 * run.utilisation * run.cycles / (run.cycles - 1)
            assert share == pytest.approx(row["overall_utilisation_percent"])


@given(st.sampled_from(DATAFLOWS), st.booleans(), sides, sides, sizes, sizes, sizes)
def test_equals_the_array_element_by_element(dataflow, trimmed, rows, columns, m, n, k):
    run = SystolicArray(rows, columns, dataflow, trimmed, drains=False).gemm(m=m, n=n, k=k)
    cycles, inputs, filters, outputs, products = slow_run(dataflow, rows, columns, m, k, n, trimmed)
    assert (run.cycles, run.ifmap_reads, run.filter_reads, run.ofmap_writes) == (cycles, inputs, filters, outputs)
    assert products == m * n * k
    assert run.utilisation == pytest.approx(products / (rows * columns * cycles))
    assert run.utilisation <= 1


@given(st.sampled_from(DATAFLOWS), sides, sides, sizes, sizes, sizes)
def test_no_dataflow_beats_its_multiply_adds_nor_reads_less_than_its_operands(dataflow, rows, columns, m, n, k):
    run = SystolicArray(rows, columns, dataflow).gemm(m=m, n=n, k=k)
    assert run.cycles * rows * columns >= m * n * k
    assert run.ifmap_reads >= m * k
    assert run.filter_reads >= k * n
    assert run.ofmap_writes >= m * n


def test_a_convolution_is_the_product_of_its_windows_by_its_filters():
    array = SystolicArray(16, 8, "ws")
    run = array.convolution(height=30, width=9, filter_height=3, filter_width=5, channels=7, filters=20, stride=2)
    assert run == array.gemm(m=15 * 3, n=20, k=3 * 5 * 7)


# Selvam, Ganesan & Kumar 2021, and the authors' repository: speed-up over depthwise convolutions, half and full.
PUBLISHED = {
    "v1": (6.76, 4.1), "v2": (7.23, 5.1), "mnasnet": (7.15, 5.06), "v3-small": (4.16, 3.02), "v3-large": (5.45, 3.61),
}  # fmt: skip


def network_cycles(array, layers):
    total = 0
    for kind, side, channels, filters, kernel, stride in layers:
        padded = side + kernel - 1
        if kind == "separable":
            total += array.separable_convolution(
                height=side, width=padded, channels=channels, kernel=kernel, stride=stride
            ).cycles
            continue
        grouped = kind == "depthwise"
        one = array.convolution(
            padded, padded, kernel, kernel, 1 if grouped else channels, 1 if grouped else filters, stride
        )
        total += one.cycles * (channels if grouped else 1)
    return total


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_speedups_of_fully_separable_convolutions(name):
    array = SystolicArray(rows=64, columns=64, dataflow="os", trimmed=True)
    cycles = {variant: network_cycles(array, mobilenet(name, variant)) for variant in ("depthwise", "half", "full")}
    found = [cycles["depthwise"] / cycles[variant] for variant in ("half", "full")]
    assert found == pytest.approx(PUBLISHED[name], rel=0.03)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SystolicArray(0, 4), "rows"),
        (lambda: SystolicArray(4, 4, "rs"), "dataflow"),
        (lambda: SystolicArray(4, 4).gemm(m=2.5, n=1, k=1), "m must be a whole number"),
        (lambda: SystolicArray(4, 4).gemm(m=2**20, n=2**20, k=2**40), "k"),
        (lambda: SystolicArray(4, 4).gemm(m=2**20, n=2**20, k=2**20 + 1), "k"),
        (lambda: SystolicArray(4, 4).convolution(3, 9, 5, 5, 1, 1), "larger than the image"),
        (lambda: SystolicArray(4, 4).separable_convolution(3, 2, 1, 3), "larger than the image"),
    ],
)
def test_bad_sizes_are_one_line(make, said):
    with pytest.raises(ValueError, match=said) as refusal:
        make()
    assert "\n" not in str(refusal.value)
