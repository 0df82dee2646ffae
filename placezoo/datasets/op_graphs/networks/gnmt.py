"""Google's neural machine translation network: stacked LSTMs with attention, unrolled."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LSTMLayer(nn.Module):
    """One LSTM layer, unrolled over time so that every step is operators of its own."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(inputs, 4 * width)
        self.recur = nn.Linear(width, 4 * width, bias=False)

    def step(self, projected: Tensor, hidden: Tensor | None, cell: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return hidden and cell [B, width] after one step of an input that was projected."""
        gates = projected if hidden is None else projected + self.recur(hidden)
        enter, forget, candidate, leave = gates.chunk(4, dim=1)
        fresh = torch.sigmoid(enter) * torch.tanh(candidate)
        cell = fresh if cell is None else torch.sigmoid(forget) * cell + fresh
        return torch.sigmoid(leave) * torch.tanh(cell), cell

    def forward(self, steps: list[Tensor]) -> list[Tensor]:
        """Return the hidden state after each input."""
        hidden: Tensor | None = None
        cell: Tensor | None = None
        outputs = []
        for step in steps:
            hidden, cell = self.step(self.read(step), hidden, cell)
            outputs.append(hidden)
        return outputs


class GNMT(nn.Module):
    """Encoder that reads both ways first, decoder whose first layer attends to the encoder; residual from layer 3.

    Source: Wu et al. 2016; GDP (Zhou et al. 2019) places it with 2, 4 and 8 layers.

    Args:
        layers: of the encoder, and of the decoder.
        width: of the LSTMs.
        vocabulary: how many words.
    """

    def __init__(self, layers: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.source_words = nn.Embedding(vocabulary, width)
        self.target_words = nn.Embedding(vocabulary, width)
        self.reader = LSTMLayer(width, width)
        self.backward_reader = LSTMLayer(width, width)
        self.encoder = nn.ModuleList(LSTMLayer(2 * width if n == 0 else width, width) for n in range(layers - 1))
        self.attending = LSTMLayer(2 * width, width)
        self.decoder = nn.ModuleList(LSTMLayer(2 * width, width) for _ in range(layers - 1))
        self.query = nn.Linear(width, width, bias=False)
        self.words = nn.Linear(width, vocabulary)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Return logits [B, T, vocabulary] of token numbers [B, S] and [B, T]."""
        steps = list(self.source_words(source).unbind(1))
        ahead, behind = self.reader(steps), self.backward_reader(steps[::-1])[::-1]
        steps = [torch.cat(pair, 1) for pair in zip(ahead, behind, strict=True)]
        for number, layer in enumerate(self.encoder):
            out = layer(steps)
            steps = out if number < 1 else [a + b for a, b in zip(out, steps, strict=True)]
        if not len(self.encoder):
            steps = ahead
        memory = torch.stack(steps, 1)
        context = memory.mean(1)
        hidden: Tensor | None = None
        cell: Tensor | None = None
        contexts, states = [], []
        for word in self.target_words(target).unbind(1):
            hidden, cell = self.attending.step(self.attending.read(torch.cat([word, context], 1)), hidden, cell)
            scores = torch.softmax((memory * self.query(hidden)[:, None]).sum(2), 1)
            context = (scores[:, :, None] * memory).sum(1)
            contexts.append(context)
            states.append(hidden)
        for number, layer in enumerate(self.decoder):
            out = layer([torch.cat(pair, 1) for pair in zip(states, contexts, strict=True)])
            states = out if number < 1 else [a + b for a, b in zip(out, states, strict=True)]
        return self.words(torch.stack(states, 1))
