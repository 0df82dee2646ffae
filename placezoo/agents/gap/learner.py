"""Training GAP's network on the graphs of a dataset, by backpropagation through the expected cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import nn

from placezoo.agents.gap.agents import answer_at_once
from placezoo.agents.gap.network import GapConfig, GapGraph, GapNetwork, expected_cut, imbalance
from placezoo.agents.learning.learner import Batch, UpdateLearner, mean_greedy_cost
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import above, at_least, check_fields


@dataclass(frozen=True)
class GAPConfig:
    """Hyperparameters of training.

    Args:
        batch_size: graphs per step.
        learning_rate: of Adam at the start; falls linearly to a tenth.
        balance: weight of the parts' equality.
        landmarks: distances to so many landmarks are the nodes' features.
        encoder: the encoder's name.
        width: of the network.
        layers: of the encoder.
    """

    batch_size: Annotated[int, at_least(1)] = 8
    learning_rate: Annotated[float, above(0)] = 1e-3
    balance: Annotated[float, at_least(0)] = 5.0
    landmarks: Annotated[int, at_least(1)] = 8
    encoder: str = "graph-sage"
    width: Annotated[int, at_least(1)] = 64
    layers: Annotated[int, at_least(1)] = 3

    def __post_init__(self) -> None:
        check_fields(self, "gap")


class GAPLearner(UpdateLearner):
    """One training run; the source's problem says into how many parts."""

    agent = "gap"
    config_class = GAPConfig
    formulations = ("one-shot",)
    env_ids = (GraphPartitionProblem.env_id,)

    def _make(self, start: Checkpoint | None) -> None:
        sizes = GapConfig(
            self.source.first().num_resources, self.config.landmarks, self.config.encoder, self.config.width,
            self.config.layers,
        )  # fmt: skip
        self.adopt(GapNetwork(sizes if start is None else start.network.config), start)

    def update(self, done: float, room: int | None = None) -> Batch:
        """Take 25 steps of Adam; a timestep is a graph."""
        costs: list[float] = []
        for _ in range(25):
            problems: list[Any] = [self.source.draw(self._rng) for _ in range(self.config.batch_size)]
            loss = torch.zeros((), device=self.device)
            for problem in problems:
                graph = GapGraph.of(problem.graph, self.network.config.landmarks, self.device)
                log_probabilities = self.network(graph)
                loss = loss + expected_cut(log_probabilities, graph)
                loss = loss + self.config.balance * imbalance(log_probabilities, graph)
            self.optimizer.zero_grad()
            (loss / len(problems)).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
        if self.device == "cpu":
            answers = [problem.evaluate(answer_at_once(self.network, problem)) for problem in problems]
            costs = [cost.total / mean_greedy_cost(p) for cost, p in zip(answers, problems, strict=True)]
        return Batch(25 * self.config.batch_size, 25 * self.config.batch_size, float(np.mean(costs or [np.nan])))
