"""Where observations wait that a library only knows by number."""

from __future__ import annotations

import secrets
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_HANDLES = 2**24  # whole numbers up to this are exact as float32, which libraries make of observations
HANDLE_SIZE = 2  # the key of the store, and the number of the observation in it

# By key. Libraries hand networks nothing but handles, whichever environment they are of: so the process must know.
_STORES: weakref.WeakValueDictionary[int, GraphStore] = weakref.WeakValueDictionary()


class UnknownHandleError(KeyError, ValueError):
    """Nobody has the observation that a handle stands for; in one line, why and what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


class GraphStore:
    """Keeps the latest observations of any size; gives each a handle, to be stored in its place.

    Learning libraries stack observations into arrays of one shape. They get handles to stack instead; networks look the
    observations up. A handle is a pair of whole numbers: the store's key, which no other store has, and the
    observation's number. It stays valid until ``capacity`` further observations have come, as long as the store lives.

    Args:
        capacity: how many observations to keep: what a rollout (or a replay buffer) holds, and one more for each
            environment and each episode that was cut off within it.
    """

    def __init__(self, capacity: int) -> None:
        if not 1 <= capacity <= MOST_HANDLES:
            raise ValueError(f"capacity must be between 1 and {MOST_HANDLES}, not {capacity}")
        self.capacity = capacity
        self._items: dict[tuple[int, int], Any] = {}
        self._take_key()

    def __len__(self) -> int:
        return len(self._items)

    def __getstate__(self) -> dict[str, Any]:
        return {"capacity": self.capacity}  # models are saved without their observations

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.capacity, self._items = state["capacity"], {}
        self._take_key()

    def _take_key(self) -> None:
        """Take a new key, drawn, so that a handle that another process has saved names nobody here."""
        key = secrets.randbelow(MOST_HANDLES)
        while key in _STORES:
            key = secrets.randbelow(MOST_HANDLES)
        self._key, self._next = key, 0
        _STORES[key] = self

    def add(self, observation: Any) -> tuple[int, int]:
        """Keep an observation, drop the oldest if there are too many, and return the handle."""
        if self._next == MOST_HANDLES:
            self._take_key()  # rather than give a number again
        handle = self._key, self._next
        if len(self._items) >= self.capacity:
            del self._items[next(iter(self._items))]
        self._items[handle] = observation
        self._next += 1
        return handle

    def clear(self) -> None:
        """Drop all observations; their handles are never given again."""
        self._items.clear()

    def get(self, handles: NDArray[Any]) -> list[Any]:
        """Return the observations of handles of this store: whole numbers [B, 2], in any type.

        Raises:
            UnknownHandleError: one has been dropped, or is another store's.
        """
        return [self._observation(handle) for handle in _pairs(handles)]

    def _observation(self, handle: tuple[int, int]) -> Any:
        try:
            return self._items[handle]
        except KeyError:
            pass
        if _STORES.get(handle[0]) is not self:
            raise UnknownHandleError(f"observation {handle[1]} is another environment's, it is not in this GraphStore")
        raise UnknownHandleError(
            f"observation {handle[1]} is no longer kept: give the GraphStore a capacity above {self.capacity}"
        )


def look_up(handles: NDArray[Any]) -> list[Any]:
    """Return the observations of handles, whichever stores of this process they are of.

    Args:
        handles: whole numbers [B, 2], in any type.

    Raises:
        UnknownHandleError: one has been dropped, its store is not there any more, or is another process's.
    """
    return [_store_of(handle)._observation(handle) for handle in _pairs(handles)]


def _store_of(handle: tuple[int, int]) -> GraphStore:
    store = _STORES.get(handle[0])
    if store is None:
        raise UnknownHandleError(
            f"observation {handle[1]} is of an environment that is gone or in another process: a GraphVecEnv must live "
            "as long as what it returned, replay buffers too"
        )
    return store


def _pairs(handles: NDArray[Any]) -> list[tuple[int, int]]:
    given = np.asarray(handles)
    whole = given.ndim > 0 and given.shape[-1] == HANDLE_SIZE and given.dtype.kind in "iuf"
    if not (whole and ((given >= 0) & (given < MOST_HANDLES) & (given == np.floor(given))).all()):
        raise UnknownHandleError(
            f"these are no handles of a GraphVecEnv ({given.dtype} of shape {given.shape}): nothing may scale, stack "
            "or pad them on their way, as VecNormalize does without norm_obs=False"
        )
    return [(key, number) for key, number in given.astype(np.int64).reshape(-1, HANDLE_SIZE).tolist()]
