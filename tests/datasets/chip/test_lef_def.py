"""LEF and DEF: what is read, and placements written back byte for byte."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from placezoo.datasets import NodeType, Placement, read_def, read_lef, write_def, write_openroad_tcl
from placezoo.datasets.chip.canvas import choose_grid

LEF = """VERSION 5.8 ;
MACRO RAM
  CLASS BLOCK ;
  ORIGIN 0 0 ;
  SIZE 20 BY 10 ;
  PIN A
    DIRECTION INPUT ;
    PORT
      LAYER m1 ;
      RECT 0 4 2 6 ;
    END
  END A
  PIN Z
    DIRECTION OUTPUT ;
    PORT
      LAYER m1 ;
      RECT 18 0 20 2 ;
    END
  END Z
END RAM
MACRO INV
  CLASS CORE ;
  SIZE 1 BY 2 ;
  PIN A
    DIRECTION INPUT ;
  END A
END INV
END LIBRARY
"""
DEF = """VERSION 5.8 ;
DESIGN toy ;
UNITS DISTANCE MICRONS 100 ;
DIEAREA ( 1000 1000 ) ( 11000 9000 ) ;
ROW r0 site 1500 1200 N DO 90 BY 1 STEP 100 0 ;
ROW r1 site 1500 1400 N DO 90 BY 1 STEP 100 0 ;
COMPONENTS 3 ;
- ram\\[0\\] RAM
 ;
