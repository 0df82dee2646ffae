"""``placeto``: visits the tasks one after another and scores device numbers for each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from placezoo.agents.agent import Agent
from placezoo.agents.giph.policy_search import STARTS, compile_search, load_policy, search_with
from placezoo.agents.networks.checkpoint import PRETRAINED, Checkpoint
from placezoo.agents.search.search import Search
from placezoo.envs.edge.problem import EdgePlaceProblem
from placezoo.parameters import at_least, one_of


@dataclass(frozen=True)
class Placeto(Agent[EdgePlaceProblem]):
    """Placeto (Addanki et al. 2019), in as many traversals as the moves allow.

    Its scores are of device numbers, so it knows clusters of at most 24 devices and nothing of what they are.

    Args:
        checkpoint: the folder that ``placezoo train`` wrote, or ``pretrained`` for the policy that comes with the
            package.
        start: where the first episode begins: ``random``, ``heft`` or ``instance``.
        batch: how many further episodes are played side by side.
    """

    name = "placeto"

    checkpoint: str = PRETRAINED
    start: Annotated[str, one_of(*STARTS)] = "random"
    batch: Annotated[int, at_least(1)] = 16

    @cached_property
    def policy(self) -> Checkpoint:
        """The checkpoint's content.

        Raises:
            ValueError: it is damaged or holds another kind of policy.
            FileNotFoundError: there is none.
        """
        return load_policy(self.checkpoint, self.name)

    def prepare(self, problem: EdgePlaceProblem) -> None:
        """Load the checkpoint, check that it fits, compile what the search calls."""
        compile_search(self.policy, problem)

    def _search(self, search: Search[EdgePlaceProblem]) -> None:
        search_with(self.policy, search, self.start, self.batch)
