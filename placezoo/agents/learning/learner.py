"""What all learners have in common: construction, the loop of updates, and the scale of costs."""

from __future__ import annotations

import copy
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo import jit
from placezoo.agents.learning.training_state import NETWORK, Progress, moment_tensors, moments_of
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.agents.search.repair import repair
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.source import ProblemSource
from placezoo.envs.vector import FORMULATIONS


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


class Batch(NamedTuple):
    """What one update of a learner was made with."""

    timesteps: int
    episodes: int
    relative_cost: float


class UpdateLearner(ABC):
    """A learner that trains by updates: what they make is counted, and the learning rate falls to a tenth.

    A subclass makes its network in ``_make``, when torch has been seeded, and ``adopt``s it.

    Args:
        source: where problems come from.
        formulation: default the first that it can learn in.
        config: hyperparameters, of ``config_class``.
        seed: of networks, problems and actions.
        device: ``cpu`` or ``cuda``.
        start: a policy to go on from; it decides the network's sizes.
        options: what else the learner takes.

    Class attributes:
        agent: whose policies it trains.
        config_class: of its hyperparameters; they have the ``learning_rate`` at the start.
        formulations: those that it can learn in.
        env_ids: the environments that it is for, default all.

    Attributes:
        network: being trained.
        optimizer: whose learning rate is set.
        best: the cost and assignment of the best feasible episode, where the source is one problem that stays as it is;
            else None.
        metrics: what else the last update measured, by name.

    Raises:
        ValueError: it cannot learn the problem, in this formulation, there or from this start.
    """

    agent: ClassVar[str]
    config_class: ClassVar[Any]
    formulations: ClassVar[tuple[str, ...]] = tuple(FORMULATIONS)
    env_ids: ClassVar[tuple[str, ...]] = ()

    network: Any
    optimizer: torch.optim.Optimizer

    def __init__(
        self,
        source: ProblemSource,
        formulation: str | None = None,
        config: Any = None,
        seed: int = 0,
        device: str = "cpu",
        start: Checkpoint | None = None,
        **options: Any,
    ) -> None:
        check_device(device, self.agent)
        env_id = source.problem_class.env_id
        if self.env_ids and env_id not in self.env_ids:
            raise ValueError(f"{self.agent} learns {' and '.join(self.env_ids)}, not {env_id}")
        self.formulation = formulation or self.formulations[0]
        if self.formulation not in FORMULATIONS:
            raise ValueError(unknown_name("formulation", self.formulation, FORMULATIONS))
        if self.formulation not in self.formulations:
            raise ValueError(f"{self.agent} has no formulation {formulation!r}, only {', '.join(self.formulations)}")
        self.source, self.config, self.device = source, config or self.config_class(), device
        self.best: tuple[float, NDArray[np.int64]] | None = None
        self.metrics: dict[str, float] = {}
        if start is not None:
            self._check_start(start)
        torch.manual_seed(seed)
        self.seed, self._rng = seed, np.random.default_rng(seed)
        self._make(start, **options)

    @abstractmethod
    def _make(self, *args: Any, **options: Any) -> None:
        """Make what is trained, and what else training needs: (start, options)."""

    def _check_start(self, start: Checkpoint) -> None:
        """Check that training can go on from a policy."""
        start.check_fits(self.source.first())
        start.check_goes_on(self.formulation)

    def adopt(self, network: Any, start: Checkpoint | None = None, **adam: Any) -> None:
        """Train a network, from the weights of a policy of the same kind if there is one; ``adam`` as torch takes it.

        Raises:
            ValueError: the policy is of another kind.
        """
        if start is not None:
            if type(start.network) is not type(network):
                raise ValueError(f"this checkpoint holds another kind of policy: {start.architecture}")
            network.load_state_dict(start.network.state_dict())
        self.network = network.to(self.device)
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(learning, lr=self.config.learning_rate, **adam)

    @property
    def parts(self) -> Sequence[UpdateLearner]:
        """The learners that have a policy each: this one, unless it trains several."""
        return [self]

    @abstractmethod
    def update(self, done: float, room: int | None = None) -> Batch:
        """Update the policy once.

        Args:
            done: the share of the training that is over.
            room: how many timesteps are left, None for any number.
        """

    def checkpoint(self, **training: Any) -> Checkpoint:
        """Return a copy of the policy as it is now, on the CPU; ``training`` says how it was trained."""
        network = copy.deepcopy(self.network).cpu().eval()
        return Checkpoint.of(network, self.source.first(), self.formulation, training)

    def state(self) -> dict[str, Tensor]:
        """Return weights and the optimiser's moments, to go on from later."""
        weights = {f"{NETWORK}{name}": value for name, value in self.network.state_dict().items()}
        return {**weights, **moment_tensors(self.optimizer.state_dict()["state"])}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what ``state`` returned.

        Raises:
            ValueError: it is of another network.
        """
        weights = {name.removeprefix(NETWORK): tensors[name] for name in tensors if name.startswith(NETWORK)}
        try:
            self.network.load_state_dict(weights)
            self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments_of(tensors)})
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"the training state is of another network ({str(error).splitlines()[0]})") from None

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Give back what the learner holds outside of this process."""

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
            seconds: wall time, None for no limit; what kernels take to compile, once, does not count.
            on_update: called after each update.
            begun: what had been done before, when a run that goes on was broken off; it counts.

        Raises:
            ValueError: neither limit is given.
        """
        if timesteps is None and seconds is None:
            raise ValueError("training needs timesteps, seconds or both")
        made, ended, before = begun or Progress()
        started = jit.working_seconds() - before
        done = share_done(made, before, timesteps, seconds)
        while True:
            self.set_learning_rate(done)
            batch = self.update(done, None if timesteps is None else timesteps - made)
            made, ended = made + batch.timesteps, ended + batch.episodes
            spent = jit.working_seconds() - started
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
    with problem.tally.paused():  # the scale of rewards, and no candidates
        if not problem.cheap_moves:
            return problem.evaluate(problem.greedy(rng)).total
        mean = float(np.mean([problem.evaluate(repair(problem, problem.greedy(rng))).total for _ in range(4)]))
    return mean if mean > 0 else 1.0
