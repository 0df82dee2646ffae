"""Transformer-XL: a language model whose layers also attend to the last segment, with relative positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class RelativeAttention(nn.Module):
    """Attention of a segment to itself and the one before, with relative positions and their own biases."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.keys = nn.Linear(width, 2 * width, bias=False)
        self.positions = nn.Linear(width, width, bias=False)
        self.leave = nn.Linear(width, width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(heads, self.size))
        self.position_bias = nn.Parameter(torch.zeros(heads, self.size))

    def forward(self, hidden: Tensor, memory: Tensor, encoding: Tensor) -> Tensor:
        """Return [B, T, width] of the segment, the one before it [B, M, width] and the encoding [M + T, width]."""
        batch, length, width = hidden.shape
        both = torch.cat([memory, hidden], 1)
        queries = self.query(hidden).view(batch, length, self.heads, self.size)
        keys, values = self.keys(both).view(batch, -1, self.heads, 2 * self.size).chunk(2, dim=3)
        relative = self.positions(encoding).view(-1, self.heads, self.size)
        content = torch.einsum("bihd,bjhd->bhij", queries + self.content_bias, keys)
        position = torch.einsum("bihd,jhd->bhij", queries + self.position_bias, relative)
        # The shift of appendix B: row i moves by its distance from the end.
        padded = torch.nn.functional.pad(position, (1, 0)).view(batch, self.heads, -1, length)
        scores = (content + padded[:, :, 1:].reshape(content.shape)) / math.sqrt(self.size)
        future = torch.ones(length, both.shape[1], device=hidden.device).triu(1 + memory.shape[1]).bool()
        weights = torch.softmax(scores.masked_fill(future, float("-inf")), 3)
        return self.leave(torch.einsum("bhij,bjhd->bihd", weights, values).reshape(batch, length, width))


class Layer(nn.Module):
    """Attention and feed-forward network, each with residual and normalisation."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.attention = RelativeAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.inner = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width))
        self.inner_norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, memory: Tensor, encoding: Tensor) -> Tensor:
        """Return [B, T, width]."""
        hidden = self.attention_norm(hidden + self.attention(hidden, memory, encoding))
        return self.inner_norm(hidden + self.inner(hidden))


class TransformerXL(nn.Module):
    """The base model of WikiText-103.

    Source: Dai et al. 2019: 16 layers, width 410, 10 heads, inner width 2100, segments and memory of 150 tokens.

    Args:
        layers: how many.
        width: of the embeddings.
        heads: of the attention.
        inner: width of the feed-forward networks.
        vocabulary: how many words.
    """

    def __init__(self, layers: int, width: int, heads: int, inner: int, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(Layer(width, heads, inner) for _ in range(layers))
        self.leave = nn.Linear(width, vocabulary)
        self.width = width

    def forward(self, tokens: Tensor, memories: Tensor) -> Tensor:
        """Return logits [B, T, vocabulary] of tokens [B, T] after memories [layers, B, M, width]."""
        hidden = self.words(tokens)
        length = memories.shape[2] + tokens.shape[1]
        distance = torch.arange(length - 1, -1, -1.0, device=hidden.device)
        rates = 10_000 ** (-torch.arange(0, self.width, 2.0, device=hidden.device) / self.width)
        angles = distance[:, None] * rates
        encoding = torch.cat([angles.sin(), angles.cos()], 1)
        for layer, memory in zip(self.layers, memories.unbind(0), strict=True):
            hidden = layer(hidden, memory, encoding)
        return self.leave(hidden)
