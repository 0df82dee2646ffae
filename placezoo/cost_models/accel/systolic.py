"""Systolic arrays: the cycles of matrix products and convolutions on them, and what they read and write.

A product of M x K by K x N runs on R x C processing elements fold by fold. The dataflow says what stands still: the
outputs (OS), the filters (WS) or the inputs (IS). A convolution is the product of its windows by its filters. These are
the equations of SCALE-Sim (Samajdar et al. 2018, 2020), which prints one cycle less. ST-OS is the dataflow of FuSeConv
(Selvam, Ganesan & Kumar 2021), which runs one-dimensional convolutions row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from placezoo import jit
from placezoo.parameters import Parameter, at_least, at_most, check_fields, one_of

DATAFLOWS = ("os", "ws", "is")
OS, WS, IS = range(3)
_MOST = 2**20  # of a size
_MOST_PRODUCTS = 2**50  # what kernels count stays exact
Size = Annotated[int, at_least(1), at_most(_MOST)]
_SIZE = Parameter.of(Size)


@jit.inlined
def ceil_div(a, b):
    """Return a / b, rounded up; whole numbers as floats, for which this is exact below 2^53, and fast."""
    return np.ceil(a / b)


@jit.inlined
def gemm_cycles(dataflow, rows, columns, m, k, n):
    """Return the cycles of a product of m x k by k x n."""
    if dataflow == OS:
        return ceil_div(m, rows) * ceil_div(n, columns) * (k + rows + columns - 2)
    if dataflow == WS:
        return ceil_div(k, rows) * ceil_div(n, columns) * (m + 2 * rows + columns - 2)
    return ceil_div(k, rows) * ceil_div(m, columns) * (n + 2 * rows + columns - 2)


@jit.inlined
def gemm_traffic(dataflow, rows, columns, m, k, n):
    """Return the reads of inputs, the reads of filters and the writes of outputs of a product, values."""
    if dataflow == OS:
        return m * k * ceil_div(n, columns), k * n * ceil_div(m, rows), m * n
    if dataflow == WS:
        return m * k * ceil_div(n, columns), k * n, m * n * ceil_div(k, rows)
    return m * k, k * n * ceil_div(m, columns), m * n * ceil_div(k, rows)


@jit.inlined
def separable_cycles(rows, columns, lines, line_length, kernel, stride):
    """Return the cycles of one-dimensional convolutions over so many lines, each array row taking one (ST-OS)."""
    folds = ceil_div(lines, rows) * ceil_div(line_length, columns)
    return ceil_div(folds * (columns + kernel), stride)


@jit.kernel
def _trimmed_cycles(dataflow, rows, columns, m, k, n):
    """Return the cycles of a product whose folds take only the rows and columns that they use."""
    down, across, steps = (m, n, k) if dataflow == OS else (k, n, m) if dataflow == WS else (k, m, n)
    row_folds, column_folds = ceil_div(down, rows), ceil_div(across, columns)
    filling = down * column_folds * (1.0 if dataflow == OS else 2.0) + across * row_folds  # used, over all folds
    return row_folds * column_folds * (steps - 2) + filling


@jit.kernel
def _counts(dataflow, rows, columns, m, k, n):
    folds = ceil_div(m, rows) * ceil_div(n, columns)
    cycles = gemm_cycles(dataflow, rows, columns, m, k, n)
    inputs, filters, outputs = gemm_traffic(dataflow, rows, columns, m, k, n)
    return cycles, inputs, filters, outputs, folds


@jit.kernel
def _separable_cycles(rows, columns, lines, line_length, kernel, stride):
    return separable_cycles(rows, columns, lines, line_length, kernel, stride)


@dataclass(frozen=True)
class ArrayRun:
    """What a layer takes on an array.

    Attributes:
        cycles: from the first value in to the last one out, without waiting for memory.
        ifmap_reads: values of inputs read from SRAM.
        filter_reads: values of filters read.
        ofmap_writes: values of outputs and of their partial sums written.
        utilisation: the share of the processing elements' cycles that are multiply-adds.
    """

    cycles: int
    ifmap_reads: int
    filter_reads: int
    ofmap_writes: int
    utilisation: float


@dataclass(frozen=True)
class SystolicArray:
    """Rows x columns of processing elements, one multiply-add a cycle each.

    Args:
        rows: how many.
        columns: how many.
        dataflow: ``os`` (outputs stand still), ``ws`` (filters) or ``is`` (inputs).
        trimmed: a fold takes only the rows and columns that it uses, as in the analysis of FuSeConv; by default each
            takes the whole array, as in SCALE-Sim.
        drains: outputs of ``os`` are counted as SCALE-Sim does, with rows + columns more a fold for draining the array;
            else as what is written, M x N.

    Raises:
        ValueError: a size is no whole number in 1..2^20, or the dataflow is none of the three.

    Source: Samajdar et al. 2020, A systematic methodology for characterizing scalability of DNN accelerators.
    """

    rows: Size
    columns: Size
    dataflow: Annotated[str, one_of(*DATAFLOWS)] = "os"
    trimmed: bool = False
    drains: bool = True

    def __post_init__(self) -> None:
        check_fields(self, "SystolicArray")

    def gemm(self, m: Size, n: Size, k: Size) -> ArrayRun:
        """Return the run of a product of [m, k] by [k, n].

        Raises:
            ValueError: a size is out of range.
        """
        _check_sizes("gemm", m=m, n=n, k=k)
        return self._run(m, k, n)

    def convolution(
        self,
        height: Size,
        width: Size,
        filter_height: Size,
        filter_width: Size,
        channels: Size,
        filters: Size,
        stride: Size = 1,
    ) -> ArrayRun:
        """Return the run of a convolution of an image of height x width x channels; padding is part of the sizes.

        Raises:
            ValueError: a size is out of range, or the filters are larger than the image.
        """
        _check_sizes(
            "convolution", height=height, width=width, filter_height=filter_height, filter_width=filter_width,
            channels=channels, filters=filters, stride=stride,
        )  # fmt: skip
        windows = windows_along(height, filter_height, stride) * windows_along(width, filter_width, stride)
        return self._run(windows, filter_height * filter_width * channels, filters)

    def separable_convolution(
        self, height: Size, width: Size, channels: Size, kernel: Size, stride: Size = 1
    ) -> ArrayRun:
        """Return the run of a one-dimensional convolution of each channel along its rows, by ST-OS.

        Each array row takes one row of one channel, and its processing elements the row's outputs.

        Args:
            height: of the image; along columns, its width.
            width: of the image, padding included; along columns, its height.
            channels: how many, each with a filter of its own.
            kernel: values of a filter.
            stride: in both directions.

        Raises:
            ValueError: a size is out of range, or the filter is longer than a row.

        Source: Selvam, Ganesan & Kumar 2021, FuSeConv.
        """
        _check_sizes(
            "separable_convolution", height=height, width=width, channels=channels, kernel=kernel, stride=stride
        )
        outputs = windows_along(width, kernel, stride) * -(-height // stride) * channels
        shape = self.rows, self.columns, height * channels, width, kernel, stride
        cycles = int(_separable_cycles(*map(float, shape)))
        share = outputs * kernel / (self.rows * self.columns * cycles)
        return ArrayRun(cycles, height * width * channels, kernel * channels, outputs, share)

    def _run(self, m: int, k: int, n: int) -> ArrayRun:
        if m * k * n >= _MOST_PRODUCTS:
            raise ValueError(f"a product of {m} x {k} by {k} x {n} is beyond 2^50 multiply-adds")
        shape = DATAFLOWS.index(self.dataflow), float(self.rows), float(self.columns), float(m), float(k), float(n)
        cycles, inputs, filters, outputs, folds = _counts(*shape)
        if self.trimmed:
            cycles = _trimmed_cycles(*shape)
        if self.drains and self.dataflow == "os":
            outputs += folds * (self.rows + self.columns)
        share = m * k * n / (self.rows * self.columns * cycles)
        return ArrayRun(int(cycles), int(inputs), int(filters), int(outputs), share)


def _check_sizes(owner: str, **sizes: int) -> None:
    for name, size in sizes.items():
        _SIZE.check(f"SystolicArray.{owner}", name, size)


def windows_along(size: int, kernel: int, stride: int) -> int:
    """Return how many windows a side of an image has: ceil((size - kernel + stride) / stride).

    Raises:
        ValueError: the window is larger than the image.
    """
    if kernel > size:
        raise ValueError(f"a filter of {kernel} is larger than the image, {size}, padding included")
    return -(-(size - kernel + stride) // stride)
