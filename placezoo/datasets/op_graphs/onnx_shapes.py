"""The shapes of an ONNX model's values: its functions inlined, those of ONNX Runtime's fused operators inferred too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from placezoo.datasets.op_graphs.onnx_flops import MICROSOFT

_MOST_NODES = 2_000_000  # of a model whose functions are inlined
_REGISTRY = threading.Lock()  # onnx has one, for the whole process


def inline_functions(model: Any) -> Any:
    """Return a model with its own functions in the place of their calls, also within each other.

    Raises:
        ValueError: they call each other in a circle, or so often that the model would not fit into memory.
    """
    from onnx import inliner

    if not model.functions:
        return model
    functions = {(one.domain, one.name, one.overload): one for one in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}

    def size(nodes: Any, calling: tuple[tuple[str, str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            if key in calling:
                raise ValueError(f"function {node.op_type} calls itself")
            if key in functions and key not in sizes:
                sizes[key] = size(functions[key].node, (*calling, key))
            total += sizes.get(key, 1)
            total += sum(size(graph.node, calling) for one in node.attribute for graph in (one.g, *one.graphs))
            if total > _MOST_NODES:
                raise ValueError(f"more than {_MOST_NODES:,} operators, with its functions inlined")
        return total

    size(model.graph.node, ())
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # the C++ inliner raises its own kinds
        raise ValueError(f"its functions cannot be inlined ({str(error).splitlines()[0][:120]})") from None


def infer_shapes(model: Any) -> Any:
    """Return a model that says the types and shapes of its values, as far as they follow from its inputs.

    Raises:
        ValueError: its shapes contradict each other.
    """
    from onnx import shape_inference

    kinds = {node.op_type for node in model.graph.node if node.domain == MICROSOFT}
    try:
        with _known(kinds & _RULES.keys()):
            return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # the C++ checker raises its own kinds
        raise ValueError(f"its shapes contradict each other ({str(error).splitlines()[0][:120]})") from None


@contextmanager
def _known(kinds: set[str]) -> Iterator[None]:
    """Tell onnx the rules of ONNX Runtime's operators, for as long as it infers shapes; onnx knows only its own."""
    from onnx import defs

    schema = defs.OpSchema
    types = sorted(defs.get_schema("Identity").type_constraints[0].allowed_type_strs)
    any_number: dict[str, Any] = {
        "param_option": schema.FormalParameterOption.Variadic,
        "is_homogeneous": False,
        "min_arity": 0,
    }
    with _REGISTRY:
        added = []
        try:
            for kind in sorted(kinds):
                if not defs.has(kind, MICROSOFT):
                    made = schema(
                        kind, MICROSOFT, 1,
                        inputs=[schema.FormalParameter("inputs", "T", **any_number)],
                        outputs=[schema.FormalParameter("outputs", "U", **any_number)],
                        type_constraints=[("T", types, ""), ("U", types, "")],
                    )  # fmt: skip
                    made.set_type_and_shape_inference_function(_guarded(_RULES[kind]))
                    defs.register_schema(made)
                    added.append(kind)
            yield
        finally:
            for kind in added:
                defs.deregister_schema(kind, 1, MICROSOFT)


