"""The instance of chip placement: blocks, pins, ports and nets on a canvas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import EqualByDigest, read_only
from placezoo.datasets.chip.canvas import Canvas
from placezoo.datasets.suggestion import unknown_name


class NodeType(IntEnum):
    """What a node of a netlist is."""

    PORT = 0
    HARD_MACRO = 1
    SOFT_MACRO = 2  # a cluster of standard cells
    HARD_PIN = 3
    SOFT_PIN = 4  # lies at its soft macro's centre
    STDCELL = 5  # flat netlists only


ORIENTATIONS = ("N", "FN", "S", "FS", "E", "FE", "W", "FW")

# What an orientation makes of an offset (x, y) from the centre: x' = a x + b y, y' = c x + d y (LEF/DEF reference).
ORIENTATION_MATRICES = np.array(
    [
        [1, 0, 0, 1], [-1, 0, 0, 1], [-1, 0, 0, -1], [1, 0, 0, -1],
        [0, 1, -1, 0], [0, -1, -1, 0], [0, -1, 1, 0], [0, 1, 1, 0],
    ],
    dtype=np.float64,
)  # fmt: skip
FIRST_ROTATED = 4  # orientations from here on exchange width and height
TOUCH = 1e-9  # micron: blocks that overlap by no more share an edge


def placed_extents(sizes: NDArray[np.float64], orientations: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return width and height as placed: float64 [n, 2] of the sizes in orientation N, [n, 2], and orientations [n]."""
    return np.where((orientations >= FIRST_ROTATED)[:, None], sizes[:, ::-1], sizes)


