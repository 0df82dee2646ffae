"""Circuit Training's files: what is read, round trips, and one line for everything that is wrong with a file."""

import gzip
import lzma

import numpy as np
import pytest

from placezoo import datasets
from placezoo.datasets import NodeType, read_netlist, read_plc, write_netlist, write_plc
from placezoo.datasets.public_files import find_file, public_files

PLC = """# Columns : 4  Rows : 3
# Width : 40.0  Height : 30.0
# Block : tiny
# Routes per micron, hor : 7.5  ver : 8.5
# Routes used by macros, hor : 1.5  ver : 2.5
# Smoothing factor : 1
# Blockage : 0 0 4 3 1.0
0 0 5 - 1
1 10 10 FN 0
4 30 20 N 0
"""


def node(name, inputs=(), **attributes):
    lines = ["node {", f'  name: "{name}"', *(f'  input: "{sink}"' for sink in inputs)]
    for key, value in attributes.items():
        text = f'placeholder: "{value}"' if isinstance(value, str) else f"f: {value}"
        lines += ["  attr {", f'    key: "{key}"', "    value {", f"      {text}", "    }", "  }"]
    return "\n".join([*lines, "}"]) + "\n"


TINY = (
    node("__metadata__", soft_macro_area_bloating_ratio=2.0)
    + node("P", ["M/a"], type="PORT", side="LEFT", x=0.0, y=5.0)
    + node("M", type="MACRO", width=8.0, height=6.0, x=20.0, y=15.0, orientation="N")
    + node("M/a", type="MACRO_PIN", macro_name="M", x_offset=-4.0, y_offset=1.0)
    + node("M/z", ["Grp_0/Pinput", "P"], type="MACRO_PIN", macro_name="M", x_offset=4.0, y_offset=-1.0, weight=3.0)
    + node("Grp_0", type="macro", width=10.0, height=2.0, x=5.0, y=5.0)
    + node("Grp_0/Pinput", type="macro_pin", macro_name="Grp_0", x_offset=0.0, y_offset=0.0)
)


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.pb.txt").write_text(TINY)
    (tmp_path / "tiny.plc").write_text(PLC)
    return tmp_path


def test_what_is_read(tiny):
    netlist = read_netlist(tiny / "tiny.pb.txt", tiny / "tiny.plc")
    assert netlist.names == ("P", "M", "M/a", "M/z", "Grp_0", "Grp_0/Pinput")
    kinds = ["PORT", "HARD_MACRO", "HARD_PIN", "HARD_PIN", "SOFT_MACRO", "SOFT_PIN"]
    assert [NodeType(kind).name for kind in netlist.types] == kinds
    assert netlist.net_indptr.tolist() == [0, 2, 5]
    assert netlist.net_nodes.tolist() == [0, 2, 3, 5, 0]
    assert netlist.net_weights.tolist() == [1.0, 3.0]
    canvas = netlist.canvas
    assert (canvas.columns, canvas.rows, canvas.width, canvas.height, canvas.block) == (4, 3, 40.0, 30.0, "tiny")
    assert (canvas.routes_per_micron, canvas.macro_routes, canvas.smoothing_range) == ((7.5, 8.5), (1.5, 2.5), 1)
    assert canvas.blockages == ((0, 0, 4, 3, 1),)
    # M lies at (10, 10), mirrored about the vertical axis.
    assert netlist.placement.node_positions[[0, 1, 2, 3, 5]].tolist() == [[0, 5], [10, 10], [14, 11], [6, 9], [30, 20]]
    assert netlist.fixed.tolist() == [True, False, False, False, False, False]


def test_without_a_placement_file_the_canvas_is_a_square_used_to_60_percent(tiny):
    canvas = read_netlist(tiny / "tiny.pb.txt").canvas
    assert canvas.width == canvas.height == pytest.approx(np.sqrt((48 + 20) / 0.6))
    assert (canvas.columns, canvas.rows) == (10, 10)


