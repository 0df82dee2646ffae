"""The kinds of operators as features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KINDS = ("matmul", "convolution", "attention", "normalization", "embedding", "optimizer")
_KIND_WORDS = {
    "matmul": ("linear", "mm", "matmul", "einsum", "gemm"),
    "convolution": ("conv",),
    "attention": ("attention",),
    "normalization": ("norm",),
    "embedding": ("embedding",),
    "optimizer": ("adam",),
}


def kind_flags(kinds: Sequence[str]) -> NDArray[np.float32]:
    """Return which of ``KINDS`` each operator is, 0 or 1: float32 [len(kinds), len(KINDS)]."""
    flags = [[any(word in kind.lower() for word in _KIND_WORDS[name]) for name in KINDS] for kind in kinds]
    return np.array(flags, np.float32).reshape(len(kinds), len(KINDS))
