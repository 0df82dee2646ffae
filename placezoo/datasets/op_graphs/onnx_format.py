"""ONNX files as operator graphs, without their weights' values.

What a model's own functions hold is in the graph, not they. What depends on nothing but weights is computed beforehand
and counts as weights, quantised weights with the bytes that they are stored in; views and identities are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.datasets.connected import connected_groups
from placezoo.datasets.files import read_bytes
from placezoo.datasets.op_graphs.onnx_flops import called, flops_of
from placezoo.datasets.op_graphs.onnx_shapes import infer_shapes, inline_functions
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.refusal import refuses_in_one_line

_VIEWS = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Shape", "Size", "Cast")
_LOOKUPS = ("Gather", "GatherElements", "GatherND")
_CONTROL = ("If", "Loop", "Scan")
_MOST_VALUES = 2**60  # of a tensor
_REARRANGED = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")
# Whose outputs' sizes are among the values that they read.
_BY_VALUE = ("NonZero", "Unique", "Compress", "NonMaxSuppression", "StringSplit", "TfIdfVectorizer")

# Types that are packed, several numbers in a byte.
_NARROW_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}

Shape = tuple[int, ...]


@refuses_in_one_line
def read_onnx(path: str | Path, sizes: Mapping[str, int] | None = None, name: str | None = None) -> OpGraph:
    """Return the operator graph of an ONNX file, an inference step.

    Args:
        path: of the file.
        sizes: what its named dimensions are: ``{"batch": 8}``.
        name: of the graph, default the path.

    Raises:
        ValueError: ``path: what`` for files that are no ONNX model, have shapes that are not known (says whose),
            control flow, or an operator that may hold a product that nobody can count.
        ImportError: the ``trace`` extra is missing.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError("reading ONNX files needs onnx: pip install 'placezoo[trace]'") from None
    try:
        model = onnx.load_model_from_string(read_bytes(Path(path)))
    except (DecodeError, ValueError) as error:
        raise ValueError(f"{path}: not an ONNX model ({str(error).splitlines()[0]})") from None
    if not model.graph.node:
        raise ValueError(f"{path}: not an ONNX model, or one without operators")
    open_sizes = _set_sizes(model.graph, dict(sizes or {}))
    unknown = next((one for one in sizes or {} if one not in open_sizes), "")
    if unknown:
        raise ValueError(f"{path}: no dimension of its inputs is called {unknown}")
    try:
        model = infer_shapes(inline_functions(model))
        return _Reader(model.graph, open_sizes - set(sizes or {})).graph(name or str(path))
    except ValueError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    except (TypeError, AttributeError, LookupError, OverflowError) as error:  # names that are no text, for example
        raise ValueError(f"{path}: damaged ONNX model ({type(error).__name__})") from None


def _set_sizes(graph: Any, sizes: dict[str, int]) -> set[str]:
    """Put numbers in the place of named dimensions; return the names that there are."""
    found = set()
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                found.add(dimension.dim_param)
            if dimension.dim_param in sizes:
                dimension.dim_value = sizes[dimension.dim_param]
    return found


