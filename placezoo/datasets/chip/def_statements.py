"""The statements of DEF that say something about placement, as they are in the file; the others are passed over.

Source: Cadence LEF/DEF 5.8 Language Reference. A statement that is none of DEF's is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from placezoo.datasets.chip.lefdef_tokens import Place, Tokens
from placezoo.datasets.chip.netlist import ORIENTATIONS

_SKIPPED = frozenset((
    "VERSION", "DIVIDERCHAR", "BUSBITCHARS", "DESIGN", "TECHNOLOGY", "ARRAY", "FLOORPLAN", "HISTORY", "TRACKS",
    "GCELLGRID", "COMPONENTMASKSHIFT", "CANPLACE", "CANNOTOCCUPY",
))  # fmt: skip
_SKIPPED_SECTIONS = frozenset((
    "VIAS", "STYLES", "NONDEFAULTRULES", "REGIONS", "PINPROPERTIES", "SLOTS", "FILLS", "SPECIALNETS", "SCANCHAINS",
    "GROUPS", "CONSTRAINTS", "ASSERTIONS", "IOTIMINGS", "TIMINGDISABLES", "PARTITIONS",
))  # fmt: skip
_STATUS = frozenset(("PLACED", "FIXED", "COVER"))
_COMPONENT_SKIPPED = frozenset((
    "UNPLACED", "EEQMASTER", "SOURCE", "MASKSHIFT", "ROUTEHALO", "WEIGHT", "REGION", "PROPERTY", "FOREIGN",
    "GENERATE", "PHYSICAL",
))  # fmt: skip
_PIN_SKIPPED = frozenset((
    "NET", "SPECIAL", "NETEXPR", "SUPPLYSENSITIVITY", "GROUNDSENSITIVITY", "PORT", "LAYER", "POLYGON", "VIA",
    "UNPLACED", "PROPERTY",
))  # fmt: skip
_NET_SKIPPED = frozenset((
    "SHIELDNET", "VPIN", "SUBNET", "XTALK", "NONDEFAULTRULE", "COVER", "FIXED", "ROUTED", "NOSHIELD", "SOURCE",
    "FIXEDBUMP", "FREQUENCY", "ORIGINAL", "PATTERN", "ESTCAP", "PROPERTY", "SHIELD", "STYLE", "SHAPE", "MASK",
    "WIDTH", "VOLTAGE", "RECT", "POLYGON", "VIA",
))  # fmt: skip
_BLOCKAGE_VALUES = {"SOFT": 0, "PARTIAL": 1, "PUSHDOWN": 0, "COMPONENT": 1, "EXCEPTPGNET": 0}

Point = tuple[float, float]  # database units


class Component(NamedTuple):
    """A component; x and y of its lower left corner are None if it is not placed."""

    place: Place
    name: str
    model: str
    x: float | None
    y: float | None
    turn: int
    fixed: bool
    halo: tuple[float, ...]


class Pin(NamedTuple):
    """A port of the design, and where its ports are placed."""

    place: Place
    name: str
    points: list[Point]
    direction: str
    use: str


class Net(NamedTuple):
    """A net and its pins, component (or PIN) and pin."""

    place: Place
    name: str
    pins: list[tuple[str, str]]
    use: str
    weight: float


class Row(NamedTuple):
    """A row: first site, counts and steps (0 where the file has none) in both directions."""

    site: str
    x: float
    y: float
    turned: bool
    columns: float
    rows: float
    step_x: float
    step_y: float


class Blockage(NamedTuple):
    """Areas without hard macros, two corners for a rectangle; and the component that they go with, or empty."""

    place: Place
    shapes: list[list[Point]]
    component: str


@dataclass
class Design:
    """What a DEF file says; lengths are in database units."""

    tokens: Tokens
    units: float = 0.0
    die: list[Point] = field(default_factory=list)
    die_place: Place = field(default_factory=lambda: Place(0, 0))
    case_sensitive: bool = True
    rows: list[Row] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    nets: list[Net] = field(default_factory=list)
    blockages: list[Blockage] = field(default_factory=list)


def parse_def(path: str | Path) -> Design:
    """Return what a DEF file says.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: there is no such file.
    """
    tokens = Tokens(path)
    design = Design(tokens)
    sections: dict[str, Callable[[Place, list[str]], None]] = dict.fromkeys(_SKIPPED_SECTIONS, _pass_over) | {
        "COMPONENTS": lambda place, words: design.components.append(_component(tokens, place, words)),
        "PINS": lambda place, words: design.pins.append(_pin(tokens, place, words)),
        "NETS": lambda place, words: design.nets.append(_net(tokens, place, words)),
        "BLOCKAGES": lambda place, words: design.blockages.append(_blockage(tokens, place, words)),
    }
    while tokens.peek():
        place, word = tokens.place, tokens.peek().split(None, 1)[0].upper()
        if word == "END":
            tokens.take()
            if tokens.take().upper() != "DESIGN":
                tokens.refuse(place, "END of what is not open")
            break
        if word in sections:
            _section(tokens, word, sections[word])
        elif word == "PROPERTYDEFINITIONS":
            tokens.take()
            _statements(tokens, place, word, _pass_over)
        elif word == "DEFAULTCAP":
            tokens.statement()
            _statements(tokens, place, word, _pass_over)
        else:
            _single(design, place, word, tokens.statement())
    if design.units == 0:
        raise ValueError(f"{path}:1: no UNITS DISTANCE MICRONS")
    if len(design.die) < 2:
        raise ValueError(f"{path}:1: no DIEAREA")
    return design


def _pass_over(place: Place, words: list[str]) -> None:
    """Do nothing with a statement that says nothing about placement."""


def _single(design: Design, place: Place, word: str, words: list[str]) -> None:
    """Read a statement that stands alone."""
    tokens = design.tokens
    if word == "UNITS":
        if len(words) != 4:
            tokens.refuse(place, "expected `UNITS DISTANCE MICRONS number ;`")
        design.units = tokens.number(place, words[3])
        if design.units <= 0:
            tokens.refuse(place, "units must be positive")
    elif word == "DIEAREA":
        design.die, end = _points(tokens, place, words, 1)
        design.die_place = place
        if end < len(words) or len(design.die) < 2 or len(design.die) == 3:
            tokens.refuse(place, "expected `DIEAREA ( x y ) ( x y ) ... ;`, two corners or all of them")
    elif word == "ROW":
        design.rows.append(_row(tokens, place, words))
    elif word == "NAMESCASESENSITIVE":
        design.case_sensitive = len(words) < 2 or words[1].upper() != "OFF"
    elif word not in _SKIPPED:
        tokens.refuse(place, f"DEF has no statement {words[0][:40] if words else ';'}")


def _section(tokens: Tokens, name: str, item: Callable[[Place, list[str]], None]) -> None:
    """Read ``NAME number ; - ... ; ... END NAME``."""
    opened, head = tokens.place, tokens.statement()
    if len(head) != 2:
        tokens.refuse(opened, f"expected `{name} number ;`")

    def dashed(place: Place, words: list[str]) -> None:
        if len(words) < 2 or words[0] != "-":
            tokens.refuse(place, f"expected `- ...` or END {name}, found {' '.join(words)[:40]}")
        if words.count("-") > 1:
            tokens.refuse(place, f"no ; at the end of `{' '.join(words[: words.index('-', 1)])[:60]}`")
        item(place, words)

    _statements(tokens, opened, name, dashed)


def _statements(tokens: Tokens, opened: Place, name: str, read: Callable[[Place, list[str]], None]) -> None:
    """Read statements up to END and the name."""
    while (word := tokens.peek()) and word != "END":
        read(tokens.place, tokens.statement())
    tokens.take()
    if not word or tokens.take().upper() != name:
        tokens.refuse(opened, f"{name} does not end")


def _points(tokens: Tokens, place: Place, words: list[str], k: int) -> tuple[list[Point], int]:
    """Return all ``( x y )`` from a word on, and where they end; an asterisk repeats the last point's coordinate."""
    points: list[Point] = []
    while words[k : k + 1] == ["("]:
        if words[k + 3 : k + 4] != [")"]:
            tokens.refuse(place, f"expected `( x y )`, found {' '.join(words[k : k + 4])[:60]}")
        last = points[-1] if points else (None, None)
        pair = [
            before if text == "*" and before is not None else tokens.number(place, text)
            for text, before in zip(words[k + 1 : k + 3], last, strict=True)
        ]
        points.append((pair[0], pair[1]))
        k += 4
    return points, k


