"""Leaderboards: suites of problems, agents under equal budgets, verified solutions, and how they compare."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from placezoo.agents.agent import Agent
from placezoo.agents.registry import AGENTS
from placezoo.experiments.leaderboard.best_known import BestKnown
from placezoo.experiments.leaderboard.board import Leaderboard
from placezoo.experiments.leaderboard.runs import Row
from placezoo.experiments.leaderboard.scores import overall, performance_profile, standings, win_matrix, with_gaps
from placezoo.experiments.leaderboard.suite import Suite, SuiteAgent, load_suite, suite_names
from placezoo.experiments.leaderboard.tables import to_latex, to_markdown, to_pandas

__all__ = [
    "BestKnown", "Leaderboard", "Row", "Suite", "load_suite", "overall", "performance_profile", "run", "standings",
    "suite_names", "to_latex", "to_markdown", "to_pandas", "win_matrix", "with_gaps",
]  # fmt: skip


def run(
    suite: str | Suite,
    agents: Sequence[str | Agent] | None = None,
    *,
    out: str | Path | None = None,
    jobs: int = 0,
) -> Iterator[Row]:
    """Run a suite and yield a row for each run when it is done; every solution is scored again from its instance.

    Args:
        suite: its name (``quick``, ``standard/edge``), the path of a TOML file, or a suite.
        agents: instead of the suite's: labels of the suite's agents, names from the zoo, ``module:Class`` of any
            installed package, or agents with their hyperparameters.
        out: the folder for solutions, where a later call continues; None for a temporary one, gone at the end.
        jobs: how many processes run side by side, each with one thread; 0 for none: in this process. An agent whose
            class is in a script or notebook runs in this process only.

    Raises:
        ValueError: the suite or an agent does not exist, or two agents have one label.
        OSError: an instance cannot be had, or the folder cannot be written.
    """
    chosen = load_suite(suite) if isinstance(suite, str) else suite
    if agents is not None:
        chosen = chosen.with_agents(tuple(entry for agent in agents for entry in entries(chosen, agent)), alone=True)
    if out is not None:
        yield from _run(chosen, Path(out), jobs)
        return
    with tempfile.TemporaryDirectory(prefix="placezoo-") as folder:
        yield from _run(chosen, Path(folder), jobs)


def _run(suite: Suite, folder: Path, jobs: int) -> Iterator[Row]:
    board = Leaderboard(suite, folder)
    if board.needs_training:
        board.train()
    yield from board.run(jobs)


def entries(suite: Suite, agent: str | Agent) -> list[SuiteAgent]:
    """Return what a suite lists for an agent: its own entries of that label, or a new one."""
    if isinstance(agent, Agent):
        cls = type(agent)
        known = agent.name in AGENTS and AGENTS[agent.name].location.endswith(f":{cls.__name__}")
        location = agent.name if known else f"{cls.__module__}:{cls.__qualname__}"
        return [SuiteAgent(location, asdict(agent), label=agent.name, prototype=agent)]
    return [entry for entry in suite.agents if entry.label == agent] or [SuiteAgent(agent)]
