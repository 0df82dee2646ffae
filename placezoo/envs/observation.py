"""What an agent sees: the same graph observation for every problem and formulation."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import GraphInstance
from numpy.typing import NDArray

from placezoo.envs.problem import FeatureNames, PlacementProblem

UNPLACED = -1


def observation_space(
    names: FeatureNames, max_items: int, max_resources: int, mask_shape: tuple[int, ...]
) -> spaces.Dict:
    """Return the space of observations.

    ``items`` and ``resources`` are graphs with features in [-1, 1]; ``assignment`` holds each item's resource or -1
    and is filled up with -1 to ``max_items``; ``current_item`` is the item to place, or -1; ``action_mask`` is 1 where
    an action is allowed. The features of ``resources`` are their own, then those of the pairs of each with the current
    item, where a domain has some (``FeatureNames.pairs``).
    """
    return spaces.Dict(
        items=_graph_space(len(names.items), len(names.item_edges)),
        resources=_graph_space(len(names.resource_columns), len(names.resource_edges)),
        assignment=spaces.Box(UNPLACED, max_resources - 1, (max_items,), np.int64),
        current_item=spaces.Discrete(max_items + 1, start=UNPLACED),
        action_mask=spaces.MultiBinary(mask_shape if len(mask_shape) > 1 else mask_shape[0]),
    )


def _graph_space(node_features: int, edge_features: int) -> spaces.Graph:
    return spaces.Graph(
        spaces.Box(-1.0, 1.0, (node_features,), np.float32), spaces.Box(-1.0, 1.0, (edge_features,), np.float32)
    )


def resource_graph(problem: PlacementProblem, features: NDArray[np.float32]) -> GraphInstance:
    """Return the resources as a graph with the features of this step: float32 [num_resources, F]."""
    links, edge_features = problem.resource_edges
    return GraphInstance(nodes=features, edges=edge_features, edge_links=links)


def cost_info(problem: PlacementProblem, values: NDArray[np.float64]) -> dict[str, Any]:
    """Return what ``StepKernel.observe`` wrote as the part of ``info`` that holds the cost."""
    total, feasible, *terms = values.tolist()
    return {"cost": {"total": total, **dict(zip(problem.term_names, terms, strict=True))}, "feasible": bool(feasible)}
