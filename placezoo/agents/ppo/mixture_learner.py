"""Training policies of several problems over one trunk, by the own learner of ``ppo``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from placezoo.agents.learning.learner import Batch, UpdateLearner
from placezoo.agents.networks.checkpoint import network_config
from placezoo.agents.networks.policy_network import PolicyNetwork, Trunk
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.own_learner import PPOLearner
from placezoo.envs.source import ProblemSource

_PART = "part{}."  # what the names of a part's tensors begin with


class MixtureLearner(UpdateLearner):
    """One training run on a mixture: its policies share everything but the inputs of their domain.

    The parts take turns, one update each, for equal shares of the time.

    Args:
        sources: where each part's problems come from.
        formulation: of all parts.
        config: hyperparameters.
        seed: of everything random.
        device: ``cpu`` or ``cuda``.

    Attributes:
        parts: the learner of each part.
    """

    agent = "ppo"
    config_class = PPOConfig

    def __init__(
        self,
        sources: Sequence[ProblemSource],
        formulation: str = "construct",
        config: PPOConfig | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        super().__init__(sources[0], formulation, config, seed, device)
        config, trunk = self.config, None
        self._learners: list[PPOLearner] = []
        for source in sources:
            sizes = network_config(source.first(), config.encoder, config.width, config.layers)
            network = PolicyNetwork(sizes, trunk)
            trunk = network.trunk
            self._learners.append(PPOLearner(source, formulation, config, seed, device, network=network))
        self._spent = [0.0] * len(sources)  # seconds

    @property
    def parts(self) -> Sequence[PPOLearner]:
        """The learner of each part."""
        return self._learners

    @property
    def trunk(self) -> Trunk:
        """What all parts share."""
        return self._learners[0].network.trunk

    def set_learning_rate(self, done: float) -> None:
        """Set the learning rate of all parts."""
        for learner in self._learners:
            learner.set_learning_rate(done)

    def update(self, done: float, room: int | None = None) -> Batch:
        """Let the part that has had the least time update its policy."""
        turn = min(range(len(self._spent)), key=lambda index: self._spent[index])
        started = time.perf_counter()
        batch = self._learners[turn].update(done, room)
        self._spent[turn] += time.perf_counter() - started
        return batch

    def state(self) -> dict[str, Tensor]:
        """Return the weights and moments of all parts, to go on from later."""
        return {
            _PART.format(number) + name: value.clone()  # the trunk is every part's, and a file holds nothing twice
            for number, learner in enumerate(self._learners)
            for name, value in learner.state().items()
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what ``state`` returned.

        Raises:
            ValueError: it is of another mixture.
        """
        for number, learner in enumerate(self._learners):
            prefix = _PART.format(number)
            own = {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}
            learner.load_state(own)

    def checkpoint(self, **training: Any) -> Any:
        """Refuse: each of ``parts`` has a policy of its own.

        Raises:
            TypeError: always.
        """
        raise TypeError("a mixture has a policy for each of its parts")
