"""The matrix products that torch's operators compute, as shapes; a convolution is one of windows by filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from placezoo.datasets.op_graphs.op_graph import Product

Shape = Sequence[int]


def products_of(name: str, args: Sequence[Any], result: Any) -> list[Product]:
    """Return the products of an operator of torch's core; none where nobody knows them.

    Args:
        name: ``aten::mm``.
        args: its positional arguments, meta tensors among them.
        result: what it returned.
    """
    find = _PRODUCTS.get(name)
    return [] if find is None else find(args, result)


def _matrices(first: int, batched: bool) -> Callable[[Sequence[Any], Any], list[Product]]:
    """Return what reads products of [batch,] rows x inner by inner x columns at an argument and the next."""

    def find(args: Sequence[Any], _: Any) -> list[Product]:
        a, b = args[first].shape, args[first + 1].shape
        return [Product(a[0] if batched else 1, a[-2], a[-1], b[-1])]

    return find


def _convolution(args: Sequence[Any], result: Any) -> list[Product]:
    image, filters, stride, padding = args[0].shape, args[1].shape, args[3], args[4]
    transposed, groups = args[6], args[8]
    if transposed:  # each value of the image meets all that a filter makes of it
        return [Product(groups, math.prod((image[0], *image[2:])), filters[0] // groups, math.prod(filters[1:]))]
    sides = [size + 2 * pad for size, pad in zip(image[2:], _each(padding, len(image) - 2), strict=True)]
    kernel = list(filters[2:])
    windows, shape = math.prod((image[0], *result.shape[2:])), (math.prod(sides[:-1]), sides[-1])
    window = math.prod(kernel[:-1]), kernel[-1], max(_each(stride, len(kernel)))
    return [Product(groups, windows, math.prod(filters[1:]), filters[0] // groups, *shape, *window)]


def _each(value: Any, count: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * count if len(values) == 1 else values


def _attention(args: Sequence[Any], _: Any) -> list[Product]:
    query, key, value = (one.shape for one in args[:3])
    count, length = math.prod(query[:-2]), key[-2]
    return [Product(count, query[-2], query[-1], length), Product(count, query[-2], length, value[-1])]


_PRODUCTS: Mapping[str, Callable[[Sequence[Any], Any], list[Product]]] = {
    "aten::mm": _matrices(0, batched=False),
    "aten::addmm": _matrices(1, batched=False),
    "aten::bmm": _matrices(0, batched=True),
    "aten::baddbmm": _matrices(1, batched=True),
    "aten::convolution": _convolution,
    **dict.fromkeys(
        (
            "aten::_scaled_dot_product_flash_attention", "aten::_scaled_dot_product_flash_attention_for_cpu",
            "aten::_scaled_dot_product_efficient_attention", "aten::_scaled_dot_product_cudnn_attention",
            "aten::_scaled_dot_product_fused_attention_overrideable",
        ),
        _attention,
    ),
}  # fmt: skip
