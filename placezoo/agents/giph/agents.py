"""``giph`` and ``placeto``: graph networks that move one task at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch

from placezoo.agents.agent import Agent
from placezoo.agents.giph.gp_net_batch import GpNetBatch
from placezoo.agents.giph.policy_search import STARTS, compile_search, load_policy, search_with
from placezoo.agents.networks.checkpoint import PRETRAINED, Checkpoint
from placezoo.agents.search.search import Search
from placezoo.envs.edge.gp_net_wrapper import arrays_of
from placezoo.envs.edge.problem import EdgePlaceProblem
from placezoo.parameters import at_least, one_of


@dataclass(frozen=True)
class GiPH(Agent[EdgePlaceProblem]):
    """GiPH (Hu et al. 2023): a trained policy that improves a placement move by move.

    The first episode of twice as many moves as there are tasks begins at ``start``. What the budget leaves after it
    goes into further episodes, side by side, from the best placement so far. Every move is one evaluation.

    Args:
        checkpoint: the folder that ``placezoo train`` wrote, or ``pretrained`` for the policy that comes with the
            package.
        start: where the first episode begins: ``random``, ``heft``, or ``instance`` for the placement that published
            instances come with.
        batch: how many further episodes are played side by side.
    """

    name = "giph"

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

    def act(self, observation: dict[str, Any]) -> int:
        """Return the likeliest allowed action for an observation of the ``GpNet`` wrapper.

        Raises:
            ValueError: the policy does not select pairs.
        """
        selection = self.policy.network.config.selection
        self.require(selection == "pair", f"only policies that select pairs act on a gpNet, not {selection}")
        graph, mask, actions = arrays_of(observation)
        with torch.no_grad():
            scores = self.policy.network(GpNetBatch.of([graph], [mask]))
        return int(actions[int(scores[0].argmax())])

    def _search(self, search: Search[EdgePlaceProblem]) -> None:
        search_with(self.policy, search, self.start, self.batch)


@dataclass(frozen=True)
class Placeto(GiPH):
    """Placeto (Addanki et al. 2019): visits the tasks one after another and scores device numbers for each.

    It makes as many traversals as the moves allow. Its scores are of device numbers, so it knows clusters of at most 24
    devices and nothing of what they are.
    """

    name = "placeto"
