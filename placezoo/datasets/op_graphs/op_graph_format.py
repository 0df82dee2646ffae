"""Operator graphs as JSON files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.datasets.files import write_atomically
from placezoo.datasets.json_content import located, part, read_json
from placezoo.datasets.op_graphs.op_graph import OpGraph, Product
from placezoo.datasets.refusal import refuses_in_one_line

FORMAT = "placezoo.OpGraph/1"
_COLUMNS = ("flops", "bytes_moved", "output_bytes", "parameter_bytes")


def write_op_graph(graph: OpGraph, path: str | Path) -> None:
    """Write an operator graph as JSON, compressed if the name ends in ``.gz``; numbers survive exactly."""
    content = {
        "format": FORMAT,
        "name": graph.name,
        **{name: np.asarray(getattr(graph, name)).tolist() for name in _COLUMNS},
        "edges": np.asarray(graph.edges).tolist(),
        "kinds": list(graph.kinds),
        "names": list(graph.names),
        "backward": np.flatnonzero(np.asarray(graph.backward)).tolist(),
        "group": np.asarray(graph.group).tolist(),
        "state_bytes": graph.state_bytes,
        "parameters": {str(op): list(names) for op, names in enumerate(graph.parameters) if names},
        "products": {str(op): _without_zeros(products) for op, products in enumerate(graph.products) if products},
    }
    text = (json.dumps(content) + "\n").encode()
    write_atomically(path, gzip.compress(text, mtime=0) if str(path).endswith(".gz") else text)


@refuses_in_one_line
def read_op_graph(path: str | Path, name: str | None = None) -> OpGraph:
    """Read what ``write_op_graph`` wrote.

    Args:
        path: of the file.
        name: of the graph, default the one in the file.

    Raises:
        ValueError: ``path:line: what``.
        OSError: the file cannot be read.
    """
    content = read_json(path)

    def build() -> OpGraph:
        if content.get("format") != FORMAT:
            raise ValueError(f"not an operator graph (format {FORMAT!r} expected)")
        columns = {column: np.array(part(content, column, list), float) for column in _COLUMNS}
        n = columns["flops"].size
        backward = np.zeros(n, bool)
        marked = np.array(part(content, "backward", list), np.int64)
        if marked.size and (marked.min() < 0 or marked.max() >= n):
            raise ValueError(f"'backward' names an operator outside 0..{n - 1}")
        backward[marked] = True
        held, products = (_rows_by_op(content, field, n) for field in ("parameters", "products"))
        return OpGraph(
            **columns,
            edges=np.array(part(content, "edges", list), np.int64).reshape(-1, 2),
            kinds=tuple(part(content, "kinds", list)),
            names=tuple(part(content, "names", list)),
            backward=backward,
            group=np.array(part(content, "group", list), np.int64),
            state_bytes=float(content.get("state_bytes", 0.0)),
            parameters=tuple(tuple(held.get(str(op), ())) for op in range(n)),
            products=tuple(tuple(products.get(str(op), ())) for op in range(n)),
            name=name or str(content.get("name", path)),
        )

    graph: OpGraph = located(path, build)
    return graph


def _without_zeros(products: tuple[Product, ...]) -> list[list[int]]:
    """Return products without the sizes that only convolutions have, where they are none."""
    return [list(product if product.stride else product[:4]) for product in products]


def _rows_by_op(content: dict[str, Any], field: str, num_ops: int) -> dict[str, list[Any]]:
    """Return the lists that a field, where the file has it, holds for some operators."""
    rows: dict[str, list[Any]] = content.get(field, {})
    if not isinstance(rows, dict) or not all(isinstance(row, list) for row in rows.values()):
        raise ValueError(f"{field!r} must have a list for each operator")
    if strangers := rows.keys() - set(map(str, range(num_ops))):
        raise ValueError(f"{field!r} names an operator outside 0..{num_ops - 1}: {min(strangers)!r}")
    return rows
