"""``PackGraphs``: observations of any structure as single objects, so that graphs of any size pass through."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces import GraphInstance
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from numpy.typing import NDArray


class PackedObservation:
    """An observation that libraries handle as one thing: they neither stack, pad nor copy what is in it.

    Attributes:
        value: the observation.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> PackedObservation:
        return self  # nobody changes an observation


class PackedSpace(spaces.Space[PackedObservation]):
    """The space of packed observations.

    Args:
        inner: the space of what is packed.
    """

    def __init__(self, inner: spaces.Space) -> None:
        super().__init__(None, None)
        self.inner = inner

    @property
    def is_np_flattenable(self) -> bool:
        """False: it has no fixed size."""
        return False

    def seed(self, seed: Any = None) -> Any:
        """Seed the inner space."""
        return self.inner.seed(seed)

    def sample(self, mask: Any = None, probability: Any = None) -> PackedObservation:
        """Draw an observation; a graph of 5 nodes and edges where there is one."""
        return PackedObservation(_sample(self.inner))

    def contains(self, x: Any) -> bool:
        """Whether x is a packed observation of the inner space."""
        return isinstance(x, PackedObservation) and self.inner.contains(x.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedSpace) and self.inner == other.inner

    def __repr__(self) -> str:
        return f"PackedSpace({self.inner})"


class PackedBatch(PackedSpace):
    """The space of arrays of packed observations: object [n].

    Args:
        inner: the space of what is packed in each.
        n: how many.
    """

    def __init__(self, inner: spaces.Space, n: int) -> None:
        super().__init__(inner)
        self.n = n

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        """Draw an array."""
        return _as_array([PackedObservation(_sample(self.inner)) for _ in range(self.n)])

    def contains(self, x: Any) -> bool:
        """Whether x is an array of packed observations."""
        return len(x) == self.n and all(PackedSpace.contains(self, item) for item in x)


def _sample(space: spaces.Space) -> Any:
    if isinstance(space, spaces.Graph):
        return space.sample(num_nodes=5, num_edges=5)
    if isinstance(space, spaces.Dict):
        return {name: _sample(part) for name, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_sample(part) for part in space.spaces)
    return space.sample()


def _as_array(items: Any) -> NDArray[np.object_]:
    array = np.empty(len(items), object)
    array[:] = list(items)
    return array


@batch_space.register(PackedSpace)
def _batch_packed(space: PackedSpace, n: int = 1) -> PackedBatch:
    return PackedBatch(space.inner, n)


@create_empty_array.register(PackedSpace)
def _empty_packed(space: PackedSpace, n: int = 1, fn: Any = None) -> NDArray[np.object_]:
    return np.empty(n, object)


@concatenate.register(PackedSpace)
def _concatenate_packed(space: PackedSpace, items: Any, out: Any) -> NDArray[np.object_]:
    return _as_array(items)


@iterate.register(PackedBatch)
def _iterate_packed(space: Any, items: Any) -> Any:  # type: ignore[misc]
    return iter(items)


class PackGraphs(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
    """Observations as ``PackedObservation``: what vector environments and learners store and send as it is.

    Works with every environment whose observation holds ``spaces.Graph`` anywhere, not only placezoo's. Arrays of a
    graph that equal those of the step before are the very same objects, so that what stands still is stored once, and
    sent once with the episode it belongs to.

    Args:
        env: any environment.

    Example:
        >>> import gymnasium as gym, placezoo
        >>> from placezoo.envs.wrappers import PackGraphs
        >>> env = PackGraphs(gym.make("GraphPartition-v0", dataset="delaunay", num_parts=4))
        >>> observation, info = env.reset(seed=0)
        >>> following, *_ = env.step(0)
        >>> following.value["items"].nodes is observation.value["items"].nodes
        True
    """

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        self.observation_space = PackedSpace(env.observation_space)
        self._last: Any = None

    def observation(self, observation: Any) -> PackedObservation:
        """Return the observation, packed."""
        self._last = _share(observation, self._last)
        return PackedObservation(self._last)


def _share(new: Any, old: Any) -> Any:
    """Return the new observation with the old one's arrays wherever graphs have not changed."""
    if isinstance(new, GraphInstance):
        if not isinstance(old, GraphInstance):
            return new
        return GraphInstance(*(_share_array(one, other) for one, other in zip(new, old, strict=True)))
    if isinstance(new, dict):
        known = old if isinstance(old, dict) else {}
        return {name: _share(part, known.get(name)) for name, part in new.items()}
    if isinstance(new, tuple):
        parts = old if isinstance(old, tuple) and len(old) == len(new) else (None,) * len(new)
        return tuple(_share(one, other) for one, other in zip(new, parts, strict=True))
    return new


def _share_array(new: Any, old: Any) -> Any:
    if new is old or new is None or old is None:
        return new
    return old if new.shape == old.shape and new.dtype == old.dtype and np.array_equal(new, old) else new