class _Types:
    """What a rule reads and writes: the types of one operator's inputs and outputs."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def shape(self, place: int) -> list[int]:
        """The sides of an input; LookupError where one is open, or the input is left out."""
        kind = self.kind(place)
        if not all(side.HasField("dim_value") for side in kind.shape.dim):
            raise LookupError
        return [side.dim_value for side in kind.shape.dim]

    def kind(self, place: int) -> Any:
        """The type of an input; LookupError where it is left out or has no shape."""
        if not self.has(place) or not self._context.get_input_type(place).tensor_type.HasField("shape"):
            raise LookupError
        return self._context.get_input_type(place).tensor_type

    def has(self, place: int) -> bool:
        return place < self._context.get_num_inputs() and self._context.get_input_type(place) is not None

    def set(self, place: int, shape: list[int], like: int = 0, element: int = 0) -> None:
        """Say the shape of an output, with the element type of an input or an own one."""
        from onnx import TypeProto

        if place < self._context.get_num_outputs():
            made = TypeProto()
            made.tensor_type.elem_type = element or self.kind(like).elem_type
            made.tensor_type.shape.SetInParent()
            for side in shape:
                made.tensor_type.shape.dim.add().dim_value = side
            self._context.set_output_type(place, made)

    def number(self, name: str, default: int = 0) -> int:
        found = self._context.get_attribute(name)
        return default if found is None else int(found.i)

    def numbers(self, name: str) -> list[int]:
        found = self._context.get_attribute(name)
        return [] if found is None else list(found.ints)


Rule = Callable[[_Types], None]


def _guarded(rule: Rule) -> Callable[[Any], None]:
    def infer(context: Any) -> None:
        try:
            rule(_Types(context))
        except (LookupError, ValueError, ZeroDivisionError):  # what is not known is not said
            return

    return infer


def _as_first(*outputs: int) -> Rule:
    def rule(one: _Types) -> None:
        for output in outputs:
            one.set(output, one.shape(0))

    return rule


def _product(like: int = 0) -> Rule:
    """Of two stacks of matrices; the result has the type of input ``like``."""

    def rule(one: _Types) -> None:
        a, b = one.shape(0), one.shape(1)
        if one.number("transBatchA") or one.number("transBatchB"):
            raise LookupError
        rows = a[-1] if one.number("transA") else a[-2]
        columns = b[-2] if one.number("transB") else b[-1]
        shape = [*_broadcast(a[:-2], b[:-2]), rows, columns]
        one.set(0, shape, like)

    return rule


def _quantized_gemm(one: _Types) -> None:
    a, b = one.shape(0), one.shape(3)
    shape = [a[-1] if one.number("transA") else a[-2], b[-2] if one.number("transB") else b[-1]]
    one.set(0, shape, like=8) if one.has(8) else one.set(0, shape, element=1)


def _product_by_packed(one: _Types) -> None:
    one.set(0, [*one.shape(0)[:-1], one.number("N")])


def _broadcast(a: list[int], b: list[int]) -> list[int]:
    longest = max(len(a), len(b))
    pairs = zip([1] * (longest - len(a)) + a, [1] * (longest - len(b)) + b, strict=True)
    return [max(pair) for pair in pairs]


def _pointwise_of_two(one: _Types) -> None:
    """QLinearAdd and its like: a value, its scale and zero point, and the same again."""
    one.set(0, _broadcast(one.shape(0), one.shape(3)))


def _convolution(one: _Types) -> None:
    from onnx import defs

    defs.get_schema("Conv").get_type_and_shape_inference_function()(one._context)


def _embedding(one: _Types) -> None:
    batch, tokens = one.shape(0)
    width = one.shape(2)[1]
    one.set(0, [batch, tokens, width], like=2)
    one.set(1, [batch], element=6)
    one.set(2, [batch, tokens, width], like=2)


def _projected_attention(past: int, like: int) -> Rule:
    def rule(one: _Types) -> None:
        batch, tokens, _ = one.shape(0)
        width, heads = one.shape(1)[1], one.number("num_heads")
        sizes = one.numbers("qkv_hidden_sizes") or [width // 3] * 3
        one.set(0, [batch, tokens, sizes[2]], like)
        before = one.shape(past)[3] if one.has(past) else 0
        one.set(1, [2, batch, heads, before + tokens, sizes[2] // heads], like)

    return rule


def _multi_head_attention(one: _Types) -> None:
    q, heads = one.shape(0), one.number("num_heads")
    if len(q) == 5:  # packed with key and value: [B, S, H, 3, D]
        one.set(0, [q[0], q[1], q[2] * q[4]])
        return
    k = one.shape(1)
    if len(k) == 5:  # packed with the value: [B, T, H, 2, D]
        steps, width = k[1], k[2] * k[4]
    else:
        v = one.shape(2)  # [B, T, H D], or [B, H, T, D] of another sequence
        steps, width = (v[2], v[1] * v[3]) if len(v) == 4 else (v[1], v[2])
    steps += one.shape(6)[2] if one.has(6) else 0
    one.set(0, [q[0], q[1], width])
    one.set(1, [q[0], heads, steps, q[2] // heads])
    one.set(2, [q[0], heads, steps, width // heads])


def _group_query_attention(one: _Types) -> None:
    batch, tokens, width = one.shape(0)
    heads, key_heads = one.number("num_heads"), one.number("kv_num_heads")
    size = width // heads if one.has(1) else width // (heads + 2 * key_heads)
    one.set(0, [batch, tokens, heads * size])
    if not one.has(3):  # otherwise the cache says how long it is
        one.set(1, [batch, key_heads, tokens, size])
        one.set(2, [batch, key_heads, tokens, size])


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "BiasAdd", "BiasSoftmax"), _as_first(0)),
    **dict.fromkeys(("RotaryEmbedding", "GroupNorm", "QLinearSigmoid", "QLinearLeakyRelu"), _as_first(0)),
    "QLinearSoftmax": _as_first(0),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), _as_first(0, 3)),
    "EmbedLayerNormalization": _embedding,
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), _pointwise_of_two),
    **dict.fromkeys(
        ("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation", "FusedGemm", "GemmFastGelu"), _product()
    ),
    "DynamicQuantizeMatMul": _product(),
    "MatMulIntegerToFloat": _product(like=2),
    "QGemm": _quantized_gemm,
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4"), _product_by_packed),
    "FusedConv": _convolution,
    "Attention": _projected_attention(4, 0),
    "QAttention": _projected_attention(8, 3),
    "MultiHeadAttention": _multi_head_attention,
    "GroupQueryAttention": _group_query_attention,
}
