"""What an assignment costs: compiled kernels and the small classes that hold their arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placezoo.cost_models.accel.systolic import SystolicArray
from placezoo.cost_models.assignment import check_assignment
from placezoo.cost_models.chip.proxy_cost import ProxyCost
from placezoo.cost_models.cost import Cost
from placezoo.cost_models.device.step_time import StepTime
from placezoo.cost_models.edge.makespan import Makespan
from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval
from placezoo.cost_models.partition.cost import PartitionCost
from placezoo.cost_models.partition.hypergraph_cost import HypergraphCost

if TYPE_CHECKING:
    from placezoo.cost_models.chip.differentiable_proxy_cost import DifferentiableProxyCost

__all__ = [
    "Cost", "DifferentiableProxyCost", "HypergraphCost", "Makespan", "PartitionCost", "PipelineInterval", "ProxyCost",
    "StepTime", "SystolicArray", "check_assignment",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "DifferentiableProxyCost":  # torch is an extra, and takes a second to import
        try:
            from placezoo.cost_models.chip.differentiable_proxy_cost import DifferentiableProxyCost
        except ModuleNotFoundError as error:
            raise ImportError(f"{name} needs {error.name}: pip install 'placezoo[agents]'") from None
        return DifferentiableProxyCost
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
