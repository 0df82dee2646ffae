"""Inception-v3: convolutional blocks with parallel branches of factorised filters."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def convolution(
    inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, same: bool = True
) -> nn.Module:
    """Return convolution, normalisation and ReLU; ``same`` pads so that stride 1 keeps the size."""
    sizes = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (sizes[0] // 2, sizes[1] // 2) if same else 0
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, sizes, stride, padding, bias=False), nn.BatchNorm2d(outputs, eps=1e-3), nn.ReLU()
    )


class Branches(nn.Module):
    """Branches side by side; their channels are joined."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, image: Tensor) -> Tensor:
        """Return the branches' outputs, [B, sum of channels, H, W]."""
        return torch.cat([branch(image) for branch in self.branches], 1)


def _block_a(inputs: int, pooled: int) -> nn.Module:
    return Branches(
        convolution(inputs, 64, 1),
        nn.Sequential(convolution(inputs, 48, 1), convolution(48, 64, 5)),
        nn.Sequential(convolution(inputs, 64, 1), convolution(64, 96, 3), convolution(96, 96, 3)),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), convolution(inputs, pooled, 1)),
    )


def _reduce_a(inputs: int) -> nn.Module:
    return Branches(
        convolution(inputs, 384, 3, 2, same=False),
        nn.Sequential(convolution(inputs, 64, 1), convolution(64, 96, 3), convolution(96, 96, 3, 2, same=False)),
        nn.MaxPool2d(3, 2),
    )


def _block_b(width: int) -> nn.Module:
    return Branches(
        convolution(768, 192, 1),
        nn.Sequential(
            convolution(768, width, 1), convolution(width, width, (1, 7)), convolution(width, 192, (7, 1))
        ),
        nn.Sequential(
            convolution(768, width, 1), convolution(width, width, (7, 1)), convolution(width, width, (1, 7)),
            convolution(width, width, (7, 1)), convolution(width, 192, (1, 7)),
        ),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), convolution(768, 192, 1)),
    )  # fmt: skip


def _reduce_b() -> nn.Module:
    return Branches(
        nn.Sequential(convolution(768, 192, 1), convolution(192, 320, 3, 2, same=False)),
        nn.Sequential(
            convolution(768, 192, 1), convolution(192, 192, (1, 7)), convolution(192, 192, (7, 1)),
            convolution(192, 192, 3, 2, same=False),
        ),
        nn.MaxPool2d(3, 2),
    )  # fmt: skip


def _block_c(inputs: int) -> nn.Module:
    def halves() -> nn.Module:
        return Branches(convolution(384, 384, (1, 3)), convolution(384, 384, (3, 1)))

    return Branches(
        convolution(inputs, 320, 1),
        nn.Sequential(convolution(inputs, 384, 1), halves()),
        nn.Sequential(convolution(inputs, 448, 1), convolution(448, 384, 3), halves()),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), convolution(inputs, 192, 1)),
    )


class InceptionV3(nn.Sequential):
    """Logits [B, classes] of images [B, 3, 299, 299], without the auxiliary classifier: 5.7 G multiply-adds, 23.8 M.

    Source: Szegedy et al. 2016, table 1, with the branches' widths of the published model.

    Args:
        classes: how many.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(
            convolution(3, 32, 3, 2, same=False), convolution(32, 32, 3, same=False), convolution(32, 64, 3),
            nn.MaxPool2d(3, 2), convolution(64, 80, 1), convolution(80, 192, 3, same=False), nn.MaxPool2d(3, 2),
            _block_a(192, 32), _block_a(256, 64), _block_a(288, 64), _reduce_a(288),
            _block_b(128), _block_b(160), _block_b(160), _block_b(192), _reduce_b(),
            _block_c(1280), _block_c(2048),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, classes),
        )  # fmt: skip
