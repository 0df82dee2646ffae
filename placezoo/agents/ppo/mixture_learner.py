"""Training policies of several problems over one trunk, by the own learner of ``ppo``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from placezoo.agents.learning.learner import Batch, UpdateLearner
from placezoo.agents.networks.checkpoint import Checkpoint, network_config
from placezoo.agents.networks.policy_network import PolicyNetwork
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.own_learner import PPOLearner
from placezoo.envs.source import ProblemSource

_PART = "part{}."  # what the names of a part's tensors begin with


class MixtureLearner(UpdateLearner):
    """One training run on a mixture: its policies share everything but the inputs of their domain.

    Beside the arguments of every learner it takes ``others``, the sources of the further parts. The parts take turns,
    one update each, for equal shares of the time.
    """

    agent = "ppo"
    config_class = PPOConfig

    def _make(self, start: Checkpoint | None, others: Sequence[ProblemSource] = ()) -> None:
        config, trunk = self.config, None
        self._learners: list[PPOLearner] = []
        for source in (self.source, *others):
            sizes = network_config(source.first(), config.encoder, config.width, config.layers)
            network = PolicyNetwork(sizes, trunk)
            trunk = network.trunk
            self._learners.append(PPOLearner(source, self.formulation, config, self.seed, self.device, network=network))
        self._spent = [0.0] * len(self._learners)  # seconds

    @property
    def parts(self) -> Sequence[PPOLearner]:
        """The learner of each part."""
        return self._learners

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
