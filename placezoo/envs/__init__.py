"""Gymnasium environments: the problem interface, three formulations, observations, wrappers."""

from placezoo.envs.construct import ConstructEnv
from placezoo.envs.improve import ImproveEnv
from placezoo.envs.one_shot import OneShotEnv
from placezoo.envs.problem import Kernel, PlacementProblem, StepKernel
from placezoo.envs.registration import make_problem
from placezoo.envs.vector import PlacementVectorEnv

__all__ = [
    "ConstructEnv",
    "ImproveEnv",
    "Kernel",
    "OneShotEnv",
    "PlacementProblem",
    "PlacementVectorEnv",
    "StepKernel",
    "make_problem",
]
