"""Circuit Training's placement files (``.plc``): a commented header with the canvas, then one line per block."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.chip.canvas import Canvas
from placezoo.datasets.chip.netlist import ORIENTATIONS, NodeType, Placement
from placezoo.datasets.files import read_bytes, write_atomically
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.suggestion import unknown_name

_NUMBER = r"([^\s:]+)"
_HEADER = {
    "grid": re.compile(rf"Columns\s*:\s*{_NUMBER}\s+Rows\s*:\s*{_NUMBER}"),
    "size": re.compile(rf"Width\s*:\s*{_NUMBER}\s+Height\s*:\s*{_NUMBER}"),
    "routes": re.compile(rf"Routes per micron, hor\s*:\s*{_NUMBER}\s+ver\s*:\s*{_NUMBER}"),
    "macro_routes": re.compile(rf"Routes used by macros, hor\s*:\s*{_NUMBER}\s+ver\s*:\s*{_NUMBER}"),
    "smoothing": re.compile(rf"Smoothing factor\s*:\s*{_NUMBER}"),
    "overlap": re.compile(rf"Overlap threshold\s*:\s*{_NUMBER}"),
    "blockage": re.compile(rf"Blockage\s*:\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}"),
    "wirelength_cost": re.compile(rf"Wirelength cost\s*:\s*{_NUMBER}"),
    "congestion_cost": re.compile(rf"Congestion cost\s*:\s*{_NUMBER}"),
    "density_cost": re.compile(rf"Density cost\s*:\s*{_NUMBER}"),
}
_TEXT = {"block": re.compile(r"Block\s*:\s*(\S.*)"), "project": re.compile(r"Project\s*:\s*(\S.*)")}
_COUNT = re.compile(r"(HARD_MACROs|SOFT_MACROs|PORTs)\s*:\s*(\d+)")
_COUNTED = {"HARD_MACROs": NodeType.HARD_MACRO, "SOFT_MACROs": NodeType.SOFT_MACRO, "PORTs": NodeType.PORT}


@dataclass(frozen=True)
class PlcFile:
    """What a ``.plc`` file says.

    Attributes:
        path: of the file.
        canvas: from the header.
        costs: ``wirelength``, ``density`` and ``congestion`` that the writing tool noted, where present.
        counts: (line, node type, how many) from the header, where present.
        nodes: int64 [k], node indices.
        centers: float64 [k, 2], micron.
        orientations: int8 [k], -1 where the file has ``-``.
        fixed: bool [k].
        lines: int64 [k], line numbers.
    """

    path: Path
    canvas: Canvas
    costs: Mapping[str, float]
    counts: tuple[tuple[int, NodeType, int], ...]
    nodes: NDArray[np.int64]
    centers: NDArray[np.float64]
    orientations: NDArray[np.int8]
    fixed: NDArray[np.bool_]
    lines: NDArray[np.int64]

    def apply(
        self,
        types: NDArray[np.int8],
        centers: NDArray[np.float64],
        orientations: NDArray[np.int8],
        fixed: NDArray[np.bool_],
    ) -> None:
        """Write positions, orientations and what is fixed into the arrays of a netlist's nodes.

        Raises:
            ValueError: ``path:line: what`` where the file is of another netlist.
        """
        for line, kind, count in self.counts:
            found = int((types == kind).sum())
            if found != count:
                what = kind.name.replace("_", " ").lower()
                raise ValueError(
                    f"{self.path}:{line}: a placement of another netlist: it has {count} {what}s, the netlist {found}"
                )
        for row, node in enumerate(self.nodes):
            where = f"{self.path}:{self.lines[row]}"
            if node >= types.size:
                raise ValueError(f"{where}: a placement of another netlist: node {node}, the netlist has {types.size}")
            if types[node] in (NodeType.HARD_PIN, NodeType.SOFT_PIN):
                raise ValueError(f"{where}: a placement of another netlist: node {node} is a pin")
            if types[node] == NodeType.HARD_MACRO and self.orientations[row] < 0:
                raise ValueError(f"{where}: node {node} is a macro and needs an orientation, not -")
        centers[self.nodes] = self.centers
        turned = self.orientations >= 0
        orientations[self.nodes[turned]] = self.orientations[turned]
        fixed[self.nodes] = self.fixed | (types[self.nodes] == NodeType.PORT)


@refuses_in_one_line
def read_plc(path: str | Path) -> PlcFile:
    """Read a placement file; ``read_netlist(netlist, plc)`` applies it to its netlist.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    header: dict[str, tuple[float, ...]] = {}
    texts: dict[str, str] = {}
    blockages: list[tuple[float, ...]] = []
    counts: list[tuple[int, NodeType, int]] = []
    rows: list[tuple[int, float, float, int, bool, int]] = []
    seen: set[int] = set()
    for line, text in enumerate(read_bytes(path).decode(errors="replace").splitlines(), 1):
        stripped = text.strip()
        if stripped.startswith("#"):
            _read_header(f"{path}:{line}", stripped, header, texts, blockages)
            if counted := _COUNT.search(stripped):
                counts.append((line, _COUNTED[counted[1]], int(counted[2])))
        elif stripped:
            row = _read_row(f"{path}:{line}", stripped)
            if row[0] in seen:
                raise ValueError(f"{path}:{line}: node {row[0]} is placed a second time")
            seen.add(row[0])
            rows.append((*row, line))
    canvas = _canvas(path, header, texts, blockages)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    costs = {
        name: header[f"{name}_cost"][0] for name in ("wirelength", "density", "congestion") if f"{name}_cost" in header
    }
    return PlcFile(
        path, canvas, costs, tuple(counts),
        np.array(columns[0], np.int64), np.array(columns[1:3], np.float64).reshape(2, -1).T.copy(),
        np.array(columns[3], np.int8), np.array(columns[4], np.bool_), np.array(columns[5], np.int64),
    )  # fmt: skip


