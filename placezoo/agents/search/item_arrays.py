"""The order and features of the items of large instances, worked out where that can be broken off."""

from __future__ import annotations

from typing import Any

from placezoo.agents.search.separate_process import call_within, start_server
from placezoo.envs.problem import PlacementProblem

_AT_ONCE = 10_000  # items; eigenvectors of more take seconds
_ARRAYS = ("item_order", "item_features", "item_edges")


def prepare_arrays(problem: PlacementProblem) -> None:
    """Start, before a clock does, what ``arrays_within`` needs."""
    if problem.num_items > _AT_ONCE:
        start_server()


def arrays_within(seconds: float | None, problem: PlacementProblem) -> bool:
    """Work out what a network sees of a problem's items, unless it takes too long; return whether it is there.

    Args:
        seconds: how long it may take, None for any time.
        problem: whose arrays; it keeps them.
    """
    if seconds is None or problem.num_items <= _AT_ONCE or "item_features" in vars(problem):
        return True
    arrays = call_within(seconds, _arrays_of, problem)
    vars(problem).update(arrays or {})  # where the problem itself remembers them
    return arrays is not None


def _arrays_of(problem: PlacementProblem) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in _ARRAYS}
