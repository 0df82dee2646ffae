"""Files of lines of whole numbers with ``%`` comments: what METIS and hMETIS read and write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.datasets.files import read_text_bytes

_NOT_A_NUMBER, _TOO_LARGE = 1, 2


@dataclass(frozen=True)
class NumberLines:
    """The numbers of a file, without its comments.

    Attributes:
        path: the file.
        values: int64 [numbers], of all lines one after another.
        counts: int64 [lines], how many numbers each line has.
        lines: int64 [lines], where each stands in the file, from 0.
    """

    path: Path
    values: NDArray[np.int64]
    counts: NDArray[np.int64]
    lines: NDArray[np.int64]

    def fail(self, index: int, what: str) -> ValueError:
        """Return the error that names the file and one of the lines (the last, if there are fewer)."""
        line = self.lines[min(index, self.lines.size - 1)] if self.lines.size else 0
        return ValueError(f"{self.path}:{line + 1}: {what}")


def read_number_lines(path: str | Path) -> NumberLines:
    """Read a file, plain, ``.gz`` or ``.xz``; lines that begin with ``%`` are left out, blank lines have no numbers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ``path:line: what``, something is no whole number of at least 0, or one beyond 10^18.
    """
    path = Path(path)
    content = np.frombuffer(read_text_bytes(path), dtype=np.uint8)
    starts, ends = _bounds(content)
    comments = np.array([bool(b > a) and content[a] == ord("%") for a, b in zip(starts, ends, strict=True)], dtype=bool)
    lines = np.flatnonzero(~comments)
    values, counts, bad_line, problem = _numbers(content, starts[lines], ends[lines])
    file = NumberLines(path, values, counts, lines)
    if problem == _NOT_A_NUMBER:
        text = bytes(content[starts[lines[bad_line]] : ends[lines[bad_line]]]).decode("ascii", "replace")[:40]
        raise file.fail(bad_line, f"only non-negative whole numbers are allowed, found {text!r}")
    if problem == _TOO_LARGE:
        raise file.fail(bad_line, "a number is larger than 10^18")
    return file


def _bounds(content: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each line starts and ends (without its newline)."""
    ends = np.flatnonzero(content == ord("\n"))
    if content.size and (ends.size == 0 or ends[-1] != content.size - 1):
        ends = np.append(ends, content.size)
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    return starts, ends


@jit.kernel
def _numbers(
    content: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int]:
    """Return all numbers of the lines, how many each line has, and the first bad line with its problem (0 if none)."""
    values = np.empty(content.size // 2 + 1, np.int64)  # a number takes at least a digit and a separator
    counts = np.zeros(starts.size, np.int64)
    found = 0
    for line in range(starts.size):
        inside = False
        for position in range(starts[line], ends[line]):
            byte = content[position]
            if 48 <= byte <= 57:
                if not inside:
                    values[found] = 0
                    found += 1
                    counts[line] += 1
                    inside = True
                if values[found - 1] >= 10**17:
                    return values[:0], counts, line, 2
                values[found - 1] = values[found - 1] * 10 + (byte - 48)
            elif byte in (32, 9, 13):  # space, tab, and the carriage return of Windows line ends
                inside = False
            else:
                return values[:0], counts, line, 1
    return values[:found].copy(), counts, -1, 0
