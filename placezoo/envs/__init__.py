"""Gymnasium environments: the problem interface, three formulations, observations, wrappers.

This is where the domains are put together: nothing else on this floor knows which there are.
"""

from placezoo.envs.accel.problem import AccelSearchProblem
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.envs.construct import ConstructEnv
from placezoo.envs.device.problem import DevicePlaceProblem
from placezoo.envs.edge.problem import EdgePlaceProblem
from placezoo.envs.improve import ImproveEnv
from placezoo.envs.mcm.problem import MCMPartitionProblem
from placezoo.envs.one_shot import OneShotEnv
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.envs.problem import FeatureNames, FeatureRoles, Kernel, PlacementProblem, StepKernel
from placezoo.envs.registration import make_problem, register_problem
from placezoo.envs.vector import PlacementVectorEnv

__all__ = [
    "ConstructEnv",
    "FeatureNames",
    "FeatureRoles",
    "ImproveEnv",
    "Kernel",
    "OneShotEnv",
    "PlacementProblem",
    "PlacementVectorEnv",
    "StepKernel",
    "make_problem",
    "register_problem",
]

for _problem in (
    AccelSearchProblem, ChipPlaceProblem, DevicePlaceProblem, EdgePlaceProblem, GraphPartitionProblem,
    MCMPartitionProblem,
):  # fmt: skip
    register_problem(_problem)
