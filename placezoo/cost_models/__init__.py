"""What an assignment costs: compiled kernels and the small classes that hold their arrays."""

from placezoo.cost_models.cost import Cost
from placezoo.cost_models.partition import PartitionCost
from placezoo.cost_models.proxy import ProxyCost

__all__ = ["Cost", "PartitionCost", "ProxyCost"]
