"""MobileNet-V2 with fully separable convolutions: what systolic arrays run well."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class FuSe(nn.Module):
    """Row and column filters in place of a depthwise one, each over all channels (full) or half of them (half)."""

    def __init__(self, channels: int, stride: int, half: bool) -> None:
        super().__init__()
        self.halved = half
        width = channels // 2 if half else channels
        self.rows = nn.Conv2d(width, width, (1, 3), stride, (0, 1), groups=width, bias=False)
        self.columns = nn.Conv2d(width, width, (3, 1), stride, (1, 0), groups=width, bias=False)
        self.outputs = 2 * width

    def forward(self, image: Tensor) -> Tensor:
        """Return [B, outputs, H, W]."""
        left, right = image.chunk(2, dim=1) if self.halved else (image, image)
        return torch.cat([self.rows(left), self.columns(right)], 1)


class _Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int, half: bool) -> None:
        super().__init__()
        width = inputs * expand
        fuse = FuSe(width, stride, half)
        grow = [nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6()] if expand > 1 else []
        self.body = nn.Sequential(
            *grow, fuse, nn.BatchNorm2d(fuse.outputs), nn.ReLU6(),
            nn.Conv2d(fuse.outputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.residual = inputs == outputs and stride == 1

    def forward(self, image: Tensor) -> Tensor:
        return image + self.body(image) if self.residual else self.body(image)


class FuSeMobileNet(nn.Module):
    """MobileNet-V2 whose depthwise convolutions are FuSeConv.

    Source: Ganesan & Kumar 2021 (FuSeConv); Sandler et al. 2018, table 2.

    Args:
        half: 1 for the half variant, 0 for the full one.
        percent: of the channels, the width multiplier.
        classes: how many.
    """

    def __init__(self, half: int, percent: int, classes: int) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(8, (channels * percent // 100 + 4) // 8 * 8)

        inputs = scaled(32)
        layers: list[nn.Module] = [nn.Conv2d(3, inputs, 3, 2, 1, bias=False), nn.BatchNorm2d(inputs), nn.ReLU6()]
        for expand, channels, count, stride in _STAGES:
            for number in range(count):
                layers.append(_Inverted(inputs, scaled(channels), 1 if number else stride, expand, bool(half)))
                inputs = scaled(channels)
        last = max(1280, scaled(1280))
        layers += [nn.Conv2d(inputs, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU6()]
        self.body = nn.Sequential(*layers)
        self.leave = nn.Linear(last, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits [B, classes] of images [B, 3, H, W]."""
        return self.leave(self.body(image).mean((2, 3)))
