"""What ``placezoo train`` can train: each learned agent's configuration, learner and agent, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from placezoo.agents.budget import Budget
from placezoo.agents.registry import require_extra
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.problem import PlacementProblem


@dataclass(frozen=True)
class LearnerEntry:
    """Where the parts of a learned agent are, as ``module:name`` below ``placezoo.agents``.

    Attributes:
        config: the dataclass of training's hyperparameters.
        learners: the classes that train, by backend, the default first: (source, formulation, config, seed, device,
            start) with ``learn`` and ``checkpoint``.
        agent: the agent that uses what was trained; its ``policy`` is a checkpoint.
        formulation: that it learns unless told otherwise.
        validation: hyperparameters of the agent with which it is scored during training.
        validation_budget: and its budget on a problem.
        keeps_last: keep what training ends with, not what was best on the validation split: searches differ by more
            than the networks that guide them.
    """

    config: str
    learners: dict[str, str]
    agent: str
    formulation: str
    validation: dict[str, Any]
    validation_budget: Callable[[PlacementProblem], Budget]
    keeps_last: bool = False

    def load(self, backend: str | None = None) -> tuple[Any, Any, Any]:
        """Return the classes of config, learner and agent.

        Raises:
            ValueError: this agent has no such backend.
            ImportError: the extra that it needs is missing.
        """
        backend = self.backend(backend)
        require_extra("agents", "training")
        if backend == "rllib":
            require_extra("rllib", "the backend rllib")
        return _find(self.config), _find(self.learners[backend]), _find(self.agent)

    def backend(self, name: str | None) -> str:
        """Return a backend's name, the agent's default for None.

        Raises:
            ValueError: this agent has no such backend.
        """
        if name is None:
            return next(iter(self.learners))
        if name not in self.learners:
            raise ValueError(unknown_name("backend", name, self.learners))
        return name


def _find(location: str) -> Any:
    module, _, name = location.partition(":")
    return getattr(importlib.import_module(f"placezoo.agents.{module}"), name)


def _one_episode(problem: PlacementProblem) -> Budget:
    return Budget(evaluations=2 * problem.num_items)


LEARNERS = {
    "ppo": LearnerEntry(
        "ppo.config:PPOConfig",
        {
            "fast": "ppo.own_learner:PPOLearner", "sb3": "ppo.sb3_learner:SB3PPOLearner",
            "rllib": "ppo.rllib_learner:RLlibPPOLearner",
        },
        "ppo.agent:PPO", "construct", {"samples": 1},
        lambda problem: Budget(evaluations=1),
    ),
    "gap": LearnerEntry(
        "gap.learner:GAPConfig", {"fast": "gap.learner:GAPLearner"}, "gap.agents:GAP", "one-shot", {},
        lambda problem: Budget(evaluations=1),
    ),
    "giph": LearnerEntry(
        "giph.learner:GiPHConfig", {"fast": "giph.learner:ImprovementLearner"}, "giph.agents:GiPH", "improve",
        {}, _one_episode,
    ),
    "placeto": LearnerEntry(
        "giph.learner:PlacetoConfig", {"fast": "giph.learner:ImprovementLearner"}, "giph.agents:Placeto",
        "improve", {}, _one_episode,
    ),
    "guided-search": LearnerEntry(
        "guided_search.learner:GuidedSearchConfig", {"fast": "guided_search.learner:GuidedSearchLearner"},
        "guided_search.agent:GuidedSearch", "improve", {}, lambda problem: Budget(evaluations=1000), keeps_last=True,
    ),
    "gdp": LearnerEntry(
        "one_shot.learner:GDPConfig", {"fast": "one_shot.learner:OneShotLearner"}, "one_shot.agents:GDP", "one-shot",
        {"finetune": False}, lambda problem: Budget(evaluations=1),
    ),
    "go": LearnerEntry(
        "one_shot.learner:GOConfig", {"fast": "one_shot.learner:OneShotLearner"}, "one_shot.agents:GO", "one-shot",
        {"finetune": False}, lambda problem: Budget(evaluations=1),
    ),
    "one-shot-ppo": LearnerEntry(
        "one_shot.learner:OneShotPPOConfig", {"fast": "one_shot.learner:OneShotLearner"}, "one_shot.agents:OneShotPPO",
        "one-shot", {"finetune": False}, lambda problem: Budget(evaluations=1),
    ),
}  # fmt: skip


def learner_entry(agent: str) -> LearnerEntry:
    """Return how an agent is trained.

    Raises:
        ValueError: it is not a learned agent; names those that are.
    """
    if agent not in LEARNERS:
        raise ValueError(unknown_name("learned agent", agent, LEARNERS))
    return LEARNERS[agent]
