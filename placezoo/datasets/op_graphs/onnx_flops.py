"""Floating-point operations of ONNX operators: standard ones, and those of ONNX Runtime (com.microsoft).

A multiply-add is two, also between integers. Matrix products, convolutions, recurrent layers and attention are
counted, what works element by element is not, as torch's own counter does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

Shape = tuple[int, ...]
ShapeOf = Callable[[str], Shape]

MICROSOFT = "com.microsoft"
_STANDARD = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "ai.onnx.training")
_MICROSOFT = (MICROSOFT, "com.microsoft.nchwc", "com.ms.internal.nhwc")


def flops_of(node: Any, shape_of: ShapeOf) -> float:
    """Return the floating-point operations of an operator.

    Args:
        node: of the ONNX graph.
        shape_of: gives the shape of a value; raises ValueError where it is not known.

    Raises:
        ValueError: it may hold a product that nobody can count, or its inputs are not what it needs. The names of
            known operators say whether they multiply matrices; anybody else's may if they read two tensors.
    """
    formulas: dict[str | None, dict[str, Formula]] = {"": _FORMULAS, MICROSOFT: {**_FORMULAS, **_MICROSOFTS}}
    formula = formulas.get(_family(node.domain), {}).get(node.op_type)
    if formula is None and _family(node.domain) is not None:  # known by name, whatever its shapes
        if _PRODUCT.search(node.op_type) and node.op_type not in _NO_PRODUCT:
            raise _uncounted(node)
        return 0.0
    shapes = [shape_of(one) for one in (*node.input, *node.output) if one]
    if formula is None:  # somebody's own
        if sum(len(shape) > 0 for shape in shapes[: sum(map(bool, node.input))]) > 1:
            raise _uncounted(node)
        return 0.0
    try:
        return float(formula(_Inputs(node, shape_of)))
    except (IndexError, KeyError, ValueError, ZeroDivisionError):
        raise ValueError(f"operator {called(node)}: its inputs are not what it needs") from None


def _family(domain: str) -> str | None:
    return "" if domain in _STANDARD else MICROSOFT if domain in _MICROSOFT else None


def _uncounted(node: Any) -> ValueError:
    return ValueError(
        f"operator {called(node)}: {node.domain or 'ai.onnx'}.{node.op_type} may hold a product, and nobody knows its "
        "FLOPs; export it as a function of standard operators"
    )


def called(node: Any) -> str:
    """Return how messages call an operator."""
    return f"{node.op_type} {node.name or next(iter(node.output), '')!r}"


# Words in the names of operators that multiply matrices.
_PRODUCT = re.compile(
    r"MatMul|Gemm|Conv(?!ert)|Attention|LSTM|GRU|RNN|MoE|Einsum|(?<!Q)Linear|SVM|BeamSearch|GreedySearch"
)
_NO_PRODUCT = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")


class _Inputs:
    """The shapes and attributes of one operator."""

    def __init__(self, node: Any, shape_of: ShapeOf) -> None:
        self._node = node
        self._shape_of = shape_of

    def __getitem__(self, place: int) -> Shape:
        """The shape of an input; IndexError where it is left out."""
        if not self.has(place):
            raise IndexError(place)
        return self._shape_of(self._node.input[place])

    def has(self, place: int) -> bool:
        return place < len(self._node.input) and bool(self._node.input[place])

    @property
    def operands(self) -> list[Shape]:
        return [self._shape_of(one) for one in self._node.input]

    def output(self, place: int = 0) -> Shape:
        return self._shape_of(self._node.output[place])

    def has_output(self, place: int) -> bool:
        return place < len(self._node.output) and bool(self._node.output[place])

    def number(self, name: str, default: int | None = None) -> int:
        found = next((int(one.i) for one in self._node.attribute if one.name == name), default)
        if found is None:
            raise KeyError(name)
        return found

    def numbers(self, name: str) -> list[int]:
        return next((list(one.ints) for one in self._node.attribute if one.name == name), [])

    def text(self, name: str) -> str:
        return next((one.s.decode() for one in self._node.attribute if one.name == name), "")

    def floats(self, name: str) -> int:
        """How many numbers an attribute has."""
        return next((len(one.floats) for one in self._node.attribute if one.name == name), 0)


def _product(one: _Inputs) -> float:
    """Of two matrices or stacks of them; A is [..., M, K], or [..., K, M] if transposed."""
    a = one[0]
    inner = a[-2] if one.number("transA", 0) and len(a) > 1 else a[-1]
    if one.number("transBatchA", 0):  # A is [K, batch, M] then, or [M, batch, K]
        inner = a[0] if one.number("transA", 0) else a[-1]
    return 2.0 * math.prod(one.output()) * inner


def _product_by_packed(one: _Inputs) -> float:
    """Of a matrix and one that is stored in blocks, of K rows and N columns."""
    rows = math.prod(one[0][:-1])
    return 2.0 * rows * one.number("K") * one.number("N")


def _convolution(kernel: int) -> Formula:
    # Each output element meets the kernel's channels and pixels once.
    return lambda one: 2.0 * math.prod(one.output()) * math.prod(one[kernel][1:])


def _transposed_convolution(one: _Inputs) -> float:
    return 2.0 * math.prod(one[0]) * math.prod(one[1][1:])


def _recurrent(one: _Inputs) -> float:
    """At each step of each sequence the input meets W and the state meets R, in each direction."""
    steps_and_batch = math.prod(one[0][:2])
    return 2.0 * steps_and_batch * (math.prod(one[1]) + math.prod(one[2]))


def _einsum(one: _Inputs) -> float:
    """Of operands that are contracted from left to right, as torch and NumPy do it unless asked otherwise."""
    left, _, right = one.text("equation").replace(" ", "").partition("->")
    subscripts, operands = left.split(","), one.operands
    sizes: dict[str, int] = {}
    terms = []
    for subscript, shape in zip(subscripts, operands, strict=True):
        letters = _spelled(subscript, len(shape))
        terms.append(letters)
        for letter, size in zip(letters, shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    if "->" in one.text("equation"):
        kept = set(_spelled(right, len(one.output())))
    else:  # what occurs once stays
        kept = {letter for letter in sizes if left.count(letter) == 1 or letter.isdigit()}
    total, done = 0.0, set(terms[0])
    for place, term in enumerate(terms[1:], 1):
        later = kept.union(*terms[place + 1 :])
        done = {letter for letter in done if letter in later or letter in term}
        fresh = {letter for letter in term if letter in later or letter in done}
        if (done & fresh) - later:  # otherwise every pair of elements is multiplied once and nothing is summed
            total += 2.0 * math.prod(sizes[letter] for letter in done | fresh)
        done = (done | fresh) & later
    return total


def _spelled(subscript: str, rank: int) -> list[str]:
    """Return one letter for each dimension; those of an ellipsis are numbered from the right."""
    before, dots, after = subscript.partition("...")
    hidden = rank - len(before) - len(after) if dots else 0
    return [*before, *(str(place) for place in range(hidden - 1, -1, -1)), *after]


def _attention(one: _Inputs) -> float:
    """Of ai.onnx: Q [B, Hq, S, D] or [B, S, Hq D], K and V likewise, with keys of the past before them."""
    q, k, v = one[0], one[1], one[2]
    steps = k[-2] + (one[4][-2] if one.has(4) else 0)
    if len(q) == 4:
        batch, heads, queries, width = q
        return 2.0 * batch * heads * queries * steps * (width + v[-1])
    batch, queries, width = q
    width_of_values = v[-1] // one.number("kv_num_heads") * one.number("q_num_heads")
    return 2.0 * batch * queries * steps * (width + width_of_values)


def _linear_attention(one: _Inputs) -> float:
    """Of ai.onnx: at each token each head's state [Dk, Dv] is updated by an outer product, and read by the query."""
    batch, tokens, width = one[0]
    query_heads, heads = one.number("q_num_heads"), one.number("kv_num_heads")
    products = query_heads + heads * (2 if "delta" in (one.text("update_rule") or "gated_delta") else 1)
    return 2.0 * batch * tokens * products * (width // query_heads) * (one[2][-1] // heads)


def _projected_attention(weights: int, past: int) -> Formula:
    """Of com.microsoft: input [B, S, C] by weights [C, Q + K + V], then attention; past is [2, B, H, P, D]."""

    def count(one: _Inputs) -> float:
        batch, queries, channels = one[0]
        width = one[weights][1]
        sizes = one.numbers("qkv_hidden_sizes") or [width // 3] * 3
        steps = queries + (one[past][3] if one.has(past) else 0)
        return 2.0 * batch * queries * channels * width + 2.0 * batch * queries * steps * (sizes[0] + sizes[2])

    return count


def _multi_head_attention(one: _Inputs) -> float:
    """Of com.microsoft: query [B, S, H D] or, packed with key and value, [B, S, H, 3, D]."""
    q = one[0]
    if len(q) == 5:
        batch, queries, heads, _, width = q
        return 2.0 * batch * queries * queries * heads * 2 * width
    batch, queries, width = q
    k = one[1]  # [B, T, H D], [B, T, H, 2, D] with the values, or [B, H, T, D]
    steps = k[2] if len(k) == 4 else k[1]
    width_of_values = one.output()[-1]
    steps += one[6][2] if one.has(6) else 0
    return 2.0 * batch * queries * steps * (width + width_of_values)


def _group_query_attention(one: _Inputs) -> float:
    """Of com.microsoft: query [B, S, Hq D], or [B, S, (Hq + 2 Hkv) D] with key and value; past is [B, Hkv, P, D]."""
    batch, queries, _ = one.output()
    width = one.output()[-1]
    # The cache may be longer than what is in it; the present cache is what is attended to.
    steps = one.output(1)[2] if one.has_output(1) else queries + (one[3][2] if one.has(3) else 0)
    return 2.0 * batch * queries * steps * 2 * width


def _linear_model(one: _Inputs) -> float:
    """Of ai.onnx.ml: rows by a matrix that is an attribute."""
    rows = math.prod(one[0][:-1])
    return 2.0 * rows * one.floats("coefficients")


Formula = Callable[[_Inputs], float]
_FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul"), _product),
    **dict.fromkeys(("Conv", "ConvInteger", "DeformConv", "CausalConvWithState"), _convolution(1)),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
    "Einsum": _einsum,
    "Attention": _attention,
    "LinearAttention": _linear_attention,
    **dict.fromkeys(("LinearClassifier", "LinearRegressor"), _linear_model),
}
_MICROSOFTS: dict[str, Formula] = {
    **dict.fromkeys(("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation", "FusedGemm", "QGemm"), _product),
    **dict.fromkeys(("MatMulInteger16", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"), _product),
    **dict.fromkeys(("GemmFloat8", "GemmFastGelu"), _product),
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4"), _product_by_packed),
    **dict.fromkeys(("FusedConv", "NhwcConv", "NhwcFusedConv"), _convolution(1)),
    "ConvTransposeWithDynamicPads": _transposed_convolution,
    "DynamicQuantizeLSTM": _recurrent,
    "Attention": _projected_attention(1, 4),
    "QAttention": _projected_attention(1, 8),
    "MultiHeadAttention": _multi_head_attention,
    "GroupQueryAttention": _group_query_attention,
}
