"""Floating-point operations of torch's operators: torch's own formulas, those it lacks, and a word where none is known.

A multiply-add is two. Matrix products, convolutions and attention are counted, what works element by element is not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry, sdpa_flop

from placezoo.datasets.op_graphs.op_graph import Product
from placezoo.datasets.op_graphs.torch_products import products_of

Shape = Sequence[int]


def _product(a: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Of a product whose first factor ends in the inner dimension, whatever form the second factor has."""
    return 2 * math.prod(out_shape) * a[-1]


def _added_product(_: Shape, a: Shape, *__: Any, out_shape: Shape, **___: Any) -> int:
    return 2 * math.prod(out_shape) * a[-1]


def _added_sum_of_products(_: Shape, a: Shape, b: Shape, *__: Any, **___: Any) -> int:
    return 2 * math.prod(a) * b[-1]


def _grouped_product(a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """Of rows that each meet the matrix of their group: [S, K] or [G, M, K] by [G, K, N] or [K, N]."""
    groups = a[0] if len(a) == 3 and len(b) == 2 else 1  # then columns are what the groups share out
    return 2 * math.prod(a) * b[-1] // groups


def _grouped_product_backward(a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    return 2 * _grouped_product(a, b)  # one for each factor's gradient


def _trilinear(a: Shape, b: Shape, c: Shape, *expand: Any, out_shape: Shape, **_: Any) -> int:
    """Of a sum over all places of three factors' common shape."""
    shapes = [_expanded(shape, where) for shape, where in zip((a, b, c), expand[:3], strict=True)]
    return 2 * math.prod(torch.broadcast_shapes(*shapes))


def _expanded(shape: Shape, where: Sequence[int]) -> list[int]:
    sizes = list(shape)
    for place in where:
        sizes.insert(place, 1)
    return sizes


_FORMULAS: dict[str, Callable[..., int]] = {
    **dict.fromkeys(("aten::mv", "aten::dot", "aten::vdot", "aten::_int_mm", "aten::_scaled_mm_v2"), _product),
    **dict.fromkeys(("aten::_weight_int8pack_mm", "aten::_weight_int4pack_mm"), _product),
    **dict.fromkeys(("aten::_weight_int4pack_mm_for_cpu", "aten::_dyn_quant_matmul_4bit"), _product),
    **dict.fromkeys(("aten::mkldnn_linear", "aten::_mixed_dtypes_linear"), _product),
    **dict.fromkeys(("aten::addmv", "aten::addmv_", "aten::addmm_", "aten::baddbmm_"), _added_product),
    "aten::_addmm_activation": _added_product,
    **dict.fromkeys(("aten::addbmm", "aten::addbmm_"), _added_sum_of_products),
    **dict.fromkeys(("aten::_grouped_mm", "aten::_scaled_grouped_mm", "aten::_scaled_grouped_mm_v2"), _grouped_product),
    "transformers::grouped_mm_fallback": _grouped_product,
    "transformers::grouped_mm_fallback_backward": _grouped_product_backward,
    "aten::_trilinear": _trilinear,
    "aten::_scaled_dot_product_flash_attention_for_cpu": sdpa_flop,
    "aten::_scaled_dot_product_fused_attention_overrideable": sdpa_flop,
}
# Words in the names of torch's own operators that hold products; pointwise parts of recurrent cells are none.
_PRODUCT = re.compile(
    r"\w*mm|\w*mv|\w*matmul|conv(\dd)?|convolution|attention|rnn|lstm|gru|(bi|tri)?linear|dot|encoder"
)
_NO_PRODUCT = re.compile(r"aten::_thnn_|quantized_decomposed::.*quantize|torchvision::.*roi_")
_NARROW = (torch.int8, torch.uint8)


def count_flops(run: Callable[..., Any], *args: Any) -> tuple[Any, float, tuple[Product, ...]]:
    """Run an operator on meta tensors; return its result, its floating-point operations and its products.

    The products are those that all of the operations are in; none where some are in others that nobody knows.

    Raises:
        ValueError: it may hold a product, and no formula is known; says which operator and what to do.
    """
    known = _Known()
    with known, FlopCounterMode(display=False, custom_mapping=_formulas()) as counter:
        result = run(*args)
    flops = float(counter.get_total_flops())
    complete = sum(2.0 * product.multiply_adds for product in known.products) == flops
    return result, flops, tuple(known.products) if complete else ()


def _formulas() -> dict[Any, Callable[..., int]]:
    """Return our formulas by operator; a user's own registration comes first."""
    found = {}
    for name, formula in _FORMULAS.items():
        namespace, _, short = name.partition("::")
        packet = getattr(getattr(torch.ops, namespace), short, None)
        if packet is not None and packet not in flop_registry:
            found[packet] = formula
    return found


class _Known(TorchDispatchMode):
    """Sees what the counter runs, after it has taken composite operators apart."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[Product] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        known = func._overloadpacket in flop_registry or func._schema.name in _FORMULAS
        if not known and _may_hold_product(func, args, kwargs or {}):
            namespace, _, name = func._schema.name.partition("::")
            raise ValueError(
                f"operator {namespace}.{name} may hold a product, and nobody knows its FLOPs; register a formula (one "
                f"that returns 0 if there is none): @torch.utils.flop_counter.register_flop_formula(torch.ops."
                f"{namespace}.{name})"
            )
        self.products += products_of(func._schema.name, args, result)
        return result


def _may_hold_product(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether an operator without a formula may multiply matrices.

    Torch's own say so by their names. Anybody else's may if they read two tensors of numbers that products are made of.
    """
    namespace, _, name = func._schema.name.partition("::")
    if _NO_PRODUCT.match(func._schema.name):
        return False
    if namespace in ("aten", "prims", "prim"):
        return any(_PRODUCT.fullmatch(word) for word in name.split("_"))
    leaves = torch.utils._pytree.tree_leaves((args, kwargs))
    numbers = [one for one in leaves if isinstance(one, torch.Tensor) and (one.dtype in _NARROW or _is_real(one))]
    return len(numbers) + sum(isinstance(one, torch.ScriptObject) for one in leaves) > 1  # weights may be packed


def _is_real(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()