def _status(tokens: Tokens, place: Place, words: list[str], k: int) -> tuple[float, float, int]:
    """Return x, y and orientation of ``+ PLACED ( x y ) orientation``, which begins at word k."""
    if words[k + 2 : k + 3] != ["("] or words[k + 5 : k + 6] != [")"] or len(words) < k + 7:
        tokens.refuse(place, f"expected `+ {words[k + 1]} ( x y ) orientation`")
    turn = words[k + 6].upper()
    if turn not in ORIENTATIONS:
        tokens.refuse(place, f"no orientation {words[k + 6]!r}")
    return tokens.number(place, words[k + 3]), tokens.number(place, words[k + 4]), ORIENTATIONS.index(turn)


def _option(tokens: Tokens, place: Place, words: list[str], k: int) -> str:
    """Return the keyword of the option that begins at word k."""
    if words[k] != "+" or k + 1 >= len(words):
        tokens.refuse(place, f"expected `+ option`, found {' '.join(words[k : k + 4])[:60]}")
    return words[k + 1].upper()


def _next_option(words: list[str], k: int) -> int:
    """Return where the next option begins."""
    try:
        return words.index("+", k)
    except ValueError:
        return len(words)


def _value(tokens: Tokens, place: Place, words: list[str], k: int) -> str:
    """Return the value of the option that begins at word k."""
    if k + 2 >= len(words) or words[k + 2] == "+":
        tokens.refuse(place, f"+ {words[k + 1]} has no value")
    return words[k + 2]