class _Reader:
    """One graph of an ONNX file."""

    def __init__(self, graph: Any, open_sizes: set[str]) -> None:
        self._nodes = list(graph.node)
        self._open_sizes = open_sizes  # names of dimensions that the file leaves open
        inputs = [side for value in graph.input for side in value.type.tensor_type.shape.dim]
        self._open_inputs = [side.dim_param for side in inputs if side.dim_param and not side.dim_value]
        self._shapes: dict[str, Shape] = {}
        self._bytes: dict[str, float] = {}
        self._missing: dict[str, str] = {}
        self._quantised: set[str] = set()
        self._constants = {tensor.name for tensor in graph.initializer}
        for tensor in graph.initializer:
            self._know(tensor.name, tuple(tensor.dims), _item_size(tensor.data_type, tensor.name))
        for value in (*graph.input, *graph.output, *graph.value_info):
            kind = value.type.tensor_type
            if value.name in self._shapes or not value.type.HasField("tensor_type"):
                continue
            open_ones = [one.dim_param or "?" for one in kind.shape.dim if not one.HasField("dim_value")]
            if not kind.HasField("shape") or open_ones:
                self._missing[value.name] = open_ones[0] if open_ones else ""
                continue
            shape = tuple(one.dim_value for one in kind.shape.dim)
            self._know(value.name, shape, _item_size(kind.elem_type, value.name))

    def _know(self, name: str, shape: Shape, size: float) -> None:
        self._shapes[name] = shape
        if any(side < 0 for side in shape) or math.prod(shape) > _MOST_VALUES:
            raise ValueError(f"the shape of {name!r} is {shape}")
        self._bytes[name] = float(math.ceil(math.prod(shape) * size))

    def _shape(self, name: str) -> Shape:
        if name not in self._shapes:
            maker = next((node for node in self._nodes if name in node.output), None)
            readers = (node for node in self._nodes if name in node.input)
            whose = f", of operator {called(maker or next(readers))}," if self._nodes else ""
            what = f"the shape of {name!r}{whose} is not known"
            cause = self._by_value(name)
            symbol = next(iter(self._open_inputs), "" if cause else self._missing.get(name, ""))
            if symbol in self._open_sizes:
                raise ValueError(f"{what}: dimension {symbol!r} is open; set it: FILE.onnx,{symbol}=8")
            if cause is not None:
                raise ValueError(f"{what}: how much {called(cause)} returns depends on the values that it reads")
            raise ValueError(f"{what}; export it with fixed shapes")
        return self._shapes[name]

    def _by_value(self, name: str) -> Any:
        """Return the operator, among those that a value comes from, whose output's size is found in values."""
        makers = {one: node for node in self._nodes for one in node.output}
        waiting, seen = [name], set()
        while waiting:
            one = waiting.pop()
            node = makers.get(one)
            if node is not None and one not in seen and one not in self._shapes:
                seen.add(one)
                if node.op_type in _BY_VALUE:
                    return node
                waiting += node.input
        return None

    def graph(self, name: str) -> OpGraph:
        """Return the operator graph."""
        origin: dict[str, set[int]] = {}  # a value -> the operators that it comes from
        weights: dict[str, list[int]] = {}  # a weight -> the operators that read it
        held_by: dict[str, str] = {constant: constant for constant in self._constants}
        rows: list[tuple[float, float, float, str, str]] = []
        edges: set[tuple[int, int]] = set()
        for node in self._nodes:
            if node.op_type in _CONTROL:
                raise ValueError(f"operator {called(node)}: control flow has no fixed graph")
            inputs = [one for one in node.input if one]
            if all(one in held_by for one in inputs) and not _is_random(node):
                for one in node.output:
                    held_by[one] = one
                self._keep_quantised(node, inputs)
                continue
            if node.op_type in _VIEWS:
                for one in node.output:
                    origin[one] = origin.get(inputs[0], set())
                    if inputs[0] in held_by:
                        held_by[one] = held_by[inputs[0]]
                continue
            index = len(rows)
            outputs = [one for one in node.output if one]
            work = flops_of(node, self._shape)
            for one in (*inputs, *outputs):
                self._shape(one)
            written = sum(self._bytes[one] for one in outputs)
            read = [self._bytes[one] for one in inputs]
            if node.op_type in _LOOKUPS:  # which read of their table what they write
                read[0] = min(read[0], written)
            moved = written + sum(read)
            rows.append((work, moved, written, node.op_type, node.name or outputs[0]))
            for one in inputs:
                edges.update((source, index) for source in origin.get(one, ()))
                if one in held_by:
                    weights.setdefault(held_by[one], []).append(index)
            for one in outputs:
                origin[one] = {index}
        if not rows:
            raise ValueError("there is no operator in it")
        held = np.zeros(len(rows))
        for weight, readers in weights.items():
            held[readers[0]] += self._bytes.get(weight, 0.0)
        flops, moved_bytes, written_bytes, kinds, names = zip(*rows, strict=True)
        together = [(readers[0], other) for readers in weights.values() for other in readers[1:]]
        return OpGraph(
            flops=np.array(flops), bytes_moved=np.array(moved_bytes), output_bytes=np.array(written_bytes),
            parameter_bytes=held, edges=np.array(sorted(edges), np.int64).reshape(-1, 2), kinds=kinds, names=names,
            group=connected_groups(len(rows), together), name=name,
        )  # fmt: skip

    def _keep_quantised(self, node: Any, inputs: list[str]) -> None:
        """Say of a weight that is dequantised beforehand what it takes where it is stored: its narrow numbers do."""
        if node.op_type == "DequantizeLinear":
            self._bytes[node.output[0]] = sum(self._bytes.get(one, 0.0) for one in inputs)
        elif node.op_type in _REARRANGED and inputs and inputs[0] in self._quantised:
            self._bytes[node.output[0]] = self._bytes[inputs[0]]
        else:
            return
        self._quantised.add(node.output[0])


def _item_size(kind: int, name: str) -> float:
    """Return the bytes of a number; 4 where the type is not said."""
    import onnx

    try:
        bits = _NARROW_BITS.get(onnx.TensorProto.DataType.Name(kind)) if kind else None
        return bits / 8 if bits else float(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize) if kind else 4.0
    except (KeyError, ValueError):
        raise ValueError(f"{name!r} has the unknown type {kind}") from None


def _is_random(node: Any) -> bool:
    return node.op_type.startswith("Random")
