"""LEF and DEF: what is read, and placements written back byte for byte."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from placezoo.datasets import NodeType, Placement, read_def, read_lef, write_def, write_openroad_tcl
from placezoo.datasets.chip.canvas import choose_grid
from placezoo.datasets.chip.rectilinear import rectangles

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
        (("( 11000 9000 )", "( 1000 9000 )"), ":4: DIEAREA has no area"),
        (("( 11000 9000 )", "( 11000 9000 ) ( 1000 9000 )"), ":4: expected `DIEAREA"),
        (("( 11000 9000 )", "( 11000 1000 ) ( 9000 9000 ) ( 1000 9000 )"), ":4: DIEAREA: the edge from"),
        (("+ FIXED ( 5000 5000 ) W", "+ FIXED ( 5000 5000"), ":10: expected `. FIXED"),
        (("+ FIXED ( 5000 5000 ) W", "+ FIXD ( 5000 5000 ) W"), ":10: a component has no option FIXD"),
        (("+ FIXED ( 5000 5000 ) W", "FIXED ( 5000 5000 ) W"), ":10: expected `. option`"),
        (("( PIN in ) +", "( PIN in +"), r":21: net n0: expected `\( component pin \)`"),
        (("( PIN in ) +", "( PIN in ) in +"), r":21: net n0: expected `\( component pin \)`, found in"),
        (("+ WEIGHT 4", "+ WEIGHT -4"), ":22: net n1: a weight must not be negative"),
        (("+ WEIGHT 4", "+ WEIGTH 4"), ":22: a net has no option WEIGTH"),
        (("+ USE SIGNAL ;", "+ USE SIGNAL"), ":21: no ; at the end of `- n0"),
        (("DESIGN toy ;", "DESIGN toy"), ":2: no ; at the end of `DESIGN ...`, UNITS follows"),
        (("COMPONENTS 3 ;", "COMPONENTS 3"), ":7: expected `COMPONENTS number ;`"),
        (("- u1 INV", "u1 INV"), ":11: expected `- ...` or END COMPONENTS, found u1"),
        (("ROW r1 site", "ROUTE r1 site"), ":6: DEF has no statement ROUTE"),
        (("N DO 90 BY 1", "N DO 90"), ":5: expected `ROW"),
        (("PLACEMENT RECT", "PLACEMENT + COMPONENT u7 RECT"), ":18: no component u7"),
        (("DESIGN toy", 'DESIGN "toy'), ':2: "toy does not end'),
        (("END DESIGN", "BEGINEXT x"), ":25: BEGINEXT does not end"),
        (("DESIGN toy", "\x1f"), ":2: DEF has no statement"),
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
        (("CLASS BLOCK", "CLASS BLOK"), ":3: expected `CLASS COVER|RING|BLOCK"),
        (("DIRECTION OUTPUT", "DIRECTION OUT"), ":14: expected `DIRECTION INPUT"),
        (("LAYER m1 ;\n      RECT 18", "LAYER m1\n      RECT 18"), ":16: a PORT has no statement `LAYER m1 RECT 18"),
        (("    END\n  END A", "  END A"), ":11: a PIN has no statement A"),
        (("  CLASS CORE ;", "  CLASS CORE ;\n  COLOUR red ;"), ":23: a MACRO has no statement COLOUR"),
        (("VERSION 5.8 ;", "EDITION 5.8 ;"), ":1: LEF has no statement EDITION"),
        (("DIRECTION INPUT ;", "DIRECTION INPUT"), ":7: expected `DIRECTION"),
        (("RECT 18 0 20 2 ;", "RECT 18 0 20 2"), ":17: no ; at the end of `RECT 18 0 20 2`"),
        (("ORIGIN 0 0 ;", "SYMMETRY X Y"), ":4: no ; at the end of `SYMMETRY ...`, SIZE follows"),
        (("RECT 0 4 2 6", "RECT ITERATE 0 4 2 6 DO 2"), ":10: expected `... DO columns"),
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


def test_port_classes_and_one_line_pins(tmp_path):
    text = """MACRO A CLASS COVER BUMP ; SIZE 40 BY 30 ; ORIGIN ( 0 0 ) ; PIN D
    PORT CLASS CORE ; LAYER m4 ; RECT 0 10 1 11 ; END PORT CLASS BUMP ; LAYER m4 ;
    RECT 39 10 40 11 ; END DIRECTION INPUT ; USE SIGNAL ; PROPERTY note "END D ; it is # not over" ; END D
    OBS LAYER m4 ; RECT 0 0 40 30 ; END END A END LIBRARY"""
    (tmp_path / "a.lef").write_text(text)
    macro = read_lef(tmp_path / "a.lef")["A"]
    assert (macro.kind, macro.is_block, macro.is_cover) == ("COVER", False, True)
    assert macro.pins["D"].direction == "INPUT"
    assert macro.pins["D"].box == (-20, -5, 20, -4)  # of both ports


def test_shapes_of_pins(tmp_path):
    text = """LAYER m4 TYPE ROUTING ; WIDTH 0.4 ; END m4
    VIA v DEFAULT LAYER m4 ; RECT -0.5 -0.25 0.5 0.25 ; END v
    MACRO A CLASS BLOCK ; SIZE 40 BY 30 ;
    PIN P PORT LAYER m4 ; POLYGON ( 0 10 ) ( 2 10 ) ( 2 12 ) ( 0 12 ) ; END END P
    PIN Q PORT LAYER m4 ; WIDTH 0.2 ; PATH 0 5 2 5 ; END END Q
    PIN R PORT LAYER m4 ; PATH 0 5 2 5 ; END END R
    PIN S PORT VIA 3 4 v ; END END S
    PIN T PORT LAYER m4 ; RECT MASK 2 ITERATE 0 0 1 30 DO 4 BY 1 STEP 10 0 ; END END T
    PIN U END U
    END A"""
    (tmp_path / "a.lef").write_text(text)
    pins = read_lef(tmp_path / "a.lef")["A"].pins
    centre = np.array([20, 15, 20, 15])
    boxes = {name: (np.array(pin.box) + centre).round(9).tolist() for name, pin in pins.items()}
    assert boxes == {
        "P": [0, 10, 2, 12], "Q": [-0.1, 4.9, 2.1, 5.1], "R": [-0.2, 4.8, 2.2, 5.2], "S": [2.5, 3.75, 3.5, 4.25],
        "T": [0, 0, 31, 30], "U": [20, 15, 20, 15],
    }  # fmt: skip
    assert pins["T"].offset == (-4.5, 0)


def test_what_is_passed_over_in_lef(tmp_path):
    text = """NAMESCASESENSITIVE ON ; UNITS DATABASE MICRONS 1000 ; END UNITS
    PROPERTYDEFINITIONS MACRO size REAL ; LIBRARY s STRING "MACRO ; END" ; END PROPERTYDEFINITIONS
    NONDEFAULTRULE wide LAYER m1 WIDTH 2 ; END m1 VIA w LAYER m1 ; RECT 0 0 1 1 ; END w SPACING SAMENET m1 m1 1 ;
      END SPACING END wide
    VIARULE r GENERATE LAYER m1 ; ENCLOSURE 0 0 ; END r
    SPACING SAMENET m1 m1 0.1 ; END SPACING
    ARRAY a SITE s 0 0 N DO 1 BY 1 STEP 1 1 ; FLOORPLAN f CANPLACE s 0 0 N DO 1 BY 1 STEP 1 1 ; END f END a
    NOISETABLE 2 ; EDGERATE 1 ; VICTIMS 2 ; END VICTIMS END NOISETABLE
    BEGINEXT "tool" MACRO hidden ; whatever ENDEXT
    SITE s CLASS CORE ; SIZE 0.2 BY 2 ; END s
    MACRO A FOREIGN A 0 0 ; SIZE 1 BY 2 ; SYMMETRY X Y ; SITE s ; DENSITY LAYER m1 ; RECT 0 0 1 1 50 ; END
      TIMING FROMPIN a ; TOPIN z ; END TIMING PIN a ANTENNAGATEAREA 1 ; SHAPE ABUTMENT ; END a END A
    END LIBRARY"""
    (tmp_path / "a.lef").write_text(text)
    library = read_lef(tmp_path / "a.lef")
    assert {name: sorted(macro.pins) for name, macro in library.items()} == {"A": ["a"]}


TOKENS = """VERSION 5.8 ; NAMESCASESENSITIVE ON ; DIVIDERCHAR "/" ; BUSBITCHARS "[]" ; DESIGN t ;
HISTORY somebody's "words ;
UNITS DISTANCE MICRONS 100 ; PROPERTYDEFINITIONS COMPONENT note STRING ; NET n REAL ; END PROPERTYDEFINITIONS
&ALIAS &&MODEL = RAM &ENDALIAS
DIEAREA(0 0)(0 *)(0 8000)(10000 8000)( * 2000)(6000 2000)(6000 0); VIAS 1 ; - v + RECT m1 ( 0 0 ) ( 1 1 ) ; END VIAS
COMPONENTS 3;- a(3) RAM + PLACED(0 0)N;- b RAM + SOURCE DIST + PROPERTY note "x ; - y" + HALO SOFT 1 2 3 4
+ placed ( 3000 3000 ) fs # ; comment
; - c &&MODEL + WEIGHT 3 ; BEGINEXT "x" - d RAM ; ENDEXT END COMPONENTS
PINS 2 ; - p + NET n + DIRECTION INPUT + PORT + LAYER m1 ( 0 0 ) ( 2 2 ) + PLACED ( 0 0 ) N + PORT + FIXED ( 0 100 ) N ;
- q + NET m ; END PINS
SPECIALNETS 1 ; - VDD ( * VDD ) + ROUTED m1 200 + SHAPE STRIPE ( 0 0 ) ( 100 * ) + USE POWER ; END SPECIALNETS
NETS 3 ; - n (PIN p)(a(3) A + SYNTHESIZED) ( b Z ) + ROUTED m1 ( 0 0 ) ( 100 * ) v NEW m1 ( 0 0 ) ( * 5 ) + USE CLOCK ;
- MUSTJOIN ( b A ) ; - m ( c A ) ( PIN q ) ( b Z ) + SUBNET s ( c A ) ( b Z ) + WEIGHT 2 ; END NETS
GROUPS 1 ; - g a b + REGION r ; END GROUPS BEGINEXT "more" END DESIGN - ; ENDEXT
END DESIGN after it comes nothing"""


def test_def_by_token(toy):
    (toy / "t.def").write_text(TOKENS)
    netlist = read_def(toy / "t.def", [toy / "toy.lef"])
    assert [name for name in netlist.names if "/" not in name] == ["p", "q", "a(3)", "b", "c"]
    nets = [
        [netlist.names[node] for node in netlist.net_nodes[first:last]]
        for first, last in zip(netlist.net_indptr[:-1], netlist.net_indptr[1:], strict=True)
    ]
    assert nets == [["p", "a(3)/A", "b/Z"], ["b/Z", "c/A", "q"]]
    assert netlist.net_weights.tolist() == [1, 2]
    node = netlist.index
    assert netlist.centers[node["b"]].tolist() == [40, 35]
    assert netlist.placement.orientations[node["b"]] == 3
    assert netlist.centers[node["p"]].tolist() == [0, 0.5]  # between its ports
    assert netlist.halos[node["b"]].tolist() == [0.01, 0.02, 0.03, 0.04]
    assert netlist.canvas.blockages == ((60, 0, 100, 20, 1),)


def test_writing_back_by_token(toy):
    (toy / "t.def").write_text(TOKENS)
    netlist = read_def(toy / "t.def", [toy / "toy.lef"])
    placement = netlist.with_positions({name: (20 + 25 * i, 50) for i, name in enumerate(["a(3)", "b", "c"])})
    write_def(toy / "out.def", placement, toy / "t.def")
    expected = TOKENS
    for before, after in (
        ("a(3) RAM + PLACED(0 0)N", "a(3) RAM + PLACED ( 1000 4500 ) N"), ("\n+ placed ( 3000 3000 ) fs", "\n"),
        ("- b RAM", "- b RAM + PLACED ( 3500 4500 ) FS"), ("&&MODEL +", "&&MODEL + PLACED ( 6000 4500 ) N +"),
    ):  # fmt: skip
        assert expected.count(before) == 1
        expected = expected.replace(before, after)
    assert (toy / "out.def").read_text() == expected


def test_names_of_any_case(toy):
    text = DEF.replace("VERSION 5.8 ;", "VERSION 5.8 ;\nNAMESCASESENSITIVE OFF ;").replace("( u1 A )", "( U1 a )")
    (toy / "any.def").write_text(text)
    netlist = read_def(toy / "any.def", [toy / "toy.lef"])
    assert netlist.names == (*netlist.names[:4], "ram\\[0\\]/A", "U1/a", "ram\\[0\\]/Z", "ram1/A")
    (toy / "exact.def").write_text(text.replace("OFF", "ON"))
    with pytest.raises(ValueError, match=":23: net n1: no component U1"):
        read_def(toy / "exact.def", [toy / "toy.lef"])


def test_lines_in_messages_are_right_far_into_a_file(toy):
    components = [f"- x{i} INV ;" for i in range(60_000)]
    components[50_000] = "- x50000 NAND ;"
    (toy / "long.def").write_text(DEF.replace("- ram1 RAM", "\n".join(components) + "\n- ram1 RAM"))
    with pytest.raises(ValueError, match=r":50010: x50000 is a NAND, which"):
        read_def(toy / "long.def", [toy / "toy.lef"])


def test_covers_are_ports(toy):
    pin = "PIN P DIRECTION INOUT ; PORT LAYER m1 ; RECT 0 0 4 10 ; END END P"
    (toy / "bump.lef").write_text(f"{LEF}MACRO BUMP CLASS COVER BUMP ; SIZE 10 BY 10 ; {pin} END BUMP\n")
    text = DEF.replace("- u1 INV", "- bump BUMP + FIXED ( 2000 2000 ) S ;\n- u1 INV").replace("( u1 A )", "( bump P )")
    (toy / "bump.def").write_text(text)
    netlist = read_def(toy / "bump.def", [toy / "bump.lef"])
    node = netlist.index["bump"]
    assert netlist.types[node] == NodeType.PORT
    assert netlist.fixed[node]
    assert netlist.placement.node_positions[netlist.index["bump/P"]].tolist() == [10 + 8, 10 + 5]
    assert netlist.hard_macros.size == 2


def test_rows_without_steps_go_by_their_site(toy):
    site = "SITE site CLASS CORE ; SIZE 1 BY 2 ; END site\nMACRO RAM\n"
    (toy / "site.lef").write_text(LEF.replace("MACRO RAM\n", site))
    (toy / "rows.def").write_text(DEF.replace(" STEP 100 0", ""))
    boxes = {blockage[:4] for blockage in read_def(toy / "rows.def", [toy / "site.lef"]).canvas.blockages}
    assert boxes == {blockage[:4] for blockage in read_def(toy / "toy.def", [toy / "toy.lef"]).canvas.blockages}
    boxes = {blockage[:4] for blockage in read_def(toy / "rows.def", [toy / "toy.lef"]).canvas.blockages}
    assert (95, 0, 100, 80) not in boxes  # without the site nobody knows where rows end


def test_a_grid_is_chosen_on_which_each_macro_fits():
    sizes, margins = np.array([[100.0, 100.0]]), np.array([
        [0, 0, 9, 120], [111, 0, 120, 120], [0, 0, 120, 9], [0, 111, 120, 120],
    ], float)  # fmt: skip
    columns, rows = choose_grid(120.0, 120.0, sizes, sizes, margins)
    for lines in (columns, rows):
        centres = (np.arange(lines) + 0.5) * 120 / lines
        assert np.any((centres >= 59) & (centres <= 61))
    # One that fits nowhere does not keep the other from its grid.
    both = np.array([[100.0, 100.0], [103.0, 10.0]])
    for lines in choose_grid(120.0, 120.0, both, both, margins):
        centres = (np.arange(lines) + 0.5) * 120 / lines
        assert np.any((centres >= 59) & (centres <= 61))


@pytest.mark.parametrize(("corners", "area"), [
    ([(0, 0), (4, 3)], 12), ([(0, 0), (4, 0), (4, 3), (2, 3), (2, 1), (0, 1)], 8),
    ([(0, 0), (0, 9), (9, 9), (9, 0), (6, 0), (6, 6), (3, 6), (3, 0)], 63),
])  # fmt: skip
def test_polygons_as_rectangles(corners, area):
    inside, outside = rectangles(corners), rectangles(corners, outside=True)
    x, y = max(x for x, _ in corners), max(y for _, y in corners)
    assert sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in inside) == area
    cover = np.zeros((x, y), int)
    for x0, y0, x1, y1 in inside + outside:
        cover[int(x0) : int(x1), int(y0) : int(y1)] += 1
    assert np.all(cover == 1)
