"""The METIS graph format, read as strictly as the METIS 5 manual (section 4.5) writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.files import write_atomically
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.number_lines import read_number_lines
from placezoo.datasets.refusal import refuses_in_one_line

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
    file = read_number_lines(path)
    values, counts, fail = file.values, file.counts, file.fail
    if counts.size == 0:
        raise fail(0, "empty file, a header with the numbers of nodes and edges was expected")
    header = values[: counts[0]].tolist()
    if not 2 <= len(header) <= 4:
        raise fail(0, f"the header needs 2 to 4 numbers (nodes, edges, fmt, weights per node), found {len(header)}")
    num_nodes, num_edges = header[:2]
    fmt = f"{header[2]:03d}" if len(header) > 2 else "000"
    if len(fmt) != 3 or set(fmt) - {"0", "1"}:
        raise fail(0, f"fmt must be three digits of 0 or 1, not {header[2]}")
    has_sizes, has_weights, has_edge_weights = (digit == "1" for digit in fmt)
    if len(header) == 4 and header[3] != 1:
        raise fail(0, f"{header[3]} weights per node: only one is supported")
    if len(header) == 4 and not has_weights:
        raise fail(0, f"the header gives weights per node, but fmt {fmt} says that nodes have none")
    if num_nodes == 0:
        raise fail(0, "a graph needs at least one node")

    counts = counts[1:]
    prefix = int(has_sizes) + int(has_weights)
    step = 2 if has_edge_weights else 1
    left_out = num_nodes - counts.size
    if left_out > 0:
        is_whole = prefix == 0 and values.size - len(header) == 2 * num_edges * step
        if not is_whole or left_out > _MOST_LEFT_OUT:
            raise fail(counts.size, f"the header says {num_nodes} nodes, but only {counts.size} node lines follow")
        counts = np.append(counts, np.zeros(left_out, np.int64))
    if np.any(counts[num_nodes:] > 0):
        surplus = num_nodes + int(np.flatnonzero(counts[num_nodes:] > 0)[0])
        raise fail(surplus + 1, f"a line after the last of {num_nodes} nodes")
    counts = counts[:num_nodes]

    values = values[len(header) :]
    if np.any(counts < prefix):
        raise fail(int(np.flatnonzero(counts < prefix)[0]) + 1, "the node's size or weight is missing")
    if has_edge_weights and np.any((counts - prefix) % 2):
        raise fail(int(np.flatnonzero((counts - prefix) % 2)[0]) + 1, "a neighbour without an edge weight")
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
            raise fail(int(rows[entry]) + 1, what.format(neighbour=columns[entry], node=rows[entry] + 1))

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
        raise fail(0, f"the header says {num_edges} edges, the file has {columns.size // 2}")

    try:
        return Graph(
            indptr=np.concatenate([[0], np.cumsum(degrees)]),
            indices=(columns[order] - 1).astype(np.int32),
            edge_weights=weights[order],
            node_weights=node_weights,
            name=name or file.path.name.split(".")[0],
        )
    except ValueError as error:
        raise fail(0, str(error)) from None


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
