"""Placements for other tools: back into the user's DEF, and as OpenROAD Tcl."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from placezoo.datasets.chip.netlist import ORIENTATIONS, Placement
from placezoo.datasets.files import read_bytes, write_atomically

_COMPONENTS = re.compile(rb"^[ \t]*COMPONENTS\b[^;]*;(.*?)^[ \t]*END COMPONENTS", re.DOTALL | re.MULTILINE)
_COMPONENT = re.compile(rb"^([ \t]*-[ \t]+(\S+)[ \t]+\S+)([^;]*?)(\s*;)", re.MULTILINE)
_PLACE = re.compile(rb"[ \t]*\+\s+(?:UNPLACED|(?:PLACED|FIXED|COVER)\s*\(\s*-?\d+\s+-?\d+\s*\)\s*\w+)")
_HALO = re.compile(rb"\s*\+\s+HALO(?:\s+SOFT)?(?:\s+-?\d+){4}")
_UNITS = re.compile(rb"^\s*UNITS\s+DISTANCE\s+MICRONS\s+(\d+)", re.MULTILINE)
_DIE = re.compile(rb"^\s*DIEAREA\b([^;]*);", re.MULTILINE)
_OPENROAD = {"N": "R0", "S": "R180", "W": "R90", "E": "R270", "FN": "MY", "FS": "MX", "FW": "MXR90", "FE": "MYR90"}


def write_def(
    path: str | Path,
    placement: Placement,
    source: str | Path,
    halo: float | tuple[float, float, float, float] | None = None,
    snap: float | None = None,
    status: str = "PLACED",
) -> None:
    """Write the places of hard macros into a copy of a DEF file; everything else stays byte for byte.

    Args:
        path: of the new file.
        placement: of the netlist that was read from ``source``.
        source: the user's DEF, the floorplan for example.
        halo: micron, all around or left, below, right, above: written for each hard macro, replacing what it has.
        snap: micron: lower left corners go to the nearest multiple (manufacturing grid, tracks).
        status: ``PLACED`` or ``FIXED``.

    Raises:
        ValueError: the source is no DEF or lacks a macro, or status or halo is not as above.
    """
    if status not in ("PLACED", "FIXED"):
        raise ValueError(f"status must be PLACED or FIXED, not {status!r}")
    content = read_bytes(source)
    units, die, section = _UNITS.search(content), _DIE.search(content), _COMPONENTS.search(content)
    if units is None or die is None or section is None:
        missing = "UNITS" if units is None else "DIEAREA" if die is None else "COMPONENTS"
        raise ValueError(f"{source}:1: no {missing}")
    scale = int(units[1])
    numbers = [int(number) for number in re.findall(rb"-?\d+", die[1])]
    origin = np.array([min(numbers[::2]), min(numbers[1::2])])
    sides = (halo,) * 4 if isinstance(halo, (int, float)) else halo
    if sides is not None and (len(sides) != 4 or min(sides) < 0):
        raise ValueError(f"halo must be one or four lengths of at least 0, not {halo}")
    corners = lower_left_corners(placement, snap)
    left = set(corners)

    def place(found: re.Match[bytes]) -> bytes:
        name = found[2].decode()
        if name not in corners:
            return found[0]
        left.discard(name)
        x, y = np.rint(np.array(corners[name][:2]) * scale).astype(int) + origin
        rest = _PLACE.sub(b"", found[3])
        clause = f" + {status} ( {x} {y} ) {corners[name][2]}"
        if sides is not None:
            rest = _HALO.sub(b"", rest)
            clause += "\n  + HALO " + " ".join(str(round(side * scale)) for side in sides)
        return found[1] + clause.encode() + rest + found[4]

    body = _COMPONENT.sub(place, section[1])
    if left:
        raise ValueError(f"{source}: has no component {min(left)}, the placement is of another design")
    write_atomically(path, content[: section.start(1)] + body + content[section.end(1) :])


def write_openroad_tcl(path: str | Path, placement: Placement, snap: float | None = None) -> None:
    """Write ``place_macro`` commands of OpenROAD, one for each movable hard macro.

    Args:
        path: of the new file.
        placement: what to write.
        snap: micron: lower left corners go to the nearest multiple.
    """
    lines = [f"# {placement.netlist.name}: macro placement, lower left corners in micron"]
    for name, (x, y, turn) in lower_left_corners(placement, snap).items():
        lines.append(
            f"place_macro -macro_name {{{name}}} -location {{{x:.4f} {y:.4f}}} -orientation {_OPENROAD[turn]} -exact"
        )
    write_atomically(path, "\n".join(lines) + "\n")


def lower_left_corners(placement: Placement, snap: float | None = None) -> dict[str, tuple[float, float, str]]:
    """Return x, y (micron) and orientation of the movable hard macros by name."""
    if snap is not None and not (np.isfinite(snap) and snap > 0):
        raise ValueError(f"snap must be positive, not {snap}")
    netlist = placement.netlist
    corners = {}
    for node in netlist.hard_macros[~netlist.fixed[netlist.hard_macros]]:
        corner = placement.centers[node] - placement.extents[node] / 2
        if snap is not None:
            corner = np.rint(corner / snap) * snap
        corners[netlist.names[node]] = (float(corner[0]), float(corner[1]), ORIENTATIONS[placement.orientations[node]])
    return corners
