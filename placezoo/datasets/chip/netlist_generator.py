"""Synthetic clustered netlists that obey Rent's rule, so that training sets exist without downloads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.chip.canvas import Canvas
from placezoo.datasets.chip.netlist import Netlist, NodeType

_TRIES = 100  # draws of macro sizes
_ROUTES, _MACRO_ROUTES = (57.031, 56.818), (39.583, 30.303)  # NanGate45, as in TILOS's instances


def generate_netlist(
    num_hard: int,
    num_soft: int,
    seed: int | np.random.Generator = 0,
    num_ports: int | None = None,
    grid: tuple[int, int] | None = None,
    rent_exponent: float = 0.65,
    hard_utilization: float = 0.42,
    soft_utilization: float = 0.2,
    name: str = "synthetic",
) -> Netlist:
    """Draw a clustered netlist.

    Blocks are the leaves of a balanced binary hierarchy. A net's driver is a leaf, and its level is drawn such that a
    subtree of n leaves has in proportion to n^p nets to outside it (Rent's rule; Landman & Russo 1971); its sinks lie
    in the sibling subtree at that level. Hard macros come in banks of equal ones that are neighbours in the hierarchy,
    as memories do; ports lie in runs along the edges and go to one part of the hierarchy each.

    Args:
        num_hard: hard macros, at least 1.
        num_soft: soft macros, at least 2.
        seed: a number or a generator; it determines the netlist.
        num_ports: default as many as soft macros.
        grid: columns and rows, default about as many cells as 0.55 times the macros, as TILOS's instances have.
        rent_exponent: p, in (0, 1).
        hard_utilization: the share of the canvas that hard macros fill, in (0, 0.6].
        soft_utilization: the share that soft macros fill, in (0, 0.5].
        name: of the instance.

    Raises:
        ValueError: a parameter is out of range, or hard macros of such sizes do not fit on the grid's cells.
    """
    if num_hard < 1 or num_soft < 2:
        raise ValueError(f"a netlist needs a hard macro and two soft ones, not {num_hard} and {num_soft}")
    for what, value, most in (
        ("rent_exponent", rent_exponent, 1.0), ("hard_utilization", hard_utilization, 0.6),
        ("soft_utilization", soft_utilization, 0.5),
    ):  # fmt: skip
        if not 0 < value <= most:
            raise ValueError(f"{what} must be in (0, {most:g}], not {value}")
    rng = np.random.default_rng(seed)
    num_ports = num_soft if num_ports is None else num_ports
    side = int(np.clip(round(np.sqrt(0.55 * (num_hard + num_soft))), 8, 64))
    columns, rows = (side, side) if grid is None else grid
    width = float(np.sqrt(num_hard * 16000.0 / hard_utilization))  # hard macros of 16,000 square micron on average
    canvas = Canvas(width, width, columns, rows, _ROUTES, _MACRO_ROUTES, smoothing_range=0)
    for _ in range(_TRIES):
        hard_sizes, bank = _hard_sizes(num_hard, hard_utilization * width * width, canvas, rng)
        if _fit_in_rows(hard_sizes, canvas):
            break
    else:
        raise ValueError(
            f"{num_hard} hard macros that fill {hard_utilization:g} of a grid of {columns} x {rows} cells do not fit: "
            "use fewer, a lower hard_utilization or a finer grid"
        )
    soft_area = rng.lognormal(0.0, 0.8, num_soft)
    soft_area *= soft_utilization * width * width / soft_area.sum()
    soft_sizes = np.stack([np.full(num_soft, canvas.cell_width), soft_area / canvas.cell_width], axis=1)
    leaves = _leaves(num_hard, num_soft, bank, rng)
    builder = _Builder(canvas, hard_sizes, soft_sizes, num_ports, rng)
    _connect(builder, leaves, rent_exponent, rng)
    return builder.netlist(name)


def _fit_in_rows(sizes: NDArray[np.float64], canvas: Canvas) -> bool:
    """Return whether the macros fit with their centres on those of cells: the largest first, from the lower left."""
    x = (np.arange(canvas.columns) + 0.5) * canvas.cell_width
    y = (np.arange(canvas.rows) + 0.5) * canvas.cell_height
    taken: list[tuple[float, float, float, float]] = []
    for number in np.argsort(-np.prod(sizes, axis=1), kind="stable"):
        half_x, half_y = sizes[number] / 2
        inside_x, inside_y = (x >= half_x) & (x <= canvas.width - half_x), (y >= half_y) & (y <= canvas.height - half_y)
        free = inside_y[:, None] & inside_x
        for other_x, other_y, other_half_x, other_half_y in taken:
            near_x, near_y = np.abs(x - other_x) < half_x + other_half_x, np.abs(y - other_y) < half_y + other_half_y
            free &= ~(near_y[:, None] & near_x)
        if not free.any():
            return False
        row, column = np.unravel_index(int(np.argmax(free)), free.shape)
        taken.append((x[column], y[row], half_x, half_y))
    return True


def _hard_sizes(
    count: int, area: float, canvas: Canvas, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return sizes of hard macros, float64 [count, 2], and the bank that each belongs to."""
    num_banks = max(1, round(count / rng.uniform(4, 16)))
    bank = np.sort(rng.integers(num_banks, size=count))
    unit = rng.lognormal(0.0, 0.5, num_banks)
    aspect = rng.uniform(0.4, 2.5, num_banks)
    sizes = np.stack([np.sqrt(unit * aspect), np.sqrt(unit / aspect)], axis=1)[bank]
    sizes *= np.sqrt(area / np.prod(sizes, axis=1).sum())
    return np.minimum(np.round(sizes, 2), 0.6 * min(canvas.width, canvas.height)), bank


def _leaves(num_hard: int, num_soft: int, bank: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the blocks in the order of the hierarchy's leaves: hard ones 0..num_hard - 1, banks together."""
    home = rng.random(int(bank.max()) + 1)
    # Soft macros are numbered in the order of the leaves.
    position = np.concatenate([home[bank] + 0.03 * rng.random(num_hard), np.sort(rng.random(num_soft))])
    return np.argsort(position)


class _Builder:
    """Collects pins and nets; blocks are hard macros, then soft macros, then ports."""

    def __init__(
        self,
        canvas: Canvas,
        hard_sizes: NDArray[np.float64],
        soft_sizes: NDArray[np.float64],
        num_ports: int,
        rng: np.random.Generator,
    ) -> None:
        self.canvas, self.rng = canvas, rng
        self.num_hard, self.num_soft, self.num_ports = len(hard_sizes), len(soft_sizes), num_ports
        self.sizes = np.concatenate([hard_sizes, soft_sizes, np.zeros((num_ports, 2))])
        self.port_places = self._port_places()
        self.nets: list[tuple[int, tuple[int, ...], float]] = []

    def _port_places(self) -> NDArray[np.float64]:
        """Return places of ports: runs of neighbours along the four edges."""
        along = np.sort(self.rng.random(self.num_ports)) * 4
        edge, t = np.floor(along).astype(int) % 4, along % 1
        width, height = self.canvas.width, self.canvas.height
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
        steps = np.array([[width, 0], [0, height], [-width, 0], [0, -height]])
        return corners[edge] + t[:, None] * steps[edge]

    def netlist(self, name: str) -> Netlist:
        num_blocks = len(self.sizes)
        names = [f"M{i}" for i in range(self.num_hard)]
        names += [f"Grp_{i}" for i in range(self.num_soft)] + [f"P{i}" for i in range(self.num_ports)]
        types = [NodeType.HARD_MACRO] * self.num_hard + [NodeType.SOFT_MACRO] * self.num_soft
        types += [NodeType.PORT] * self.num_ports
        owners = list(range(num_blocks))
        offsets: list[tuple[float, float]] = [(0.0, 0.0)] * num_blocks
        counts: dict[int, int] = {}

        def pin(block: int) -> int:
            """Add a pin to a block: on an edge of a hard macro, the same two edges for all its pins."""
            if types[block] == NodeType.PORT:
                return block
            counts[block] = counts.get(block, 0) + 1
            names.append(f"{names[block]}/p{counts[block]}")
            owners.append(block)
            is_hard = types[block] == NodeType.HARD_MACRO
            types.append(NodeType.HARD_PIN if is_hard else NodeType.SOFT_PIN)
            x, y = self.sizes[block] / 2
            offsets.append((-x, float(np.round(self.rng.uniform(-y, y), 3))) if is_hard else (0.0, 0.0))
            return len(names) - 1

        members: list[int] = []
        for driver, sinks, _ in self.nets:
            members += [pin(driver), *(pin(sink) for sink in sinks)]
        n = len(names)
        centers = np.zeros((n, 2))
        centers[: self.num_hard + self.num_soft] = self.canvas.width / 2, self.canvas.height / 2
        centers[self.num_hard + self.num_soft : num_blocks] = self.port_places
        sizes = np.zeros((n, 2))
        sizes[:num_blocks] = self.sizes
        lengths = [1 + len(sinks) for _, sinks, _ in self.nets]
        return Netlist(
            tuple(names), np.array(types, np.int8), np.array(owners, np.int32), sizes, centers, np.array(offsets),
            np.zeros(n, np.int8), np.array(types) == NodeType.PORT, np.concatenate([[0], np.cumsum(lengths)]),
            np.array(members, np.int32), np.array([weight for _, _, weight in self.nets]), self.canvas, name,
        )  # fmt: skip


def _connect(builder: _Builder, leaves: NDArray[np.int64], rent_exponent: float, rng: np.random.Generator) -> None:
    """Draw the nets."""
    num_leaves = leaves.size
    depth = max(int(np.ceil(np.log2(num_leaves))), 1)
    # A subtree at height h has 2^h leaves; of each leaf's nets the share 2^(h (p - 1)) leaves it.
    share = 2.0 ** (np.arange(depth) * (rent_exponent - 1))
    share = share - np.append(share[1:], 0.0)
    share /= share.sum()
    position = np.empty(num_leaves, np.int64)
    position[leaves] = np.arange(num_leaves)
    for block in range(num_leaves):
        is_hard = block < builder.num_hard
        for _ in range(int(rng.integers(4, 9)) if is_hard else int(rng.integers(6, 15))):
            height = int(rng.choice(depth, p=share))
            sinks = _sinks(leaves, int(position[block]), height, int(1 + rng.geometric(0.55)), rng)
            if sinks:
                weight = float(rng.integers(4, 17)) if is_hard else float(min(rng.geometric(0.35), 12))
                builder.nets.append((block, sinks, weight))
    home = rng.random(8)  # ports of one eighth of the boundary go to one part of the hierarchy
    first_port = builder.num_hard + builder.num_soft
    for port in range(builder.num_ports):
        place = home[8 * port // builder.num_ports] + 0.08 * rng.standard_normal()
        block = int(leaves[int(np.clip(place, 0, 1 - 1e-9) * num_leaves)])
        if rng.random() < 0.5:
            builder.nets.append((first_port + port, (block,), 1.0))
        else:
            builder.nets.append((block, (first_port + port,), 1.0))


def _sinks(
    leaves: NDArray[np.int64], position: int, height: int, count: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw blocks from the sibling of the leaf's subtree of a height; fewer where it has fewer."""
    size = 1 << height
    first = ((position >> height) ^ 1) << height
    candidates = leaves[first : min(first + size, leaves.size)]
    if candidates.size == 0:
        return ()
    return tuple(int(block) for block in rng.choice(candidates, size=min(count, candidates.size), replace=False))
