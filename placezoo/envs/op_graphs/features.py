"""What operators and the tensors between them are, as features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.arrays import read_only

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


def both_directions(
    links: NDArray[np.int64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return links [E, 2] in both directions, sorted by head: [2 E, 2]; and their features: float32 [2 E, 2].

    The features are bytes over the most, and 1 along the data or -1.
    """
    both = np.concatenate([links, links[:, ::-1]])
    scaled = np.tile(sizes / max(sizes.max(initial=0.0), 1e-300), 2)
    features = np.stack([scaled, np.repeat([1.0, -1.0], len(links))], axis=1)
    order = np.lexsort((both[:, 0], both[:, 1]))
    return read_only(both[order]), read_only(features[order].astype(np.float32))
