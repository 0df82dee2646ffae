"""The program of neural-network device placement: the operators of a model and the tensors between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import EqualByDigest, as_integers, as_quantities, digest_of, read_only
from placezoo.datasets.dag import Dag


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
