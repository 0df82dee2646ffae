"""Bookshelf, the contests' format: ``.aux`` with ``.nodes``, ``.nets``, ``.pl``, ``.scl`` and perhaps ``.wts``.

Source: UCLA/UMich GSRC Bookshelf, placement slot. Lengths are taken as micron; the canvas is the box around the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from placezoo.datasets.chip.canvas import Canvas, choose_grid
from placezoo.datasets.chip.netlist import ORIENTATIONS, Netlist, NodeType, placed_extents
from placezoo.datasets.files import read_bytes
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.suggestion import unknown_name

_PARTS = ("nodes", "nets", "pl", "scl", "wts")
_REQUIRED = ("nodes", "nets", "pl", "scl")


@dataclass
class _Design:
    """What the files say, before it becomes arrays."""

    index: dict[str, int] = field(default_factory=dict)
    sizes: list[tuple[float, float]] = field(default_factory=list)
    is_terminal: list[bool] = field(default_factory=list)
    is_cover: list[bool] = field(default_factory=list)  # not in the image: others may overlap them
    lines: list[int] = field(default_factory=list)
    corners: dict[int, tuple[float, float, str, bool]] = field(default_factory=dict)
    nets: list[tuple[str, list[tuple[int, float, float]]]] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    row_height: float = 0.0


@refuses_in_one_line
def read_bookshelf(
    aux: str | Path, grid: tuple[int, int] | None = None, movable_terminals: bool = False, name: str | None = None
) -> Netlist:
    """Read a Bookshelf design.

    Nodes taller than a row are hard macros, other movable nodes standard cells, small terminals ports, as are those
    that others may overlap (``terminal_NI``, ``/FIXED_NI``). Keywords may be in any case. Each pin of a
    node becomes a node of its own, as in Circuit Training's netlists; the first output of a net drives it.

    Args:
        aux: the ``.aux`` file; the files that it names may be compressed (``.gz``, ``.xz``).
        grid: columns and rows of the canvas's grid, which the format does not have; default such that hard macros lose
            little room on it.
        movable_terminals: whether terminals that are macros may be moved (as the literature does with ISPD 2005).
        name: of the instance, default the file's.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: a file is missing.
    """
    aux = Path(aux)
    paths = _read_aux(aux)
    design = _Design()
    _read_nodes(paths["nodes"], design)
    _read_rows(paths["scl"], design)
    _read_places(paths["pl"], design)
    if "wts" in paths:
        _read_weights(paths["wts"], design)
    _read_nets(paths["nets"], design)
    return _build(design, paths, grid, movable_terminals, name or aux.name.split(".")[0])


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield ``path:line`` and the fields of each line that says something; colons are fields of their own."""
    for number, text in enumerate(read_bytes(path).decode(errors="replace").splitlines(), 1):
        text = text.split("#")[0].replace(":", " : ")
        fields = text.split()
        if fields and fields[0].upper() != "UCLA":
            yield f"{path}:{number}", fields


