"""A DEF file as a whole: which statements and sections it has.

Source: Cadence LEF/DEF 5.8 Language Reference. A statement that is none of DEF's is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from placezoo.datasets.chip.def_statements import (
    Blockage,
    Component,
    Net,
    Pin,
    Point,
    Row,
    read_blockage,
    read_component,
    read_net,
    read_pin,
    read_points,
    read_row,
)
from placezoo.datasets.chip.lefdef_tokens import Place, Tokens

_SKIPPED = frozenset((
    "VERSION", "DIVIDERCHAR", "BUSBITCHARS", "DESIGN", "TECHNOLOGY", "ARRAY", "FLOORPLAN", "HISTORY", "TRACKS",
    "GCELLGRID", "COMPONENTMASKSHIFT", "CANPLACE", "CANNOTOCCUPY",
))  # fmt: skip
_BEGINNINGS = frozenset(("BLOCKAGES", "COMPONENTS", "DIEAREA", "NETS", "PINS", "ROW", "UNITS"))
_SKIPPED_SECTIONS = frozenset((
    "VIAS", "STYLES", "NONDEFAULTRULES", "REGIONS", "PINPROPERTIES", "SLOTS", "FILLS", "SPECIALNETS", "SCANCHAINS",
    "GROUPS", "CONSTRAINTS", "ASSERTIONS", "IOTIMINGS", "TIMINGDISABLES", "PARTITIONS",
))  # fmt: skip


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
        "COMPONENTS": lambda place, words: design.components.append(read_component(tokens, place, words)),
        "PINS": lambda place, words: design.pins.append(read_pin(tokens, place, words)),
        "NETS": lambda place, words: design.nets.append(read_net(tokens, place, words)),
        "BLOCKAGES": lambda place, words: design.blockages.append(read_blockage(tokens, place, words)),
    }
    while tokens.peek():
        place, word = tokens.place, tokens.peek().upper()
        if word[:7] == "HISTORY" and word[7:8].isspace():  # its text is one token with it
            word = "HISTORY"
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
        design.die, end = read_points(tokens, place, words, 1)
        design.die_place = place
        if end < len(words) or len(design.die) < 2 or len(design.die) == 3:
            tokens.refuse(place, "expected `DIEAREA ( x y ) ( x y ) ... ;`, two corners or all of them")
    elif word == "ROW":
        design.rows.append(read_row(tokens, place, words))
    elif word == "NAMESCASESENSITIVE":
        design.case_sensitive = len(words) < 2 or words[1].upper() != "OFF"
    elif word in _SKIPPED:
        held = _BEGINNINGS.intersection(words[2:]) if word != "HISTORY" else ()
        if held:
            tokens.refuse(place, f"no ; at the end of `{words[0]} ...`, {min(held)} follows")
    else:
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
