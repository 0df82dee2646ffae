"""What an encoder's layers know of the edges."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Links:
    """The edges of item graphs side by side. N items, E directed edges, width d.

    Attributes:
        index: int64 [2, E], tail and head.
        hidden: [E, d], the edges' embeddings.
        start: where each graph's items start, and N.
    """

    index: Tensor
    hidden: Tensor
    start: list[int]
