"""``gap`` and ``cnc``: partitions by a network trained on the expected cut itself, not by reinforcement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.gap.network import GapConfig, GapGraph, GapNetwork, expected_cut, imbalance
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.networks.threads import single_thread
from placezoo.agents.partition.fiduccia_mattheyses import refine
from placezoo.agents.search.search import Search
from placezoo.datasets.partition.landmarks import landmark_distances
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import above, at_least


@dataclass(frozen=True)
class GAP(Agent[GraphPartitionProblem]):
    """A trained network answers at once, in time linear in the edges; passes of FM mend what misses the balance.

    Args:
        checkpoint: the folder that ``placezoo train --agent gap`` wrote, or ``pretrained``.
        passes: of FM after the answer; 0 for the answer alone, unless it misses the balance.

    Source: Nazi et al. 2019, "GAP: Generalizable approximate graph partitioning framework".
    """

    name = "gap"

    checkpoint: str | None = None
    passes: Annotated[int, at_least(0)] = 0

    @cached_property
    def policy(self) -> Checkpoint:
        """The checkpoint's content.

        Raises:
            ValueError: there is none, or it is damaged.
        """
        if self.checkpoint is None:
            raise ValueError("gap: no checkpoint was given (--checkpoint pretrained has one for 4 parts)")
        return Checkpoint.load(checkpoint_folder(self.checkpoint, self.name))

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Load the checkpoint, check that it fits, and compile."""
        self.policy.check_fits(problem)
        known = self.policy.network.config.num_parts
        if known != problem.num_resources:
            raise ValueError(f"this checkpoint partitions into {known} parts, not into {problem.num_resources}")
        landmark_distances.__wrapped__(problem.graph.subgraph(np.arange(1)), 1)  # compiles
        refine(problem.cost_model, np.zeros(problem.num_items, np.int64), np.random.default_rng(0), max_passes=1)

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        problem = search.problem
        answer = answer_at_once(self.policy.network, problem)
        with problem.tally.paused():
            feasible = problem.evaluate(answer).feasible
        if self.passes or not feasible:
            answer = refine(problem.cost_model, answer, search.rng, max(self.passes, 1 if feasible else 20))
        search.evaluate(answer)


@torch.inference_mode()
def answer_at_once(network: GapNetwork, problem: GraphPartitionProblem) -> NDArray[np.int64]:
    """Return the most likely part of each node: int64 [num_nodes]."""
    return network(GapGraph.of(problem.graph, network.config.landmarks)).argmax(1).numpy()


@dataclass(frozen=True)
class CNC(Agent[GraphPartitionProblem]):
    """Clustering by the normalised cut: the network of GAP trained on the very graph, until the budget ends.

    For points, build the graph by ``placezoo.datasets.similarity_graph``; for clusters of unequal size, make the
    problem with a large ``epsilon`` and ``balance=0``.

    Args:
        balance: weight of the parts' equality.
        learning_rate: of Adam.
        steps: of training at most.
        width: of the network.
        layers: of the encoder.

    Source: Nazi et al. 2019, "A deep learning framework for clustering by generalised normalised cut" (CNC).
    """

    name = "cnc"

    balance: Annotated[float, at_least(0)] = 1.0
    learning_rate: Annotated[float, above(0)] = 5e-3
    steps: Annotated[int, at_least(1)] = 400
    width: Annotated[int, at_least(1)] = 32
    layers: Annotated[int, at_least(1)] = 2

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Compile what the search calls."""
        refine(problem.cost_model, np.zeros(problem.num_items, np.int64), np.random.default_rng(0), max_passes=1)

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        problem = search.problem
        torch.manual_seed(int(search.rng.integers(2**31)))
        config = GapConfig(problem.num_resources, width=self.width, layers=self.layers)
        network, graph = GapNetwork(config), GapGraph.of(problem.graph, config.landmarks)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        with single_thread():
            for step in range(self.steps):
                log_probabilities = network(graph)
                loss = expected_cut(log_probabilities, graph) + self.balance * imbalance(log_probabilities, graph)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                over = search.is_over or step + 1 == self.steps
                if over or step % 50 == 49:
                    answer = log_probabilities.detach().argmax(1).numpy()
                    with problem.tally.paused():
                        feasible = problem.evaluate(answer).feasible
                    if not feasible:
                        answer = refine(problem.cost_model, answer, search.rng)
                    search.evaluate(answer)
                if over:
                    return
