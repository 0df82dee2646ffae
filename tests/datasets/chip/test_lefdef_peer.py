"""KLayout reads the same LEF and DEF files: sizes, pin boxes, places, orientations and the die agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.datasets import read_def, read_lef, write_def
from placezoo.datasets.chip.netlist import ORIENTATIONS
from tests.examples import examples

db = pytest.importorskip("klayout.db")

GAPS = st.sampled_from([" ", "\n", "  \t", "\n# of ( no ; meaning\n"])
tenths = st.integers(-300, 300)


def micron(tenth):
    return f"{tenth / 10:g}"


@st.composite
def shapes(draw):
    """Return one shape's statement."""
    x, y, w, h = draw(tenths), draw(tenths), draw(st.integers(1, 90)), draw(st.integers(1, 90))
    mask, iterate, steps = draw(st.sampled_from(["", "MASK 1 "])), "", ""
    if draw(st.booleans()):
        columns, rows, dx, dy = (draw(st.integers(1, 4)) for _ in range(4))
        iterate, steps = "ITERATE ", f"DO {columns} BY {rows} STEP {dx * 5} {dy * 5} "
    kind = draw(st.sampled_from(["RECT", "POLYGON", "PATH"]))
    if kind == "RECT":
        points = [(x, y), (x + w, y + h)]
    elif kind == "POLYGON":
        points = [(x, y), (x + 2 * w, y), (x + 2 * w, y + h), (x + w, y + h), (x + w, y + 2 * h), (x, y + 2 * h)]
    else:
        points = [(x, y), (x + w, y), (x + w, y - h)]
    before = f"WIDTH {micron(2 * draw(st.integers(1, 20)))} ; " if kind == "PATH" else ""
    return f"{before}{kind} {mask}{iterate}" + " ".join(f"{micron(a)} {micron(b)}" for a, b in points) + f" {steps};"


@st.composite
def libraries(draw):
    """Return a LEF library of three blocks, and their pins' names."""
    words = ["VERSION 5.8 ;", "UNITS DATABASE MICRONS 1000 ; END UNITS", "LAYER m4 TYPE ROUTING ; END m4"]
    for block in range(3):
        size = draw(st.integers(20, 400)), draw(st.integers(20, 400))
        words += [f"MACRO B{block}", "CLASS BLOCK ;", f"ORIGIN {micron(draw(tenths))} {micron(draw(tenths))} ;"]
        words += [f"SIZE {micron(size[0])} BY {micron(size[1])} ;"]
        for pin in "AZ":
            words += [f"PIN {pin}", f"DIRECTION {'INPUT' if pin == 'A' else 'OUTPUT'} ;"]
            for _ in range(draw(st.integers(1, 2))):
                words += [
                    "PORT",
                    "CLASS CORE ;",
                    "LAYER m4 ;",
                    *draw(st.lists(shapes(), min_size=1, max_size=3)),
                    "END",
                ]
            words += [f"END {pin}"]
        words += ["OBS LAYER m4 ; RECT 0 0 1 1 ; END", f"END B{block}"]
    return "".join(word + draw(GAPS) for word in [*words, "END LIBRARY"])


@st.composite
def designs(draw):
    """Return a DEF design of seven placed components of these blocks on a rectangular die."""
    low = draw(st.integers(-90_000, 90_000)), draw(st.integers(-90_000, 90_000))
    high = low[0] + draw(st.integers(50_000, 200_000)), low[1] + draw(st.integers(50_000, 200_000))
    words = ["VERSION 5.8 ;", "DESIGN d ;", "UNITS DISTANCE MICRONS 1000 ;"]
    words += [f"DIEAREA ( {low[0]} {low[1]} ) ( {high[0]} {high[1]} ) ;", "COMPONENTS 7 ;"]
    for component in range(7):
        x, y = draw(st.integers(-90_000, 90_000)), draw(st.integers(-90_000, 90_000))
        turn, status = draw(st.sampled_from(ORIENTATIONS)), draw(st.sampled_from(["PLACED", "FIXED"]))
        words += [f"- u{component} B{component % 3} + {status} ( {x} {y} ) {turn} ;"]
    words += ["END COMPONENTS", "NETS 1 ;", "- n " + " ".join(f"( u{i} A ) ( u{i} Z )" for i in range(7)) + " ;"]
    return "".join(word + draw(GAPS) for word in [*words, "END NETS", "END DESIGN"])


def peer(path, lefs=()):
    """Return KLayout's layout of a file."""
    options = db.LoadLayoutOptions()
    config = options.lefdef_config
    config.dbu, config.read_lef_with_def, config.lef_files = 0.001, False, [str(lef) for lef in lefs]
    config.macro_resolution_mode = 1  # blocks as LEF has them
    config.pin_property_name, config.instance_property_name, config.cell_outline_layer = "pin", "name", "99/0"
    options.lefdef_config = config
    layout = db.Layout()
    layout.read(str(path), options)
    return layout


def corners(box):
    return [side / 1000 for side in (box.left, box.bottom, box.right, box.top)]


def outline(layout, cell):
    index = next(index for index in layout.layer_indexes() if layout.get_info(index).layer == 99)
    return cell.shapes(index)


