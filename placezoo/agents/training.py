"""What all learners have in common: how far training is, and the scale of its costs."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from placezoo.agents.greedy import greedy_assignment
from placezoo.agents.repair import repair
from placezoo.envs.device_place import DevicePlaceProblem
from placezoo.envs.problem import PlacementProblem


@dataclass(frozen=True)
class TrainingStatus:
    """Where training stands; handed to the caller after each update.

    Attributes:
        timesteps: environment steps so far.
        seconds: wall time so far.
        relative_cost: mean cost of the episodes since the last update over greedy construction's, NaN if none ended.
        episodes: how many episodes have ended so far.
        done: the share of the timesteps or seconds that is over, at most 1.
    """

    timesteps: int
    seconds: float
    relative_cost: float
    episodes: int
    done: float


def share_done(timesteps: int, seconds: float, of_timesteps: int | None, of_seconds: float | None) -> float:
    """Return the share of training that is over, at most 1: by its steps or its seconds, whichever is further."""
    by_steps = timesteps / of_timesteps if of_timesteps else 0.0
    by_time = seconds / of_seconds if of_seconds else 0.0
    return min(1.0, max(by_steps, by_time))


def check_device(device: str, owner: str) -> None:
    """Raise ValueError, in one line, if torch cannot compute there."""
    try:
        torch.empty(1, device=None if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"{owner}: device {device!r} cannot be used ({str(error).splitlines()[0][:80]})") from None


@functools.lru_cache(maxsize=4096)
def mean_greedy_cost(problem: PlacementProblem) -> float:
    """Return the mean cost of 4 greedy constructions, or 1 where they are free of cost."""
    rng = np.random.default_rng(0)
    if isinstance(problem, DevicePlaceProblem):  # nothing is drawn, and single repairs take a simulation for each move
        return problem.evaluate(greedy_assignment(problem, rng)).total
    mean = float(np.mean([problem.evaluate(repair(problem, greedy_assignment(problem, rng))).total for _ in range(4)]))
    return mean if mean > 0 else 1.0
