"""Training one-shot placers: policy gradients on groups of whole assignments of one graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from placezoo.agents.learning.learner import Batch, UpdateLearner, mean_greedy_cost
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.agents.one_shot.network import OneShotConfig, OneShotGraph, OneShotNetwork
from placezoo.envs.problem import PlacementProblem, draw_each
from placezoo.parameters import above, at_least, between, check_fields


@dataclass(frozen=True)
class GDPConfig:
    """Hyperparameters of training.

    A graph's assignments are drawn in groups; what the others of its group cost is an assignment's baseline. The reward
    is the papers', minus the square root of the cost. Ratios are clipped item by item (PPO).

    Args:
        encoder: of the item graph.
        width: of the embeddings.
        layers: of the encoder.
        placer: ``segment-transformer`` or ``feed-forward``.
        placer_layers: how many.
        heads: of the attention.
        segment: how many items attend to each other and to as many before them.
        superposition: let a summary of the graph gate the placer's layers.
        refinements: how many times the best of a group is shown to the network for the next group; 0: never.
        instances: graphs in each batch.
        group: assignments drawn of each.
        epochs: gradient steps on each batch.
        learning_rate: of Adam at the start; falls linearly to a tenth.
        clip_range: of the probability ratio.
        entropy_coefficient: at the start; falls linearly to 0.
        max_grad_norm: gradients are scaled down to this norm.
        elite: the best assignment of a graph so far joins its groups.
        frequencies: of the positions' sines and cosines; 2^frequencies resources in a row can be told apart.
        row: resources stand in a row, and a fresh policy places items by the share of time before them.
        windows: share of a group's assignments that are drawn in a window of the problem's order only, and outside it
            are the best assignment so far: what they differ in is few items, which says more about each.
    """

    encoder: str = "graph-sage"
    width: int = 64
    layers: int = 3
    placer: str = "segment-transformer"
    placer_layers: int = 2
    heads: int = 4
    segment: int = 128
    superposition: bool = True
    refinements: Annotated[int, at_least(0)] = 0
    instances: Annotated[int, at_least(1)] = 4
    group: Annotated[int, at_least(2)] = 32
    epochs: Annotated[int, at_least(1)] = 3
    learning_rate: Annotated[float, above(0)] = 1e-3
    clip_range: Annotated[float, above(0)] = 0.2
    entropy_coefficient: Annotated[float, at_least(0)] = 0.01
    max_grad_norm: Annotated[float, above(0)] = 0.5
    elite: bool = True
    frequencies: int = 4
    row: bool = False
    windows: Annotated[float, between(0, 1)] = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "gdp")
        OneShotConfig(1, 1, 1, **self._network())

    def _network(self) -> dict[str, Any]:
        names = (
            "encoder",
            "width",
            "layers",
            "placer",
            "placer_layers",
            "heads",
            "segment",
            "superposition",
            "frequencies",
        )
        return {**{name: getattr(self, name) for name in names}, "refine": self.refinements > 0}

    def network(self, problem: PlacementProblem) -> OneShotConfig:
        """Return the network's config for a problem's features."""
        names, roles = problem.feature_names, problem.feature_roles

        def column(role: str) -> int:
            return names.items.index(role) if role else -1

        return OneShotConfig(
            len(names.items), len(names.item_edges), len(names.resources), **self._network(),
            second_head=column(roles.priority), positions=tuple(map(column, roles.positions)),
            row=column(roles.pace) if self.row else -1,
        )  # fmt: skip


@dataclass(frozen=True)
class GOConfig(GDPConfig):
    """Hyperparameters of GO: as ``GDPConfig``, with iterative refinement.

    Source: Zhou et al. 2020.
    """

    refinements: Annotated[int, at_least(0)] = 2


@dataclass(frozen=True)
class OneShotPPOConfig(GDPConfig):
    """Hyperparameters of the chiplet partitioner: as ``GDPConfig``, with a feed-forward head and refinement.

    Source: Xie et al. 2022, section 5.
    """

    placer: str = "feed-forward"
    refinements: Annotated[int, at_least(0)] = 2
    frequencies: int = 7
    row: bool = True
    learning_rate: Annotated[float, above(0)] = 1e-4
    entropy_coefficient: Annotated[float, at_least(0)] = 0.0


@dataclass
class _Group:
    """Assignments drawn of one graph, given the last one."""

    graph: OneShotGraph
    last: Tensor | None
    assignments: Tensor  # int64 [S, n]
    log_probability: Tensor  # [S, n]
    advantage: Tensor  # [S]


def graph_of(problem: PlacementProblem, device: str = "cpu") -> OneShotGraph:
    """Return a problem as the network reads it."""
    links, edge_features = problem.item_edges
    state = problem.kernel().state
    resources = np.empty((problem.num_resources, len(problem.feature_names.resources)), np.float32)
    problem.step_kernel.observe(state, resources, np.empty(2 + len(problem.term_names)))
    return OneShotGraph(
        features=torch.tensor(problem.item_features, device=device),
        edge_index=torch.tensor(links.T.copy(), device=device),
        edge_features=torch.tensor(edge_features, device=device),
        order=torch.tensor(problem.item_order, device=device),
        resources=torch.tensor(resources, device=device),
        allowed=torch.tensor(problem.exists, device=device),
    )


class OneShotLearner(UpdateLearner):
    """One training run, of ``gdp``, ``go`` or ``one-shot-ppo``; ``best`` is the best assignment drawn."""

    agent = "gdp"
    config_class = GDPConfig
    formulations = ("one-shot",)

    def _make(self, start: Checkpoint | None) -> None:
        first = self.source.first()
        sizes = self.config.network(first)
        if start is not None and isinstance(start.network, OneShotNetwork):
            sizes = start.network.config
        if first.num_resources > sizes.max_resources:
            raise ValueError(f"gdp tells {sizes.max_resources} resources apart, here are {first.num_resources}")
        self.adopt(OneShotNetwork(sizes), start)
        # Problems of a world that changes live no longer than their episode.
        self._graphs: WeakKeyDictionary[PlacementProblem, OneShotGraph] = WeakKeyDictionary()
        self._elite: WeakKeyDictionary[PlacementProblem, tuple[float, NDArray[np.int64]]] = WeakKeyDictionary()

    def graph(self, problem: PlacementProblem) -> OneShotGraph:
        """Return the (remembered) problem as the network reads it."""
        if problem not in self._graphs:
            self._graphs[problem] = graph_of(problem, self.device)
        return self._graphs[problem]

    def offer(self, assignment: NDArray[np.int64]) -> None:
        """Make an assignment of the problem that stands for all the best one so far."""
        problem = self.source.first()
        with problem.tally.paused():  # whoever offers it has evaluated it
            cost = problem.evaluate(assignment).total
        self._keep(problem, cost, np.array(assignment, np.int64))

    def _keep(self, problem: PlacementProblem, cost: float, assignment: NDArray[np.int64]) -> None:
        """Make an assignment the best one so far of its problem."""
        self._elite[problem] = cost, assignment
        if problem is self.source.first():
            self.best = cost, assignment

    def soften(self, temperature: float) -> None:
        """Divide the policy's scores by a temperature."""
        with torch.no_grad():
            for parameter in self.network.score.parameters():
                parameter.div_(temperature)

    def update(self, done: float, room: int | None = None) -> Batch:
        """Draw a batch of groups and learn from it; at most ``room`` assignments."""
        batch: list[_Group] = []
        relative: list[float] = []
        drawn = 0
        for _ in range(self.config.instances if self.source.dataset is not None else 1):
            problem = self.source.draw(self._rng)
            groups, costs = self._play(problem, None if room is None else room - drawn)
            batch += groups
            relative.append(float(np.mean(costs)) / mean_greedy_cost(problem))
            drawn += len(costs)
            if room is not None and drawn >= room:
                break
        self._learn_from(batch, self.config.entropy_coefficient * (1.0 - done))
        return Batch(drawn, drawn, float(np.mean(relative)))

    def _play(self, problem: PlacementProblem, room: int | None) -> tuple[list[_Group], list[float]]:
        """Draw groups of assignments of a problem, each after the first given the best so far; at most ``room``."""
        graph = self.graph(problem)
        last: Tensor | None = None
        groups: list[_Group] = []
        spent: list[float] = []
        for _ in range(1 + self.config.refinements):
            count = self.config.group if room is None else min(self.config.group, room - len(spent))
            if count <= 0:
                break
            with torch.no_grad():
                log_probabilities = self.network(graph, last)
            drawn = draw_each(log_probabilities.exp().cpu().double().numpy(), count, self._rng)
            self._keep_outside_windows(problem, drawn)
            # What is rewarded is what the domain makes of an answer; what is reinforced is the answer.
            assignments = np.array([problem.realize(answer) for answer in drawn])
            costs = problem.totals(assignments)
            spent += costs.tolist()
            if self.config.elite and problem in self._elite:
                cost, elite = self._elite[problem]
                drawn, assignments = np.concatenate([drawn, elite[None]]), np.concatenate([assignments, elite[None]])
                costs = np.append(costs, cost)
            best = int(np.argmin(costs))
            if problem not in self._elite or costs[best] < self._elite[problem][0]:
                self._keep(problem, float(costs[best]), assignments[best].copy())
            rewards = -np.sqrt(np.clip(costs, 0.0, problem.infeasible_penalty))
            advantage = (rewards - rewards.mean()) / (rewards.std() + 1e-12)
            chosen = torch.tensor(drawn, device=self.device)
            picked = log_probabilities.gather(1, chosen.T).T
            gain = torch.tensor(advantage, dtype=torch.float32, device=self.device)
            groups.append(_Group(graph, last, chosen, picked, gain))
            last = torch.tensor(assignments[best], device=self.device)
        return groups, spent

    def _keep_outside_windows(self, problem: PlacementProblem, assignments: NDArray[np.int64]) -> None:
        """Make some answers, in place, the best assignment so far outside a window of the problem's order."""
        if problem not in self._elite:
            return
        _, best = self._elite[problem]
        n = problem.num_items
        for number in range(int(self.config.windows * len(assignments))):
            # Small windows as often as large ones.
            length = max(1, int(n ** self._rng.random()))
            start = int(self._rng.integers(0, n - length + 1))
            kept = np.concatenate([problem.item_order[:start], problem.item_order[start + length :]])
            assignments[number, kept] = best[kept]

    def _learn_from(self, batch: list[_Group], entropy_coefficient: float) -> None:
        config = self.config
        for _ in range(config.epochs):
            self.optimizer.zero_grad()
            for group in batch:
                log_probabilities = self.network(group.graph, group.last)
                ratio = (log_probabilities.gather(1, group.assignments.T).T - group.log_probability).exp()
                clipped = ratio.clamp(1 - config.clip_range, 1 + config.clip_range)
                gain = group.advantage[:, None]
                policy_loss = -torch.minimum(ratio * gain, clipped * gain).mean()
                # What an item cannot have has probability 0 and adds nothing.
                finite = torch.where(group.graph.allowed, log_probabilities, torch.zeros_like(log_probabilities))
                entropy = -(finite.exp() * finite * group.graph.allowed).sum(1).mean()
                ((policy_loss - entropy_coefficient * entropy) / len(batch)).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), config.max_grad_norm)
            self.optimizer.step()
