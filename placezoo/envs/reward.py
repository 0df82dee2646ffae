"""The one place where costs become rewards."""

from __future__ import annotations


def cost_decrease(before: float, after: float) -> float:
    """Return the reward of a step: by how much it lowered the total cost.

    An empty assignment costs nothing, so that the rewards of a construction sum to minus its final cost, and those of
    an improvement to the start's cost minus the end's.
    """
    return before - after
