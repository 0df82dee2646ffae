"""``GpNet``: the graph of (task, device) pairs that GiPH reads, as an observation."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces import GraphInstance
from numpy.typing import NDArray

from placezoo.envs.actions import OUTSIDE, read_actions
from placezoo.envs.edge.gp_net import EDGE_FEATURES, NODE_FEATURES, GpNetArrays, GpNetBuilder
from placezoo.envs.edge.problem import EdgePlaceProblem


class GpNet(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """Observations of ``EdgePlace-v0`` (``improve``) as gpNets.

    The observation is a Dict of ``graph`` (nodes are pairs: ``gp_net.NODE_FEATURES``, edges: ``gp_net.EDGE_FEATURES``,
    all in [-1, 1]), and, filled up with -1 to the most pairs there can be: ``task`` and ``device`` of each pair,
    ``depth`` of its task, ``pivot`` (1 where the task is on the device), ``selectable`` (1 where the pair may be
    chosen: no pivots, not the task moved last), ``action`` (which action chooses it); and the environment's
    ``action_mask``. Actions stay those of the environment.

    Args:
        env: ``EdgePlace-v0`` in the formulation ``improve``.

    Raises:
        ValueError: another environment.

    Source: Hu et al. 2023 (GiPH), section 4.1.

    Example:
        >>> import gymnasium as gym, placezoo
        >>> from placezoo.envs.wrappers import GpNet
        >>> env = GpNet(gym.make("EdgePlace-v0", instance="giph/train/0"))
        >>> observation, info = env.reset(seed=0)
        >>> len(observation["graph"].nodes) == int((observation["task"] >= 0).sum())
        True
    """

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        base: Any = env.unwrapped
        if not isinstance(base.problem, EdgePlaceProblem) or base.formulation != "improve":
            raise ValueError("GpNet wraps EdgePlace-v0 in the formulation improve")
        most = base.source.max_items * base.source.max_resources
        self._base = base
        self._builder: GpNetBuilder | None = None
        self._problem: Any = None
        self._last_moved = -1

        def column(high: int) -> spaces.Box:
            return spaces.Box(-1, high, (most,), np.int64)

        inner = env.observation_space
        assert isinstance(inner, spaces.Dict)
        self.observation_space = spaces.Dict(
            graph=spaces.Graph(
                spaces.Box(-1.0, 1.0, (len(NODE_FEATURES),), np.float32),
                spaces.Box(-1.0, 1.0, (len(EDGE_FEATURES),), np.float32),
            ),
            task=column(base.source.max_items - 1),
            device=column(base.source.max_resources - 1),
            depth=column(base.source.max_items - 1),
            pivot=column(1),
            selectable=column(1),
            action=column(most - 1),
            action_mask=inner["action_mask"],
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode; as the environment's."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._problem = self._base.problem
        self._builder = GpNetBuilder(self._problem)
        self._last_moved = -1
        return self._observe(observation), info

    def step(self, action: Any) -> tuple[dict[str, Any], Any, bool, bool, dict[str, Any]]:
        """Carry an action out; as the environment's."""
        assert self._builder is not None
        chosen = int(read_actions(action, self._base.action_space))
        valid = chosen != OUTSIDE and bool(self._base.action_masks()[chosen])
        observation, reward, terminated, truncated, info = self.env.step(action)
        if valid:
            self._last_moved = self._base.decode_action(chosen)[0]
            self._builder.update(self._base._state())
        if self._base.problem is not self._problem:
            self._problem = self._base.problem
            self._builder.follow(self._problem)
        return self._observe(observation), reward, terminated, truncated, info

    def _observe(self, observation: dict[str, Any]) -> dict[str, Any]:
        assert self._builder is not None
        arrays = self._builder.build(self._base._state())
        tasks, devices = arrays.pairs.T
        actions = tasks * self._base.source.max_resources + devices
        mask = observation["action_mask"][actions].astype(bool)
        others = mask & (tasks != self._last_moved)

        def column(values: NDArray) -> NDArray[np.int64]:
            filled = np.full(self.observation_space["task"].shape, -1, np.int64)  # type: ignore[index]
            filled[: values.size] = values
            return filled

        return {
            "graph": GraphInstance(nodes=arrays.nodes, edges=arrays.edges, edge_links=arrays.links),
            "task": column(tasks),
            "device": column(devices),
            "depth": column(arrays.depth),
            "pivot": column(arrays.pivots),
            "selectable": column(others if others.any() else mask),
            "action": column(actions),
            "action_mask": observation["action_mask"],
        }


def arrays_of(observation: dict[str, Any]) -> tuple[GpNetArrays, NDArray[np.bool_], NDArray[np.int64]]:
    """Return an observation's gpNet; which pairs may be chosen, bool [P]; and the action of each, int64 [P]."""
    graph: GraphInstance = observation["graph"]
    count = len(graph.nodes)
    columns = {name: observation[name][:count] for name in ("task", "device", "depth", "pivot", "selectable")}
    assert graph.edges is not None
    assert graph.edge_links is not None
    pairs = np.stack([columns["task"], columns["device"]], axis=1)
    arrays = GpNetArrays(pairs, columns["pivot"] == 1, graph.nodes, graph.edge_links, graph.edges, columns["depth"])
    return arrays, columns["selectable"] == 1, observation["action"][:count]
