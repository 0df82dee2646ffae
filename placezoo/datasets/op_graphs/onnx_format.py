"""ONNX files as operator graphs, without their weights' values.

Floating-point operations are counted where torch's own counter counts them: matrix products, convolutions and
recurrent layers (a multiply-add is two). What depends on nothing but weights is computed beforehand and counts as
weights; views and identities are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.datasets.connected import connected_groups
from placezoo.datasets.files import read_bytes
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.refusal import refuses_in_one_line

_VIEWS = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Shape", "Size", "Cast")
_LOOKUPS = ("Gather", "GatherElements", "GatherND")
_CONTROL = ("If", "Loop", "Scan")
_MOST_VALUES = 2**60  # of a tensor
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}

Shape = tuple[int, ...]


@refuses_in_one_line
def read_onnx(path: str | Path, sizes: Mapping[str, int] | None = None, name: str | None = None) -> OpGraph:
    """Return the operator graph of an ONNX file, an inference step.

    Args:
        path: of the file.
        sizes: what its named dimensions are: ``{"batch": 8}``.
        name: of the graph, default the path.

    Raises:
        ValueError: ``path: what`` for files that are no ONNX model, have shapes that are not known (says whose), or
            control flow.
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
    unknown = _set_sizes(model.graph, dict(sizes or {}))
    if unknown:
        raise ValueError(f"{path}: no dimension of its inputs is called {unknown}")
    try:
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # the C++ checker raises its own kinds
        raise ValueError(f"{path}: its shapes contradict each other ({str(error).splitlines()[0][:120]})") from None
    try:
        return _Reader(model.graph).graph(name or str(path))
    except ValueError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    except (TypeError, AttributeError, LookupError, OverflowError) as error:  # names that are no text, for example
        raise ValueError(f"{path}: damaged ONNX model ({type(error).__name__})") from None


def _set_sizes(graph: Any, sizes: dict[str, int]) -> str:
    """Put numbers in the place of named dimensions; return a name that no input has, or nothing."""
    found = set()
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in sizes:
                found.add(dimension.dim_param)
                dimension.dim_value = sizes[dimension.dim_param]
    return next((one for one in sizes if one not in found), "")


class _Reader:
    """One graph of an ONNX file."""

    def __init__(self, graph: Any) -> None:
        self._nodes = list(graph.node)
        self._shapes: dict[str, Shape] = {}
        self._bytes: dict[str, float] = {}
        self._missing: dict[str, str] = {}
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

    def _know(self, name: str, shape: Shape, size: int) -> None:
        self._shapes[name] = shape
        if any(side < 0 for side in shape) or math.prod(shape) > _MOST_VALUES:
            raise ValueError(f"the shape of {name!r} is {shape}")
        self._bytes[name] = float(math.prod(shape) * size)

    def _shape(self, name: str, node: Any) -> Shape:
        if name not in self._shapes:
            symbol = self._missing.get(name, "")
            what = f"the shape of {name!r}, of operator {_called(node)}, is not known"
            if symbol not in ("", "?"):
                raise ValueError(f"{what}: dimension {symbol!r} is open; set it: FILE.onnx,{symbol}=8")
            raise ValueError(f"{what}; export it with fixed shapes")
        return self._shapes[name]

    def graph(self, name: str) -> OpGraph:
        """Return the operator graph."""
        origin: dict[str, set[int]] = {}  # a value -> the operators that it comes from
        weights: dict[str, list[int]] = {}  # a weight -> the operators that read it
        held_by: dict[str, str] = {constant: constant for constant in self._constants}
        rows: list[tuple[float, float, float, str, str]] = []
        edges: set[tuple[int, int]] = set()
        for node in self._nodes:
            if node.op_type in _CONTROL:
                raise ValueError(f"operator {_called(node)}: control flow has no fixed graph")
            inputs = [one for one in node.input if one]
            if all(one in held_by for one in inputs) and not _is_random(node):
                for one in node.output:
                    held_by[one] = one
                continue
            if node.op_type in _VIEWS:
                for one in node.output:
                    origin[one] = origin.get(inputs[0], set())
                    if inputs[0] in held_by:
                        held_by[one] = held_by[inputs[0]]
                continue
            index = len(rows)
            outputs = [one for one in node.output if one]
            for one in (*inputs, *outputs):
                self._shape(one, node)
            written = sum(self._bytes[one] for one in outputs)
            read = [self._bytes[one] for one in inputs]
            if node.op_type in _LOOKUPS:  # which read of their table what they write
                read[0] = min(read[0], written)
            moved = written + sum(read)
            try:
                work = self._flops(node)
            except (IndexError, ValueError):
                raise ValueError(f"operator {_called(node)}: its inputs are not what it needs") from None
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

    def _flops(self, node: Any) -> float:
        kind, inputs = node.op_type, node.input
        if kind in ("Conv", "ConvTranspose"):
            # Each output element (input element, where transposed) meets the kernel's channels and pixels once.
            kernel = self._shape(inputs[1], node)
            image = self._shape(node.output[0] if kind == "Conv" else inputs[0], node)
            return 2.0 * math.prod(image) * math.prod(kernel[1:])
        if kind == "Gemm":
            inner = self._shape(inputs[0], node)[0 if _attribute(node, "transA", 0) else 1]
            return 2.0 * math.prod(self._shape(node.output[0], node)) * inner
        if kind == "MatMul":
            return 2.0 * math.prod(self._shape(node.output[0], node)) * self._shape(inputs[0], node)[-1]
        if kind in _GATES:
            steps, batch, width = self._shape(inputs[0], node)
            directions, _, hidden = self._shape(inputs[2], node)
            return 2.0 * steps * batch * directions * _GATES[kind] * hidden * (width + hidden)
        return 0.0


def _item_size(kind: int, name: str) -> int:
    """Return the bytes of a value; 4 where the type is not said."""
    import onnx

    try:
        return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize) if kind else 4
    except KeyError:
        raise ValueError(f"{name!r} has the unknown type {kind}") from None


def _called(node: Any) -> str:
    return f"{node.op_type} {node.name or next(iter(node.output), '')!r}"


def _attribute(node: Any, name: str, default: int) -> int:
    return next((one.i for one in node.attribute if one.name == name), default)


def _is_random(node: Any) -> bool:
    return node.op_type.startswith("Random")
