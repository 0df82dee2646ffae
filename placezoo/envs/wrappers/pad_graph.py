"""``PadGraph``: graphs of any size as arrays of one shape."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces import GraphInstance
from numpy.typing import NDArray

from placezoo.envs.problem import FeatureNames, PlacementProblem

Arrays = dict[str, NDArray[Any]]


def padded_space(
    names: FeatureNames,
    max_items: int,
    max_edges: int,
    max_resources: int,
    max_resource_edges: int,
    rest: dict[str, spaces.Space],
) -> spaces.Dict:
    """Return the space of padded observations: a Dict of Box, with the unpadded sizes as entries of their own.

    Domains whose resources have no links leave out what would describe them.
    """

    def features(rows: int, columns: tuple[str, ...]) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (rows, len(columns)), np.float32)

    def integers(low: int, high: int, *shape: int) -> spaces.Box:
        return spaces.Box(low, high, shape, np.int64)

    mask_shape = rest["action_mask"].shape
    assert mask_shape is not None
    max_edges = max(max_edges, 1)
    padded: dict[str, spaces.Space] = {
        "item_features": features(max_items, names.items),
        "item_edge_features": features(max_edges, names.item_edges),
        "item_edge_links": integers(0, max(max_items - 1, 1), max_edges, 2),
        "num_items": integers(0, max_items, 1),
        "num_item_edges": integers(0, max_edges, 1),
        "resource_features": features(max_resources, names.resource_columns),
        "num_resources": integers(0, max_resources, 1),
        "assignment": integers(-1, max_resources - 1, max_items),
        "current_item": integers(-1, max_items, 1),
        "action_mask": spaces.Box(0, 1, mask_shape, np.int8),
        "instance_key": integers(0, 2**62 - 1, 1),
    }
    if max_resource_edges:
        padded["resource_edge_features"] = features(max_resource_edges, names.resource_edges)
        padded["resource_edge_links"] = integers(0, max(max_resources - 1, 1), max_resource_edges, 2)
        padded["num_resource_edges"] = integers(0, max_resource_edges, 1)
    return spaces.Dict(padded)


def instance_key(problem: PlacementProblem) -> int:
    """Return a number in 0..2^62-1 that equal instances share: what tells a network that it has met a graph before."""
    return int(problem.instance.digest[:16], 16) >> 2


def pad_graph(graph: GraphInstance, prefix: str, target: Arrays) -> None:
    """Write one graph into zeroed arrays of the padded observation.

    Raises:
        ValueError: the graph is larger than the arrays.
    """
    _write(graph.nodes, target[f"{prefix}_features"], "nodes")
    target[f"num_{prefix}s"][:] = len(graph.nodes)
    if f"{prefix}_edge_links" in target:
        assert graph.edges is not None
        assert graph.edge_links is not None
        _write(graph.edges, target[f"{prefix}_edge_features"], "edges")
        _write(graph.edge_links, target[f"{prefix}_edge_links"], "edges")
        target[f"num_{prefix}_edges"][:] = len(graph.edges)


def _write(rows: NDArray, target: NDArray, what: str) -> None:
    if len(rows) > len(target):
        raise ValueError(f"a graph with {len(rows)} {what} does not fit {len(target)}: give PadGraph larger sizes")
    target[: len(rows)] = rows


class PadGraph(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
    """Observations as a Dict of Box of fixed shapes, which SB3 and RLlib can batch.

    Rows beyond the instance are zero; ``num_items``, ``num_item_edges``, ``num_resources`` (and
    ``num_resource_edges``, where resources are linked) say how many are real.
    ``instance_key`` is the same for equal instances, so that a network can encode each distinct graph of a batch once.

    Args:
        env: any placezoo environment.
        max_items: rows for items, default what the environment's instances need.
        max_edges: rows for directed item edges, likewise.
        max_resource_edges: rows for directed resource edges, likewise.

    Raises:
        ValueError: fewer rows than the instances need.

    Example:
        >>> import gymnasium as gym, placezoo
        >>> from placezoo.envs.wrappers import PadGraph
        >>> env = PadGraph(gym.make("GraphPartition-v0", instance="karate", num_parts=2))
        >>> observation, info = env.reset(seed=0)
        >>> observation["item_features"].shape
        (34, 10)
    """

    def __init__(
        self,
        env: gym.Env,
        max_items: int | None = None,
        max_edges: int | None = None,
        max_resource_edges: int | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, max_items=max_items, max_edges=max_edges, max_resource_edges=max_resource_edges
        )
        gym.ObservationWrapper.__init__(self, env)
        base: Any = env.unwrapped
        needed = (base.source.max_items, base.source.max_edges, base.source.max_resource_edges)
        sizes = [
            need if given is None else given
            for given, need in zip((max_items, max_edges, max_resource_edges), needed, strict=True)
        ]
        for name, size, need in zip(("max_items", "max_edges", "max_resource_edges"), sizes, needed, strict=True):
            if size < need:
                raise ValueError(f"{name}={size}, but this environment's instances need {need}")
        inner = env.observation_space
        assert isinstance(inner, spaces.Dict)
        self.observation_space = padded_space(
            base.feature_names, sizes[0], sizes[1], base.source.max_resources, sizes[2], dict(inner.spaces)
        )
        self._shapes = {name: (space.shape, space.dtype) for name, space in self.observation_space.spaces.items()}

    def observation(self, observation: dict[str, Any]) -> Arrays:
        """Return the padded observation."""
        padded: Arrays = {name: np.zeros(shape or (), dtype) for name, (shape, dtype) in self._shapes.items()}
        pad_graph(observation["items"], "item", padded)
        pad_graph(observation["resources"], "resource", padded)
        padded["assignment"][:] = -1
        padded["assignment"][: len(observation["assignment"])] = observation["assignment"]
        padded["current_item"][:] = observation["current_item"]
        padded["action_mask"][...] = observation["action_mask"]
        padded["instance_key"][:] = instance_key(self.env.unwrapped.problem)  # type: ignore[attr-defined]
        return padded
