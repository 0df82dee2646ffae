"""``gdp`` and ``go``: graph networks with a transformer that place a whole graph at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.learning.learner import TrainingStatus
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.networks.threads import single_thread
from placezoo.agents.one_shot.learner import GDPConfig, GOConfig, OneShotLearner, OneShotPPOConfig
from placezoo.agents.one_shot.network import OneShotNetwork
from placezoo.agents.search.search import Search
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.source import ProblemSource
from placezoo.parameters import above, between

_BATCH = 16  # assignments drawn at once without fine-tuning


@dataclass(frozen=True)
class GDP(Agent):
    """GDP (Zhou et al. 2019): GraphSAGE, a segment-recurrent transformer, and the whole placement in one answer.

    The first assignment takes the likeliest resource of every item, legalised where the domain knows how. What the
    budget leaves goes into training the policy further on the very problem, every assignment drawn being an evaluation,
    or into mere draws. Without a checkpoint a fresh network is trained (the paper's GDP-one).

    Args:
        checkpoint: the folder that ``placezoo train`` wrote, ``pretrained`` for the policy that comes with the package
            (of ``gdp`` and ``go``, for DevicePlace-v0 on eight devices), or None.
        finetune: train further on the problem; else only draw.
        temperature: of the checkpoint's policy when it is trained further: above 1 it draws less surely than it was
            trained to, and so finds out more.
        windows: share of the assignments that are drawn in a window of the problem's order only (``GDPConfig``).
    """

    name = "gdp"
    config_class: ClassVar[type[GDPConfig]] = GDPConfig

    checkpoint: str | None = None
    finetune: bool = True
    temperature: Annotated[float, above(0)] = 2.0
    windows: Annotated[float, between(0, 1)] = 0.75

    @cached_property
    def policy(self) -> Checkpoint | None:
        """The checkpoint's content, None where there is none.

        Raises:
            ValueError: it is damaged or holds another kind of policy.
            FileNotFoundError: the folder is not there.
        """
        if self.checkpoint is None:
            return None
        policy = Checkpoint.load(checkpoint_folder(self.checkpoint, self.name))
        if not isinstance(policy.network, OneShotNetwork):
            raise ValueError(f"{self.name}: {self.checkpoint} holds another kind of policy ({policy.architecture})")
        return policy

    def presented(self, problem: PlacementProblem) -> PlacementProblem:
        """Return the problem as the checkpoint was trained to see it."""
        return problem if self.policy is None else self.policy.as_trained(problem)

    def prepare(self, problem: PlacementProblem) -> None:
        """Load the checkpoint, check that it fits, run the network once."""
        learner = self._learner(problem, 0)
        with torch.no_grad():
            learner.network(learner.graph(problem))

    def _learner(self, problem: PlacementProblem, seed: int) -> OneShotLearner:
        return OneShotLearner(
            ProblemSource.of(problem), config=self.config_class(windows=self.windows), seed=seed, start=self.policy
        )

    def act(self, observation: dict[str, Any]) -> NDArray[np.int64]:
        """Refuse: the network reads a problem, not an observation."""
        raise ValueError(f"{self.name} answers for whole problems: solve(problem)")

    def _search(self, search: Search) -> None:
        problem = search.problem
        learner = self._learner(problem, int(search.rng.integers(2**31)))
        with single_thread():
            if self.policy is not None or learner.network.config.row >= 0:  # a fresh one knows nothing but a row
                search.evaluate(problem.legalize(self._likeliest(learner, problem)))
                if search.is_over:
                    return
            if self.finetune or self.policy is None:
                self._train(learner, search)
            else:
                self._draw(learner, search)

    def _likeliest(self, learner: OneShotLearner, problem: PlacementProblem) -> NDArray[np.int64]:
        """Return the likeliest assignment, refined as often as in training."""
        graph, last = learner.graph(problem), None
        with torch.no_grad():
            for _ in range(1 + learner.config.refinements):
                last = learner.network(graph, last).argmax(1)
        assert last is not None
        return last.numpy()

    def _train(self, learner: OneShotLearner, search: Search) -> None:
        if self.policy is not None:
            learner.soften(self.temperature)
        if search.best is not None:
            learner.offer(search.best)
        spent = search.evaluations
        budget = search.budget
        seconds = None if budget.seconds is None else max(0.01, budget.seconds - search.seconds)
        timesteps = None if budget.evaluations is None else budget.evaluations - spent

        def on_update(status: TrainingStatus) -> None:
            search.evaluations = spent + status.timesteps
            assert learner.best is not None
            if search.best_cost is None or learner.best[0] < search.best_cost.total:
                search.record(learner.best[1])

        learner.learn(timesteps, seconds, on_update)
        if search.best_cost is not None and not search.best_cost.feasible:
            assert search.best is not None
            search.record(search.problem.legalize(search.best))
            search.records -= 1  # the answer, made legal, is no further candidate

    def _draw(self, learner: OneShotLearner, search: Search) -> None:
        problem = search.problem
        with torch.no_grad():
            probabilities = learner.network(learner.graph(problem)).exp().double().numpy()
        while not search.is_over:
            for assignment in problem.sample(probabilities, search.evaluations_left(_BATCH), search.rng):
                search.evaluate(assignment)


@dataclass(frozen=True)
class GO(GDP):
    """GO (Zhou et al. 2020): GDP's network with a head for schedule priorities, and answers refined iteratively.

    Priorities are items where the problem has them (``DevicePlace-v0`` with ``priorities=8``).
    """

    name = "go"
    config_class = GOConfig


@dataclass(frozen=True)
class OneShotPPO(GDP):
    """The chiplet partitioner (Xie et al. 2022): GraphSAGE, a feed-forward head, refinement, a solver in the loop.

    The solver is the problem's own (``MCMPartition-v0``): FIX makes a valid partition of each answer; without
    fine-tuning SAMPLE draws from the policy's probabilities.
    """

    name = "one-shot-ppo"
    config_class = OneShotPPOConfig
