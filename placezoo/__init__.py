"""Environments and agents for problems that map the nodes of a graph onto limited resources.

Importing registers the Gymnasium ids.

    >>> import placezoo
    >>> problem = placezoo.make_problem("GraphPartition-v0", instance="karate", num_parts=2)
    >>> solution = placezoo.make_agent("fm").solve(problem, budget=placezoo.Budget(evaluations=20), seed=0)
    >>> solution.cost.feasible
    True
"""

import importlib
from typing import Any

from placezoo import cost_models, datasets
from placezoo.agents import Agent, Budget, Solution, make_agent, register_agent
from placezoo.cost_models import Cost
from placezoo.envs.checking import check_problem
from placezoo.envs.registration import make_problem, register_entry_points, register_problem

__all__ = [
    "Agent", "Budget", "Cost", "Solution", "check_problem", "cost_models", "datasets", "leaderboard", "make_agent",
    "make_problem", "register_agent", "register_problem",
]  # fmt: skip

register_entry_points()


def __getattr__(name: str) -> Any:
    """Return ``placezoo.leaderboard``, imported when it is first asked for: environments do not need it."""
    if name == "leaderboard":
        return importlib.import_module("placezoo.leaderboard")
    raise AttributeError(f"module 'placezoo' has no attribute {name!r}")