def _read_header(
    where: str,
    text: str,
    header: dict[str, tuple[float, ...]],
    texts: dict[str, str],
    blockages: list[tuple[float, ...]],
) -> None:
    for name, pattern in _HEADER.items():
        if found := pattern.search(text):
            try:
                values = tuple(float(group) for group in found.groups())
            except ValueError:
                raise ValueError(f"{where}: not a number in: {text[1:].strip()}") from None
            if not np.isfinite(values).all():
                raise ValueError(f"{where}: not finite: {text[1:].strip()}")
            if name in ("grid", "size") and min(values) <= 0:
                raise ValueError(f"{where}: must be positive: {text[1:].strip()}")
            if name == "blockage":
                blockages.append(values)
            else:
                header[name] = values
            return
    for name, pattern in _TEXT.items():
        if found := pattern.match(text[1:].strip()):
            text_value = found[1].strip()
            texts[name] = "" if text_value == f"unset_{name}" else text_value


def _read_row(where: str, text: str) -> tuple[int, float, float, int, bool]:
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"{where}: expected `node_index x y orientation fixed`, found {len(fields)} fields")
    try:
        node, x, y = int(fields[0]), float(fields[1]), float(fields[2])
    except ValueError:
        raise ValueError(f"{where}: expected `node_index x y orientation fixed`, found {text!r}") from None
    if node < 0 or not np.isfinite([x, y]).all():
        raise ValueError(f"{where}: node index and position must be finite and not negative: {text!r}")
    if fields[3] != "-" and fields[3] not in ORIENTATIONS:
        raise ValueError(f"{where}: {unknown_name('orientation', fields[3], (*ORIENTATIONS, '-'))}")
    if fields[4] not in ("0", "1"):
        raise ValueError(f"{where}: fixed must be 0 or 1, not {fields[4]!r}")
    return node, x, y, -1 if fields[3] == "-" else ORIENTATIONS.index(fields[3]), fields[4] == "1"


