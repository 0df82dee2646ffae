"""What all learners have in common: how far training is, and the scale of its costs."""

from __future__ import annotations

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from placezoo.agents.search.repair import repair
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


class Progress(NamedTuple):
    """What had been done when a run that goes on was broken off."""

    timesteps: int = 0
    episodes: int = 0
    seconds: float = 0.0


class Batch(NamedTuple):
    """What one update of a learner was made with."""

    timesteps: int
    episodes: int
    relative_cost: float


class UpdateLearner(ABC):
    """A learner that trains by updates: what they make is counted, and the learning rate falls to a tenth.

    Attributes:
        config: has the ``learning_rate`` at the start.
        optimizer: whose learning rate is set.
    """

    config: Any
    optimizer: torch.optim.Optimizer

    @abstractmethod
    def update(self, done: float, room: int | None = None) -> Batch:
        """Update the policy once.

        Args:
            done: the share of the training that is over.
            room: how many timesteps are left, None for any number.
        """

    def set_learning_rate(self, done: float) -> None:
        """Set the learning rate for a share of the training that is over."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (1.0 - 0.9 * done)

    def learn(
        self,
        timesteps: int | None = None,
        seconds: float | None = None,
        on_update: Callable[[TrainingStatus], None] | None = None,
        begun: Progress | None = None,
    ) -> TrainingStatus:
        """Train until so many timesteps are made or so many seconds are over.

        Args:
            timesteps: whatever the learner counts, environment steps if nothing else; None for no limit.
            seconds: wall time, None for no limit.
            on_update: called after each update.
            begun: what had been done before, when a run that goes on was broken off; it counts.

        Raises:
            ValueError: neither limit is given.
        """
        if timesteps is None and seconds is None:
            raise ValueError("training needs timesteps, seconds or both")
        made, ended, before = begun or Progress()
        started = time.perf_counter() - before
        done = share_done(made, before, timesteps, seconds)
        while True:
            self.set_learning_rate(done)
            batch = self.update(done, None if timesteps is None else timesteps - made)
            made, ended = made + batch.timesteps, ended + batch.episodes
            spent = time.perf_counter() - started
            done = share_done(made, spent, timesteps, seconds)
            status = TrainingStatus(made, spent, batch.relative_cost, ended, done)
            if on_update is not None:
                on_update(status)
            if done >= 1.0:
                return status


def check_device(device: str, owner: str) -> None:
    """Raise ValueError, in one line, if torch cannot compute there."""
    try:
        torch.empty(1, device=None if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"{owner}: device {device!r} cannot be used ({str(error).splitlines()[0][:80]})") from None


@functools.lru_cache(maxsize=4096)
def mean_greedy_cost(problem: PlacementProblem) -> float:
    """Return the mean cost of 4 greedy constructions (one where moves are dear), or 1 where they are free of cost."""
    rng = np.random.default_rng(0)
    if not problem.cheap_moves:
        return problem.evaluate(problem.greedy(rng)).total
    mean = float(np.mean([problem.evaluate(repair(problem, problem.greedy(rng))).total for _ in range(4)]))
    return mean if mean > 0 else 1.0
