"""Every network that checkpoints hold, by name."""

from __future__ import annotations

import importlib
from typing import Any

from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.problem import PlacementProblem

# The class of each architecture's sizes, and what makes a fresh network of them: ``module:name`` on this floor.
ARCHITECTURES = {
    "policy": ("networks.policy_network:NetworkConfig", "networks.heads:make_network"),
    "gap": ("gap.network:GapConfig", "gap.network:GapNetwork"),
    "gp-net": ("giph.network:GpNetConfig", "giph.network:GpNetNetwork"),
    "move-score": ("guided_search.network:MoveScoreConfig", "guided_search.network:MoveScoreNetwork"),
    "one-shot": ("one_shot.network:OneShotConfig", "one_shot.network:OneShotNetwork"),
    "placeto": ("giph.network:GpNetConfig", "giph.placeto_network:PlacetoNetwork"),
}


def rebuild_network(architecture: str, config: dict[str, Any]) -> Any:
    """Return a fresh network.

    Raises:
        ValueError: no such architecture, or a value in the config is out of range.
        TypeError: the config has other fields.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(unknown_name("architecture", architecture, ARCHITECTURES))
    sizes, make = (_find(location) for location in ARCHITECTURES[architecture])
    return make(sizes(**config))


def _find(location: str) -> Any:
    module, _, name = location.partition(":")
    return getattr(importlib.import_module(f"placezoo.agents.{module}"), name)


def feature_record(problem: PlacementProblem, network: Any = None) -> dict[str, list[str]]:
    """Return the names of the features that a network reads of a problem, as JSON values.

    They are the problem's own, unless the network says that it always reads the same (``reads``), or only those of
    moves (``reads_moves``).
    """
    if getattr(network, "reads_moves", False):
        return {"moves": list(problem.candidates.names if problem.candidates else ())}
    names = getattr(network, "reads", None) or problem.feature_names.__dict__
    return {kind: list(columns) for kind, columns in names.items() if columns or kind != "pairs"}
