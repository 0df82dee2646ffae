"""Shapes of LEF: the boxes around rectangles, polygons, paths and vias, once or iterated.

Source: Cadence LEF/DEF 5.8 Language Reference, layer geometries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from placezoo.datasets.chip.lefdef_tokens import Place, Tokens

Box = tuple[float, float, float, float]  # x0, y0, x1, y1, micron

GEOMETRIES = frozenset(("LAYER", "WIDTH", "PATH", "RECT", "POLYGON", "VIA", "PROPERTY"))
_FORMS = {
    "RECT": "RECT x0 y0 x1 y1", "POLYGON": "POLYGON x y x y x y ...", "PATH": "PATH x y ...", "VIA": "VIA x y name",
}  # fmt: skip
_NO_VIAS: Mapping[str, Box] = {}


def around(boxes: Iterable[Box]) -> Box:
    """Return the box around some boxes."""
    left, bottom, right, top = zip(*boxes, strict=True)
    return min(left), min(bottom), max(right), max(top)


def shape_box(
    tokens: Tokens, place: Place, words: Sequence[str], width: float = 0.0, vias: Mapping[str, Box] = _NO_VIAS
) -> Box:
    """Return the box around a shape.

    Args:
        tokens: refuse what is no shape.
        place: of the statement.
        words: of the statement, without the semicolon.
        width: of paths, which reach half of it beyond their ends, micron.
        vias: boxes by name; a via that is not among them is a point.
    """
    kind = words[0].upper()
    rest = [word for word in words[1:] if word not in ("(", ")")]
    iterated = False
    while rest and rest[0].upper() in ("MASK", "ITERATE"):
        iterated |= rest[0].upper() == "ITERATE"
        rest = rest[1:] if rest[0].upper() == "ITERATE" else rest[2:]
    steps = _steps(tokens, place, rest[-7:]) if iterated else (0.0, 0.0)
    if iterated:
        rest = rest[:-7]
    via = rest.pop() if kind == "VIA" and len(rest) == 3 else ""
    if (
        len(rest) % 2
        or not rest
        or (kind == "RECT" and len(rest) != 4)
        or (kind == "POLYGON" and len(rest) < 6)
        or (kind == "VIA" and not via)
    ):
        tokens.refuse(place, f"expected `{_FORMS[kind]} ;`")
    values = tokens.numbers(place, rest)
    x, y = values[::2], values[1::2]
    left, bottom, right, top = min(x), min(y), max(x), max(y)
    if kind == "PATH":
        left, bottom, right, top = left - width / 2, bottom - width / 2, right + width / 2, top + width / 2
    elif kind == "VIA":
        box = vias.get(via, (0.0, 0.0, 0.0, 0.0))
        left, bottom, right, top = left + box[0], bottom + box[1], right + box[2], top + box[3]
    return (
        left + min(steps[0], 0.0), bottom + min(steps[1], 0.0), right + max(steps[0], 0.0), top + max(steps[1], 0.0)
    )  # fmt: skip


def _steps(tokens: Tokens, place: Place, words: Sequence[str]) -> tuple[float, float]:
    """Return how far the last shape is from the first of ``DO columns BY rows STEP x y``."""
    if len(words) != 7 or [words[i].upper() for i in (0, 2, 4)] != ["DO", "BY", "STEP"]:
        tokens.refuse(place, "expected `... DO columns BY rows STEP x y ;`")
    columns, rows, x, y = tokens.numbers(place, [words[i] for i in (1, 3, 5, 6)])
    return max(columns - 1, 0) * x, max(rows - 1, 0) * y
