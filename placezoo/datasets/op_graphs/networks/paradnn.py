"""ParaDnn's parameterised families: fully connected, convolutional and recurrent networks.

Source: Wang, Wei & Brooks 2020, "A systematic methodology for analysis of deep learning hardware and software
platforms" (MLSys), table 1.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from placezoo.datasets.op_graphs.networks.gnmt import LSTMLayer


class FullyConnected(nn.Sequential):
    """Layers of one width: 4-128 layers of 32-8192 nodes, 2000-8000 inputs, 200-1000 outputs.

    Args:
        layers: hidden ones.
        width: of each.
        inputs: of the first.
        outputs: of the last.
    """

    def __init__(self, layers: int, width: int, inputs: int, outputs: int) -> None:
        sizes = [inputs, *[width] * layers]
        hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        super().__init__(*hidden, nn.Linear(width, outputs))


class _Block(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        shapes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        if not bottleneck:
            shapes = [(inputs, width, 3, stride), (width, width, 3, 1)]
        layers: list[nn.Module] = []
        for a, b, kernel, step in shapes:
            layers += [nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.body = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Identity() if inputs == outputs and stride == 1 else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )  # fmt: skip
        self.outputs = outputs

    def forward(self, image: Tensor) -> Tensor:
        return torch.relu(self.body(image) + self.shortcut(image))


class Convolutional(nn.Module):
    """Residual networks: four groups of 1-8 blocks, residual or bottleneck, 16-64 filters, 200-300 pixels.

    Args:
        blocks: in each of the four groups.
        filters: of the first group; doubles with each.
        bottleneck: 1 for blocks of three convolutions, 0 for blocks of two.
        outputs: classes, 500-1500.
    """

    def __init__(self, blocks: int, filters: int, bottleneck: int, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, filters, 7, 2, 3, bias=False), nn.BatchNorm2d(filters), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        body: list[nn.Module] = []
        inputs = filters
        for group in range(4):
            for block in range(blocks):
                stride = 2 if group and not block else 1
                body.append(_Block(inputs, filters * 2**group, stride, bool(bottleneck)))
                inputs = body[-1].outputs  # type: ignore[assignment]
        self.body = nn.Sequential(*body)
        self.leave = nn.Linear(inputs, outputs)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits [B, outputs] of images [B, 3, H, W]."""
        return self.leave(self.body(self.pool(self.stem(image))).mean((2, 3)))


class Recurrent(nn.Module):
    """Stacked LSTMs: 1-13 layers, 100-900 wide, 10-90 steps, 2-1024 words.

    Args:
        layers: how many.
        width: of embedding and layers.
        vocabulary: how many words.
    """

    def __init__(self, layers: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(LSTMLayer(width, width) for _ in range(layers))
        self.leave = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits [B, T, vocabulary] of token numbers [B, T]."""
        steps = list(self.words(tokens).unbind(1))
        for layer in self.layers:
            steps = layer(steps)
        return self.leave(torch.stack(steps, 1))