def _number(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{where}: not a number: {text}") from None
    if not np.isfinite(value):
        raise ValueError(f"{where}: must be finite, not {text}")
    return value


def _read_aux(aux: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for where, fields in _lines(aux):
        for file in fields[fields.index(":") + 1 :] if ":" in fields else fields:
            part = file.removesuffix(".gz").removesuffix(".xz").rsplit(".", 1)[-1]
            if part in _PARTS:
                candidates = [aux.parent / (file + suffix) for suffix in ("", ".gz", ".xz")]
                path = next((candidate for candidate in candidates if candidate.is_file()), None)
                if path is not None:
                    paths[part] = path
                elif part in _REQUIRED:
                    raise FileNotFoundError(f"{aux.parent / file}: no such file (named in {where})")
    for part in _REQUIRED:
        if part not in paths:
            raise ValueError(f"{aux}:1: names no .{part} file")
    return paths


def _read_nodes(path: Path, design: _Design) -> None:
    for where, fields in _lines(path):
        if fields[0].lower() in ("numnodes", "numterminals"):
            continue
        if len(fields) < 3:
            raise ValueError(f"{where}: expected `name width height [terminal]`")
        if fields[0] in design.index:
            raise ValueError(f"{where}: a second node {fields[0]}")
        width, height = _number(where, fields[1]), _number(where, fields[2])
        if width < 0 or height < 0:
            raise ValueError(f"{where}: {fields[0]}: width and height must not be negative")
        design.index[fields[0]] = len(design.sizes)
        design.sizes.append((width, height))
        kind = fields[3].lower() if len(fields) > 3 else ""
        if kind not in ("", "terminal", "terminal_ni"):
            raise ValueError(f"{where}: expected `name width height [terminal|terminal_NI]`, found {fields[3][:40]}")
        design.is_terminal.append(kind != "")
        design.is_cover.append(kind == "terminal_ni")
        design.lines.append(int(where.rsplit(":", 1)[1]))
    if not design.sizes:
        raise ValueError(f"{path}:1: no nodes")


def _read_rows(path: Path, design: _Design) -> None:
    box = [np.inf, np.inf, -np.inf, -np.inf]
    row: dict[str, float] = {}
    for where, fields in _lines(path):
        if fields[0].lower() == "corerow":
            row = {}
        values = {fields[i - 1].lower(): fields[i + 1] for i in range(1, len(fields) - 1) if fields[i] == ":"}
        for key in ("coordinate", "height", "sitewidth", "subroworigin", "numsites"):
            if key in values:
                row[key] = _number(where, values[key])
        if "subroworigin" in values or "numsites" in values:
            if not {"coordinate", "height", "subroworigin", "numsites"} <= row.keys():
                raise ValueError(f"{where}: a row needs Coordinate, Height, SubrowOrigin and NumSites")
            design.row_height = max(design.row_height, row["height"])
            right = row["subroworigin"] + row["numsites"] * row.get("sitewidth", 1.0)
            box = [
                min(box[0], row["subroworigin"]), min(box[1], row["coordinate"]), max(box[2], right),
                max(box[3], row["coordinate"] + row["height"]),
            ]  # fmt: skip
    if not (box[2] > box[0] and box[3] > box[1]):
        raise ValueError(f"{path}:1: no rows")
    design.box = (box[0], box[1], box[2], box[3])


def _read_places(path: Path, design: _Design) -> None:
    for where, fields in _lines(path):
        if len(fields) < 3:
            raise ValueError(f"{where}: expected `name x y : orientation`")
        if fields[0] not in design.index:
            raise ValueError(f"{where}: {unknown_name('node', fields[0], design.index)}")
        turn = fields[4].upper() if len(fields) > 4 and fields[3] == ":" else "N"
        if turn not in ORIENTATIONS:
            raise ValueError(f"{where}: {unknown_name('orientation', turn, ORIENTATIONS)}")
        place = _number(where, fields[1]), _number(where, fields[2])
        mark = "".join(fields[5:] if fields[3:4] == [":"] else fields[3:]).upper()
        if mark not in ("", "/FIXED", "/FIXED_NI"):
            raise ValueError(f"{where}: expected `name x y : orientation [/FIXED|/FIXED_NI]`, found {mark[:40]}")
        node = design.index[fields[0]]
        design.corners[node] = (*place, turn, mark != "")
        design.is_cover[node] |= mark == "/FIXED_NI"


def _read_weights(path: Path, design: _Design) -> None:
    for where, fields in _lines(path):
        if len(fields) == 2:
            design.weights[fields[0]] = _number(where, fields[1])
            if design.weights[fields[0]] < 0:
                raise ValueError(f"{where}: a weight must not be negative")


def _read_nets(path: Path, design: _Design) -> None:
    left, opened = 0, f"{path}:1"
    pins: list[tuple[int, float, float]] = []
    driver = -1
    for where, fields in _lines(path):
        if fields[0].lower() in ("numnets", "numpins"):
            continue
        if fields[0].lower() == "netdegree":
            if left:
                raise ValueError(f"{opened}: this net has {left} pins less than it says")
            opened, driver, pins = where, -1, []
            left = int(_number(where, fields[2] if len(fields) > 2 else ""))
            design.nets.append((fields[3] if len(fields) > 3 else f"net{len(design.nets)}", pins))
            continue
        if left == 0:
            raise ValueError(f"{where}: expected NetDegree, found {fields[0]}")
        if fields[0] not in design.index:
            raise ValueError(f"{where}: {unknown_name('node', fields[0], design.index)}")
        offsets = fields[fields.index(":") + 1 :] if ":" in fields else []
        if len(offsets) not in (0, 2):
            raise ValueError(f"{where}: expected `node direction : x_offset y_offset`")
        x, y = (_number(where, offsets[0]), _number(where, offsets[1])) if offsets else (0.0, 0.0)
        pin = (design.index[fields[0]], x, y)
        if driver < 0 and len(fields) > 1 and fields[1].upper() == "O":
            driver = 0
            pins.insert(0, pin)  # the driver comes first
        else:
            pins.append(pin)
        left -= 1
    if left:
        raise ValueError(f"{opened}: this net has {left} pins less than it says")


def _build(
    design: _Design, paths: dict[str, Path], grid: tuple[int, int] | None, movable_terminals: bool, name: str
) -> Netlist:
    x0, y0, x1, y1 = design.box
    n = len(design.sizes)
    names = list(design.index)
    sizes = np.array(design.sizes)
    terminal = np.array(design.is_terminal)
    types = np.full(n, NodeType.STDCELL, np.int8)
    types[(sizes[:, 1] > design.row_height) & (sizes[:, 0] > 0)] = NodeType.HARD_MACRO
    cover = np.array(design.is_cover)
    types[(terminal & (types != NodeType.HARD_MACRO)) | cover] = NodeType.PORT
    for bad in np.flatnonzero((types == NodeType.STDCELL) & (sizes.min(axis=1) <= 0)):
        raise ValueError(f"{paths['nodes']}:{design.lines[bad]}: {names[bad]} has no area")
    orientations, fixed = np.zeros(n, np.int8), terminal | cover
    centers = np.tile([(x1 - x0) / 2, (y1 - y0) / 2], (n, 1))
    for node, (x, y, turn, is_fixed) in design.corners.items():
        orientations[node] = ORIENTATIONS.index(turn)
        centers[node] = x - x0, y - y0
        fixed[node] |= is_fixed
    cornered = list(design.corners)
    centers[cornered] += placed_extents(sizes[cornered], orientations[cornered]) / 2
    if movable_terminals:
        fixed[types == NodeType.HARD_MACRO] = False
    if grid is None:
        hard, extents = types == NodeType.HARD_MACRO, placed_extents(sizes, orientations)
        walls = np.concatenate([centers - extents / 2, centers + extents / 2], axis=1)[hard & fixed]
        grid = choose_grid(x1 - x0, y1 - y0, sizes[hard], extents[hard & ~fixed], walls)
    canvas = Canvas(x1 - x0, y1 - y0, *grid)
    for node in np.flatnonzero(types == NodeType.HARD_MACRO).tolist():
        if sizes[node, 0] > canvas.width or sizes[node, 1] > canvas.height:
            raise ValueError(
                f"{paths['nodes']}:{design.lines[node]}: {names[node]}: {sizes[node, 0]:g} x {sizes[node, 1]:g} does "
                f"not fit on the canvas of {canvas.width:g} x {canvas.height:g}"
            )
    owners, offsets = list(range(n)), [(0.0, 0.0)] * n
    members: list[int] = []
    counts, weights = [], []
    for net, pins in design.nets:
        if len(pins) < 2:
            continue
        for number, (node, x, y) in enumerate(pins):
            if types[node] == NodeType.PORT and x == 0 and y == 0:
                members.append(node)
                continue
            members.append(len(owners))
            names.append(f"{names[node]}/{net}/{number}")
            owners.append(node)
            offsets.append((x, y))
        counts.append(len(pins))
        weights.append(design.weights.get(net, 1.0))
    num_pins = len(owners) - n
    return Netlist(
        tuple(names), np.concatenate([types, np.full(num_pins, NodeType.HARD_PIN, np.int8)]), np.array(owners,
        np.int32), np.concatenate([np.where((types == NodeType.PORT)[:, None], 0.0, sizes), np.zeros((num_pins, 2))]),
        np.concatenate([centers, np.zeros((num_pins, 2))]), np.array(offsets), np.concatenate([orientations,
        np.zeros(num_pins, np.int8)]), np.concatenate([fixed, np.zeros(num_pins, np.bool_)]), np.concatenate([[0],
        np.cumsum(counts)]).astype(np.int64), np.array(members, np.int32), np.array(weights, np.float64), canvas, name,
    )  # fmt: skip
