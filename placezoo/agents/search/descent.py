"""Descent by random proposals, compiled for each problem's own moves."""

from __future__ import annotations

from placezoo import jit


@jit.generic_loop
def descend(state, propose, delta, apply, rng, patience, waited, moves):
    """Make proposals that do not worsen the cost; return how many were tried, and how many in vain at the end."""
    for made in range(moves):
        move = propose(state, rng)
        change = delta(state, move)
        if change <= 0.0:
            apply(state, move)
        waited = 0 if change < 0.0 else waited + 1
        if waited >= patience:
            return made + 1, waited
    return moves, waited
