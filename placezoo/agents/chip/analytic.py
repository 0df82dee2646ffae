"""``analytic``: gradient descent on the smooth proxy cost, legalisation, exact annealing.

Source: Lin et al. 2019, DREAMPlace (analytical placement in a deep learning framework); the leading entries of the 2026
open macro placement challenge are of this kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.networks.threads import single_thread
from placezoo.agents.search.search import Search
from placezoo.agents.search.simulated_annealing import anneal, compile_annealing
from placezoo.cost_models.chip.differentiable_proxy_cost import DifferentiableProxyCost
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.parameters import above, at_least, below


@dataclass(frozen=True)
class Analytic(Agent[ChipPlaceProblem]):
    """Adam on ``DifferentiableProxyCost`` over hard and soft macros together, then cells, then annealing.

    Starts where springs alone would hold the macros. The smoothing falls and the price of overlapping hard macros rises
    geometrically; then each hard macro, the largest first, goes to the free cell nearest to where it is, and annealing
    from a low temperature takes the rest of the budget.

    Args:
        share: of the budget that goes into gradient descent, in (0, 1).
        steps: of gradient descent, at most.
        learning_rate: of Adam, in grid cells.
        first_smoothing: in grid cells.
        last_smoothing: in grid cells.
        overlap_weight: of the squared overfill of cells by hard macros, at the end; a hundredth of it at the start.
        acceptance: with which annealing begins to accept worsening moves; 0 keeps to descent.
    """

    name = "analytic"

    share: Annotated[float, above(0), below(1)] = 0.3
    steps: Annotated[int, at_least(1)] = 200
    learning_rate: Annotated[float, above(0)] = 0.15
    first_smoothing: Annotated[float, above(0)] = 2.0
    last_smoothing: Annotated[float, above(0)] = 0.2
    overlap_weight: Annotated[float, at_least(0)] = 2.0
    acceptance: Annotated[float, at_least(0), below(1)] = 0.02

    def prepare(self, problem: ChipPlaceProblem) -> None:
        """Compile what the search calls."""
        compile_annealing(problem)

    def _search(self, search: Search[ChipPlaceProblem]) -> None:
        problem = search.problem
        with single_thread():
            places = self._descend(search)
        start = problem.nearest_cells(places)
        search.evaluate(start)
        anneal(search, start, self.acceptance, 1e-4)

    def _descend(self, search: Search[ChipPlaceProblem]) -> NDArray[np.float64]:
        """Return where gradient descent puts the items: float64 [num_items, 2], micron."""
        problem = search.problem
        netlist = problem.instance
        model = DifferentiableProxyCost(netlist, problem.cost_model.smoothing_range, problem.cost_model.weights)
        model = model.to(torch.float32)
        loose, state = problem.loose_blocks, problem.held_by_springs(100)
        base = torch.as_tensor(np.stack([state.x, state.y], axis=1), dtype=torch.float32)[None]
        cell = model.cell
        # Equal places have equal gradients: a little noise lets macros part.
        noise = search.rng.normal(size=(loose.size, 2)) * 0.5
        position = (base[0, loose] / cell + torch.as_tensor(noise, dtype=torch.float32)).requires_grad_()
        half = (
            torch.as_tensor(netlist.placement.extents[problem.cost_model.blocks[loose]] / 2, dtype=torch.float32) / cell
        )
        limit = torch.tensor([netlist.canvas.columns, netlist.canvas.rows], dtype=torch.float32)
        low, high = torch.minimum(half, limit / 2), torch.maximum(limit - half, limit / 2)
        optimizer = torch.optim.Adam([position], lr=self.learning_rate)
        for step in range(self.steps):
            done = max(step / self.steps, search.progress / self.share)
            if done >= 1.0 or search.evaluations_left(2) < 2:  # the last one is of where the items lie in the end
                break
            smoothing = self.first_smoothing * (self.last_smoothing / self.first_smoothing) ** done
            places = base.index_copy(1, torch.as_tensor(loose), (position * cell)[None])
            loss = model(places, smoothing).sum()
            overfill = (model.hard_density(places) - 0.98).clamp(min=0)
            loss = loss + self.overlap_weight * 0.01 ** (1.0 - done) * overfill.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            search.evaluations += 1
            with torch.no_grad():
                position.copy_(torch.minimum(torch.maximum(position, low), high))
        return (position * cell).detach().numpy()[: problem.num_items].astype(np.float64)
