"""Actions as environments read them, and the space of whole assignments, which draws by the mask of an observation."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

OUTSIDE = -1


def read_actions(actions: Any, space: spaces.Space, num_envs: int | None = None) -> NDArray[np.int64]:
    """Return actions as integers, ``OUTSIDE`` (-1) for each number that the space does not hold.

    A number outside of the space is an action that no mask allows: never one counted from the end.

    Args:
        actions: one action, or those of all environments.
        space: of one action, Discrete or MultiDiscrete.
        num_envs: how many environments; None for one action.

    Returns:
        int64 [*space.shape], or [num_envs, *space.shape].

    Raises:
        ValueError: they are no whole numbers, or have another shape.
    """
    is_number = num_envs is None and isinstance(actions, (int, np.int64)) and not isinstance(actions, bool)
    if is_number and isinstance(space, spaces.Discrete) and 0 <= actions < space.n:
        return np.asarray(actions, np.int64)  # nearly always, and three times as fast as what follows
    highest = space.nvec if isinstance(space, spaces.MultiDiscrete) else space.n  # type: ignore[attr-defined]
    shape = (space.shape or ()) if num_envs is None else (num_envs, *(space.shape or ()))
    try:
        given = np.asarray(actions)
    except (TypeError, ValueError):
        raise ValueError(f"{_expected(shape)}, not rows of several lengths or a {type(actions).__name__}") from None
    if given.dtype.kind not in "iu" or given.shape != shape:
        raise ValueError(f"{_expected(shape)}, not {given.dtype} of shape {given.shape}")
    return np.where((given >= 0) & (given < highest), given.astype(np.int64), OUTSIDE)


def _expected(shape: tuple[int, ...]) -> str:
    return f"actions are whole numbers of shape {shape}" if shape else "an action is a whole number"


class MaskedMultiDiscrete(spaces.MultiDiscrete):
    """``MultiDiscrete`` whose ``sample`` takes the mask of an observation as it is, besides Gymnasium's tuple of rows.

    So ``env.action_space.sample(mask=observation["action_mask"])`` draws in every formulation.
    """

    def sample(self, mask: Any = None, probability: Any = None) -> NDArray[np.integer[Any]]:
        """Draw an action; ``mask`` (int8) or ``probability`` [*nvec.shape, choices], as an array or in tuples."""
        return super().sample(mask=_rows(mask), probability=_rows(probability))


def _rows(mask: Any) -> Any:
    """Return an array as nested tuples of its rows; anything else as it is."""
    return tuple(map(_rows, mask)) if isinstance(mask, np.ndarray) and mask.ndim > 1 else mask
