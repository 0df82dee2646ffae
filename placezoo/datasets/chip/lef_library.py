"""What LEF files say about blocks: size, class, pins."""

from __future__ import annotations

from dataclasses import dataclass, field

from placezoo.datasets.chip.lef_shapes import Box


@dataclass(frozen=True)
class LefPin:
    """A pin of a library block.

    Attributes:
        offset: the middle of the box from the block's centre in orientation N, micron.
        direction: ``INPUT``, ``OUTPUT``, ``INOUT``, ``FEEDTHRU`` or empty.
        box: x0, y0, x1, y1 around all shapes of all ports, from the block's centre likewise; a pin without shapes is at
            the centre.
    """

    offset: tuple[float, float]
    direction: str
    box: Box = (0.0, 0.0, 0.0, 0.0)


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
        """Whether it is a hard macro rather than a standard cell or a cover."""
        return self.kind in ("BLOCK", "RING", "PAD")

    @property
    def is_cover(self) -> bool:
        """Whether it lies above all others and obstructs none, as bumps do."""
        return self.kind == "COVER"


@dataclass
class Library:
    """What some LEF files say.

    Attributes:
        macros: by name.
        sites: width and height of placement sites by name, micron.
        case_sensitive: whether names that differ in case only are different.
        layer_widths: of routing layers, micron: paths without a width of their own have it.
        vias: the boxes of vias by name.
    """

    macros: dict[str, LefMacro] = field(default_factory=dict)
    sites: dict[str, tuple[float, float]] = field(default_factory=dict)
    case_sensitive: bool = True
    layer_widths: dict[str, float] = field(default_factory=dict)
    vias: dict[str, Box] = field(default_factory=dict)
