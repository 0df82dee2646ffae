"""What files of neural networks ``load`` reads, and which names it traces."""

from __future__ import annotations

import functools
from typing import Any

from placezoo.datasets.json_content import read_json
from placezoo.datasets.op_graphs.model_zoo import PREFIXES, traced_model
from placezoo.datasets.op_graphs.onnx_format import read_onnx
from placezoo.datasets.op_graphs.op_graph_format import FORMAT, read_op_graph
from placezoo.datasets.registry import FileFormat, read_alone


def _dimensions(text: str, options: list[str]) -> dict[str, int]:
    pairs = [option.partition("=") for option in options]
    for key, _, value in pairs:
        if not key or not value.isdecimal() or not 0 < int(value) < 2**31:
            raise ValueError(f"{text}: after an .onnx file sizes of its open dimensions are expected, batch=8")
    return {key: int(value) for key, _, value in pairs}


def _is_op_graph(path: str, others: list[str]) -> bool:
    return not others and read_json(path).get("format") == FORMAT


@functools.lru_cache(maxsize=64)
def _traced(text: str) -> Any:
    return traced_model(text)


FORMATS = (
    FileFormat((".onnx",), lambda path, others, name: read_onnx(path, _dimensions(name, others), name=name)),
    FileFormat((".json",), read_alone(read_op_graph), _is_op_graph),
)
NAMES = dict.fromkeys(PREFIXES, _traced)
