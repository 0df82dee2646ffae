import numpy as np
import pytest

import placezoo
from placezoo.datasets import (
    Layer,
    LayerGraph,
    OpGraph,
    Workload,
    load,
    load_design_space,
    load_technology,
    read_workload,
    write_workload,
)  # fmt: skip
from placezoo.datasets.accel import nasbench201
from placezoo.datasets.accel.design_space import DesignSpace, design_space_names
from placezoo.datasets.accel.nasbench201 import COLUMNS, OPERATIONS, accuracies, parse_cell, skeleton
from placezoo.datasets.accel.network_layers import layers_of
from placezoo.datasets.accel.technology import technology_names
from placezoo.datasets.public_files import find_file, public_files
from tests.instances import random_model, small_network


def test_the_layers_of_resnet_50():
    graph = layers_of(load("transformers:resnet-50"))
    products = [layer for layer in graph.layers if layer.kind == "product"]
    assert len(products) == 54
    assert sum(layer.kind == "elementwise" for layer in graph.layers) == 16  # the residuals' sums
    assert sum(layer.multiply_adds for layer in graph.layers) == 4_089_184_256
    first = products[0]  # the pooling after it is done on the way out
    assert (first.rows, first.inner, first.columns, first.inputs) == (112 * 112, 147, 64, 3 * 224 * 224)
    assert first.outputs == 56 * 56 * 64
    assert all(a < b for a, b in graph.edges.tolist())


def test_every_shipped_network_has_layers():
    for name in placezoo.datasets.model_zoo.model_names():
        op_graph = load(name)
        graph = layers_of(op_graph)
        assert sum(layer.multiply_adds for layer in graph.layers) == pytest.approx(op_graph.flops.sum() / 2)


def test_one_dimensional_convolutions_are_separable_layers():
    layers = [layer for layer in layers_of(load("torch:fuseconv")).layers if layer.kind == "separable"]
    assert len(layers) == 34
    rows, columns = layers[0], layers[1]
    assert (rows.lines, rows.line_length, rows.kernel, rows.stride) == (112 * 16, 114, 3, 1)
    assert (columns.lines, columns.line_length, columns.kernel, columns.stride) == (112 * 16, 114, 3, 1)


def test_layers_that_nobody_knows_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"operator 0 .* is a layer of unknown kind: it computes products"):
        layers_of(random_model(4))
    with pytest.raises(ValueError, match="accelerators are searched for inference, this network has a backward pass"):
        layers_of(load("transformers:resnet-50,training,batch=8"))
    with pytest.raises(
        ValueError, match="layer a is of unknown kind 'softmax'; known: product, separable, elementwise"
    ):
        LayerGraph((Layer("a", "softmax", 1, 1, 1),))
    with pytest.raises(ValueError, match=r"layer a: rows must be in 1\.\.2"):
        LayerGraph((Layer("a", "product", 1, 1, 1, rows=0),))
    with pytest.raises(ValueError, match=r"layer a: inputs must be in 0.* not nan"):
        LayerGraph((Layer("a", "product", np.nan, 1, 1),))
    with pytest.raises(ValueError, match="hangs on option 0 of choice 0, which is none"):
        LayerGraph((Layer("a", "product", 1, 1, 1, when=((0, 0),)),))
    with pytest.raises(ValueError, match="has no layer that an accelerator would run"):
        layers_of(OpGraph([0.0], [8.0], [4.0], [0.0]))


def test_cells_are_read_in_both_ways():
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    assert parse_cell(text) == parse_cell("301423") == (3, 0, 1, 4, 2, 3)
    for bad in (
        "",
        "30142",
        "301425",
        "|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        text.replace("~1", "~7"),
        text[1:],
    ):
        with pytest.raises(ValueError, match="is no cell of NAS-Bench-201") as refusal:
            parse_cell(bad)
        assert "\n" not in str(refusal.value)


def test_the_network_of_a_cell():
    """Five cells each of 16, 32 and 64 channels, and two reductions between them."""
    graph = load("nasbench201:333333")
    convolutions = sum(6 * 5 * (side * channels) ** 2 * 9 for side, channels in ((32, 16), (16, 32), (8, 64)))
    reductions = sum((9 * c * 2 * c + 9 * 4 * c * c + 2 * c * c) * side**2 for side, c in ((16, 16), (8, 32)))
    assert sum(layer.multiply_adds for layer in graph.layers) == convolutions + reductions + 32 * 32 * 27 * 16 + 640
    assert load("nasbench201").num_layers == skeleton().num_layers == 15 * 6 * 3 + 8
    assert load("nasbench201:000000").num_layers == 8
    assert len(OPERATIONS) == 5


