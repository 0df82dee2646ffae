"""Bookshelf designs."""

import pytest

from placezoo.datasets import NodeType, load, read_bookshelf

FILES = {
    "d.aux": "RowBasedPlacement : d.nodes d.nets d.wts d.pl d.scl\n",
    "d.nodes": "UCLA nodes 1.0\n# by hand\nNumNodes : 4\nNumTerminals : 1\n"
    "  m 8 6\n  c 2 1\n  d 1 1\n  p 0 0 terminal\n",
    "d.nets": "UCLA nets 1.0\nNumNets : 2\nNumPins : 5\nNetDegree : 3 n0\n  m I : 1 -2\n  c O : 0 0\n  p I\n"
    "NetDegree : 2 n1\n  m O : -3 0.5\n  d I : 0 0\n",
    "d.wts": "UCLA wts 1.0\nn1 2.5\n",
    "d.pl": "UCLA pl 1.0\nm 12 20 : FN\nc 30 10 : N\nd 31 11 : N\np 10 10 : N /FIXED\n",
    "d.scl": "UCLA scl 1.0\nNumRows : 20\n"
    + "".join(
        f"CoreRow Horizontal\n  Coordinate : {10 + i}\n  Height : 1\n  Sitewidth : 1\n"
        f"  SubrowOrigin : 10 NumSites : 30\nEnd\n"
        for i in range(20)
    ),
}


@pytest.fixture
def design(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_is_read(design):
    netlist = read_bookshelf(design / "d.aux", grid=(6, 4))
    assert (netlist.canvas.width, netlist.canvas.height, netlist.canvas.columns) == (30, 20, 6)
    node = netlist.index
    kinds = {name: NodeType(netlist.types[node[name]]) for name in "mcdp"}
    assert kinds == {"m": NodeType.HARD_MACRO, "c": NodeType.STDCELL, "d": NodeType.STDCELL, "p": NodeType.PORT}
    assert netlist.centers[node["m"]].tolist() == [6, 13]  # the lower left corner of rows is (10, 10)
    assert netlist.fixed[node["p"]]
    positions = netlist.placement.node_positions
    assert positions[node["m/n0/1"]].tolist() == [5, 11]  # mirrored
    assert netlist.names[netlist.net_nodes[0]] == "c/n0/0"  # the output drives
    assert netlist.net_weights.tolist() == [1, 2.5]
    assert load(design / "d.aux").digest == read_bookshelf(design / "d.aux").digest


@pytest.mark.parametrize(
    ("file", "change", "what"),
    [
        ("d.nodes", ("c 2 1", "c 2"), r"d.nodes:6: expected `name width height"),
        ("d.nodes", ("c 2 1", "c two 1"), r"d.nodes:6: not a number: two"),
        ("d.nodes", ("c 2 1", "c 0 0"), r"d.nodes:6: c has no area"),
        ("d.nodes", ("c 2 1", "m 2 1"), r"d.nodes:6: a second node m"),
        ("d.nodes", ("m 8 6", "m 80 6"), r"d.nodes:5: m: 80 x 6 does not fit"),
        ("d.nets", ("d I : 0 0", "e I : 0 0"), r"d.nets:10: unknown node 'e'"),
        ("d.nets", ("NetDegree : 2 n1", "NetDegree : 3 n1"), r"d.nets:8: this net has 1 pins less"),
        ("d.nets", ("NetDegree : 2 n1\n", ""), r"d.nets:8: expected NetDegree"),
        ("d.pl", ("m 12 20 : FN", "m 12 20 : NF"), r"d.pl:2: unknown orientation 'NF'"),
        ("d.pl", ("m 12 20 : FN", "m 12"), r"d.pl:2: expected `name x y"),
        ("d.pl", ("/FIXED", "/FIXD"), r"d.pl:5: expected `name x y : orientation .* found /FIXD"),
        ("d.nodes", ("terminal", "terminus"), r"d.nodes:8: expected `name width height .* found terminus"),
        ("d.aux", ("d.scl", ""), r"d.aux:1: names no .scl"),
        ("d.wts", ("n1 2.5", "n1 -1"), r"d.wts:2: a weight must not be negative"),
    ],
)  # fmt: skip
def test_bad_files(file, change, what, design):
    assert change[0] in FILES[file]
    (design / file).write_text(FILES[file].replace(*change, 1))
    with pytest.raises(ValueError, match=what):
        read_bookshelf(design / "d.aux")


def test_a_missing_file(design):
    (design / "d.nets").unlink()
    with pytest.raises(FileNotFoundError, match=r"d.nets: no such file"):
        read_bookshelf(design / "d.aux")


@pytest.mark.parametrize("mark", ["/FIXED", "/Fixed", "/fixed", "/ FIXED"])
def test_fixed_in_any_case(mark, design):
    assert not read_bookshelf(design / "d.aux").fixed[0]
    (design / "d.pl").write_text(FILES["d.pl"].replace("m 12 20 : FN", f"m 12 20 : fn {mark}"))
    netlist = read_bookshelf(design / "d.aux")
    assert netlist.fixed[netlist.index["m"]]
    assert netlist.types[netlist.index["m"]] == NodeType.HARD_MACRO


@pytest.mark.parametrize(
    ("file", "change"), [("d.nodes", ("m 8 6", "m 8 6 Terminal_NI")), ("d.pl", ("FN", "FN /Fixed_NI"))]
)
def test_what_others_may_overlap_obstructs_nothing(file, change, design):
    (design / file).write_text(FILES[file].replace(*change))
    netlist = read_bookshelf(design / "d.aux", grid=(6, 4))
    node = netlist.index["m"]
    assert (netlist.types[node], netlist.fixed[node]) == (NodeType.PORT, True)
    assert netlist.placement.node_positions[netlist.index["m/n0/1"]].tolist() == [5, 11]  # its pins stay


def test_keywords_in_any_case(design):
    plain = read_bookshelf(design / "d.aux")
    for name, words in {
        "d.nodes": ("terminal", "NumNodes"), "d.nets": ("NetDegree", " O ", "NumNets"),
        "d.scl": ("CoreRow", "Coordinate", "Height", "SubrowOrigin", "NumSites", "Sitewidth"),
    }.items():  # fmt: skip
        text = FILES[name]
        for word in words:
            text = text.replace(word, word.swapcase())
        (design / name).write_text(text)
    assert read_bookshelf(design / "d.aux") == plain
