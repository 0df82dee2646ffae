"""Partition files, as METIS, hMETIS, KaHIP and Mt-KaHyPar write them: ``NAME.part.K``, each node's part in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.files import write_atomically
from placezoo.datasets.partition.number_lines import read_number_lines
from placezoo.datasets.refusal import refuses_in_one_line


@refuses_in_one_line
def read_partition(path: str | Path, num_nodes: int | None = None) -> NDArray[np.int64]:
    """Read a partition file, plain, ``.gz`` or ``.xz``.

    Args:
        path: the file.
        num_nodes: how many nodes there must be, None for any number.

    Returns:
        int64 [num_nodes], parts counted from 0.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ``path:line: what`` for anything that is not such a file.
    """
    file = read_number_lines(path)
    used = int(np.flatnonzero(file.counts > 0)[-1]) + 1 if file.counts.any() else 0
    if used == 0:
        raise file.fail(0, "empty file, a line with each node's part was expected")
    wrong = np.flatnonzero(file.counts[:used] != 1)
    if wrong.size:
        raise file.fail(int(wrong[0]), f"a line holds one part, this one holds {file.counts[wrong[0]]}")
    if num_nodes is not None and used != num_nodes:
        raise file.fail(used - 1, f"{used} parts for {num_nodes} nodes")
    return file.values


def write_partition(path: str | Path, parts: NDArray[np.int64]) -> None:
    """Write each node's part, int64 [num_nodes], counted from 0.

    Raises:
        ValueError: a node is in no part.
    """
    if np.min(parts) < 0:
        raise ValueError(f"{path}: node {int(np.argmin(parts))} is in no part, a partition file cannot say so")
    write_atomically(path, "".join(f"{part}\n" for part in np.asarray(parts).tolist()))
