"""What an assignment costs: compiled kernels and the small classes that hold their arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placezoo.cost_models.cost import Cost
from placezoo.cost_models.makespan import Makespan
from placezoo.cost_models.partition import PartitionCost
from placezoo.cost_models.pipeline import PipelineInterval
from placezoo.cost_models.proxy import ProxyCost
from placezoo.cost_models.step_time import StepTime

if TYPE_CHECKING:
    from placezoo.cost_models.differentiable_proxy import DifferentiableProxyCost

__all__ = ["Cost", "DifferentiableProxyCost", "Makespan", "PartitionCost", "PipelineInterval", "ProxyCost", "StepTime"]


def __getattr__(name: str) -> Any:
    if name == "DifferentiableProxyCost":  # torch is an extra, and takes a second to import
        try:
            from placezoo.cost_models.differentiable_proxy import DifferentiableProxyCost
        except ModuleNotFoundError as error:
            raise ImportError(f"{name} needs {error.name}: pip install 'placezoo[agents]'") from None
        return DifferentiableProxyCost
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