@dataclass(frozen=True, eq=False)
class Netlist(EqualByDigest):
    """Blocks (hard and soft macros, ports, standard cells), their pins, and nets between them.

    Arrays are read-only; nodes are in the order of the file, pins included, so that node indices are those of ``.plc``
    files. Two netlists are equal when all but their names are.

    Args:
        names: of the nodes.
        types: int8 [num_nodes], ``NodeType``.
        owners: int32 [num_nodes], the macro of a pin; of all else the node itself.
        sizes: float64 [num_nodes, 2], width and height in orientation N, micron; 0 for ports and pins.
        centers: float64 [num_nodes, 2], micron; of pins ignored (their macro and offset say where they are).
        offsets: float64 [num_nodes, 2], of pins from the macro's centre in orientation N, micron.
        orientations: int8 [num_nodes], index into ``ORIENTATIONS``.
        fixed: bool [num_nodes], must stay where it is.
        net_indptr: int64 [num_nets + 1], where each net's nodes start.
        net_nodes: int32, nodes of the nets, each net's driver first.
        net_weights: float64 [num_nets].
        canvas: the area.
        name: what the instance is called in results.
        sides: of ports, ``LEFT`` ...; empty for all else.
        halos: float64 [num_nodes, 4], room that standard cells must leave left, below, right and above a macro, micron;
            written back to DEF, and kept free of other hard macros by placements off the grid. Default none.

    Raises:
        ValueError: arrays disagree in shape, or a macro has no positive size, or is larger than the canvas.
    """

    names: tuple[str, ...]
    types: NDArray[np.int8]
    owners: NDArray[np.int32]
    sizes: NDArray[np.float64]
    centers: NDArray[np.float64]
    offsets: NDArray[np.float64]
    orientations: NDArray[np.int8]
    fixed: NDArray[np.bool_]
    net_indptr: NDArray[np.int64]
    net_nodes: NDArray[np.int32]
    net_weights: NDArray[np.float64]
    canvas: Canvas
    name: str = "netlist"
    sides: tuple[str, ...] = field(default=(), repr=False)
    halos: NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        n, m = len(self.names), len(self.net_weights)
        if self.halos is None:
            object.__setattr__(self, "halos", np.zeros((n, 4)))
        for what, dtype, shape in (
            ("types", np.int8, (n,)), ("owners", np.int32, (n,)), ("sizes", np.float64, (n, 2)),
            ("centers", np.float64, (n, 2)), ("offsets", np.float64, (n, 2)), ("orientations", np.int8, (n,)),
            ("fixed", np.bool_, (n,)), ("net_indptr", np.int64, (m + 1,)), ("net_weights", np.float64, (m,)),
            ("net_nodes", np.int32, None), ("halos", np.float64, (n, 4)),
        ):  # fmt: skip
            array = np.ascontiguousarray(getattr(self, what), dtype=dtype)
            if shape is not None and array.shape != shape:
                raise ValueError(f"{what} must have the shape {shape}, not {array.shape}")
            object.__setattr__(self, what, read_only(array))
        if not self.sides:
            object.__setattr__(self, "sides", ("",) * n)
        self._validate()

    def _validate(self) -> None:
        for what in ("sizes", "centers", "offsets", "net_weights"):
            array = getattr(self, what)
            if not np.isfinite(array).all():
                bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0]
                where = f"net {bad}" if what == "net_weights" else self.names[bad]
                raise ValueError(f"{where}: {what} must be finite")
        if np.any(self.net_weights < 0):
            raise ValueError(f"net {int(np.flatnonzero(self.net_weights < 0)[0])} has a negative weight")
        if (
            self.net_indptr[0] != 0
            or self.net_indptr[-1] != self.net_nodes.size
            or np.any(np.diff(self.net_indptr) < 1)
        ):
            raise ValueError("net_indptr must rise from 0 to the number of net nodes, each net having a driver")
        if self.net_nodes.size and not (self.net_nodes.min() >= 0 and self.net_nodes.max() < self.num_nodes):
            raise ValueError("net_nodes names a node that does not exist")
        if not (np.all(self.owners >= 0) and np.all(self.owners < self.num_nodes)):
            bad = int(np.flatnonzero((self.owners < 0) | (self.owners >= self.num_nodes))[0])
            raise ValueError(f"{self.names[bad]}: its owner is {self.owners[bad]}, which is no node")
        macros = self.macros
        width, height = self.sizes[macros].T
        if np.any(width <= 0) or np.any(height <= 0):
            raise ValueError(f"{self.names[macros[int(np.argmin(np.minimum(width, height)))]]}: a macro has no area")
        hard = self.hard_macros
        extent = placed_extents(self.sizes[hard], self.orientations[hard])
        too_large = np.flatnonzero((extent[:, 0] > self.canvas.width) | (extent[:, 1] > self.canvas.height))
        if too_large.size:
            macro = int(hard[too_large[0]])
            raise ValueError(
                f"{self.names[macro]}: {self.sizes[macro, 0]:g} x {self.sizes[macro, 1]:g} micron does not fit on the "
                f"canvas of {self.canvas.width:g} x {self.canvas.height:g}"
            )

    @property
    def num_nodes(self) -> int:
        """Nodes, pins included."""
        return len(self.names)

    @property
    def num_nets(self) -> int:
        """Nets."""
        return len(self.net_weights)

    @cached_property
    def hard_macros(self) -> NDArray[np.int64]:
        """Node indices of hard macros, in file order."""
        return read_only(np.flatnonzero(self.types == NodeType.HARD_MACRO))

    @cached_property
    def soft_macros(self) -> NDArray[np.int64]:
        """Node indices of soft macros, in file order."""
        return read_only(np.flatnonzero(self.types == NodeType.SOFT_MACRO))

    @cached_property
    def macros(self) -> NDArray[np.int64]:
        """Node indices of hard and soft macros, in file order."""
        return read_only(np.flatnonzero((self.types == NodeType.HARD_MACRO) | (self.types == NodeType.SOFT_MACRO)))

    @cached_property
    def ports(self) -> NDArray[np.int64]:
        """Node indices of ports, in file order."""
        return read_only(np.flatnonzero(self.types == NodeType.PORT))

    @cached_property
    def blocks(self) -> NDArray[np.int64]:
        """Node indices of all that has a place of its own: everything but pins, in file order."""
        return read_only(np.flatnonzero((self.types != NodeType.HARD_PIN) & (self.types != NodeType.SOFT_PIN)))

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Node index by name."""
        return {name: i for i, name in enumerate(self.names)}

    @property
    def total_area(self) -> float:
        """Area of macros and standard cells, micron^2."""
        return float(np.prod(self.sizes, axis=1).sum())

    @cached_property
    def placement(self) -> Placement:
        """The netlist's own placement."""
        return Placement(self, self.centers, self.orientations)

    def with_positions(
        self, positions: Mapping[str, ArrayLike], orientations: Mapping[str, str] | None = None
    ) -> Placement:
        """Return the netlist's own placement with some centres (micron) and orientations changed.

        Raises:
            ValueError: a name is no node's, or a pin's; a position is not two finite numbers; no such orientation.
        """
        centers, turns = self.centers.copy(), self.orientations.copy()
        for name, position in positions.items():
            node = self._block(name)
            point = np.asarray(position, np.float64)
            if point.shape != (2,) or not np.isfinite(point).all():
                raise ValueError(f"the position of {name} must be two finite numbers, not {position!r}")
            centers[node] = point
        for name, orientation in (orientations or {}).items():
            if orientation not in ORIENTATIONS:
                raise ValueError(unknown_name("orientation", orientation, ORIENTATIONS))
            turns[self._block(name)] = ORIENTATIONS.index(orientation)
        return Placement(self, centers, turns)

    def _block(self, name: str) -> int:
        node = self.index.get(name)
        if node is None:
            raise ValueError(unknown_name("node", name, self.index))
        if self.owners[node] != node:
            raise ValueError(f"{name} is a pin, it is where its macro {self.names[self.owners[node]]} is")
        return node

    def with_canvas(self, **changes: object) -> Netlist:
        """Return the same netlist with some attributes of its canvas changed (``smoothing_range=2``, ...)."""
        return replace(self, canvas=replace(self.canvas, **changes))  # type: ignore[arg-type]

    def with_placement(self, placement: Placement, name: str | None = None) -> Netlist:
        """Return the same netlist whose own placement is another."""
        return replace(self, centers=placement.centers, orientations=placement.orientations, name=name or self.name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything but the instance's name."""
        content = hashlib.sha256(b"placezoo.Netlist/1")
        content.update(repr(self.canvas).encode())
        content.update("\0".join(self.names).encode())
        for array in (
            self.types, self.owners, self.sizes, self.centers, self.offsets, self.orientations, self.fixed,
            self.net_indptr, self.net_nodes, self.net_weights,
        ):  # fmt: skip
            content.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
        return content.hexdigest()

    def __repr__(self) -> str:
        return (
            f"Netlist({self.name!r}, {self.hard_macros.size} hard macros, {self.soft_macros.size} soft macros, "
            f"{self.ports.size} ports, {self.num_nets} nets)"
        )


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the blocks of a netlist are.

    Args:
        netlist: of which.
        centers: float64 [num_nodes, 2], micron; rows of pins are ignored.
        orientations: int8 [num_nodes], index into ``ORIENTATIONS``.

    Raises:
        ValueError: an array has the wrong shape or content.
    """

    netlist: Netlist = field(repr=False)
    centers: NDArray[np.float64]
    orientations: NDArray[np.int8]

    def __post_init__(self) -> None:
        n = self.netlist.num_nodes
        centers = np.array(self.centers, dtype=np.float64)
        orientations = np.array(self.orientations, dtype=np.int8)
        if centers.shape != (n, 2) or not np.isfinite(centers).all():
            raise ValueError(f"centers must be finite, of shape ({n}, 2), not {centers.shape}")
        if orientations.shape != (n,) or not np.all((orientations >= 0) & (orientations < len(ORIENTATIONS))):
            raise ValueError(f"orientations must be {n} numbers of 0..{len(ORIENTATIONS) - 1}")
        object.__setattr__(self, "centers", read_only(centers))
        object.__setattr__(self, "orientations", read_only(orientations))

    @cached_property
    def extents(self) -> NDArray[np.float64]:
        """Width and height as placed: float64 [num_nodes, 2], micron."""
        return read_only(placed_extents(self.netlist.sizes, self.orientations))

    @cached_property
    def node_positions(self) -> NDArray[np.float64]:
        """Where every node is, pins included: float64 [num_nodes, 2], micron."""
        owners = self.netlist.owners
        a, b, c, d = ORIENTATION_MATRICES[self.orientations[owners]].T
        x, y = self.netlist.offsets.T
        return read_only(self.centers[owners] + np.stack([a * x + b * y, c * x + d * y], axis=1))

    def overlaps(self, tolerance: float = TOUCH) -> list[tuple[str, str]]:
        """Return the pairs of hard macros that overlap by more than the tolerance (micron) in both directions."""
        hard = self.netlist.hard_macros
        centers, half = self.centers[hard], self.extents[hard] / 2
        depth = half[:, None] + half[None, :] - np.abs(centers[:, None] - centers[None, :])
        first, second = np.nonzero(np.triu((depth > tolerance).all(axis=2), 1))
        names = self.netlist.names
        return [(names[hard[i]], names[hard[j]]) for i, j in zip(first, second, strict=True)]

    def outside(self, tolerance: float = TOUCH) -> list[str]:
        """Return the hard macros that stick out of the canvas by more than the tolerance (micron)."""
        hard, canvas = self.netlist.hard_macros, self.netlist.canvas
        low = self.centers[hard] - self.extents[hard] / 2
        high = self.centers[hard] + self.extents[hard] / 2
        out = (low < -tolerance).any(axis=1) | (high > np.array([canvas.width, canvas.height]) + tolerance).any(axis=1)
        return [self.netlist.names[node] for node in hard[out]]

    @property
    def is_legal(self) -> bool:
        """Whether no hard macros overlap and all are inside the canvas."""
        return not self.overlaps() and not self.outside()
