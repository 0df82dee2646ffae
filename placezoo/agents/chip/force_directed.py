"""``force-directed``: springs and repulsion place all macros, hard ones then go to the nearest free cells.

Source: Circuit Training's initial placement (all macros movable), Mirhoseini et al. 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search
from placezoo.cost_models.chip.force_directed import force_directed
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.parameters import at_least

# Circuit Training's schedule where hard macros move too.
_ATTRACT, _REPEL, _MOVE_FACTORS = (1e2, 1e-3, 1e-5), (0.0, 1e5, 1e6), (1.0, 2.0, 2.0)


@dataclass(frozen=True)
class ForceDirected(Agent[ChipPlaceProblem]):
    """One force-directed placement of hard and soft macros from the centre of the canvas, legalised.

    Args:
        steps: in each of the three stages.
        io_factor: of springs to ports.
    """

    name = "force-directed"

    steps: Annotated[int, at_least(1)] = 100
    io_factor: Annotated[float, at_least(0)] = 1.0

    def prepare(self, problem: ChipPlaceProblem) -> None:
        """Compile what the search calls."""
        self._place(problem, 1)

    def _search(self, search: Search[ChipPlaceProblem]) -> None:
        search.evaluate(self._place(search.problem, self.steps))

    def _place(self, problem: ChipPlaceProblem, steps: int) -> NDArray[np.int64]:
        state = problem.cost_model.state()
        force_directed(
            state, problem.cost_model.springs(problem.loose_blocks), np.full(3, steps), np.array(_ATTRACT),
            np.array(_REPEL), np.array(_MOVE_FACTORS), self.io_factor,
        )  # fmt: skip
        return problem.nearest_cells(np.stack([state.x[problem.item_blocks], state.y[problem.item_blocks]], axis=1))
