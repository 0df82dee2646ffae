"""Arrays of instances: checked, converted, made read-only, digested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

T = TypeVar("T")


def read_only(array: NDArray) -> NDArray:
    """Return the array itself, no longer writeable."""
    array.flags.writeable = False
    return array


def as_integers(values: ArrayLike | Sequence[int], dtype: type[np.integer], what: str) -> NDArray:
    """Return a contiguous copy as integers.

    Raises:
        ValueError: a value is not a whole number or does not fit.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        as_float = np.asarray(array, dtype=np.float64) if array.dtype.kind in "bf" or array.size == 0 else None
        if as_float is None or not np.all(np.isfinite(as_float)) or np.any(as_float != np.floor(as_float)):
            raise ValueError(f"{what} must be whole numbers, not {array.dtype}")
        array = as_float
    if array.size and (array.min() < np.iinfo(dtype).min or array.max() > np.iinfo(dtype).max):
        raise ValueError(f"{what} do not fit {np.dtype(dtype)}")
    return np.array(array, dtype=dtype, order="C")


def as_quantities(values: ArrayLike, what: str, owner: str) -> NDArray[np.float64]:
    """Return a contiguous copy as finite floats of at least 0.

    Args:
        values: numbers, of any shape.
        what: they are, for errors.
        owner: what the first axis counts, for errors: ``task``.

    Raises:
        ValueError: one is not such a number; says which.
    """
    try:
        array = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be numbers in rows of one length") from None
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        place = np.argwhere(wrong)[0]
        where = ", ".join(f"{owner} {index}" for index in place) if place.size else "it"
        raise ValueError(f"{what} must be finite and at least 0, but for {where} it is {array[tuple(place)]}")
    return array


def made_of(cls: type[T], **values: Any) -> T:
    """Return an instance of a frozen dataclass as it would be after validation, without it.

    For what the package computed itself, of arrays that have the right types, that nobody else holds.
    """
    made = object.__new__(cls)
    for value in values.values():
        if isinstance(value, np.ndarray):
            read_only(value)
    made.__dict__.update(values)
    return made


class EqualByDigest:
    """An instance that equals another of its class when the two ``digest``s are equal; its copy is itself."""

    digest: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and bool(self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # nobody can change an instance

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        for value in state.values():
            if isinstance(value, np.ndarray):
                read_only(value)  # which NumPy's pickles forget
        self.__dict__.update(state)


def digest_of(kind: str, columns: Iterable[tuple[Any, str]], text: str = "") -> str:
    """Return the SHA-256 of an instance's content.

    Args:
        kind: what it is, with the version of this way to write it down: ``placezoo.TaskGraph/1``.
        columns: arrays or numbers, each with the type as which it counts: ``<f8``.
        text: that counts too.
    """
    content = hashlib.sha256(kind.encode())
    for values, dtype in columns:
        content.update(np.asarray(values).astype(dtype).tobytes())
        content.update(b"|")
    content.update(text.encode())
    return content.hexdigest()