- ram1 RAM + FIXED ( 5000 5000 ) W ;
- u1 INV + PLACED ( 2000 1200 ) N ;
END COMPONENTS
PINS 2 ;
- in + NET n0 + DIRECTION INPUT + USE SIGNAL + LAYER m1 ( 0 0 ) ( 2 2 ) + PLACED ( 1000 5000 ) N ;
- vdd + NET vdd + DIRECTION INOUT + USE POWER ;
END PINS
BLOCKAGES 1 ;
- PLACEMENT RECT ( 9000 7000 ) ( 9500 7500 ) ;
END BLOCKAGES
NETS 3 ;
- n0 ( ram\\[0\\] A ) ( PIN in ) + USE SIGNAL ;
- n1 ( u1 A ) ( ram\\[0\\] Z ) ( ram1 A ) + WEIGHT 4 ;
- vdd ( PIN vdd ) ( ram1 A ) + USE POWER ;
END NETS
END DESIGN
"""


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "toy.lef").write_text(LEF)
    (tmp_path / "toy.def").write_text(DEF)
    return tmp_path


def test_lef(toy):
    library = read_lef(toy / "toy.lef")
    ram = library["RAM"]
    assert (ram.width, ram.height, ram.is_block) == (20, 10, True)
    assert ram.pins["A"].offset == (-9, 0)
    assert ram.pins["Z"].offset == (9, -4)
    assert ram.pins["Z"].direction == "OUTPUT"
    assert not library["INV"].is_block


def test_def(toy):
    netlist = read_def(toy / "toy.def", [toy / "toy.lef"], grid=(10, 8))
    canvas = netlist.canvas
    assert (canvas.width, canvas.height, canvas.columns, canvas.rows) == (100, 80, 10, 8)
    node = netlist.index
    assert netlist.types[node["ram1"]] == NodeType.HARD_MACRO
    assert netlist.types[node["u1"]] == NodeType.STDCELL
    assert netlist.fixed[node["ram1"]]
    assert not netlist.fixed[node["ram\\[0\\]"]]
    # ram1 is turned by a quarter: 10 wide, 20 high; its lower left corner is at (40, 40) on the canvas.
    assert netlist.centers[node["ram1"]].tolist() == [45, 50]
    assert netlist.placement.node_positions[node["ram1/A"]].tolist() == [45, 41]
    assert netlist.centers[node["in"]].tolist() == [0, 40]
    drivers = [netlist.names[netlist.net_nodes[first]] for first in netlist.net_indptr[:-1]]
    assert drivers == ["in", "ram\\[0\\]/Z"]  # the input port, and the output pin although it is second
    assert netlist.net_weights.tolist() == [1, 4]
    assert "vdd" not in node
    boxes = {tuple(blockage[:4]) for blockage in canvas.blockages}
    assert (80, 60, 85, 65) in boxes
    assert (0, 0, 5, 80) in boxes  # left of the rows
    assert (0, 6, 100, 80) in boxes  # above them


def test_writing_back_changes_only_the_movable_macros(toy):
    netlist = read_def(toy / "toy.def", [toy / "toy.lef"])
    placement = netlist.with_positions({"ram\\[0\\]": (30.004, 20.0)}, {"ram\\[0\\]": "FS"})
    write_def(toy / "out.def", placement, toy / "toy.def", halo=(1, 2, 3, 4), snap=0.5)
    expected = DEF.replace(
        "- ram\\[0\\] RAM\n ;", "- ram\\[0\\] RAM + PLACED ( 3000 2500 ) FS\n  + HALO 100 200 300 400\n ;"
    )
    assert (toy / "out.def").read_text() == expected
    again = read_def(toy / "out.def", [toy / "toy.lef"])
    assert again.centers[again.index["ram\\[0\\]"]].tolist() == [30, 20]
    assert again.halos[again.index["ram\\[0\\]"]].tolist() == [1, 2, 3, 4]
    write_openroad_tcl(toy / "out.tcl", placement)
    assert (
        "place_macro -macro_name {ram\\[0\\]} -location {20.0040 15.0000} -orientation MX"
        in (toy / "out.tcl").read_text()
    )


def test_the_grid_is_chosen_for_the_macros():
    assert choose_grid(100.0, 100.0, np.zeros((0, 2))) == (32, 32)
    # Macros of 10 x 4: twenty columns of 5 micron, or ten ... of 16 to 48 those that divide both sizes.
    columns, rows = choose_grid(100.0, 100.0, np.array([[10.0, 4.0]] * 3))
    assert (10.0 / (100 / columns)).is_integer()
    assert (4.0 / (100 / rows)).is_integer()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("- u1 INV", "- u1 NAND"), ":11: u1 is a NAND, which no LEF file describes"),
        (("( u1 A )", "( u9 A )"), ":22: net n1: no component u9"),
        (("( ram1 A ) + WEIGHT", "( ram1 B ) + WEIGHT"), ":22: net n1: RAM has no pin B"),
        (("( PIN in )", "( PIN out )"), ":21: net n0: no pin out"),
        (("+ FIXED ( 5000 5000 ) W", "+ FIXED ( 5000 5000 ) Q"), ":10: no orientation 'Q'"),
        (("- ram1 RAM", "- u1 RAM"), ":11: a second component u1"),
        (("UNITS DISTANCE MICRONS 100 ;\n", ""), ":1: no UNITS"),
        (("DIEAREA ( 1000 1000 ) ( 11000 9000 ) ;\n", ""), ":1: no DIEAREA"),
        (("( 11000 9000 )", "( 11000 x )"), ":4: not a number"),
        (("END NETS\nEND DESIGN\n", ""), "NETS does not end"),
    ],
)  # fmt: skip
def test_bad_def(change, what, toy):
    assert change[0] in DEF
    (toy / "bad.def").write_text(DEF.replace(*change, 1))
    with pytest.raises(ValueError, match=what):
        read_def(toy / "bad.def", [toy / "toy.lef"])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("SIZE 20 BY 10 ;", "SIZE 20 ;"), ":5: expected `SIZE"), (("SIZE 20 BY 10 ;", ""), ":2: RAM has no SIZE"),
        (("RECT 0 4 2 6", "RECT 0 4 2 x"), ":10: not a number"), (("END INV\n", ""), ":21: MACRO INV does not end"),
    ],
)  # fmt: skip
def test_bad_lef(change, what, tmp_path):
    (tmp_path / "bad.lef").write_text(LEF.replace(*change, 1))
    with pytest.raises(ValueError, match=what):
        read_lef(tmp_path / "bad.lef")


def test_the_commercial_placement_of_ariane_comes_back_byte_for_byte(tmp_path):
    folders = [Path(f) / "chip/lefdef" for f in os.environ.get("PLACEZOO_DATA", "").split(os.pathsep) if f]
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if folder is None:
        pytest.skip("chip/lefdef is not in PLACEZOO_DATA")
    lefs = [folder / "fakeram45_256x16.lef.gz", folder / "NangateOpenCellLibrary.tech.lef.gz"]
    floorplan, placed = folder / "ariane133_floorplan.def.gz", folder / "ariane133_placed_macros.def.gz"
    empty, reference = read_def(floorplan, lefs), read_def(placed, lefs)
    assert empty.hard_macros.size == 133
    assert reference.placement.is_legal
    write_def(tmp_path / "out.def", Placement(empty, reference.centers, reference.orientations), floorplan, halo=5)

    def parts(content):
        head, _, rest = content.partition(b"COMPONENTS 133 ;")
        section, _, tail = rest.partition(b"END COMPONENTS")
        return head, section, tail

    ours = parts((tmp_path / "out.def").read_bytes())
    theirs, before = (parts(gzip.decompress(path.read_bytes())) for path in (placed, floorplan))
    assert ours[1] == theirs[1]
    assert (ours[0], ours[2]) == (before[0], before[2])
    clustered = read_def(folder / "ariane133_clustered.def.gz", lefs, unknown_size=(30, 30))
    assert (clustered.num_nets, clustered.hard_macros.size, clustered.soft_macros.size) == (14664, 133, 500)
    assert np.all(np.diff(clustered.net_indptr) >= 2)
