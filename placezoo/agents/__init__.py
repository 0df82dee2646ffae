"""Whatever produces assignments: search, solvers, networks and their learners."""

from placezoo.agents.agent import Agent
from placezoo.agents.budget import Budget
from placezoo.agents.registry import AGENTS, make_agent, register_agent
from placezoo.agents.solution import Solution

__all__ = ["AGENTS", "Agent", "Budget", "Solution", "make_agent", "register_agent"]
