"""The program of neural-network device placement: the operators of a model and the tensors between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import EqualByDigest, as_integers, as_quantities, digest_of, read_only
from placezoo.datasets.dag import Dag


class Product(NamedTuple):
    """Products of matrices that an operator computes: ``batch`` times rows x inner by inner x columns.

    A convolution is the product of an image's windows by its filters.

    Attributes:
        batch: how many, independent of each other: heads of attention, groups of a convolution.
        rows: of the first factor; of a convolution the windows of all samples.
        inner: values of a row; of a convolution those of a window.
        columns: of the second factor; of a convolution the filters of a group.
        height: of the image, padding included; 0 where it is no convolution.
        width: likewise.
        filter_height: of the filters; 0 where it is no convolution.
        filter_width: likewise.
        stride: of the windows; 0 where it is no convolution.
    """

    batch: int
    rows: int
    inner: int
    columns: int
    height: int = 0
    width: int = 0
    filter_height: int = 0
    filter_width: int = 0
    stride: int = 0

    @property
    def multiply_adds(self) -> int:
        """How many there are in all."""
        return self.batch * self.rows * self.inner * self.columns


@dataclass(frozen=True, eq=False)
class OpGraph(EqualByDigest):
    """A directed acyclic graph of operators; an edge carries its source's output to its target.

    Arrays are read-only. Two graphs are equal when their content is, whatever their names.

    Args:
        flops: float64 [num_ops], floating-point operations of each operator; a multiply-add is two.
        bytes_moved: float64 [num_ops], read from and written to the device's memory.
        output_bytes: float64 [num_ops], of the output, which is what goes over links.
        parameter_bytes: float64 [num_ops], of the parameters that the operator holds.
        edges: int64 [num_edges, 2], source and target.
        kinds: what each operator is (``aten.linear``).
        names: of the operators, default their numbers.
        backward: bool [num_ops], whether it belongs to the backward pass, default none.
        group: int64 [num_ops], operators of equal number must share a device (a parameter's forward and backward),
            default each its own.
        state_bytes: bytes of gradients and optimizer state for each byte of parameters; 0 for inference.
        parameters: for each operator the full names of the parameters and buffers that it holds, as in the model's
            ``state_dict``, every name of one that has several; default none. They are not part of the content.
        products: for each operator the matrix products that its ``flops`` are, where they are known; default none. They
            say how operators compute, and are not part of the content either.
        name: what the graph is called in results.

    Raises:
        ValueError: an array has the wrong shape or value, an edge leaves the graph or is given twice, or the graph has
            a cycle.
    """

    flops: NDArray[np.float64]
    bytes_moved: NDArray[np.float64]
    output_bytes: NDArray[np.float64]
    parameter_bytes: NDArray[np.float64]
    edges: NDArray[np.int64] | ArrayLike = ()
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    backward: NDArray[np.bool_] | None = None
    group: NDArray[np.int64] | None = None
    state_bytes: float = 0.0
    parameters: tuple[tuple[str, ...], ...] = ()
    products: tuple[tuple[Product, ...], ...] = ()
    name: str = "model"

    def __post_init__(self) -> None:
        n = np.asarray(self.flops).size
        if n == 0:
            raise ValueError("a model has at least one operator")
        for field in ("flops", "bytes_moved", "output_bytes", "parameter_bytes"):
            values = as_quantities(getattr(self, field), field, "operator")
            if values.shape != (n,):
                raise ValueError(f"{n} operators but {field} of shape {values.shape}")
            object.__setattr__(self, field, read_only(values))
        object.__setattr__(self, "edges", read_only(as_integers(self.edges, np.int64, "edges").reshape(-1, 2)))
        backward = np.zeros(n, bool) if self.backward is None else np.array(self.backward, bool)
        group = np.arange(n) if self.group is None else as_integers(self.group, np.int64, "group")
        for field, array in (("backward", backward), ("group", group)):
            if array.shape != (n,):
                raise ValueError(f"{n} operators but {field} of shape {array.shape}")
            object.__setattr__(self, field, read_only(array))
        for field, default in (("kinds", "op"), ("names", "")):
            texts = tuple(map(str, getattr(self, field))) or tuple(default or str(op) for op in range(n))
            if len(texts) != n:
                raise ValueError(f"{n} operators but {len(texts)} {field}")
            object.__setattr__(self, field, texts)
        parameters = tuple(tuple(map(str, names)) for names in self.parameters) or ((),) * n
        if len(parameters) != n:
            raise ValueError(f"{n} operators but the parameters of {len(parameters)}")
        object.__setattr__(self, "parameters", parameters)
        products = tuple(tuple(map(_checked_product, held)) for held in self.products) or ((),) * n
        if len(products) != n:
            raise ValueError(f"{n} operators but the products of {len(products)}")
        object.__setattr__(self, "products", products)
        if not (np.isfinite(self.state_bytes) and self.state_bytes >= 0):
            raise ValueError(f"state_bytes must be finite and at least 0, not {self.state_bytes}")
        self.dag.check("operator")

    @cached_property
    def dag(self) -> Dag:
        """Order, rows and depth of the edges."""
        return Dag(self.num_ops, np.asarray(self.edges))

    @property
    def num_ops(self) -> int:
        """How many operators there are."""
        return int(np.asarray(self.flops).size)

    @property
    def num_edges(self) -> int:
        """How many edges there are."""
        return len(np.asarray(self.edges))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, without the names."""
        columns = (
            (self.flops, "<f8"), (self.bytes_moved, "<f8"), (self.output_bytes, "<f8"), (self.parameter_bytes, "<f8"),
            (self.edges, "<i8"), (self.backward, "u1"), (self.group, "<i8"), (self.state_bytes, "<f8"),
        )  # fmt: skip
        return digest_of("placezoo.OpGraph/1", columns, "|".join(self.kinds))

    def __repr__(self) -> str:
        return f"OpGraph({self.name!r}, {self.num_ops} operators, {self.num_edges} edges)"


def _checked_product(given: Product) -> Product:
    """Return a product, its sizes checked.

    Raises:
        ValueError: they are not whole numbers, or too large or small for any product.
    """
    fields = Product._fields
    if not isinstance(given, (tuple, list)) or len(given) not in (4, len(fields)):
        raise ValueError(f"a product is 4 or {len(fields)} whole numbers, not {given!s:.60}")
    for place, size in enumerate(given):
        least = int(place < 4)
        if type(size) is not int or not least <= size <= 2**40:
            raise ValueError(f"{fields[place]} of a product must be a whole number in {least}..2^40, not {size!s:.40}")
    product = Product(*given)
    if product.multiply_adds >= 2**62:
        raise ValueError(f"a product has {product.multiply_adds} multiply-adds, 2^62 or more")
    return product
