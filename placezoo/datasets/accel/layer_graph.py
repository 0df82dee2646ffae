"""What an accelerator runs: a network's layers, as sizes of loops and operands, and choices that layers hang on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.arrays import EqualByDigest, digest_of, read_only
from placezoo.datasets.dag import Dag

PRODUCT, SEPARABLE, ELEMENTWISE = range(3)
KINDS = ("product", "separable", "elementwise")


class Layer(NamedTuple):
    """A layer; sizes are counts of values, whatever bytes one takes.

    Attributes:
        name: of the operator.
        kind: ``product``: products of matrices, convolutions among them; ``separable``: one-dimensional convolutions of
            each channel; ``elementwise``: what the vector unit does.
        inputs: values read that other layers, or nobody, made.
        weights: values read that are parameters; of a product of two results, the second one.
        outputs: values written.
        batch: how many products (groups, heads), each rows x inner by inner x columns.
        rows: of the first factor.
        inner: values of a row.
        columns: of the second factor.
        lines: of a ``separable`` layer: rows of images, over all channels.
        line_length: values of a row, padding included.
        kernel: values of its filters.
        stride: of its windows.
        when: pairs of a choice and an option of it, that all must be taken for the layer to be there.
    """

    name: str
    kind: str
    inputs: float
    weights: float
    outputs: float
    batch: int = 1
    rows: int = 1
    inner: int = 1
    columns: int = 1
    lines: int = 0
    line_length: int = 0
    kernel: int = 0
    stride: int = 1
    when: tuple[tuple[int, int], ...] = ()

    @property
    def multiply_adds(self) -> float:
        """How many the layer has."""
        return 0.0 if self.kind == "elementwise" else float(self.batch) * self.rows * self.inner * self.columns


class Choice(NamedTuple):
    """A choice that a network leaves open: what kind of convolution a block has, for example."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LayerGraph(EqualByDigest):
    """The layers of one network in the order in which they run.

    Args:
        layers: in an order in which each comes after those that it reads.
        edges: pairs of layers, the second reads what the first writes.
        choices: that the network leaves open.
        name: of the network.
        table: which table says how accurate the network is for each combination of options; empty where none does.

    Raises:
        ValueError: there is no layer, a kind is unknown, a size is out of range, an edge leads backwards, or a layer
            hangs on an option that is none.
    """

    layers: tuple[Layer, ...]
    edges: NDArray[np.int64] | Sequence[tuple[int, int]] = ()
    choices: tuple[Choice, ...] = ()
    name: str = "network"
    table: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(Layer(*layer) for layer in self.layers))
        object.__setattr__(self, "choices", tuple(Choice(name, tuple(options)) for name, options in self.choices))
        if not self.layers:
            raise ValueError(f"{self.name} has no layer that an accelerator would run")
        for layer in self.layers:
            self._check(layer)
        edges = read_only(np.array(self.edges, np.int64).reshape(-1, 2))
        object.__setattr__(self, "edges", edges)
        Dag(self.num_layers, edges).check("layer")
        if np.any(edges[:, 0] >= edges[:, 1]):
            raise ValueError(f"{self.name}: layers must come after those that they read")

    def _check(self, layer: Layer) -> None:
        where = f"{self.name}: layer {layer.name}"
        if layer.kind not in KINDS:
            raise ValueError(f"{where} is of unknown kind {layer.kind!r}; known: {', '.join(KINDS)}")
        for name, least in _LEAST.items():
            value = getattr(layer, name)
            whole = name in _OPERANDS or value == int(value) if np.isfinite(value) else False
            if not (whole and least <= value < 2**40):
                raise ValueError(f"{where}: {name} must be in {least}..2^40, not {value}")
        if layer.multiply_adds >= 2**52:
            raise ValueError(f"{where} has more than 2^52 multiply-adds")
        if layer.kind == "separable" and (layer.lines < 1 or layer.line_length < layer.kernel or layer.kernel < 1):
            raise ValueError(f"{where}: filters of {layer.kernel} do not fit rows of {layer.line_length}")
        for choice, option in layer.when:
            if not (0 <= choice < len(self.choices) and 0 <= option < len(self.choices[choice].options)):
                raise ValueError(f"{where} hangs on option {option} of choice {choice}, which is none")

    @property
    def num_layers(self) -> int:
        """How many layers there are, over all options."""
        return len(self.layers)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, without the names."""
        sizes = [[getattr(layer, name) for name in _LEAST] for layer in self.layers]
        kinds = [KINDS.index(layer.kind) for layer in self.layers]
        when = [(number, *pair) for number, layer in enumerate(self.layers) for pair in layer.when]
        columns = ((sizes, "<f8"), (kinds, "u1"), (when, "<i8"), (self.edges, "<i8"))
        choices = [f"{len(choice.options)}" for choice in self.choices]
        return digest_of("placezoo.LayerGraph/1", columns, "|".join([self.table, *choices]))

    def with_options(self, options: Sequence[int], name: str) -> LayerGraph:
        """Return the network in which all choices are made.

        Args:
            options: of each choice.
            name: of the result.
        """
        kept = [
            number
            for number, layer in enumerate(self.layers)
            if all(options[choice] == option for choice, option in layer.when)
        ]
        new = {number: place for place, number in enumerate(kept)}
        edges = [(new[a], new[b]) for a, b in np.asarray(self.edges).tolist() if a in new and b in new]
        return LayerGraph(tuple(self.layers[number]._replace(when=()) for number in kept), edges, name=name)

    def __repr__(self) -> str:
        return f"LayerGraph({self.name!r}, {self.num_layers} layers, {len(self.choices)} choices)"


_OPERANDS = ("inputs", "weights", "outputs")
_LEAST = {
    "inputs": 0, "weights": 0, "outputs": 0, "batch": 1, "rows": 1, "inner": 1, "columns": 1, "lines": 0,
    "line_length": 0, "kernel": 0, "stride": 1,
}  # fmt: skip


def convolution(
    name: str,
    side: int,
    channels: int,
    filters: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    when: Iterable[tuple[int, int]] = (),
) -> Layer:
    """Return a square convolution of one image whose padding keeps the side, divided by the stride."""
    outputs = _windows(side, stride)
    inner = kernel * kernel * channels // groups
    return Layer(
        name, "product", float(side * side * channels), float(inner * filters), float(outputs * filters), groups,
        outputs, inner, filters // groups, when=tuple(when),
    )  # fmt: skip


def separable_convolution(
    name: str, side: int, channels: int, kernel: int, stride: int = 1, when: Iterable[tuple[int, int]] = ()
) -> Layer:
    """Return a one-dimensional convolution of each channel of one square image, padded along its rows."""
    outputs = _windows(side, stride)
    return Layer(
        name, "separable", float(side * side * channels), float(kernel * channels), float(outputs * channels), channels,
        outputs, kernel, 1, side * channels, side + kernel - 1, kernel, stride, tuple(when),
    )  # fmt: skip


def _windows(side: int, stride: int) -> int:
    return (-(-side // stride)) ** 2
