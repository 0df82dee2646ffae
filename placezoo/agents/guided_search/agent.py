"""``guided-search``: local search or annealing that evaluates exactly only the most promising of several moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from placezoo.agents.agent import Agent
from placezoo.agents.guided_search.filter import Score
from placezoo.agents.guided_search.learner import candidates_of, guide_kernel
from placezoo.agents.guided_search.network import MoveScoreNetwork, linear_score, move_feature_names
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.search.local_search import (
    KICK,
    PATIENCE,
    best_construction,
    compile_constructions,
    compile_descent,
    descend_and_kick,
)
from placezoo.agents.search.search import Search
from placezoo.agents.search.simulated_annealing import anneal, compile_annealing
from placezoo.envs.problem import Kernel, PlacementProblem
from placezoo.parameters import above, at_least, at_most, between, one_of

NETWORK, LINEAR, BY_HAND, NONE = FILTERS = ("network", "linear", "by-hand", "none")
LOCAL_SEARCH, ANNEALING = ACCEPTANCES = ("local-search", "annealing")
_INITIAL_ACCEPTANCE, _FINAL_ACCEPTANCE = 0.05, 1e-4  # of annealing, which starts from a good construction


@dataclass(frozen=True)
class GuidedSearch(Agent):
    """Local search or annealing over moves that a small network has chosen by cheap features.

    Where evaluating a move takes long (a simulation), several candidates are drawn instead of one and only the best is
    evaluated; a tenth is evaluated as it is drawn, so that what the network does not know is tried as well. For
    problems that offer ``PlacementProblem.candidates``.

    Args:
        checkpoint: the folder that ``placezoo train`` wrote, ``pretrained`` for the network that comes with the
            package, or None: then moves are scored by hand.
        filter: ``network``, ``linear`` (its linear twin, trained on the same moves), ``by-hand`` (a score of the
            problem's own, without training) or ``none``; by default ``network`` with a checkpoint, else ``by-hand``.
        candidates: moves of which one is evaluated.
        exploration: the share of moves that is evaluated as drawn.
        acceptance: ``local-search`` (``LocalSearch``) or ``annealing`` (``SimulatedAnnealing``, from the construction).
        patience: of local search, as there.
        kick: likewise.
    """

    name = "guided-search"

    checkpoint: str | None = None
    filter: Annotated[str | None, one_of(*FILTERS)] = None
    candidates: Annotated[int, at_least(1)] = 16
    exploration: Annotated[float, between(0, 1)] = 0.1
    acceptance: Annotated[str, one_of(*ACCEPTANCES)] = LOCAL_SEARCH
    patience: Annotated[float, at_least(1)] = PATIENCE
    kick: Annotated[float, above(0), at_most(1)] = KICK

    def policy_for(self, problem: PlacementProblem) -> Checkpoint | None:
        """Return the checkpoint's network for a problem's environment, None where no checkpoint was given."""
        if self.checkpoint is None or "policy" in self.__dict__:
            return self.__dict__.get("policy")
        known: dict[str, Checkpoint] = self.__dict__.setdefault("_policies", {})
        if problem.env_id not in known:
            folder = checkpoint_folder(self.checkpoint, self.name, problem.env_id)
            known[problem.env_id] = Checkpoint.load(folder)
        return known[problem.env_id]

    def _score(self, problem: PlacementProblem) -> Score:
        """Return the score of moves.

        Raises:
            ValueError: it needs a checkpoint, and there is none, or one that does not fit.
        """
        candidates, policy = candidates_of(problem), self.policy_for(problem)
        if self.filter == BY_HAND or (self.filter is None and policy is None):
            names = move_feature_names(candidates.names)
            return linear_score([candidates.by_hand.get(name, 0.0) for name in names])
        if policy is None:
            raise ValueError(f"{self.name}: filter={self.filter} needs a checkpoint (--checkpoint pretrained)")
        if not isinstance(policy.network, MoveScoreNetwork):
            raise ValueError(f"{self.name}: {self.checkpoint} holds another kind of policy ({policy.architecture})")
        policy.check_fits(problem)
        return policy.network.score(linear=self.filter == LINEAR)

    def _guide(self, problem: PlacementProblem, kernel: Kernel) -> Kernel:
        if self.filter == NONE:
            return kernel
        return guide_kernel(kernel, problem, self._score(problem), self.candidates, self.exploration)

    def prepare(self, problem: PlacementProblem) -> None:
        """Load the checkpoint, check that it fits, and compile."""
        compile_constructions(problem)
        if self.acceptance == ANNEALING:
            compile_annealing(problem, lambda kernel: self._guide(problem, kernel))
        else:
            compile_descent(problem, lambda kernel: self._guide(problem, kernel))

    def _search(self, search: Search) -> None:
        problem, start = search.problem, best_construction(search)
        if search.is_over:
            return

        def guide(kernel: Kernel) -> Kernel:
            return self._guide(problem, kernel)

        if self.acceptance == ANNEALING:
            anneal(search, start, _INITIAL_ACCEPTANCE, _FINAL_ACCEPTANCE, guide=guide)
        else:
            descend_and_kick(search, start, self.patience, self.kick, guide=guide)