def test_compressed_files_and_windows_line_ends_read_the_same(tiny):
    plain = read_netlist(tiny / "tiny.pb.txt", tiny / "tiny.plc")
    (tiny / "a.pb.txt.gz").write_bytes(gzip.compress(TINY.encode()))
    (tiny / "a.plc.xz").write_bytes(lzma.compress(PLC.encode()))
    (tiny / "b.pb.txt").write_bytes(TINY.replace("\n", "\r\n").encode())
    (tiny / "b.plc").write_bytes(PLC.replace("\n", "\r\n").encode())
    assert read_netlist(tiny / "a.pb.txt.gz", tiny / "a.plc.xz") == plain
    assert read_netlist(tiny / "b.pb.txt", tiny / "b.plc") == plain
    assert datasets.load(f"{tiny}/tiny.pb.txt,{tiny}/tiny.plc") == plain


def test_a_placement_comes_back_from_its_file(tiny, tmp_path):
    netlist = read_netlist(tiny / "tiny.pb.txt", tiny / "tiny.plc")
    placement = netlist.with_positions({"M": (12.25, 1 / 3), "Grp_0": (7.1, 8.9)}, {"M": "S"})
    write_plc(tmp_path / "out.plc", placement, costs={"wirelength": 0.125, "density": 0.5, "congestion": 0.75})
    again = read_netlist(tiny / "tiny.pb.txt", tmp_path / "out.plc")
    assert again == netlist.with_placement(placement)
    assert read_plc(tmp_path / "out.plc").costs == {"wirelength": 0.125, "density": 0.5, "congestion": 0.75}


def test_a_netlist_comes_back_from_its_file(tmp_path):
    netlist = datasets.generate_netlist(num_hard=5, num_soft=9, seed=3)
    write_netlist(tmp_path / "n.pb.txt", netlist)
    write_plc(tmp_path / "n.plc", netlist.placement)
    again = read_netlist(tmp_path / "n.pb.txt", tmp_path / "n.plc")
    assert again.names == netlist.names
    assert again.canvas == netlist.canvas
    np.testing.assert_array_equal(
        again.net_nodes[again.net_indptr[:-1]], np.sort(netlist.net_nodes[netlist.net_indptr[:-1]])
    )
    np.testing.assert_allclose(again.sizes, netlist.sizes, rtol=1e-6)
    np.testing.assert_allclose(again.centers[again.blocks], netlist.centers[netlist.blocks])


WIDTH = 'key: "width"\n    value {\n      f: 8.0'
KIND = 'key: "type"\n    value {\n      placeholder: "PORT"'


@pytest.mark.parametrize(
    ("old", "new", "at", "what"),
    [
        (WIDTH, WIDTH.replace("8.0", "0.0"), 'name: "M"', "M: width and height must be positive"),
        (WIDTH, WIDTH.replace("width", "wide"), 'name: "M"', "M: no attribute width"),
        ("f: 8.0", "f: eight", 'name: "M"', "M: width is not a number: eight"),
        ("f: 8.0", "f: nan", 'name: "M"', "M: width must be finite"),
        ("f: 8.0", "f: 800.0", 'name: "M"', "M: 800 x 6 micron does not fit on the canvas"),
        ('input: "M/a"', 'input: "M/b"', 'name: "P"', "P: input M/b is no node"),
        ('placeholder: "M"\n', 'placeholder: "Q"\n', 'name: "M/a"', "M/a: macro_name Q is no macro"),
        ('placeholder: "N"', 'placeholder: "NF"', 'name: "M"', "M: unknown orientation 'NF'"),
        ('placeholder: "PORT"', 'placeholder: "PROT"', 'name: "P"', "P: unknown type 'PROT'"),
        ("f: 3.0", "f: -3.0", 'name: "M/z"', "M/z: weight must not be negative"),
        (KIND, KIND.replace("type", "kind"), 'name: "P"', "P: no attribute type"),
        ('name: "P"', "name: P", "name: P", "expected a string in quotes after name:, found 'P'"),
        ('node {\n  name: "M"\n', 'node [\n  name: "M"\n', "node [", "expected '{' after node, found '['"),
    ],
)
def test_bad_netlists(old, new, at, what, tmp_path):
    assert old in TINY
    text = TINY.replace(old, new, 1)
    (tmp_path / "bad.pb.txt").write_text(text)
    (tmp_path / "tiny.plc").write_text(PLC)
    with pytest.raises(ValueError, match=r"bad\.pb\.txt") as caught:
        read_netlist(tmp_path / "bad.pb.txt", tmp_path / "tiny.plc")
    line = next(number for number, line in enumerate(text.splitlines(), 1) if at in line)
    assert str(caught.value).startswith(f"{tmp_path}/bad.pb.txt:{line}: {what}")


