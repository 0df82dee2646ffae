"""The command that draws: ``placezoo render``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from placezoo.agents.budget import Budget
from placezoo.agents.registry import make_agent
from placezoo.agents.solution import Solution
from placezoo.datasets.files import write_atomically
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.rendering import check_picture, film
from placezoo.experiments.evaluate import claimed_problem
from placezoo.experiments.progress import console

Panel = Annotated[int | None, typer.Option(help="Draw this panel alone, from 1; default all, side by side.")]


def render(
    solution: Annotated[Path, typer.Argument(metavar="SOLUTION.json")],
    out: Annotated[
        Path | None, typer.Option(help="The picture: .png, .svg or .gif; default SOLUTION.png beside the solution.")
    ] = None,
    panel: Panel = None,
    search: Annotated[
        bool, typer.Option("--search", help="A .gif of the search, run again, instead of the construction.")
    ] = False,
    instance: Annotated[
        str | None, typer.Option(help="The instance, where the solution names one that lies elsewhere.")
    ] = None,
) -> None:
    """Draw a solution: a picture, or a GIF of its construction or its search."""
    path = out or solution.with_name(f"{solution.name.removesuffix('.gz').removesuffix('.json')}.png")
    check_picture(path)
    found = Solution.load(solution)
    problem = claimed_problem(found, solution, instance)
    if search:
        if path.suffix.lower() != ".gif":
            raise ValueError(f"{path}: a search is drawn as .gif")
        write_atomically(path, film(problem, search_stages(found, problem)))
    else:
        found.render(path, problem, panel)
    console.print(f"written: {path}")


def search_stages(solution: Solution, problem: PlacementProblem) -> list[Any]:
    """Return the assignments that a solution's agent finds on the way, each better than the one before.

    The agent runs again, with the same settings, seed and budget. Under a budget of evaluations that is the same
    search; under one of seconds, one like it.

    Raises:
        ValueError: the agent is not known here.
    """
    stages: list[Any] = []

    def keep(search: Any) -> None:
        if search.best is not None:
            stages.append(search.best.copy())

    agent = make_agent(solution.agent, **solution.hyperparameters)
    agent.solve(problem, Budget(**solution.budget), solution.seed, keep)
    return stages
