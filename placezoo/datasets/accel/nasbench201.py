"""NAS-Bench-201: networks of fifteen equal cells whose six edges are operations of five kinds (Dong & Yang 2020)."""

from __future__ import annotations

import csv
import functools
import io
import re
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.accel.layer_graph import Choice, Layer, LayerGraph, convolution
from placezoo.datasets.arrays import read_only
from placezoo.datasets.files import read_bytes
from placezoo.datasets.public_files import fetch

NAME = "nasbench201"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # of a cell, in the order of its string
COLUMNS = (
    "cifar10_valid", "cifar10_test", "cifar100_valid", "cifar100_test", "imagenet16_valid", "imagenet16_test",
)  # fmt: skip
TABLES = (NAME, f"{NAME}-sample")
_STAGES = ((32, 16), (16, 32), (8, 64))  # side of the image, channels
_CELLS = 5  # of each stage
_CLASSES = 10


def parse_cell(text: str) -> tuple[int, ...]:
    """Return the operations of a cell's six edges.

    Args:
        text: six digits in the order of ``EDGES`` (``312401``), or NAS-Bench-201's own
            ``|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|``.

    Raises:
        ValueError: it is neither.
    """
    if re.fullmatch(r"[0-4]{6}", text):
        return tuple(map(int, text))
    nodes = text.split("+")
    names: list[tuple[str, int, int]] = []
    for node, part in enumerate(nodes, start=1):
        if len(part) > 2 and part[0] == part[-1] == "|":
            for edge in part[1:-1].split("|"):
                name, _, source = edge.partition("~")
                names.append((name, int(source) if source in ("0", "1", "2") else -1, node))
    known = {(source, node): name for name, source, node in names}
    if len(names) != 6 or set(known) != set(EDGES) or not set(known.values()) <= set(OPERATIONS):
        raise ValueError(
            f"{text!r:.100} is no cell of NAS-Bench-201: six digits of 0..4, or |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, "
            f"op one of {', '.join(OPERATIONS)}"
        )
    return tuple(OPERATIONS.index(known[edge]) for edge in EDGES)


@functools.cache
def skeleton() -> LayerGraph:
    """Return the network with all cells' operations left open, for CIFAR-10.

    What meets in a node of a cell is added up on the way out of its operations.
    """
    layers = [convolution("stem", 32, 3, 16, 3)]
    for stage, (side, channels) in enumerate(_STAGES):
        if stage > 0:
            before = channels // 2
            layers += [
                convolution(f"reduce{stage}.a", 2 * side, before, channels, 3, 2),
                convolution(f"reduce{stage}.b", side, channels, channels, 3),
                convolution(f"reduce{stage}.shortcut", side, before, channels),
            ]
        for cell in range(_CELLS):
            for edge, (source, node) in enumerate(EDGES):
                name = f"cell{stage * _CELLS + cell}.{source}-{node}"
                values = float(side * side * channels)
                for operation, kernel in ((2, 1), (3, 3)):
                    layers.append(convolution(name, side, channels, channels, kernel, when=((edge, operation),)))
                layers.append(Layer(name, "elementwise", values, 0.0, values, when=((edge, 4),)))
    layers.append(convolution("classifier", 1, 64, _CLASSES))
    choices = tuple(Choice(f"{source} to {node}", OPERATIONS) for source, node in EDGES)
    return LayerGraph(tuple(layers), (), choices, NAME, table=NAME)


def cell_network(name: str) -> LayerGraph:
    """Return the network of a cell: ``nasbench201:312401``.

    Raises:
        ValueError: there is no such cell.
    """
    return skeleton().with_options(parse_cell(name.removeprefix(f"{NAME}:")), name)


def accuracies(table: str, column: str) -> NDArray[np.float64]:
    """Return the accuracy of every cell in percent: float64 [5, 5, 5, 5, 5, 5], nan where the table has none.

    Args:
        table: ``nasbench201``, all 15,625 cells, or ``nasbench201-sample``, the 1,000 that come with placezoo.
        column: of ``COLUMNS``.

    Raises:
        OSError: the table is not on this machine.
        ValueError: it is not what it should be.
    """
    path = fetch(f"{NAME}-table") if table == NAME else None
    return _read(path, column)


@functools.lru_cache(maxsize=16)
def _read(path: Path | None, column: str) -> NDArray[np.float64]:
    if path is None:
        text = resources.files(__package__).joinpath("nasbench201_sample.csv").read_text("utf-8")
    else:
        text = read_bytes(path).decode()
    found = np.full((5,) * 6, np.nan)
    for row in csv.DictReader(io.StringIO(text)):
        found[parse_cell(row["cell"])] = float(row[column])
    return read_only(found)
