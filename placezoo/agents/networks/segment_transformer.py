"""A transformer over long sequences in segments, each of which also attends to the one before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SegmentLayer(nn.Module):
    """Attention within a segment and to the one before it, then a feed-forward network; pre-normalised.

    Args:
        width: of the embeddings.
        heads: of the attention; divides the width.
        context: width of the graph's summary that gates the inputs of all dense layers (superposition), or 0.
    """

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.inner_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.keys = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, width)
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.gates = nn.Linear(context, 2 * width) if context else None
        if self.gates is not None:
            nn.init.zeros_(self.gates.weight)
            nn.init.zeros_(self.gates.bias)

    def forward(self, hidden: Tensor, before: Tensor, attend: Tensor, context: Tensor | None) -> Tensor:
        """Return the segments after this layer, [S, L, width].

        Args:
            hidden: [S, L, width], S segments of L.
            before: [S, L, width], the segment before each: no gradient goes there.
            attend: bool [S, 2 L], which of the segment before and of the segment itself exist.
            context: [context] of the graph.
        """
        segments, length, width = hidden.shape
        normal = self.attention_norm(hidden)
        both = torch.cat([self.attention_norm(before.detach()), normal], 1)
        inner_gate: Tensor | float = 1.0
        if self.gates is not None and context is not None:
            gate, inner_gate = (2.0 * torch.sigmoid(self.gates(context))).chunk(2)
            normal, both = normal * gate, both * gate
        size = width // self.heads
        queries = self.query(normal).view(segments, length, self.heads, size).transpose(1, 2)
        keys, values = self.keys(both).view(segments, 2 * length, self.heads, 2 * size).transpose(1, 2).chunk(2, 3)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=attend[:, None, None, :])
        hidden = hidden + self.leave(attended.transpose(1, 2).reshape(segments, length, width))
        return hidden + self.outer(F.gelu(self.inner(self.inner_norm(hidden) * inner_gate)))


class SegmentTransformer(nn.Module):
    """Embeddings that know their own segment of a sequence and, layer by layer, those before it.

    As every layer reads what the layer below made of the segment before, all segments of a layer are computed at once.

    Args:
        width: of the embeddings.
        layers: how many.
        heads: of the attention.
        segment: the length of a segment.
        superposition: let a summary of the sequence gate every dense layer.

    Source: Dai et al. 2019 (Transformer-XL); Zhou et al. 2019 (GDP), section 3.3, where it places operators with
    segment-level recurrence and without positions; section 3.4 for the superposition.
    """

    def __init__(self, width: int, layers: int, heads: int, segment: int, superposition: bool) -> None:
        super().__init__()
        self._segment = segment
        context = width if superposition else 0
        self.layers = nn.ModuleList(SegmentLayer(width, heads, context) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, sequence: Tensor, context: Tensor) -> Tensor:
        """Return embeddings [n, width] of a sequence [n, width], given a summary of it [width]."""
        n, width = sequence.shape
        length = min(self._segment, n)
        segments = -(-n // length)
        hidden = F.pad(sequence, (0, 0, 0, segments * length - n)).view(segments, length, width)
        exists = (torch.arange(segments * length, device=sequence.device) < n).view(segments, length)
        attend = torch.cat([_shift(exists), exists], 1)
        for layer in self.layers:
            hidden = layer(hidden, _shift(hidden), attend, context)
        return self.norm(hidden.view(segments * length, width)[:n])


def _shift(segments: Tensor) -> Tensor:
    """Return the segment before each; zeros before the first."""
    return torch.cat([torch.zeros_like(segments[:1]), segments[:-1]])
