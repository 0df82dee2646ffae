"""Searching with a learned improvement policy: what ``giph`` and ``placeto`` share."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from placezoo.agents.budget import Budget
from placezoo.agents.giph.episodes import ImprovementEpisodes, draw
from placezoo.agents.giph.selections import moves_of
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.networks.threads import single_thread
from placezoo.agents.search.search import Search
from placezoo.envs.edge.list_scheduling import heft_placement
from placezoo.envs.edge.problem import EdgePlaceProblem

STARTS = ("random", "heft", "instance")


def load_policy(checkpoint: str, agent: str) -> Checkpoint:
    """Return the policy in a folder, or the one of the agent that comes with the package.

    Raises:
        ValueError: it is damaged, or another agent's.
        FileNotFoundError: there is none.
    """
    folder = checkpoint_folder(checkpoint, agent)
    policy = Checkpoint.load(folder)
    selection = getattr(policy.network.config, "selection", None)
    if selection is None or (selection == "traversal") != (agent == "placeto"):
        raise ValueError(f"{agent}: {folder} holds another kind of policy ({policy.architecture})")
    return policy


def compile_search(policy: Checkpoint, problem: EdgePlaceProblem) -> None:
    """Check that a policy fits a problem, and compile what the search calls.

    Raises:
        ValueError: it does not.
    """
    policy.check_fits(problem)
    start = heft_placement(problem)[0]
    play(policy, Search(problem, Budget(evaluations=1), 0), [start], torch.Generator())


def search_with(policy: Checkpoint, search: Search[EdgePlaceProblem], start: str, batch: int) -> None:
    """Search until the budget is spent.

    The first episode, of twice as many moves as there are tasks, begins at ``start``; further ones are played side by
    side from the best placement so far. Every move is one evaluation.

    Args:
        policy: whose choices are drawn.
        search: of which problem, how long.
        start: one of ``STARTS``.
        batch: how many further episodes are played side by side.
    """
    problem = search.problem
    if start == "heft":
        assignment = heft_placement(problem)[0]
    elif start == "instance":
        if problem.instance.placement is None:
            raise ValueError(f"{problem.instance.name} comes without a placement to start from")
        assignment = np.array(problem.instance.placement)
    else:
        assignment = problem.initial_assignment(search.rng)
    search.evaluate(assignment)
    generator = torch.Generator().manual_seed(int(search.rng.integers(2**62)))
    with single_thread():
        play(policy, search, [assignment], generator)
        while not search.is_over:
            assert search.best is not None
            spent = search.evaluations
            play(policy, search, [search.best] * batch, generator)
            if search.evaluations == spent:  # no task has anywhere to go
                return


def play(
    policy: Checkpoint, search: Search[EdgePlaceProblem], starts: list[NDArray[np.int64]], generator: torch.Generator
) -> None:
    """Play episodes side by side until they end or the budget does."""
    problem = search.problem
    episodes = ImprovementEpisodes([problem] * len(starts), starts, moves_of(policy.network.config.selection))
    best = episodes.best.min()
    while (active := episodes.active).size and not search.is_over:
        active = active[: search.evaluations_left(active.size)]
        with torch.no_grad():
            chosen = draw(policy.network(episodes.observe(active)), generator).numpy()
        if (chosen < 0).all():
            return
        episodes.step(active, chosen)
        search.evaluations += active.size
        if episodes.best.min() < best:
            best = episodes.best.min()
            search.record(episodes.best_assignments[int(episodes.best.argmin())])
