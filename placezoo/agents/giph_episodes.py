"""Many improvement episodes side by side, as GiPH sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.networks.gp_net_batch import GpNetBatch
from placezoo.cost_models.makespan_moves import TOTAL
from placezoo.envs.edge_place import EdgePlaceProblem
from placezoo.envs.gp_net import GpNetArrays, GpNetBuilder


class GiPHEpisodes:
    """Episodes of ``improve`` that are stepped together; each ends after its own number of moves.

    Args:
        problems: one for each episode; equal objects may occur more than once.
        starts: int64 [num_items] for each, where it starts.
        num_moves: of each, default twice its tasks.

    Attributes:
        totals: float64 [B], the costs now.
        best: float64 [B], the least costs so far, the start included.
        best_assignments: where they were.
    """

    def __init__(
        self, problems: Sequence[EdgePlaceProblem], starts: Sequence[NDArray[np.int64]], num_moves: int | None = None
    ) -> None:
        self.problems = list(problems)
        self._kernels = [problem.kernel(start) for problem, start in zip(problems, starts, strict=True)]
        self._builders = [GpNetBuilder(problem) for problem in problems]
        self.totals = np.array([kernel.state.totals[TOTAL] for kernel in self._kernels])
        self.best = self.totals.copy()
        self.best_assignments = [np.array(start, np.int64) for start in starts]
        self._moves_left = np.array([num_moves or 2 * problem.num_items for problem in problems])
        self._last_moved = np.full(len(self.problems), -1)
        self._graphs: list[GpNetArrays] = []

    @property
    def active(self) -> NDArray[np.int64]:
        """The episodes that have not ended: int64."""
        return np.flatnonzero(self._moves_left > 0)

    def observe(self, episodes: NDArray[np.int64], device: str = "cpu") -> GpNetBatch:
        """Return the gpNets of some episodes; pivots and pairs of the task moved last cannot be chosen.

        Where a device has left, only tasks on it can move. A task that is the only one with a choice may move again.
        """
        self._graphs, selectable = [], []
        for episode in episodes:
            kernel, problem = self._kernels[episode], self.problems[episode]
            graph = self._builders[episode].build(kernel.state)
            tasks, devices = graph.pairs.T
            mask = ~graph.pivots & problem.instance.allowed[tasks, devices]
            stranded = ~problem.instance.allowed[np.arange(problem.num_items), kernel.state.assignment]
            if stranded.any():
                mask &= stranded[tasks]
            others = mask & (tasks != self._last_moved[episode])
            self._graphs.append(graph)
            selectable.append(others if others.any() else mask)
        return GpNetBatch.of(self._graphs, selectable, device)

    def step(self, episodes: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """Move in each of the observed episodes; return by how much the costs fell: float64 [len(episodes)].

        Args:
            episodes: those that were observed.
            chosen: int64, for each the slot of the pair to make the pivot; -1 leaves it as it is.
        """
        rewards = np.zeros(len(episodes))
        for row, (episode, slot, graph) in enumerate(zip(episodes, chosen, self._graphs, strict=True)):
            self._moves_left[episode] -= 1
            if slot < 0:
                continue
            kernel = self._kernels[episode]
            task, device = graph.pairs[slot].tolist()
            kernel.apply(kernel.state, (task, int(kernel.state.assignment[task]), device, -1))
            self._builders[episode].update(kernel.state)
            self._last_moved[episode] = task
            total = float(kernel.state.totals[TOTAL])
            rewards[row] = self.totals[episode] - total
            self.totals[episode] = total
            if total < self.best[episode]:
                self.best[episode] = total
                self.best_assignments[episode] = kernel.state.assignment.copy()
        return rewards

    def change(self, episode: int, problem: EdgePlaceProblem) -> None:
        """Go on in a world that has changed: another cluster, the same tasks where they are. The best counts anew."""
        kernel = problem.kernel(self._kernels[episode].state.assignment)
        self.problems[episode], self._kernels[episode] = problem, kernel
        self._builders[episode].follow(problem)
        self.totals[episode] = self.best[episode] = kernel.state.totals[TOTAL]
        self.best_assignments[episode] = kernel.state.assignment.copy()

    def assignment(self, episode: int) -> NDArray[np.int64]:
        """Return a copy of where the tasks of an episode are."""
        return np.array(self._kernels[episode].state.assignment)


def draw(scores: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one slot of each row of scores by its softmax: int64 [B]; -1 where none may be chosen."""
    noise = -torch.log(-torch.log(torch.rand(scores.shape, generator=generator).clamp(1e-9, 1 - 1e-7)))
    chosen = (scores.detach().cpu() + noise).argmax(1)
    return torch.where(torch.isfinite(scores.detach().cpu()).any(1), chosen, -1)