def test_the_sample_is_a_part_of_the_table():
    for column in COLUMNS:
        sample = accuracies("nasbench201-sample", column)
        assert sample.shape == (5,) * 6
        assert np.isfinite(sample).sum() == 1000
        if find_file(public_files()["nasbench201-table"]) is not None:
            table = accuracies("nasbench201", column)
            assert np.isfinite(table).all()
            np.testing.assert_array_equal(table[np.isfinite(sample)], sample[np.isfinite(sample)])


def test_a_table_that_is_nowhere_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PLACEZOO_DATA", str(tmp_path))
    monkeypatch.setattr("placezoo.datasets.public_files.cache_folder", lambda: tmp_path)
    with pytest.raises(OSError, match="nasbench201-table has no public address; put it at accel/"):
        nasbench201.accuracies("nasbench201", "cifar10_valid")


def test_workloads_survive_files(tmp_path):
    for workload in (Workload.of(small_network()), Workload((skeleton(), small_network()), "both")):
        write_workload(workload, tmp_path / "w.json")
        found = read_workload(tmp_path / "w.json")
        assert (found, found.name) == (workload, workload.name)
        assert found.networks[0].layers == workload.networks[0].layers
    assert load(tmp_path / "w.json") == workload
    both = load("accel:nasbench201:301423+transformers:mobilenet-v2")
    assert [network.name for network in both.networks] == ["nasbench201:301423", "transformers:mobilenet-v2"]
    for name in ("accel:", "accel:karate", "accel:nasbench201:301423+"):
        with pytest.raises(ValueError, match="networks joined by"):
            load(name)
    with pytest.raises(ValueError, match="one network of a workload may have a table"):
        Workload((skeleton(), skeleton()))
    if find_file(public_files()["nasbench201-table"]) is not None:
        with pytest.raises(ValueError, match="is a table of measurements"):
            load("nasbench201-table")


def test_presets_and_files(tmp_path):
    assert load_design_space("apollo").size == 452_760_000
    assert load_design_space("systolic-small").size == 432
    for name in design_space_names():
        assert load_design_space(name).name == name
    for name in technology_names():
        assert load_technology(name).mac_pj > 0
    own = tmp_path / "own.yaml"
    fixed = "fixed: {columns: 8, input_sram: 1e4, weight_sram: 1e4, output_sram: 1e4}"
    text = f"parameters:\n  rows: {{options: [4, 8], sets: {{rows: 1}}}}\n{fixed}\n"
    own.write_text(text)
    assert load_design_space(own).size == 2
    for old, new, said in (
        ("[4, 8]", "[]", "rows has no options"),
        ("[4, 8]", "[4, 4]", "rows has an option twice"),
        ("[4, 8]", "[4, .nan]", "must be a finite number above 0, not nan"),
        ("[4, 8]", "[4, -8]", "must be a finite number above 0, not -8"),
        ("{rows: 1}", "{row: 1}", "unknown quantity 'row'"),
        ("input_sram: 1e4, ", "", "says nothing of input_sram"),
        ("columns: 8", "columns: 0", "columns must be a finite number above 0"),
        ("parameters:", "parameter:", "'parameters' is missing"),
    ):
        own.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=f"own.yaml:1: .*{said}"):
            load_design_space(own)
    with pytest.raises(ValueError, match="design space space has no decisions"):
        DesignSpace(())
    with pytest.raises(ValueError, match="unknown design space 'systolik'"):
        load_design_space("systolik")
    numbers = {name: 1.0 for name in load_technology("dosa").__dataclass_fields__ if name != "name"}
    for name, value, said in (
        ("mac_pj", ".nan", "mac_pj must be a finite number of at least 0, not nan"),
        ("clock_hz", "0", "clock_hz must be a finite number above 0, not 0"),
        ("sram_pj", "{value: x}", "sram_pj must be a number, not 'x'"),
    ):
        own.write_text("\n".join(f"{key}: {one}" for key, one in {**numbers, name: value}.items()))
        with pytest.raises(ValueError, match=f"own.yaml:1: .*{said}"):
            load_technology(own)
