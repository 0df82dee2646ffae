"""The METIS graph format, read as strictly as the METIS 5 manual (section 4.5) writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.datasets.files import read_text_bytes, write_atomically
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.refusal import refuses_in_one_line

_NOT_A_NUMBER, _TOO_LARGE = 1, 2
_MOST_LEFT_OUT = 1 << 20  # node lines that a file may end without; a header alone must not fill the memory


@refuses_in_one_line
def read_metis(path: str | Path, *, name: str | None = None) -> Graph:
    """Read a METIS ``.graph`` file, plain, ``.gz`` or ``.xz``.

    The first line that is no comment (``%``) holds the number of nodes and edges and optionally ``fmt`` (three digits:
    vertex sizes, vertex weights, edge weights) and the number of vertex weights. Then comes one line per node with its
    neighbours, counted from 1; a blank line is an isolated node. Blank lines at the end may be left out (editors do
    that, and writers without a last newline) as long as all edges of the header are there. Vertex sizes are checked but
    not kept, since the edge cut does not use them.

    Args:
        path: the file.
        name: the instance's name, default the file's name without suffixes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ``path:line: what`` for anything that is not such a graph.
    """
    path = Path(path)
    content = np.frombuffer(read_text_bytes(path), dtype=np.uint8)
    starts, ends = _lines(content)
    comments = np.array([bool(b > a) and content[a] == ord("%") for a, b in zip(starts, ends, strict=True)], dtype=bool)
    lines = np.flatnonzero(~comments)  # indices of lines that count

    def fail(line: int, what: str) -> ValueError:
        return ValueError(f"{path}:{line + 1}: {what}")

    if lines.size == 0:
        raise fail(0, "empty file, a header with the numbers of nodes and edges was expected")
    values, counts, bad_line, problem = _numbers(content, starts[lines], ends[lines])
    if problem == _NOT_A_NUMBER:
        text = bytes(content[starts[lines[bad_line]] : ends[lines[bad_line]]]).decode("ascii", "replace")[:40]
        raise fail(lines[bad_line], f"only non-negative whole numbers are allowed, found {text!r}")
    if problem == _TOO_LARGE:
        raise fail(lines[bad_line], "a number is larger than 10^18")

    header = values[: counts[0]].tolist()
    if not 2 <= len(header) <= 4:
        raise fail(
            lines[0], f"the header needs 2 to 4 numbers (nodes, edges, fmt, weights per node), found {len(header)}"
        )
    num_nodes, num_edges = header[:2]
    fmt = f"{header[2]:03d}" if len(header) > 2 else "000"
    if len(fmt) != 3 or set(fmt) - {"0", "1"}:
        raise fail(lines[0], f"fmt must be three digits of 0 or 1, not {header[2]}")
    has_sizes, has_weights, has_edge_weights = (digit == "1" for digit in fmt)
    if len(header) == 4 and header[3] != 1:
        raise fail(lines[0], f"{header[3]} weights per node: only one is supported")
    if len(header) == 4 and not has_weights:
        raise fail(lines[0], f"the header gives weights per node, but fmt {fmt} says that nodes have none")
    if num_nodes == 0:
        raise fail(lines[0], "a graph needs at least one node")

    rest = lines[1:]
    counts = counts[1:]
    prefix = int(has_sizes) + int(has_weights)
    step = 2 if has_edge_weights else 1
    left_out = num_nodes - rest.size
    if left_out > 0:
        is_whole = prefix == 0 and values.size - len(header) == 2 * num_edges * step
        if not is_whole or left_out > _MOST_LEFT_OUT:
            raise fail(lines[-1], f"the header says {num_nodes} nodes, but only {rest.size} node lines follow")
        rest, counts = np.append(rest, np.full(left_out, lines[-1])), np.append(counts, np.zeros(left_out, np.int64))
    if np.any(counts[num_nodes:] > 0):
        surplus = num_nodes + int(np.flatnonzero(counts[num_nodes:] > 0)[0])
        raise fail(rest[surplus], f"a line after the last of {num_nodes} nodes")
    rest, counts = rest[:num_nodes], counts[:num_nodes]

    values = values[len(header) :]
    if np.any(counts < prefix):
        raise fail(rest[np.flatnonzero(counts < prefix)[0]], "the node's size or weight is missing")
    if has_edge_weights and np.any((counts - prefix) % 2):
        raise fail(rest[np.flatnonzero((counts - prefix) % 2)[0]], "a neighbour without an edge weight")
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    node_weights = values[first + int(has_sizes)] if has_weights else np.ones(num_nodes, np.int64)
    is_prefix = np.zeros(values.size, dtype=bool)
    for offset in range(prefix):
        is_prefix[first + offset] = True
    body = values[~is_prefix]
    degrees = (counts - prefix) // step
    columns = body[::step]
    weights = body[1::2] if has_edge_weights else np.ones(columns.size, np.int64)
    rows = np.repeat(np.arange(num_nodes), degrees)

    def check(wrong: NDArray[np.bool_], what: str) -> None:
        if np.any(wrong):
            entry = int(np.flatnonzero(wrong)[0])
            raise fail(rest[rows[entry]], what.format(neighbour=columns[entry], node=rows[entry] + 1))

    check((columns < 1) | (columns > num_nodes), f"neighbour {{neighbour}} is outside 1..{num_nodes}")
    check(columns - 1 == rows, "node {node} has an edge to itself")
    check(weights < 1, "the weight of the edge to {neighbour} must be at least 1")

    keys = rows * num_nodes + (columns - 1)
    order = np.argsort(keys, kind="stable")
    twice = np.zeros(keys.size, dtype=bool)
    twice[order[1:]] = np.diff(keys[order]) == 0
    check(twice, "neighbour {neighbour} is listed twice")
    mirrored = (columns - 1) * num_nodes + rows
    place = np.minimum(np.searchsorted(keys[order], mirrored), max(keys.size - 1, 0))
    check(keys[order][place] != mirrored, "node {neighbour} does not list node {node} in return")
    check(weights[order][place] != weights, "the edge to {neighbour} has another weight there than here")
    if columns.size != 2 * num_edges:
        raise fail(lines[0], f"the header says {num_edges} edges, the file has {columns.size // 2}")

    try:
        return Graph(
            indptr=np.concatenate([[0], np.cumsum(degrees)]),
            indices=(columns[order] - 1).astype(np.int32),
            edge_weights=weights[order],
            node_weights=node_weights,
            name=name or path.name.split(".")[0],
        )
    except ValueError as error:
        raise fail(lines[0], str(error)) from None


def write_metis(graph: Graph, path: str | Path) -> None:
    """Write a graph in the METIS format, with weights only where they are not all 1."""
    has_weights = bool(np.any(graph.node_weights != 1))
    has_edge_weights = bool(np.any(graph.edge_weights != 1))
    fmt = f" {int(has_weights)}{int(has_edge_weights)}" if has_weights or has_edge_weights else ""
    lines = [f"{graph.num_nodes} {graph.num_edges}{fmt}"]
    for node in range(graph.num_nodes):
        row = slice(graph.indptr[node], graph.indptr[node + 1])
        numbers = [int(graph.node_weights[node])] if has_weights else []
        if has_edge_weights:
            pairs = zip((graph.indices[row] + 1).tolist(), graph.edge_weights[row].tolist(), strict=True)
            numbers += [value for pair in pairs for value in pair]
        else:
            numbers += (graph.indices[row] + 1).tolist()
        lines.append(" ".join(map(str, numbers)))
    write_atomically(path, "\n".join(lines) + "\n")


def _lines(content: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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
