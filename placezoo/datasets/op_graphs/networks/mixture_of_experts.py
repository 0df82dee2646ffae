"""Transformers whose feed-forward layers are experts: routed by token (Switch, GLaM) or chosen by the experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Expert(nn.Module):
    """A feed-forward network."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return [N, width]."""
        return self.leave(F.gelu(self.enter(tokens)))


class TokenChoice(nn.Module):
    """Every token goes to its ``chosen`` best experts, each of which takes at most its capacity.

    Source: Fedus et al. 2022 (Switch: 1 expert a token), Du et al. 2022 (GLaM: 2).
    """

    def __init__(self, width: int, inner: int, experts: int, chosen: int, capacity: float = 1.25) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(Expert(width, inner) for _ in range(experts))
        self.chosen, self.capacity = chosen, capacity

    def forward(self, tokens: Tensor) -> Tensor:
        """Return [N, width] of tokens [N, width]."""
        gates = torch.softmax(self.router(tokens), 1)
        room = max(1, int(self.capacity * self.chosen * tokens.shape[0] / len(self.experts)))
        best, _ = torch.topk(gates, self.chosen, dim=1)
        kept = torch.where(gates >= best[:, -1:], gates, torch.zeros_like(gates))
        return _dispatch(tokens, kept, self.experts, min(room, tokens.shape[0]))


class ExpertChoice(nn.Module):
    """Every expert takes the tokens that it scores highest, always as many as its capacity.

    Source: Zhou et al. 2022.
    """

    def __init__(self, width: int, inner: int, experts: int, capacity: float = 2.0) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(Expert(width, inner) for _ in range(experts))
        self.capacity = capacity

    def forward(self, tokens: Tensor) -> Tensor:
        """Return [N, width] of tokens [N, width]."""
        room = max(1, min(int(self.capacity * tokens.shape[0] / len(self.experts)), tokens.shape[0]))
        return _dispatch(tokens, torch.softmax(self.router(tokens), 1), self.experts, room)


def _dispatch(tokens: Tensor, gates: Tensor, experts: nn.ModuleList, room: int) -> Tensor:
    """Send to each expert the ``room`` tokens with its largest gates, and add what comes back, weighted."""
    weights, taken = torch.topk(gates.t(), room, dim=1)
    result = torch.zeros_like(tokens)
    for number, expert in enumerate(experts):
        answer = expert(tokens.index_select(0, taken[number])) * weights[number][:, None]
        result = result.index_add(0, taken[number], answer)
    return result


class Layer(nn.Module):
    """Self-attention, then a feed-forward network or experts; pre-normalised."""

    def __init__(self, width: int, heads: int, inner: nn.Module) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.inner_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.enter, self.leave = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner = inner

    def forward(self, hidden: Tensor) -> Tensor:
        """Return [B, T, width]."""
        batch, length, width = hidden.shape
        parts = self.enter(self.attention_norm(hidden)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
        hidden = hidden + self.leave(attended.transpose(1, 2).reshape(batch, length, width))
        return hidden + self.inner(self.inner_norm(hidden).view(-1, width)).view(batch, length, width)


class MoETransformer(nn.Module):
    """A decoder whose every other feed-forward layer is a layer of experts, as GLaM's and Switch's.

    Args:
        routing: ``token`` or ``expert``, who chooses.
        layers: how many.
        width: of the embeddings.
        experts: in each layer of experts.
        chosen: experts of a token, where tokens choose.
        vocabulary: how many words.
    """

    def __init__(self, routing: str, layers: int, width: int, experts: int, chosen: int, vocabulary: int) -> None:
        super().__init__()

        def inner(layer: int) -> nn.Module:
            if layer % 2 == 0:
                return Expert(width, 4 * width)
            if routing == "token":
                return TokenChoice(width, 4 * width, experts, chosen)
            return ExpertChoice(width, 4 * width, experts)

        self.words = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(Layer(width, width // 64, inner(layer)) for layer in range(layers))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits [B, T, vocabulary] of token numbers [B, T]."""
        hidden = self.words(tokens)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.leave(self.norm(hidden))
