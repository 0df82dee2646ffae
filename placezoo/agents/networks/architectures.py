"""Every network that checkpoints hold, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from placezoo.agents.gap.network import GapConfig, GapNetwork
from placezoo.agents.giph.network import GpNetConfig, GpNetNetwork
from placezoo.agents.giph.placeto_network import PlacetoNetwork
from placezoo.agents.networks.heads import make_network
from placezoo.agents.networks.policy_network import NetworkConfig
from placezoo.agents.one_shot.network import OneShotConfig, OneShotNetwork
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.edge.gp_net import EDGE_FEATURES, NODE_FEATURES
from placezoo.envs.problem import PlacementProblem

ARCHITECTURES: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "policy": lambda config: make_network(NetworkConfig(**config)),
    GapNetwork.architecture: lambda config: GapNetwork(GapConfig(**config)),
    GpNetNetwork.architecture: lambda config: GpNetNetwork(GpNetConfig(**config)),
    OneShotNetwork.architecture: lambda config: OneShotNetwork(OneShotConfig(**config)),
    PlacetoNetwork.architecture: lambda config: PlacetoNetwork(GpNetConfig(**config)),
}


def rebuild_network(architecture: str, config: dict[str, Any]) -> Any:
    """Return a fresh network.

    Raises:
        ValueError: no such architecture, or a value in the config is out of range.
        TypeError: the config has other fields.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(unknown_name("architecture", architecture, ARCHITECTURES))
    return ARCHITECTURES[architecture](config)


def feature_record(problem: PlacementProblem, architecture: str = "policy") -> dict[str, list[str]]:
    """Return the names of the features that an architecture reads of a problem, as JSON values."""
    if architecture in ("policy", OneShotNetwork.architecture):
        return {kind: list(names) for kind, names in problem.feature_names.__dict__.items()}
    if architecture == GapNetwork.architecture:
        return {"nodes": ["landmark_distances", "weighted_degree", "weight"]}
    return {"nodes": list(NODE_FEATURES), "edges": list(EDGE_FEATURES)}
