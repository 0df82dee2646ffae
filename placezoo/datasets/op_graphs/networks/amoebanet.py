"""AmoebaNet-A: cells found by evolution, stacked."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def separable(channels: int, kernel: int, stride: int) -> nn.Module:
    """Return a depthwise-separable convolution, applied twice, as the NASNet space has it."""

    def once(step: int) -> list[nn.Module]:
        return [
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, step, kernel // 2, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]

    return nn.Sequential(*once(stride), *once(1))


def _factorised(channels: int, stride: int) -> nn.Module:
    quarter = channels // 4
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(channels, quarter, 1, bias=False), nn.BatchNorm2d(quarter),
        nn.ReLU(), nn.Conv2d(quarter, quarter, (1, 7), (1, stride), (0, 3), bias=False), nn.BatchNorm2d(quarter),
        nn.ReLU(), nn.Conv2d(quarter, quarter, (7, 1), (stride, 1), (3, 0), bias=False), nn.BatchNorm2d(quarter),
        nn.ReLU(), nn.Conv2d(quarter, channels, 1, bias=False), nn.BatchNorm2d(channels),
    )  # fmt: skip


def _operation(name: str, channels: int, stride: int) -> nn.Module:
    if name == "identity":
        return nn.Identity() if stride == 1 else _fit(channels, channels, stride)
    if name == "1x1":
        return _fit(channels, channels, stride)
    if name == "1x7-7x1":
        return _factorised(channels, stride)
    if name in ("average", "max"):
        return nn.AvgPool2d(3, stride, 1) if name == "average" else nn.MaxPool2d(3, stride, 1)
    return separable(channels, int(name[-1]), stride)


def _fit(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


# Pairs of (operation, state); states 0 and 1 are the cell's inputs, each pair's sum is the next state.
_NORMAL = (
    (("average", 0), ("max", 1)), (("separable3", 0), ("separable5", 1)), (("identity", 0), ("separable3", 3)),
    (("average", 1), ("separable3", 2)), (("separable3", 5), ("separable5", 1)),
)  # fmt: skip
_NORMAL_UNUSED = (4, 6)
_REDUCTION = (
    (("average", 0), ("separable3", 1)), (("max", 0), ("separable7", 2)), (("average", 1), ("separable7", 0)),
    (("max", 0), ("max", 1)), (("1x7-7x1", 0), ("separable3", 5)),
)  # fmt: skip
_REDUCTION_UNUSED = (3, 4, 6)


class Cell(nn.Module):
    """Five pairwise sums of operations on earlier states; the states that no pair reads are joined."""

    def __init__(self, before_last: int, last: int, channels: int, reduce: bool, shrink: bool) -> None:
        super().__init__()
        self.fit_before = _fit(before_last, channels, 2 if shrink else 1)
        self.fit_last = _fit(last, channels)
        pairs = _REDUCTION if reduce else _NORMAL
        self.outputs = _REDUCTION_UNUSED if reduce else _NORMAL_UNUSED
        self.sources = [(left[1], right[1]) for left, right in pairs]
        self.operations = nn.ModuleList(
            _operation(name, channels, 2 if reduce and source < 2 else 1) for pair in pairs for name, source in pair
        )
        self.channels = channels * len(self.outputs)

    def forward(self, before_last: Tensor, last: Tensor) -> Tensor:
        """Return the joined states of the last two cells' outputs."""
        states = [self.fit_before(before_last), self.fit_last(last)]
        for number, (left, right) in enumerate(self.sources):
            states.append(self.operations[2 * number](states[left]) + self.operations[2 * number + 1](states[right]))
        return torch.cat([states[index] for index in self.outputs], 1)


class AmoebaNet(nn.Module):
    """Three groups of ``cells`` normal cells with a reduction cell between them, after a stem of two reductions.

    Its search space and its operations are those of Real et al. 2019 (AmoebaNet-A); which states a pair reads is this
    file's: a network like AmoebaNet, as GDP places, not the published one.

    Args:
        cells: normal cells in each group.
        channels: of the first group; doubles with each reduction.
        classes: how many.
    """

    def __init__(self, cells: int, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        before, last, width, shrink = channels, channels, channels // 4, False
        for reduce in [True, True] + ([False] * cells + [True]) * 2 + [False] * cells:
            width *= 2 if reduce else 1
            cell = Cell(before, last, width, reduce, shrink)
            self.cells.append(cell)
            before, last, shrink = last, cell.channels, reduce
        self.leave = nn.Linear(last, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits [B, classes] of images [B, 3, H, W]."""
        before = last = self.stem(image)
        for cell in self.cells:
            before, last = last, cell(before, last)
        return self.leave(torch.relu(last).mean((2, 3)))
