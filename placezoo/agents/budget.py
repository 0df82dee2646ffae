"""``Budget``: how long an agent may search."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Seconds of wall time, evaluations, or both: whichever ends first.

    An evaluation is one candidate whose cost, or whose difference in cost, the agent asked for.

    Args:
        seconds: above 0, or None for no limit.
        evaluations: at least 1, or None for no limit.

    Raises:
        ValueError: both are None, or one is out of range.
    """

    seconds: float | None = None
    evaluations: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is None and self.evaluations is None:
            raise ValueError("a budget needs seconds, evaluations or both")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"seconds must be a finite number above 0, not {self.seconds}")
        if self.evaluations is not None and (int(self.evaluations) != self.evaluations or self.evaluations < 1):
            raise ValueError(f"evaluations must be a whole number of at least 1, not {self.evaluations}")
