"""Placements for other tools: back into the user's DEF, and as OpenROAD Tcl."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.chip.lefdef_tokens import TOKEN, is_passed_over
from placezoo.datasets.chip.netlist import ORIENTATIONS, Placement
from placezoo.datasets.files import read_bytes, write_atomically

_PLACES = ("PLACED", "FIXED", "COVER", "UNPLACED")
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
    sides = (halo,) * 4 if isinstance(halo, (int, float)) else halo
    if sides is not None and (len(sides) != 4 or min(sides) < 0):
        raise ValueError(f"halo must be one or four lengths of at least 0, not {halo}")
    text = read_bytes(source).decode("latin-1")  # so that each byte is a character, whatever the file's encoding
    scale, origin, components = _outline(source, text)
    corners = lower_left_corners(placement, snap)
    parts: list[str] = []
    done = 0
    for words in components:
        name = words[1][0].encode("latin-1").decode(errors="replace")
        if name not in corners:
            continue
        *place, turn = corners.pop(name)
        x, y = np.rint(np.array(place) * scale).astype(int) + origin
        clause = f" + {status} ( {x} {y} ) {turn}"
        dropped = _spans(text, words, _PLACES, " \t")
        if sides is not None:
            dropped += _spans(text, words, ("HALO",), " \t\r\n")
            clause += "\n  + HALO " + " ".join(str(round(side * scale)) for side in sides)
        parts += [text[done : words[2].end()], clause]
        done = words[2].end()
        for begin, end in sorted(dropped):
            parts.append(text[done:begin])
            done = end
    if corners:
        raise ValueError(f"{source}: has no component {min(corners)}, the placement is of another design")
    write_atomically(path, "".join([*parts, text[done:]]).encode("latin-1"))


def _outline(source: str | Path, text: str) -> tuple[float, NDArray[np.int64], list[list[re.Match[str]]]]:
    """Return database units per micron, the die's lower left corner, and the words of each component."""
    scale, corners, is_open = 0.0, None, False
    components: list[list[re.Match[str]]] | None = None
    for words in _statements(text):
        while words and words[0][0] == "END":
            words, is_open = words[2:], False
        first = words[0][0].upper() if words else ""
        if is_open and components is not None:
            components += [words] if len(words) > 2 else []
        elif first == "COMPONENTS":
            components, is_open = components or [], True
        elif first == "UNITS":
            scale = float(words[-1][0])
        elif first == "DIEAREA":
            numbers = [round(float(word[0])) for word in words[1:] if word[0] not in "()*"]
            corners = np.array([min(numbers[::2]), min(numbers[1::2])])
    if not scale or corners is None or components is None:
        missing = "UNITS" if not scale else "DIEAREA" if corners is None else "COMPONENTS"
        raise ValueError(f"{source}:1: no {missing}")
    return scale, corners, components


def _statements(text: str) -> Iterator[list[re.Match[str]]]:
    """Yield the words of each statement of a DEF file, which say where they are."""
    words: list[re.Match[str]] = []
    for word in TOKEN.finditer(text):
        if word[0] == ";":
            yield words
            words = []
        elif not is_passed_over(word[0]) and not word[0].upper().startswith("&ALIAS"):
            words.append(word)


def _spans(text: str, words: list[re.Match[str]], options: tuple[str, ...], blanks: str) -> list[tuple[int, int]]:
    """Return where some options of a component are, with the blanks before them."""
    spans = []
    starts = [k for k, word in enumerate(words) if word[0] == "+"]
    for k, after in zip(starts, [*starts[1:], len(words)], strict=False):
        if k + 1 < after and words[k + 1][0].upper() in options:
            begin = words[k].start()
            while text[begin - 1] in blanks:
                begin -= 1
            spans.append((begin, words[after - 1].end()))
    return spans


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