def _canvas(
    path: Path, header: dict[str, tuple[float, ...]], texts: dict[str, str], blockages: list[tuple[float, ...]]
) -> Canvas:
    for name, label in (("grid", "Columns : ... Rows : ..."), ("size", "Width : ... Height : ...")):
        if name not in header:
            raise ValueError(f"{path}:1: the header has no `{label}`")
    columns, rows = header["grid"]
    if columns != int(columns) or rows != int(rows):
        raise ValueError(f"{path}:1: columns and rows must be whole numbers")
    optional: dict[str, object] = {}
    if "routes" in header:
        optional["routes_per_micron"] = header["routes"]
    if "macro_routes" in header:
        optional["macro_routes"] = header["macro_routes"]
    if "smoothing" in header:
        optional["smoothing_range"] = int(header["smoothing"][0])
    if "overlap" in header:
        optional["overlap_threshold"] = header["overlap"][0]
    try:
        return Canvas(*header["size"], int(columns), int(rows), blockages=tuple(blockages), **optional, **texts)  # type: ignore[arg-type, call-arg, misc]
    except ValueError as error:
        raise ValueError(f"{path}:1: {error}") from None


def write_plc(
    path: str | Path, placement: Placement, costs: Mapping[str, float] | None = None, source: str = ""
) -> None:
    """Write a placement as a ``.plc`` file that Circuit Training's tools read; ``read_plc`` gives the same back.

    Args:
        path: of the file.
        placement: what to write.
        costs: ``wirelength``, ``density`` and ``congestion`` for the header.
        source: what made the placement, for the header.
    """
    netlist, canvas = placement.netlist, placement.netlist.canvas
    count = {kind: int((netlist.types == kind).sum()) for kind in NodeType}
    lines = ["Placement file for Circuit Training"]
    lines += [f"Source input file(s) : {source or netlist.name}"]
    lines += [f"Columns : {canvas.columns}  Rows : {canvas.rows}"]
    lines += [f"Width : {_text(canvas.width)}  Height : {_text(canvas.height)}"]
    lines += [f"Area (stdcell+macros) : {netlist.total_area!r}"]
    for name in ("wirelength", "congestion", "density"):
        if costs is not None and name in costs:
            lines += [f"{name.capitalize()} cost : {float(costs[name])!r}"]
    lines += [f"Project : {canvas.project or 'unset_project'}", f"Block : {canvas.block or 'unset_block'}"]
    for label, values in (("per micron", canvas.routes_per_micron), ("used by macros", canvas.macro_routes)):
        lines += [f"Routes {label}, hor : {_text(values[0])}  ver : {_text(values[1])}"]
    lines += [f"Smoothing factor : {canvas.smoothing_range}", f"Overlap threshold : {_text(canvas.overlap_threshold)}"]
    lines += ["", *(f"Blockage : {' '.join(map(_text, blockage))}" for blockage in canvas.blockages), ""]
    lines += ["Counts of node types:"]
    for label, kinds in (
        ("HARD_MACROs", (NodeType.HARD_MACRO,)), ("HARD_MACRO_PINs", (NodeType.HARD_PIN,)),
        ("MACROs", (NodeType.HARD_MACRO, NodeType.SOFT_MACRO)), ("MACRO_PINs", (NodeType.HARD_PIN, NodeType.SOFT_PIN)),
        ("PORTs", (NodeType.PORT,)), ("SOFT_MACROs", (NodeType.SOFT_MACRO,)), ("SOFT_MACRO_PINs", (NodeType.SOFT_PIN,)),
        ("STDCELLs", (NodeType.STDCELL,)),
    ):  # fmt: skip
        lines += [f"{label:15} : {sum(count[kind] for kind in kinds):9}"]
    lines += ["", "node_index x y orientation fixed"]
    header = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    rows = []
    for node in netlist.blocks:
        turn = "-" if netlist.types[node] == NodeType.PORT else ORIENTATIONS[placement.orientations[node]]
        x, y = placement.centers[node]
        rows.append(f"{node} {_text(x)} {_text(y)} {turn} {int(netlist.fixed[node])}\n")
    write_atomically(path, header + "".join(rows))


def _text(value: float) -> str:
    """Return the shortest text that reads back as the same float64."""
    return f"{int(value)}" if float(value).is_integer() else repr(float(value))
