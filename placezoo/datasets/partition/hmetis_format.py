"""The hMETIS hypergraph format, read as the hMETIS 1.5 manual (section 4.1) writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from placezoo.datasets.files import write_atomically
from placezoo.datasets.partition.hypergraph import Hypergraph
from placezoo.datasets.partition.number_lines import read_number_lines
from placezoo.datasets.refusal import refuses_in_one_line


@refuses_in_one_line
def read_hmetis(path: str | Path, *, name: str | None = None) -> Hypergraph:
    """Read an hMETIS ``.hgr`` file, plain, ``.gz`` or ``.xz``.

    The first line that is no comment (``%``) holds the numbers of nets and nodes and optionally ``fmt``: 1 if nets have
    weights, 10 if nodes have, 11 if both. Then comes one line per net with its weight, if it has one, and its nodes,
    counted from 1; a node that a net names twice counts once. Then, if nodes have weights, one line with each.

    Args:
        path: the file.
        name: the instance's name, default the file's name without suffixes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ``path:line: what`` for anything that is not such a hypergraph.
    """
    file = read_number_lines(path)
    values, counts, fail = file.values, file.counts, file.fail
    if counts.size == 0:
        raise fail(0, "empty file, a header with the numbers of nets and nodes was expected")
    header = values[: counts[0]].tolist()
    if not 2 <= len(header) <= 3:
        raise fail(0, f"the header needs 2 or 3 numbers (nets, nodes, fmt), found {len(header)}")
    num_nets, num_nodes = header[:2]
    fmt = header[2] if len(header) == 3 else 0
    if fmt not in (0, 1, 10, 11):
        raise fail(0, f"fmt must be 1, 10 or 11, not {fmt}")
    has_net_weights, has_node_weights = fmt % 10 == 1, fmt >= 10
    if num_nodes == 0:
        raise fail(0, "a hypergraph needs at least one node")
    wanted = num_nets + (num_nodes if has_node_weights else 0)
    counts = counts[1:]
    used = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else 0
    if used < wanted:
        raise fail(used, f"the header says {wanted} lines of nets and weights, but only {used} follow")
    if used > wanted:
        raise fail(wanted + 1, f"a line after the last of {wanted}")
    if not has_node_weights and num_nodes > max(1 << 20, 64 * values.size):
        raise fail(0, f"{num_nodes} nodes, of which the nets can name {values.size} at most")

    of_nets, of_nodes = counts[:num_nets], counts[num_nets:used]
    least = 1 + int(has_net_weights)
    if np.any(of_nets < least):
        raise fail(int(np.argmax(of_nets < least)) + 1, "a net without a node")
    if np.any(of_nodes != 1):
        raise fail(num_nets + int(np.argmax(of_nodes != 1)) + 1, "a line holds one node's weight")
    values = values[len(header) :]
    pins, node_weights = values[: of_nets.sum()], values[of_nets.sum() :]
    net_weights = np.ones(num_nets, np.int64)
    if has_net_weights:
        first = np.cumsum(of_nets) - of_nets
        net_weights = pins[first]
        pins = np.delete(pins, first)
        if np.any(net_weights < 1):
            raise fail(int(np.argmax(net_weights < 1)) + 1, "the weight of a net must be at least 1")
    nets = np.repeat(np.arange(num_nets), of_nets - int(has_net_weights))
    outside = (pins < 1) | (pins > num_nodes)
    if outside.any():
        entry = int(np.argmax(outside))
        raise fail(int(nets[entry]) + 1, f"node {pins[entry]} is outside 1..{num_nodes}")
    order = np.lexsort((pins, nets))  # keys of both in one would be beyond int64 for some headers
    nets, pins = nets[order], pins[order]
    is_new = np.ones(pins.size, bool)
    is_new[1:] = (np.diff(nets) != 0) | (np.diff(pins) != 0)
    try:
        return Hypergraph(
            np.concatenate([[0], np.cumsum(np.bincount(nets[is_new], minlength=num_nets))]),
            (pins[is_new] - 1).astype(np.int32),
            net_weights,
            node_weights if has_node_weights else np.ones(num_nodes, np.int64),
            name or file.path.name.split(".")[0],
        )
    except ValueError as error:
        raise fail(0, str(error)) from None


def write_hmetis(hypergraph: Hypergraph, path: str | Path) -> None:
    """Write a hypergraph in the hMETIS format, with weights only where they are not all 1."""
    has_net_weights = bool(np.any(hypergraph.net_weights != 1))
    has_node_weights = bool(np.any(hypergraph.node_weights != 1))
    fmt = f" {int(has_node_weights) or ''}{int(has_net_weights)}" if has_net_weights or has_node_weights else ""
    lines = [f"{hypergraph.num_nets} {hypergraph.num_nodes}{fmt}"]
    pins = (hypergraph.pins + 1).tolist()
    bounds, weights = hypergraph.net_ptr.tolist(), hypergraph.net_weights.tolist()
    for net, weight in enumerate(weights):
        numbers = [weight] if has_net_weights else []
        lines.append(" ".join(map(str, numbers + pins[bounds[net] : bounds[net + 1]])))
    if has_node_weights:
        lines += map(str, hypergraph.node_weights.tolist())
    write_atomically(path, "\n".join(lines) + "\n")
