"""LEF: what the blocks of a library look like: size, class, pins.

Source: Cadence LEF/DEF 5.8 Language Reference. Only MACRO statements are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from placezoo.datasets.files import read_bytes
from placezoo.datasets.refusal import refuses_in_one_line


@dataclass(frozen=True)
class LefPin:
    """A pin of a library block.

    Attributes:
        offset: the middle of its shapes from the block's centre in orientation N, micron.
        direction: ``INPUT``, ``OUTPUT``, ``INOUT`` or empty.
    """

    offset: tuple[float, float]
    direction: str


@dataclass(frozen=True)
class LefMacro:
    """A library block.

    Attributes:
        name: the block's.
        width: micron.
        height: micron.
        kind: its CLASS, ``BLOCK`` or ``CORE`` for example.
        pins: by name.
    """

    name: str
    width: float
    height: float
    kind: str
    pins: dict[str, LefPin] = field(default_factory=dict)

    @property
    def is_block(self) -> bool:
        """Whether it is a hard macro rather than a standard cell."""
        return self.kind in ("BLOCK", "RING", "PAD", "COVER")


@refuses_in_one_line
def read_lef(path: str | Path) -> dict[str, LefMacro]:
    """Return the blocks that a LEF file describes, by name.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    macros: dict[str, LefMacro] = {}
    name, pin = "", ""
    kind, direction = "", ""
    size, origin = (0.0, 0.0), (0.0, 0.0)
    boxes: list[tuple[float, float, float, float]] = []
    pins: dict[str, tuple[tuple[float, float], str]] = {}
    opened = 0
    in_definitions = False  # PROPERTYDEFINITIONS has lines that begin with MACRO
    for line, text in enumerate(read_bytes(path).decode(errors="replace").splitlines(), 1):
        fields = text.split("#")[0].split()
        if not fields:
            continue
        word, where = fields[0], f"{path}:{line}"
        if word == "PROPERTYDEFINITIONS" or fields[:2] == ["END", "PROPERTYDEFINITIONS"]:
            in_definitions = word == "PROPERTYDEFINITIONS"
        elif in_definitions:
            continue
        elif not name:
            if word == "MACRO" and len(fields) >= 2:
                name, opened, kind, size, origin, pins = fields[1], line, "CORE", (0.0, 0.0), (0.0, 0.0), {}
        elif word == "END" and len(fields) > 1 and fields[1] == name and not pin:
            if min(size) <= 0:
                raise ValueError(f"{path}:{opened}: {name} has no SIZE")
            centre = np.array(size) / 2 - np.array(origin)
            macros[name] = LefMacro(
                name, *size, kind,
                {key: LefPin((at[0] - centre[0], at[1] - centre[1]), way) for key, (at, way) in pins.items()},
            )  # fmt: skip
            name = ""
        elif word == "END" and len(fields) > 1 and fields[1] == pin:
            if not boxes:  # without shapes it is at the centre
                boxes = [(*(np.array(size) / 2 - np.array(origin)),) * 2]
            low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
            pins[pin] = ((float(low[0] + high[2]) / 2, float(low[1] + high[3]) / 2), direction)
            pin = ""
        elif word == "CLASS":
            kind = fields[1].rstrip(";") if len(fields) > 1 else ""
        elif word == "SIZE":
            if len(fields) < 4 or fields[2] != "BY":
                raise ValueError(f"{where}: expected `SIZE width BY height ;`")
            size = _numbers(where, [fields[1], fields[3]])  # type: ignore[assignment]
            if min(size) <= 0:
                raise ValueError(f"{where}: {name}: width and height must be positive")
        elif word == "ORIGIN":
            origin = _numbers(where, fields[1:3])  # type: ignore[assignment]
        elif word == "PIN" and len(fields) > 1:
            pin, direction, boxes = fields[1], "", []
        elif word == "DIRECTION" and pin and len(fields) > 1:
            direction = fields[1].rstrip(";")
        elif word == "RECT" and pin:
            numbers = [text for text in fields[1:] if text not in (";", "(", ")")]
            values = _numbers(where, numbers[-4:] if numbers[:1] == ["MASK"] else numbers[:4])
            if len(values) != 4:
                raise ValueError(f"{where}: expected `RECT x0 y0 x1 y1 ;`")
            boxes.append(
                (
                    min(values[0], values[2]),
                    min(values[1], values[3]),
                    max(values[0], values[2]),
                    max(values[1], values[3]),
                )
            )
    if name:
        raise ValueError(f"{path}:{opened}: MACRO {name} does not end")
    return macros


def _numbers(where: str, texts: list[str]) -> tuple[float, ...]:
    try:
        values = tuple(float(text.rstrip(";")) for text in texts)
    except ValueError:
        raise ValueError(f"{where}: not a number in: {' '.join(texts)}") from None
    if not np.isfinite(values).all():
        raise ValueError(f"{where}: must be finite: {' '.join(texts)}")
    return values
