"""What a problem hands out compiled: its moves for searches, and what environments need beyond them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit


class Kernel(NamedTuple):
    """A problem's compiled moves.

    ``state`` is a named tuple of arrays that starts with ``assignment: int64 [num_items]``; the functions are
    numba-jitted and change it in place. A move is four integers ``(item, source, target, partner)``: the item goes
    from resource ``source`` to ``target``, either may be -1 (unplaced); ``partner``, if not -1, is an item of
    ``target`` that goes to ``source`` in exchange, neither being -1 then. A partner below -1 is a move of the domain's
    own.

    Attributes:
        state: the arrays.
        propose: (state, numpy Generator) -> move; never leaves the feasible assignments once inside.
        delta: (state, move) -> what the move adds to the total cost, exactly.
        apply: (state, move) -> None, makes the move.
        undo: (state, move) -> None, takes back the move that was just made.
        settle: (state) -> total cost, improves what a whole assignment leaves open (a chip's soft macros) from where it
            stands; None where an assignment leaves nothing open.
        complete: (state) -> total cost, derives the same from nothing but the assignment, as ``evaluate`` does: called
            when the last item has been placed. Then a move from or to an incomplete assignment has the delta 0.
    """

    state: Any
    propose: Callable
    delta: Callable
    apply: Callable
    undo: Callable
    settle: Callable | None = None
    complete: Callable | None = None


class StepKernel(NamedTuple):
    """The compiled functions that environments need beyond the moves; all write into the arrays they are given.

    Attributes:
        allowed: (state, item, mask [num_resources]) -> None, where the item may be placed.
        movable: (state, mask [num_items, num_resources]) -> None, which single moves an improving step may make.
        observe: (state, features [num_resources, F], values [2 + terms]) -> None, the resources' features, and total
            cost, feasibility (0 or 1) and the cost's terms.
        look: (state, item, mask [num_resources], features [num_resources, P]) -> None, what it would mean to place the
            item on each resource that the mask allows, 0 elsewhere; None where ``FeatureNames.pairs`` is empty.
    """

    allowed: Callable
    movable: Callable
    observe: Callable
    look: Callable | None = None


class Candidates(NamedTuple):
    """A problem's moves before they are evaluated: drawn, and seen by cheap features of the current state.

    Worth offering where evaluating a move takes at least ten times as long as seeing it.

    Attributes:
        draw: (state, numpy Generator) -> move, as ``Kernel.propose`` but without evaluating anything. Where there is
            nothing to move, source and target are equal.
        see: (state, move, features [F]) -> None, writes float32 features of a move.
        names: of the features.
        by_hand: the weights of a score that needs no training, by the name of a feature; ``failures``, how often the
            same item has gone there in vain lately, is a feature that every search adds.
    """

    draw: Callable
    see: Callable
    names: tuple[str, ...]
    by_hand: Mapping[str, float]


@jit.unkept
def look_nowhere(state, item, mask, features):
    """Stand in where a domain has no features of pairs."""


def changing_arrays(state: Any) -> list[NDArray[Any]]:
    """Return the arrays of a kernel's state that its functions may change, those of nested states included."""
    if isinstance(state, np.ndarray):
        return [state] if state.flags.writeable else []
    return [array for part in state for array in changing_arrays(part)] if isinstance(state, tuple) else []
