"""Checking assignments, which look the same for every problem."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def check_assignment(assignment: NDArray[np.int64], num_items: int, num_resources: int) -> NDArray[np.int64]:
    """Return a contiguous int64 copy of an assignment.

    Raises:
        ValueError: wrong shape or type, or a resource outside -1..num_resources-1.
    """
    array = np.asarray(assignment)
    if array.shape != (num_items,) or array.dtype.kind not in "iu":
        raise ValueError(f"an assignment is {num_items} whole numbers, not {array.dtype} of shape {array.shape}")
    if num_items and (array.min() < -1 or array.max() >= num_resources):
        item = int(np.flatnonzero((array < -1) | (array >= num_resources))[0])
        raise ValueError(f"item {item} is assigned to {array[item]}, resources are 0..{num_resources - 1}")
    return np.array(array, dtype=np.int64)


def check_index(value: int, count: int, what: str) -> int:
    """Return an index as an int.

    Raises:
        ValueError: it is no whole number of 0..count-1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value < count:
        raise ValueError(f"{what} must be a whole number in 0..{count - 1}, not {value!r}")
    return int(value)
