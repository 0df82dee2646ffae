"""``Budget``: how long an agent may search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from placezoo.parameters import above, at_least, check_parameters


@dataclass(frozen=True)
class Budget:
    """Seconds of wall time, evaluations, or both: whichever ends first.

    An evaluation is one candidate whose cost, or whose difference in cost, the agent asked for. Seconds are of the
    processor instead where the environment says ``PLACEZOO_CLOCK=cpu``.

    Args:
        seconds: above 0, or None for no limit.
        evaluations: at least 1, or None for no limit.

    Raises:
        ValueError: both are None, or one is out of range.
    """

    seconds: Annotated[float | None, above(0)] = None
    evaluations: Annotated[int | None, at_least(1)] = None

    def __post_init__(self) -> None:
        if self.seconds is None and self.evaluations is None:
            raise ValueError("a budget needs seconds, evaluations or both")
        if isinstance(self.evaluations, float) and self.evaluations.is_integer():
            object.__setattr__(self, "evaluations", int(self.evaluations))  # 1e5 is how people write many
        # Checked and kept as given: 60 and 60.0 are told apart in the files of results.
        check_parameters(Budget, "budget", seconds=self.seconds, evaluations=self.evaluations)

    @property
    def limits(self) -> str:
        """What it limits: ``seconds``, ``evaluations``, or ``seconds or evaluations``."""
        return " or ".join(name for name, limit in vars(self).items() if limit is not None)
