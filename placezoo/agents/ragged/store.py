"""Where observations wait that a library only knows by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_HANDLES = 2**24  # whole numbers up to this are exact as float32, which libraries make of observations


class GraphStore:
    """Keeps the latest observations of any size; gives each a number, its handle, to be stored in its place.

    Learning libraries stack observations into arrays of one shape. They get handles to stack instead; networks look the
    observations up. A handle stays valid until ``capacity`` further observations have come.

    Args:
        capacity: how many observations to keep: what a rollout (or a replay buffer) holds, and one more for each
            environment and each episode that was cut off within it.
    """

    def __init__(self, capacity: int) -> None:
        if not 1 <= capacity <= MOST_HANDLES:
            raise ValueError(f"capacity must be between 1 and {MOST_HANDLES}, not {capacity}")
        self.capacity = capacity
        self._items: dict[int, Any] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._items)

    def __getstate__(self) -> dict[str, Any]:
        return {"capacity": self.capacity, "_items": {}, "_next": 0}  # models are saved without their observations

    def add(self, observation: Any) -> int:
        """Keep an observation, drop the oldest if there are too many, and return the handle."""
        handle = self._next
        self._items.pop(handle, None)
        if len(self._items) >= self.capacity:
            del self._items[next(iter(self._items))]
        self._items[handle] = observation
        self._next = (handle + 1) % MOST_HANDLES
        return handle

    def clear(self) -> None:
        """Drop all observations; their handles are not given again soon."""
        self._items.clear()

    def get(self, handles: NDArray[Any]) -> list[Any]:
        """Return the observations of handles.

        Raises:
            KeyError: one has been dropped.
        """
        try:
            return [self._items[handle] for handle in np.asarray(handles).astype(np.int64).ravel().tolist()]
        except KeyError as error:
            raise KeyError(
                f"observation {error.args[0]} is no longer kept: give the GraphStore a capacity above {self.capacity}"
            ) from None
