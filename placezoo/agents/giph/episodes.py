"""Many improvement episodes side by side, as learned policies step them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.giph.gp_net_batch import GpNetBatch
from placezoo.agents.giph.selections import Moves
from placezoo.cost_models.edge.moves import TOTAL
from placezoo.envs.edge.gp_net import GpNetArrays, GpNetBuilder
from placezoo.envs.edge.problem import EdgePlaceProblem


class ImprovementEpisodes:
    """Episodes of ``improve`` that are stepped together; each ends after its own number of moves.

    Args:
        problems: one for each episode; equal objects may occur more than once.
        starts: int64 [num_items] for each, where it starts.
        moves: how moves are selected.
        num_moves: of each, default twice its tasks.

    Attributes:
        totals: float64 [B], the costs now.
        best: float64 [B], the least costs so far, the start included.
        best_assignments: where they were.
    """

    def __init__(
        self,
        problems: Sequence[EdgePlaceProblem],
        starts: Sequence[NDArray[np.int64]],
        moves: Moves,
        num_moves: int | None = None,
    ) -> None:
        self.problems = list(problems)
        self._moves = moves
        self._kernels = [problem.kernel(start) for problem, start in zip(problems, starts, strict=True)]
        self._builders = [GpNetBuilder(problem) for problem in problems]
        self.totals = np.array([kernel.state.totals[TOTAL] for kernel in self._kernels])
        self.best = self.totals.copy()
        self.best_assignments = [np.array(start, np.int64) for start in starts]
        self._num_moves = np.array([num_moves or 2 * problem.num_items for problem in problems])
        self._step = np.zeros(len(self.problems), np.int64)
        self._last_moved = np.full(len(self.problems), -1)
        self._graphs: list[GpNetArrays] = []

    @property
    def active(self) -> NDArray[np.int64]:
        """The episodes that have not ended: int64."""
        return np.flatnonzero(self._step < self._num_moves)

    def observe(self, episodes: NDArray[np.int64], device: str = "cpu") -> GpNetBatch:
        """Return what the policy sees of some episodes."""
        self._graphs, selectable = [], []
        for episode in episodes.tolist():
            graph, mask = self._moves.observe(
                self._builders[episode], self.problems[episode], self._kernels[episode].state,
                int(self._last_moved[episode]), int(self._step[episode]),
            )  # fmt: skip
            self._graphs.append(graph)
            selectable.append(mask)
        return GpNetBatch.of(self._graphs, selectable, device)

    def step(self, episodes: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """Move in each of the observed episodes; return by how much the costs fell: float64 [len(episodes)].

        Args:
            episodes: those that were observed.
            chosen: int64, a slot for each; -1 leaves it as it is.
        """
        rewards = np.zeros(len(episodes))
        for row, (episode, slot, graph) in enumerate(zip(episodes, chosen.tolist(), self._graphs, strict=True)):
            kernel = self._kernels[episode]
            state = kernel.state
            if slot >= 0:
                task, device = self._moves.move(graph, slot, state, int(self._step[episode]))
                if device != state.assignment[task]:
                    kernel.apply(state, (task, int(state.assignment[task]), device, -1))
                    self._builders[episode].update(state)
                self._last_moved[episode] = task
            self._step[episode] += 1
            total = float(state.totals[TOTAL])
            rewards[row] = self.totals[episode] - total
            self.totals[episode] = total
            if total < self.best[episode]:
                self.best[episode] = total
                self.best_assignments[episode] = state.assignment.copy()
        return rewards

    def change(self, episode: int, problem: EdgePlaceProblem) -> None:
        """Go on in a world that has changed: another cluster, the same tasks where they are. The best counts anew."""
        kernel = problem.kernel(self._kernels[episode].state.assignment)
        self.problems[episode], self._kernels[episode] = problem, kernel
        self._builders[episode].follow(problem)
        self.totals[episode] = self.best[episode] = kernel.state.totals[TOTAL]
        self.best_assignments[episode] = kernel.state.assignment.copy()


def draw(scores: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one slot of each row of scores by its softmax: int64 [B]; -1 where none may be chosen."""
    scores = scores.detach().cpu()
    uniform = torch.rand(scores.shape, generator=generator, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    chosen = (scores - torch.log(-torch.log(uniform))).argmax(1)  # Gumbel's way to draw from a softmax
    return torch.where(torch.isfinite(scores).any(1), chosen, -1)
