"""Training the network of ``guided-search``: which of the moves that searches evaluated improved the cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from placezoo.agents.budget import Budget
from placezoo.agents.guided_search.filter import ROWS, Score, guided
from placezoo.agents.guided_search.network import MoveScoreConfig, MoveScoreNetwork, move_feature_names
from placezoo.agents.learning.learner import Batch, UpdateLearner, mean_greedy_cost
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.agents.search.local_search import descend_and_kick
from placezoo.agents.search.repair import repair
from placezoo.agents.search.search import Search
from placezoo.envs.problem import Candidates, Kernel, PlacementProblem
from placezoo.parameters import above, at_least, between, check_fields

_LEAST, _MOST = 0.2, 3.0  # weights of moves by the root of how much they gain, over the mean of a search


@dataclass(frozen=True)
class GuidedSearchConfig:
    """Hyperparameters of training.

    Each update searches on one problem of the training split and records what it evaluates. The first third of the
    searches draws moves as they come; later ones are guided by the network as it is, so that it learns of states that
    it leads to itself (Ross, Gordon & Bagnell 2011).

    Args:
        width: units of the hidden layer.
        evaluations: of the search in each update.
        candidates: of which a guided search evaluates the best.
        exploration: the share of moves that guided searches evaluate as they are drawn.
        random_starts: the share of searches that starts at random, not from the greedy construction.
        patience: as ``LocalSearch``; low, so that searches reach what is left to improve when they are late.
        kept: the share of the moves without improvement that is kept to learn from; all others are.
        rows: moves that are kept, the latest.
        steps: of the gradient after each search.
        batch: moves in each.
        weight: of a move that improved by the search's mean, beside one that did not.
        learning_rate: of Adam at the start; falls linearly to a tenth.
        variants: other parameters of the problem, ``{"grouping": "layers"}``, that searches take in turn with its own.
    """

    width: Annotated[int, at_least(1)] = 32
    evaluations: Annotated[int, at_least(1)] = 3000
    candidates: Annotated[int, at_least(1)] = 16
    exploration: Annotated[float, between(0, 1)] = 0.2
    random_starts: Annotated[float, between(0, 1)] = 0.25
    patience: Annotated[float, at_least(1)] = 3.0
    kept: Annotated[float, between(0, 1)] = 0.3
    rows: Annotated[int, at_least(1)] = 500_000
    steps: Annotated[int, at_least(1)] = 80
    batch: Annotated[int, at_least(2)] = 1024
    weight: Annotated[float, above(0)] = 5.0
    learning_rate: Annotated[float, above(0)] = 3e-3
    variants: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        check_fields(self, "guided-search")
        if not all(isinstance(variant, Mapping) for variant in self.variants):
            raise ValueError("guided-search: variants must be a list of parameters of the problem, by name")


class GuidedSearchLearner(UpdateLearner):
    """Logistic regression, by a network and by a linear model, on the moves of searches; timesteps are evaluations."""

    agent = "guided-search"
    config_class = GuidedSearchConfig
    formulations = ("improve",)

    def _make(self, start: Checkpoint | None) -> None:
        candidates = candidates_of(self.source.first())
        names = move_feature_names(candidates.names)
        self.adopt(MoveScoreNetwork(MoveScoreConfig(len(names), self.config.width)), start)
        self._features = np.zeros((self.config.rows, len(names)), np.float32)
        self._gains = np.zeros(self.config.rows, np.float32)  # the weight of those that improved, 0 of others
        self._kept = self._searches = 0
        self._problems: dict[tuple[str, int], PlacementProblem] = {}

    def update(self, done: float, room: int | None = None) -> Batch:
        """Search on a problem, then learn from what was evaluated so far."""
        problem = self._problem()
        evaluations = min(self.config.evaluations, room or self.config.evaluations)
        search = self._search(problem, evaluations, is_guided=done > 1.0 / 3.0)
        self._searches += 1
        self.metrics = {"loss": self._learn(), "moves": float(self._kept)}
        assert search.best_cost is not None
        return Batch(search.evaluations, 1, search.best_cost.total / mean_greedy_cost(problem))

    def _problem(self) -> PlacementProblem:
        """Draw a problem, and present it by its own parameters or by a variant, in turn."""
        problem, variants = self.source.draw(self._rng), self.config.variants
        turn = self._searches % (1 + len(variants))
        if turn == 0:
            return problem
        key = problem.instance.digest, turn
        if key not in self._problems:
            make: Any = type(problem)
            self._problems[key] = make(problem.instance, **{**problem.parameters, **variants[turn - 1]})
        return self._problems[key]

    def _search(self, problem: PlacementProblem, evaluations: int, is_guided: bool) -> Search:
        """Search, and keep what was evaluated."""
        config, rng = self.config, self._rng
        search = Search(problem, Budget(evaluations=evaluations), int(rng.integers(2**31)))
        starts_at_random = rng.random() < config.random_starts
        start = problem.initial_assignment(rng) if starts_at_random else problem.greedy(rng)
        start = repair(problem, start)
        search.evaluate(start)
        score, kernels = self.network.score(), []

        def guide(kernel: Kernel) -> Kernel:
            exploration = config.exploration if is_guided else 1.0
            kernels.append(guide_kernel(kernel, problem, score, config.candidates, exploration, evaluations))
            return kernels[-1]

        descend_and_kick(search, start, config.patience, guide=guide)
        for kernel in kernels:
            rows = kernel.state.memory.counts[ROWS]
            self._keep(kernel.state.record.features[:rows], kernel.state.record.change[:rows])
        return search

    def _keep(self, features: NDArray[np.float32], change: NDArray[np.float64]) -> None:
        """Keep moves that improved the cost, weighted by how much, and a share of the others."""
        gain = np.maximum(-change, 0.0)
        chosen = np.flatnonzero((gain > 0.0) | (self._rng.random(gain.size) < self.config.kept))
        where = (self._kept + np.arange(chosen.size)) % self.config.rows  # the oldest are overwritten
        relative = np.sqrt(gain / max(gain.sum() / max(np.count_nonzero(gain), 1), 1e-300))
        self._features[where] = features[chosen]
        self._gains[where] = np.where(gain > 0.0, np.clip(relative, _LEAST, _MOST), 0.0)[chosen]
        self._kept += chosen.size

    def _learn(self) -> float:
        """Take some gradient steps; return the mean loss."""
        config, network = self.config, self.network
        count, weight, losses = min(self._kept, config.rows), config.weight, []
        if count < 2:
            return float("nan")
        network.train()
        for _ in range(config.steps):
            rows = self._rng.integers(0, count, config.batch)
            features = torch.from_numpy(self._features[rows]).to(self.device)
            gains = torch.from_numpy(self._gains[rows]).to(self.device)
            loss = _loss(network(features), gains, weight)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(float(loss.detach()))
        network.eval()
        return float(np.mean(losses))


def _loss(log_odds: Tensor, gains: Tensor, weight: float) -> Tensor:
    """Return the logistic loss of the network plus that of its linear twin; ``gains`` weigh what improved."""
    improved = (gains > 0).float()
    weights = torch.where(gains > 0, weight * gains, 1.0)
    each = [nn.functional.binary_cross_entropy_with_logits(column, improved, weights) for column in log_odds.unbind(1)]
    return torch.stack(each).sum()


def candidates_of(problem: PlacementProblem) -> Candidates:
    """Return a problem's candidate moves.

    Raises:
        ValueError: it offers none.
    """
    if problem.candidates is None:
        raise ValueError(f"guided-search: {problem.env_id} offers no candidate moves to choose from")
    return problem.candidates


def guide_kernel(
    kernel: Kernel, problem: PlacementProblem, score: Score, candidates: int, exploration: float, rows: int = 0
) -> Kernel:
    """Return a problem's kernel with the best candidates as its proposals (``guided``)."""
    return guided(kernel, problem.num_resources, candidates_of(problem), score, candidates, exploration, rows)
