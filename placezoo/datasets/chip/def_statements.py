"""The statements of DEF that say something about placement: rows, components, pins, nets, blockages.

Source: Cadence LEF/DEF 5.8 Language Reference. Options that say nothing about placement are passed over; what
is no option is refused.
"""

from __future__ import annotations

from typing import NamedTuple

from placezoo.datasets.chip.lefdef_tokens import Place, Tokens
from placezoo.datasets.chip.netlist import ORIENTATIONS

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


def read_points(tokens: Tokens, place: Place, words: list[str], k: int) -> tuple[list[Point], int]:
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


def read_component(tokens: Tokens, place: Place, words: list[str]) -> Component:
    """Read a component."""
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


def read_pin(tokens: Tokens, place: Place, words: list[str]) -> Pin:
    """Read a port of the design."""
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
            k += 3
        elif option == "USE":
            use = _value(tokens, place, words, k).upper()
            k += 3
        elif option in _PIN_SKIPPED or option.startswith("ANTENNA"):
            k = _next_option(words, k + 2)
        else:
            tokens.refuse(place, f"a pin has no option {option[:40]}")
    return Pin(place, words[1], points, direction, use)


def read_net(tokens: Tokens, place: Place, words: list[str]) -> Net:
    """Read a net; where it is routed is passed over."""
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
            found = " ".join(words[k : k + 4])[:60]
            tokens.refuse(place, f"net {words[1]}: expected `( component pin )`, found {found}")
        option = words[k + 1].upper() if k + 1 < n else ""
        if option == "USE":
            use = _value(tokens, place, words, k).upper()
            k += 3
        elif option == "WEIGHT":
            weight = tokens.number(place, _value(tokens, place, words, k))
            if weight < 0:
                tokens.refuse(place, f"net {words[1]}: a weight must not be negative")
            k += 3
        elif option in _NET_SKIPPED:
            k = _next_option(words, k + 2)
        else:
            tokens.refuse(place, f"a net has no option {option[:40]}")
    return Net(place, words[1], pins, use, weight)


def read_blockage(tokens: Tokens, place: Place, words: list[str]) -> Blockage:
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
        shape, k = read_points(tokens, place, words, k + 1)
        if word not in ("RECT", "POLYGON") or len(shape) < 2 or (word == "RECT") != (len(shape) == 2):
            tokens.refuse(place, "expected `- PLACEMENT RECT ( x y ) ( x y ) ...`")
        shapes.append(shape)
    if not shapes:
        tokens.refuse(place, "this blockage has no area")
    return Blockage(place, shapes, component)


def read_row(tokens: Tokens, place: Place, words: list[str]) -> Row:
    """Read a row."""
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
