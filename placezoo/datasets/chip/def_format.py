"""DEF: a design's floorplan, components, pins and nets, read with the LEF files that describe its blocks.

Source: Cadence LEF/DEF 5.8 Language Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from placezoo.datasets.chip.canvas import Canvas, choose_grid
from placezoo.datasets.chip.lef_format import LefMacro, read_lef
from placezoo.datasets.chip.netlist import ORIENTATIONS, Netlist, NodeType, placed_extents
from placezoo.datasets.files import read_bytes
from placezoo.datasets.refusal import refuses_in_one_line

_TOKEN = re.compile(r'"[^"]*"|[()+;-](?=\s|$)|[^\s;]+|;')
_SECTIONS = ("COMPONENTS", "PINS", "NETS", "BLOCKAGES", "SPECIALNETS", "REGIONS", "GROUPS", "FILLS", "VIAS")
_PLACED = ("PLACED", "FIXED", "COVER")
_SUPPLY = ("POWER", "GROUND")


class _Words(list[str]):
    """The words of a statement, which say where they were if one that should be there is not."""

    where = ""

    def __getitem__(self, place: Any) -> Any:
        try:
            return super().__getitem__(place)
        except IndexError:
            raise ValueError(f"{self.where}: this statement is cut short: {' '.join(self)[:60]}") from None


class _Statement(NamedTuple):
    line: int
    words: list[str]  # without the semicolon at its end


@dataclass
class _Design:
    path: Path
    units: float = 0.0
    die: list[tuple[float, float]] = field(default_factory=list)
    rows: list[tuple[float, float, float, float]] = field(default_factory=list)
    sections: dict[str, list[_Statement]] = field(default_factory=dict)


@refuses_in_one_line
def read_def(
    path: str | Path,
    lefs: Iterable[str | Path] = (),
    grid: tuple[int, int] | None = None,
    unknown_size: tuple[float, float] | None = None,
    name: str | None = None,
) -> Netlist:
    """Read a DEF design as a netlist.

    The canvas is the box of DIEAREA with its lower left at (0, 0); what lies outside the box around the rows is blocked
    for hard macros, as are placement blockages. Components of a LEF block (CLASS BLOCK) are hard macros, others
    standard cells; a net is driven by its input port or output pin, else by its first. Power and ground nets are left
    out.

    Args:
        path: the DEF file, perhaps compressed.
        lefs: LEF files that describe its blocks.
        grid: columns and rows of the canvas's grid, default such that hard macros lose little room on it.
        unknown_size: width and height (micron) of components that no LEF file describes: they become soft macros.
            Default: they are an error.
        name: of the instance, default the file's.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: a file is missing.
    """
    path = Path(path)
    library: dict[str, LefMacro] = {}
    for lef in lefs:
        library.update(read_lef(lef))
    return _build(_parse(path), library, grid, unknown_size, name or path.name.split(".")[0])


def _statements(path: Path) -> Iterator[_Statement]:
    """Yield the statements of a file: words up to a semicolon; section heads and ends come as they are."""
    words = _Words()
    started = 1
    for line, text in enumerate(read_bytes(path).decode(errors="replace").splitlines(), 1):
        found = _TOKEN.findall(text.split("#")[0] if "#" in text else text)
        if not words and found and found[0] == "END":
            yield _Statement(line, found)
            continue
        for word in found:
            if not words:
                started, words.where = line, f"{path}:{line}"
            if word == ";":
                if words:
                    yield _Statement(started, words)
                words = _Words()
            else:
                words.append(word)
    if words:
        raise ValueError(f"{path}:{started}: this statement does not end")


def _parse(path: Path) -> _Design:
    design = _Design(path)
    section, opened, skip = "", 0, ""
    for statement in _statements(path):
        words = statement.words
        where = f"{path}:{statement.line}"
        if words[0] == "PROPERTYDEFINITIONS":
            skip = "PROPERTYDEFINITIONS"
        if skip:
            if words[:2] == ["END", skip]:
                skip = ""
            continue
        if words[0] == "END":
            section = ""
        elif section:
            if words[0] == "-":
                design.sections[section].append(statement)
        elif words[0] in _SECTIONS:
            section, opened = words[0], statement.line
            design.sections.setdefault(section, [])
        elif words[0] == "UNITS":
            design.units = _numbers(where, words[-1:])[0]
            if design.units <= 0:
                raise ValueError(f"{where}: units must be positive")
        elif words[0] == "DIEAREA":
            design.die = _points(where, words)
        elif words[0] == "ROW":
            design.rows.append(_row(where, words))
    if section:
        raise ValueError(f"{path}:{opened}: {section} does not end")
    if design.units == 0:
        raise ValueError(f"{path}:1: no UNITS DISTANCE MICRONS")
    if len(design.die) < 2:
        raise ValueError(f"{path}:1: no DIEAREA")
    return design


def _numbers(where: str, texts: list[str]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise ValueError(f"{where}: not a number in: {' '.join(texts)}") from None


def _points(where: str, words: list[str]) -> list[tuple[float, float]]:
    """Return all ``( x y )`` of a statement."""
    points = []
    for i, word in enumerate(words):
        if word == "(" and words[i + 3 : i + 4] == [")"]:
            x, y = _numbers(where, words[i + 1 : i + 3])
            points.append((x, y))
    return points


def _row(where: str, words: list[str]) -> tuple[float, float, float, float]:
    """Return where a row begins, and where its last site begins."""
    if len(words) < 6:
        raise ValueError(f"{where}: expected `ROW name site x y orientation ...`")
    x, y = _numbers(where, words[3:5])
    if "DO" not in words or "STEP" not in words:
        return x, y, x, y
    do, step = words.index("DO"), words.index("STEP")
    counts = _numbers(where, [words[do + 1], words[do + 3]])
    steps = _numbers(where, [words[step + 1], words[step + 2]])
    return x, y, x + counts[0] * steps[0], y + (counts[1] - 1) * steps[1]


def _placed(where: str, words: list[str]) -> tuple[float, float, str, bool] | None:
    """Return x, y (database units), orientation and whether fixed, or None if not placed."""
    for i, word in enumerate(words):
        if word in _PLACED and words[i - 1] == "+":
            points = _points(where, words[i : i + 5])
            turn = words[i + 5] if len(words) > i + 5 else ""
            if not points:
                raise ValueError(f"{where}: expected `+ {word} ( x y ) orientation`")
            if turn not in ORIENTATIONS:
                raise ValueError(f"{where}: no orientation {turn!r}")
            return (*points[0], turn, word != "PLACED")
    return None


def _after(words: list[str], key: str) -> str:
    """Return the word after ``+ key``, or nothing."""
    for i in range(len(words) - 2):
        if words[i] == "+" and words[i + 1] == key:
            return words[i + 2]
    return ""


def _build(
    design: _Design,
    library: dict[str, LefMacro],
    grid: tuple[int, int] | None,
    unknown_size: tuple[float, float] | None,
    name: str,
) -> Netlist:
    path, units = design.path, design.units
    low, high = np.min(design.die, axis=0), np.max(design.die, axis=0)
    width, height = (high - low) / units
    names: list[str] = []
    types: list[int] = []
    owners: list[int] = []
    sizes: list[tuple[float, float]] = []
    centers: list[tuple[float, float]] = []
    offsets: list[tuple[float, float]] = []
    turns: list[int] = []
    fixed: list[bool] = []
    halos: dict[int, list[float]] = {}
    index: dict[str, int] = {}

    def add(label: str, kind: NodeType, owner: int = -1) -> int:
        node = len(names)
        names.append(label)
        types.append(kind)
        owners.append(node if owner < 0 else owner)
        sizes.append((0.0, 0.0))
        centers.append((0.0, 0.0))
        offsets.append((0.0, 0.0))
        turns.append(0)
        fixed.append(False)
        return node

    ports: dict[str, tuple[int, str]] = {}
    for statement in design.sections.get("PINS", []):
        where, words = f"{path}:{statement.line}", statement.words
        if _after(words, "USE") in _SUPPLY:
            continue
        node = add(words[1], NodeType.PORT)
        place = _placed(where, words)
        if place is not None:
            centers[node] = (place[0] - low[0]) / units, (place[1] - low[1]) / units
        fixed[node] = True
        ports[words[1]] = (node, _after(words, "DIRECTION"))
    models: dict[int, LefMacro] = {}
    cornered: list[int] = []  # nodes whose lower left corners stand for their centres until all are read
    for statement in design.sections.get("COMPONENTS", []):
        where, words = f"{path}:{statement.line}", statement.words
        if len(words) < 3:
            raise ValueError(f"{where}: expected `- component model ...`")
        if words[1] in index:
            raise ValueError(f"{where}: a second component {words[1]}")
        model = library.get(words[2])
        if model is None and unknown_size is None:
            raise ValueError(f"{where}: {words[1]} is a {words[2]}, which no LEF file describes")
        kind = NodeType.SOFT_MACRO if model is None else NodeType.HARD_MACRO if model.is_block else NodeType.STDCELL
        node = index[words[1]] = add(words[1], kind)
        extent = (model.width, model.height) if model is not None else unknown_size
        assert extent is not None
        sizes[node] = extent
        centers[node] = width / 2, height / 2
        if model is not None:
            models[node] = model
        place = _placed(where, words)
        if place is not None:
            turns[node] = ORIENTATIONS.index(place[2])
            centers[node] = (place[0] - low[0]) / units, (place[1] - low[1]) / units
            cornered.append(node)
            fixed[node] = place[3]
        elif kind == NodeType.HARD_MACRO and (extent[0] > width or extent[1] > height):
            raise ValueError(f"{where}: {words[1]} does not fit on the die of {width:g} x {height:g} micron")
        if "HALO" in words:
            first = words.index("HALO") + (2 if words[words.index("HALO") + 1] == "SOFT" else 1)
            halos[node] = [value / units for value in _numbers(where, words[first : first + 4])]
    pins: dict[tuple[int, str], int] = {}
    members: list[int] = []
    counts, weights = [], []
    for statement in design.sections.get("NETS", []):
        where, words = f"{path}:{statement.line}", statement.words
        if _after(words, "USE") in _SUPPLY:
            continue
        nodes: list[int] = []
        driver = -1
        end = words.index("+") if "+" in words else len(words)
        for i in range(2, end):
            if words[i] != "(":
                continue
            component, pin = words[i + 1], words[i + 2] if i + 2 < len(words) else ""
            if component == "PIN":
                if pin not in ports:
                    raise ValueError(f"{where}: net {words[1]}: no pin {pin} in PINS")
                node, drives = ports[pin][0], ports[pin][1] == "INPUT"
            else:
                if component not in index:
                    raise ValueError(f"{where}: net {words[1]}: no component {component}")
                owner = index[component]
                model = models.get(owner)
                if model is not None and pin not in model.pins:
                    raise ValueError(f"{where}: net {words[1]}: {model.name} has no pin {pin}")
                drives = model is not None and model.pins[pin].direction == "OUTPUT"
                if (owner, pin) not in pins:
                    soft = types[owner] == NodeType.SOFT_MACRO
                    pins[owner, pin] = add(
                        f"{component}/{pin}", NodeType.SOFT_PIN if soft else NodeType.HARD_PIN, owner
                    )
                    if model is not None:
                        offsets[pins[owner, pin]] = model.pins[pin].offset
                node = pins[owner, pin]
            if drives and driver < 0:
                driver = len(nodes)
            nodes.append(node)
        if len(nodes) > 1:
            first = max(driver, 0)
            members += [nodes[first], *nodes[:first], *nodes[first + 1 :]]
            counts.append(len(nodes))
            weights.append(float(_after(words, "WEIGHT") or 1))
    hard = np.array([size for size, kind in zip(sizes, types, strict=True) if kind == NodeType.HARD_MACRO])
    grid = choose_grid(float(width), float(height), hard) if grid is None else grid
    canvas = Canvas(float(width), float(height), *grid, blockages=_blockages(design, low, high), block=name)
    places, extents = np.array(centers).reshape(-1, 2), np.array(sizes).reshape(-1, 2)
    places[cornered] += placed_extents(extents[cornered], np.array(turns)[cornered]) / 2
    all_halos = np.zeros((len(names), 4))
    for node, values in halos.items():
        all_halos[node] = values
    return Netlist(
        tuple(names), np.array(types, np.int8), np.array(owners, np.int32), extents, places,
        np.array(offsets).reshape(-1, 2), np.array(turns, np.int8),
        np.array(fixed, np.bool_), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array(members, np.int32), np.array(weights, np.float64), canvas, name, halos=all_halos,
    )  # fmt: skip


def _blockages(
    design: _Design, low: np.ndarray, high: np.ndarray
) -> tuple[tuple[float, float, float, float, float], ...]:
    """Return placement blockages, and the margins outside the rows."""
    boxes: list[tuple[float, float, float, float]] = []
    for statement in design.sections.get("BLOCKAGES", []):
        if "PLACEMENT" in statement.words:
            points = _points(f"{design.path}:{statement.line}", statement.words)
            for (x0, y0), (x1, y1) in zip(points[::2], points[1::2], strict=False):
                boxes.append((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
    if len(design.rows) > 1:
        rows = np.array(design.rows)
        levels = np.unique(rows[:, 1])
        row_height = np.diff(levels).min() if levels.size > 1 else 0.0
        left, bottom = rows[:, 0].min(), rows[:, 1].min()
        right, top = rows[:, 2].max(), rows[:, 3].max() + row_height
        boxes += [
            (low[0], low[1], left, high[1]), (right, low[1], high[0], high[1]),
            (low[0], low[1], high[0], bottom), (low[0], top, high[0], high[1]),
        ]  # fmt: skip
    return tuple(
        (*(float(value) for value in (np.array(box) - np.tile(low, 2)) / design.units), 1.0)  # type: ignore[misc]
        for box in boxes
        if box[2] > box[0] and box[3] > box[1]
    )