def pin_boxes(layout, cell):
    """Return the box around all shapes of each pin, database units of KLayout."""
    boxes = {}
    for index in layout.layer_indexes():
        for shape in cell.shapes(index).each():
            name = shape.property("pin")
            if name is not None and not shape.is_text():
                boxes[name] = boxes.get(name, db.Box()) + shape.bbox()
    return boxes


@examples(30)
@given(libraries())
def test_sizes_and_pin_boxes(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("lef") / "b.lef"
    path.write_text(text)
    layout, library = peer(path), read_lef(path)
    assert sorted(library) == ["B0", "B1", "B2"]
    for name, macro in library.items():
        cell = layout.cell(name)
        left, bottom, right, top = corners(next(outline(layout, cell).each()).bbox())
        assert [macro.width, macro.height] == pytest.approx([right - left, top - bottom], abs=1e-9)
        theirs = pin_boxes(layout, cell)
        assert sorted(theirs) == ["A", "Z"] == sorted(macro.pins)
        middle = np.array([left + right, bottom + top] * 2) / 2
        for pin, box in theirs.items():
            assert macro.pins[pin].box == pytest.approx(corners(box) - middle, abs=1e-9)


def check_components(layout, netlist, origin):
    """Compare boxes of components and middles of their pins with KLayout's; return how many components it has."""
    top = layout.top_cell()
    found = 0
    for instance in top.each_inst():
        name = instance.property("name")
        node, transformation = netlist.index[name], instance.trans
        cell = instance.cell
        box = corners(next(outline(layout, cell).each()).bbox().transformed(transformation))
        low = netlist.placement.centers[node] - netlist.placement.extents[node] / 2 + origin
        high = low + netlist.placement.extents[node]
        assert [*low, *high] == pytest.approx(box, abs=1e-6)
        for pin, shape in pin_boxes(layout, cell).items():
            left, bottom, right, top_side = corners(shape.transformed(transformation))
            ours = netlist.placement.node_positions[netlist.index[f"{name}/{pin}"]] + origin
            assert ours == pytest.approx([(left + right) / 2, (bottom + top_side) / 2], abs=1e-6)
        found += 1
    return found


@examples(20)
@given(libraries(), designs(), st.sampled_from(ORIENTATIONS))
def test_places_orientations_and_the_die_there_and_back(tmp_path_factory, library, design, turn):
    folder = tmp_path_factory.mktemp("def")
    (folder / "b.lef").write_text(library)
    (folder / "d.def").write_text(design)
    netlist = read_def(folder / "d.def", [folder / "b.lef"])
    layout = peer(folder / "d.def", [folder / "b.lef"])
    die = corners(next(outline(layout, layout.top_cell()).each()).bbox())
    assert [netlist.canvas.width, netlist.canvas.height] == pytest.approx([die[2] - die[0], die[3] - die[1]])
    assert check_components(layout, netlist, np.array(die[:2])) == 7

    # What is written back is where KLayout finds it.
    movable = [name for name in netlist.names if "/" not in name and not netlist.fixed[netlist.index[name]]]
    placement = netlist.with_positions({name: (40.0, 30.0) for name in movable}, dict.fromkeys(movable, turn))
    write_def(folder / "out.def", placement, folder / "d.def", snap=0.001)
    again = read_def(folder / "out.def", [folder / "b.lef"])
    assert check_components(peer(folder / "out.def", [folder / "b.lef"]), again, np.array(die[:2])) == 7
    for name in movable:
        assert again.centers[again.index[name]] == pytest.approx([40.0, 30.0], abs=1e-3)
        assert ORIENTATIONS[again.orientations[again.index[name]]] == turn


@pytest.mark.parametrize(
    "die",
    [
        "( 0 0 ) ( 0 100000 ) ( 50000 100000 ) ( 50000 50000 ) ( 100000 50000 ) ( 100000 0 )",
        "( 0 0 ) ( 100000 0 ) ( 100000 80000 ) ( 70000 80000 ) ( 70000 40000 ) ( 30000 40000 ) ( 30000 80000 )"
        " ( 0 80000 )",
        "( 20000 0 ) ( 60000 0 ) ( 60000 30000 ) ( 90000 30000 ) ( 90000 70000 ) ( 60000 70000 ) ( 60000 90000 )"
        " ( 20000 90000 ) ( 20000 70000 ) ( 0 70000 ) ( 0 30000 ) ( 20000 30000 )",
    ],
)
def test_what_is_not_die_is_blocked(tmp_path, die):
    text = f"VERSION 5.8 ;\nDESIGN d ;\nUNITS DISTANCE MICRONS 1000 ;\nDIEAREA {die} ;\nEND DESIGN\n"
    (tmp_path / "d.def").write_text(text)
    canvas = read_def(tmp_path / "d.def").canvas
    layout = peer(tmp_path / "d.def")
    theirs = db.Region(outline(layout, layout.top_cell()))
    ours = db.Region(db.Box(0, 0, round(canvas.width * 1000), round(canvas.height * 1000)))
    for box in canvas.blockages:
        ours -= db.Region(db.Box(*(round(side * 1000) for side in box[:4])))
    theirs.merge()
    assert theirs.area() == ours.area() < canvas.width * canvas.height * 1e6
    assert (theirs ^ ours).is_empty()