def _component(tokens: Tokens, place: Place, words: list[str]) -> Component:
    if len(words) < 3:
        tokens.refuse(place, "expected `- component model ...`")
    x = y = None
    turn, fixed = 0, False
    halo: tuple[float, ...] = ()
    k = 3
    while k < len(words):
        option = _option(tokens, place, words, k)
        if option in _STATUS:
            x, y, turn = _status(tokens, place, words, k)
            fixed = option != "PLACED"
            k += 7
        elif option == "HALO":
            first = k + 2 + (words[k + 2 : k + 3] == ["SOFT"])
            halo = tuple(tokens.numbers(place, words[first : first + 4]))
            if len(halo) != 4:
                tokens.refuse(place, "expected `+ HALO left bottom right top`")
            k = first + 4
        elif option in _COMPONENT_SKIPPED:
            k = _next_option(words, k + 2)
        else:
            tokens.refuse(place, f"a component has no option {option[:40]}")
    return Component(place, words[1], words[2], x, y, turn, fixed, halo)


def _pin(tokens: Tokens, place: Place, words: list[str]) -> Pin:
    points: list[Point] = []
    direction = use = ""
    k = 2
    while k < len(words):
        option = _option(tokens, place, words, k)
        if option in _STATUS:
            x, y, _ = _status(tokens, place, words, k)
            points.append((x, y))
            k += 7
            continue
        if option == "DIRECTION":
            direction = _value(tokens, place, words, k).upper()
        elif option == "USE":
            use = _value(tokens, place, words, k).upper()
        elif option not in _PIN_SKIPPED and not option.startswith("ANTENNA"):
            tokens.refuse(place, f"a pin has no option {option[:40]}")
        k = _next_option(words, k + 2)
    return Pin(place, words[1], points, direction, use)


def _net(tokens: Tokens, place: Place, words: list[str]) -> Net:
    pins: list[tuple[str, str]] = []
    k, n = 2, len(words)
    while k + 3 < n and words[k] == "(":
        if words[k + 3] == ")":
            size = 4
        elif [word.upper() for word in words[k + 3 : k + 6]] == ["+", "SYNTHESIZED", ")"]:
            size = 6
        else:
            break
        pins.append((words[k + 1], words[k + 2]))
        k += size
    use, weight = "", 1.0
    while k < n:
        if words[k] != "+":
            tokens.refuse(
                place, f"net {words[1]}: expected `( component pin )`, found {' '.join(words[k : k + 4])[:60]}"
            )
        option = _option(tokens, place, words, k)
        if option == "USE":
            use = _value(tokens, place, words, k).upper()
        elif option == "WEIGHT":
            weight = tokens.number(place, _value(tokens, place, words, k))
            if weight < 0:
                tokens.refuse(place, f"net {words[1]}: a weight must not be negative")
        elif option not in _NET_SKIPPED:
            tokens.refuse(place, f"a net has no option {option[:40]}")
        k = _next_option(words, k + 2)
    return Net(place, words[1], pins, use, weight)


def _blockage(tokens: Tokens, place: Place, words: list[str]) -> Blockage:
    """Read a blockage; one of routing has no area here."""
    kind = words[1].upper()
    if kind == "LAYER":
        return Blockage(place, [], "")
    if kind != "PLACEMENT":
        tokens.refuse(place, f"a blockage is of a LAYER or of PLACEMENT, not of {words[1][:40]}")
    component = ""
    shapes: list[list[Point]] = []
    k = 2
    while k < len(words):
        word = words[k].upper()
        if word == "+":
            option = _option(tokens, place, words, k)
            if option not in _BLOCKAGE_VALUES:
                tokens.refuse(place, f"a blockage has no option {option[:40]}")
            if option == "COMPONENT":
                component = _value(tokens, place, words, k)
            k += 2 + _BLOCKAGE_VALUES[option]
            continue
        shape, k = _points(tokens, place, words, k + 1)
        if word not in ("RECT", "POLYGON") or len(shape) < 2 or (word == "RECT") != (len(shape) == 2):
            tokens.refuse(place, "expected `- PLACEMENT RECT ( x y ) ( x y ) ...`")
        shapes.append(shape)
    if not shapes:
        tokens.refuse(place, "this blockage has no area")
    return Blockage(place, shapes, component)


def _row(tokens: Tokens, place: Place, words: list[str]) -> Row:
    form = "expected `ROW name site x y orientation [DO columns BY rows [STEP x y]] ;`"
    end = _next_option(words, 0)
    if end < 6 or words[5].upper() not in ORIENTATIONS:
        tokens.refuse(place, form)
    x, y = tokens.numbers(place, words[3:5])
    columns, rows, step_x, step_y = 1.0, 1.0, 0.0, 0.0
    if end > 6:
        keys = [word.upper() for word in words[6:end:2]]
        if end not in (10, 13) or keys[:2] != ["DO", "BY"] or keys[2:3] not in ([], ["STEP"]):
            tokens.refuse(place, form)
        columns, rows = tokens.numbers(place, [words[7], words[9]])
        if end == 13:
            step_x, step_y = tokens.numbers(place, words[11:13])
    return Row(words[2], x, y, words[5].upper() in ("E", "W", "FE", "FW"), columns, rows, step_x, step_y)
