"""LEF: what the blocks of a library look like: size, class, pins.

Source: Cadence LEF/DEF 5.8 Language Reference; what earlier versions had is passed over where it says nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from placezoo.datasets.chip.lef_library import LefMacro, LefPin, Library
from placezoo.datasets.chip.lef_shapes import GEOMETRIES, Box, around, shape_box
from placezoo.datasets.chip.lefdef_tokens import Place, Tokens
from placezoo.datasets.refusal import refuses_in_one_line

CLASSES = ("COVER", "RING", "BLOCK", "PAD", "CORE", "ENDCAP")
DIRECTIONS = ("INPUT", "OUTPUT", "INOUT", "FEEDTHRU")

# Statements that end with a semicolon and say nothing about what is placed.
_LIBRARY_SKIPPED = frozenset((
    "VERSION", "BUSBITCHARS", "DIVIDERCHAR", "NOWIREEXTENSIONATPIN", "MANUFACTURINGGRID", "USEMINSPACING",
    "CLEARANCEMEASURE", "MAXVIASTACK", "FIXEDMASK", "UNIVERSALNOISEMARGIN", "EDGERATETHRESHOLD1",
    "EDGERATETHRESHOLD2", "EDGERATESCALEFACTOR", "MINFEATURE", "DIELECTRIC", "INPUTPINANTENNASIZE",
    "OUTPUTPINANTENNASIZE", "INOUTPINANTENNASIZE", "ANTENNAINPUTGATEAREA", "ANTENNAINOUTDIFFAREA",
    "ANTENNAOUTPUTDIFFAREA",
))  # fmt: skip
_MACRO_SKIPPED = frozenset((
    "FIXEDMASK", "FOREIGN", "EEQ", "LEQ", "SYMMETRY", "SITE", "PROPERTY", "SOURCE", "POWER", "GENERATE",
    "GENERATOR", "CLOCKTYPE", "FUNCTION",
))  # fmt: skip
_PIN_SKIPPED = frozenset((
    "TAPERRULE", "USE", "NETEXPR", "SUPPLYSENSITIVITY", "GROUNDSENSITIVITY", "SHAPE", "MUSTJOIN", "PROPERTY",
    "FOREIGN", "LEQ", "POWER", "SCANUSE", "LEAKAGE", "RISETHRESH", "FALLTHRESH", "RISESATCUR", "FALLSATCUR", "VLO",
    "VHI", "TIEOFFR", "OUTPUTNOISEMARGIN", "OUTPUTRESISTANCE", "INPUTNOISEMARGIN", "CAPACITANCE", "MAXDELAY",
    "MAXLOAD", "RESISTANCE", "PULLDOWNRES", "CURRENTSOURCE", "RISEVOLTAGETHRESHOLD", "FALLVOLTAGETHRESHOLD",
    "IV_TABLES", "RISESLEWLIMIT", "FALLSLEWLIMIT",
))  # fmt: skip
_BEGINNINGS = frozenset(("CLASS", "DIRECTION", "OBS", "ORIGIN", "PIN", "PORT", "SIZE"))
# Blocks that end with END and their name, or END and their keyword, and the blocks within that do so too.
_NAMED_BLOCKS: dict[str, frozenset[str]] = {
    "VIARULE": frozenset(), "NONDEFAULTRULE": frozenset({"LAYER", "VIA", "SPACING"}),
    "ARRAY": frozenset({"FLOORPLAN", "DEFAULTCAP"}), "LAYER": frozenset(), "VIA": frozenset(), "FLOORPLAN": frozenset(),
}  # fmt: skip
_KEYWORD_BLOCKS = ("UNITS", "SPACING", "PROPERTYDEFINITIONS", "DEFAULTCAP")
_TABLES = ("IRDROP", "NOISETABLE", "CORRECTTABLE", "TIMING")


@refuses_in_one_line
def read_lef(path: str | Path) -> dict[str, LefMacro]:
    """Return the blocks that a LEF file describes, by name.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: there is no such file.
    """
    return read_library([path]).macros


def read_library(paths: Iterable[str | Path]) -> Library:
    """Return what LEF files say, one after the other: a technology first, then blocks.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: there is no such file.
    """
    library = Library()
    for path in paths:
        _Reader(Tokens(path), library).read()
    return library


class _Reader:
    """The grammar: a method a block."""

    def __init__(self, tokens: Tokens, library: Library) -> None:
        self.tokens, self.library = tokens, library

    def read(self) -> None:
        tokens = self.tokens
        while tokens.peek():
            place, word = tokens.place, tokens.peek().upper()
            if word == "END":
                tokens.take()
                if tokens.take().upper() != "LIBRARY":
                    tokens.refuse(place, "END of what is not open")
            elif word == "MACRO":
                self._macro()
            elif word == "SITE":
                self._site()
            elif word == "LAYER":
                self._layer()
            elif word == "VIA":
                self._via()
            elif word in _NAMED_BLOCKS or word in _KEYWORD_BLOCKS:
                self._skip_block(_NAMED_BLOCKS.get(word, frozenset()))
            elif word in _TABLES:
                self._skip_table()
            elif word == "NAMESCASESENSITIVE":
                self.library.case_sensitive = self._words(place, 2, "NAMESCASESENSITIVE ON|OFF")[1].upper() != "OFF"
            elif word in _LIBRARY_SKIPPED:
                tokens.statement()
            else:
                tokens.refuse(place, f"LEF has no statement {tokens.peek()[:40]}")

    def _words(self, place: Place, count: int, form: str) -> list[str]:
        """Return the words of a statement of a fixed length, without parentheses."""
        words = [word for word in self.tokens.statement() if word not in ("(", ")")]
        if len(words) != count:
            self.tokens.refuse(place, f"expected `{form} ;`")
        return words

    def _body(self, opened: Place, statement: Callable[[str, Place], None], label: str, name: str = "") -> None:
        """Read a block's statements up to END and the name; without a name up to END alone.

        Args:
            opened: where the block begins.
            statement: called with each statement's first word in capitals, and its place.
            label: of the block in messages.
            name: of the block, empty for blocks that end with END alone.
        """
        tokens = self.tokens
        while (word := tokens.peek()) and word.upper() != "END":
            statement(word.upper(), tokens.place)
        tokens.take()
        if not word or (name and tokens.take().upper() != name.upper()):
            tokens.refuse(opened, f"{label} {name}".strip() + " does not end")

    def _open(self) -> tuple[Place, str, str]:
        """Take a block's keyword and name; return the place, both."""
        place = self.tokens.place
        keyword, name = self.tokens.take().upper(), self.tokens.take()
        if name in ("", ";"):
            self.tokens.refuse(place, f"expected `{keyword} name`")
        return place, keyword, name

    def _skip_block(self, nested: frozenset[str]) -> None:
        opened, keyword = self.tokens.place, self.tokens.peek().upper()
        name = self._open()[2] if keyword in _NAMED_BLOCKS else self.tokens.take()

        def statement(word: str, _: Place) -> None:
            if word in nested:
                self._skip_block(_NAMED_BLOCKS.get(word, frozenset()))
            else:
                self.tokens.statement()

        self._body(opened, statement, keyword if keyword in _NAMED_BLOCKS else "", name)

    def _skip_table(self) -> None:
        tokens, place = self.tokens, self.tokens.place
        name, before = tokens.take().upper(), ""
        while not (before == "END" and tokens.peek().upper() == name):
            before = tokens.take().upper()
            if not before:
                tokens.refuse(place, f"{name} does not end")
        tokens.take()

    def _site(self) -> None:
        opened, _, name = self._open()

        def statement(word: str, place: Place) -> None:
            if word == "SIZE":
                self.library.sites[name] = self._size(place)
            else:
                self.tokens.statement()

        self._body(opened, statement, "SITE", name)

    def _layer(self) -> None:
        opened, _, name = self._open()

        def statement(word: str, place: Place) -> None:
            words = self.tokens.statement()
            if word == "WIDTH" and len(words) == 2:
                self.library.layer_widths[name] = self.tokens.number(place, words[1])

        self._body(opened, statement, "LAYER", name)

    def _via(self) -> None:
        opened, _, name = self._open()
        boxes: list[Box] = []

        def statement(word: str, place: Place) -> None:
            words = self.tokens.statement()
            if word in ("RECT", "POLYGON"):
                boxes.append(shape_box(self.tokens, place, words))

        self._body(opened, statement, "VIA", name)
        if boxes:
            self.library.vias[name] = around(boxes)

    def _size(self, place: Place) -> tuple[float, float]:
        words = self.tokens.statement()
        if len(words) != 4 or words[2].upper() != "BY":
            self.tokens.refuse(place, "expected `SIZE width BY height ;`")
        width, height = self.tokens.numbers(place, [words[1], words[3]])
        if min(width, height) <= 0:
            self.tokens.refuse(place, "width and height must be positive")
        return width, height

    def _macro(self) -> None:
        tokens = self.tokens
        opened, _, name = self._open()
        kind, size, origin = "CORE", (0.0, 0.0), (0.0, 0.0)
        pins: dict[str, tuple[list[Box], str]] = {}

        def statement(word: str, place: Place) -> None:
            nonlocal kind, size, origin
            if word == "PIN":
                pin, boxes, direction = self._pin()
                earlier, way = pins.get(pin, ([], ""))
                pins[pin] = earlier + boxes, direction or way
            elif word in ("OBS", "DENSITY"):
                tokens.take()
                self._body(place, self._obstruction, word)
            elif word == "TIMING":
                self._skip_table()
            elif word == "CLASS":
                kind = self._one_of(place, CLASSES)
            elif word == "SIZE":
                size = self._size(place)
            elif word == "ORIGIN":
                x, y = tokens.numbers(place, self._words(place, 3, "ORIGIN x y")[1:])
                origin = x, y
            elif word in _MACRO_SKIPPED:
                self._pass_over(place)
            else:
                tokens.refuse(place, f"a MACRO has no statement {word[:40]}")

        self._body(opened, statement, "MACRO", name)
        if min(size) <= 0:
            tokens.refuse(opened, f"{name} has no SIZE")
        x, y = size[0] / 2 - origin[0], size[1] / 2 - origin[1]  # the centre, where the shapes' coordinates have it
        made = {}
        for pin, (boxes, direction) in pins.items():
            box = around(boxes) if boxes else (x, y, x, y)
            middle = (box[0] + box[2]) / 2 - x, (box[1] + box[3]) / 2 - y
            made[pin] = LefPin(middle, direction, (box[0] - x, box[1] - y, box[2] - x, box[3] - y))
        self.library.macros[name] = LefMacro(name, *size, kind, made)

    def _one_of(self, place: Place, choices: tuple[str, ...]) -> str:
        """Return the second word of a statement, which must be one of some."""
        words = self.tokens.statement()
        word = words[1].upper() if len(words) > 1 else ""
        if word not in choices or len(words) > 3:
            self.tokens.refuse(place, f"expected `{words[0]} {'|'.join(choices)} ;`")
        return word

    def _pass_over(self, place: Place) -> None:
        """Pass over a statement, which must not hold the next one for want of a semicolon."""
        words = self.tokens.statement()
        held = _BEGINNINGS.intersection(words[1:]) if words[0].upper() != "PROPERTY" else ()
        if held:
            self.tokens.refuse(place, f"no ; at the end of `{words[0]} ...`, {min(held)} follows")

    def _obstruction(self, word: str, place: Place) -> None:
        if word not in GEOMETRIES:
            self.tokens.refuse(place, f"OBS and DENSITY have no statement {word[:40]}")
        self.tokens.statement()

    def _pin(self) -> tuple[str, list[Box], str]:
        tokens = self.tokens
        opened, _, name = self._open()
        boxes: list[Box] = []
        direction = ""

        def statement(word: str, place: Place) -> None:
            nonlocal direction
            if word == "PORT":
                self._port(boxes)
            elif word == "DIRECTION":
                direction = self._one_of(place, DIRECTIONS)
            elif word in _PIN_SKIPPED or word.startswith("ANTENNA"):
                self._pass_over(place)
            else:
                tokens.refuse(place, f"a PIN has no statement {word[:40]}")

        self._body(opened, statement, "PIN", name)
        return name, boxes, direction

    def _port(self, boxes: list[Box]) -> None:
        """Collect the boxes of a port's shapes."""
        tokens, opened, width = self.tokens, self.tokens.place, 0.0
        tokens.take()

        def statement(word: str, place: Place) -> None:
            nonlocal width
            words = tokens.statement()
            if word == "LAYER" and len(words) > 1 and len(words) == 2 + _layer_options(words[2:3]):
                width = self.library.layer_widths.get(words[1], 0.0)
            elif word == "WIDTH" and len(words) == 2:
                width = tokens.number(place, words[1])
            elif word in ("RECT", "POLYGON", "PATH", "VIA"):
                boxes.append(shape_box(tokens, place, words, width, self.library.vias))
            elif word != "PROPERTY" and (word != "CLASS" or len(words) != 2):
                tokens.refuse(place, f"a PORT has no statement `{' '.join(words)[:40]}`")

        self._body(opened, statement, "PORT")


def _layer_options(words: list[str]) -> int:
    """Return how many words follow a layer's name: a flag, or a keyword and a number."""
    return {"EXCEPTPGNET": 1, "SPACING": 2, "DESIGNRULEWIDTH": 2}.get(words[0].upper(), 0) if words else 0
