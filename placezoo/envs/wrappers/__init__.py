"""Wrappers: one idea each."""

from placezoo.envs.chip.canvas_image import CanvasImage
from placezoo.envs.edge.gp_net_wrapper import GpNet
from placezoo.envs.wrappers.flatten_graph import FlattenGraph
from placezoo.envs.wrappers.pack_graphs import PackedObservation, PackedSpace, PackGraphs
from placezoo.envs.wrappers.pad_graph import PadGraph
from placezoo.envs.wrappers.relative_reward import RelativeReward
from placezoo.envs.wrappers.time_limit_budget import TimeLimitBudget

__all__ = [
    "CanvasImage", "FlattenGraph", "GpNet", "PackGraphs", "PackedObservation", "PackedSpace", "PadGraph",
    "RelativeReward", "TimeLimitBudget",
]  # fmt: skip