def test_a_second_node_of_a_name(tmp_path):
    (tmp_path / "bad.pb.txt").write_text(TINY.replace('name: "M/z"', 'name: "M/a"'))
    with pytest.raises(ValueError, match=r"bad.pb.txt:\d+: M/a: a second node of this name"):
        read_netlist(tmp_path / "bad.pb.txt")


def test_a_file_that_is_cut_off(tmp_path):
    (tmp_path / "cut.pb.txt").write_text(TINY[: len(TINY) // 2])
    with pytest.raises(ValueError, match=r"cut.pb.txt:\d+: (the file ends within a node|.*closed)"):
        read_netlist(tmp_path / "cut.pb.txt")
    content = gzip.compress(TINY.encode())
    (tmp_path / "cut.pb.txt.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut.pb.txt.gz: damaged gz file"):
        read_netlist(tmp_path / "cut.pb.txt.gz")
    (tmp_path / "empty.pb.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"empty.pb.txt:1: no nodes"):
        read_netlist(tmp_path / "empty.pb.txt")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_netlist(tmp_path / "nowhere.pb.txt")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("1 10 10 FN 0", "1 10 10 NF 0"), ":9: unknown orientation 'NF'"),
        (("1 10 10 FN 0", "1 10 10 - 0"), ":9: node 1 is a macro and needs an orientation"),
        (("1 10 10 FN 0", "1 ten 10 FN 0"), ":9: expected `node_index x y orientation fixed`"),
        (("1 10 10 FN 0", "1 10 10 FN"), ":9: expected `node_index x y orientation fixed`, found 4 fields"),
        (("1 10 10 FN 0", "1 10 10 FN 2"), ":9: fixed must be 0 or 1"),
        (("1 10 10 FN 0", "1 10 inf FN 0"), ":9: .*finite"),
        (("1 10 10 FN 0", "2 10 10 FN 0"), ":9: a placement of another netlist: node 2 is a pin"),
        (("1 10 10 FN 0", "99 10 10 FN 0"), ":9: a placement of another netlist: node 99"),
        (("1 10 10 FN 0", "0 10 10 FN 0"), ":9: node 0 is placed a second time"),
        (("Columns : 4", "Columns : four"), ":1: not a number"),
        (("Columns : 4", "Columns : 0"), ":1: must be positive"),
        (("# Width : 40.0  Height : 30.0\n", ""), ":1: the header has no `Width"),
        (("# Block : tiny", "# HARD_MACROs : 2"), ":3: a placement of another netlist: it has 2 hard macros"),
    ],
)  # fmt: skip
def test_bad_placement_files(change, what, tmp_path):
    assert change[0] in PLC
    (tmp_path / "tiny.pb.txt").write_text(TINY)
    (tmp_path / "bad.plc").write_text(PLC.replace(*change, 1))
    with pytest.raises(ValueError, match=rf"^{tmp_path}/bad.plc{what}"):
        read_netlist(tmp_path / "tiny.pb.txt", tmp_path / "bad.plc")


@pytest.mark.parametrize(
    "name",
    ["ariane133-ng45", "ariane136-ng45", "nvdla-ng45", "mempool-tile-ng45", "ariane133-sky130", "ariane136-sky130",
     "macro-tiles-10x10", "toy-macro-stdcell", "sample-clustered"],
)  # fmt: skip
def test_every_public_netlist_here_loads(name, public_graph):
    netlist = public_graph(name)
    assert netlist.name == name
    assert netlist.num_nets > 0
    files = public_files()[name].files
    assert len(files) == 2
    assert all(find_file(file) is not None for file in files)


def test_with_positions_checks_names_and_values(tiny):
    netlist = read_netlist(tiny / "tiny.pb.txt", tiny / "tiny.plc")
    for positions, what in (
        ({"Q": (0, 0)}, "unknown node 'Q'"), ({"M/a": (0, 0)}, "M/a is a pin"),
        ({"M": (0, 0, 0)}, "two finite numbers"),
        ({"M": (0, float("nan"))}, "two finite numbers"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=what):
            netlist.with_positions(positions)
    with pytest.raises(ValueError, match="unknown orientation"):
        netlist.with_positions({}, {"M": "up"})
