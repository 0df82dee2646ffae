"""WaveNet: stacks of dilated causal convolutions with gates."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class WaveNet(nn.Module):
    """A generator of raw audio.

    Source: van den Oord et al. 2016; GDP (Zhou et al. 2019) places 2 stacks of 18 layers and 4 of 36.

    Args:
        stacks: how many times the dilations begin anew.
        layers: of each stack; the dilation doubles ten times, then begins at 1.
        channels: of the residual path.
        skip: channels of the outputs' sum.
        levels: of the quantised samples.
    """

    def __init__(self, stacks: int, layers: int, channels: int, skip: int, levels: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(levels, channels, 1)
        self.dilations = [2 ** (layer % 10) for _ in range(stacks) for layer in range(layers)]
        self.filters = nn.ModuleList(nn.Conv1d(channels, channels, 2, dilation=step) for step in self.dilations)
        self.gates = nn.ModuleList(nn.Conv1d(channels, channels, 2, dilation=step) for step in self.dilations)
        # Nothing reads the last layer's residual.
        self.residuals = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in self.dilations[1:])
        self.skips = nn.ModuleList(nn.Conv1d(channels, skip, 1) for _ in self.dilations)
        self.hidden = nn.Conv1d(skip, skip, 1)
        self.leave = nn.Conv1d(skip, levels, 1)

    def forward(self, audio: Tensor) -> Tensor:
        """Return logits [B, levels, T] of one-hot samples [B, levels, T]."""
        signal = self.enter(audio)
        total: Tensor | None = None
        layers = zip(self.dilations, self.filters, self.gates, self.skips, strict=True)
        for number, (step, convolve, gate, skip) in enumerate(layers):
            past = F.pad(signal, (step, 0))
            gated = torch.tanh(convolve(past)) * torch.sigmoid(gate(past))
            total = skip(gated) if total is None else total + skip(gated)
            if number < len(self.residuals):
                signal = signal + self.residuals[number](gated)
        assert total is not None
        return self.leave(torch.relu(self.hidden(torch.relu(total))))
