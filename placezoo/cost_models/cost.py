"""``Cost``: what an assignment costs, and whether it is feasible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cost:
    """The cost of one assignment; lower is better, always.

    Attributes:
        total: what agents minimise, penalties for violated constraints included.
        terms: the named quantities behind the total, each in its own unit.
        feasible: whether every constraint holds.
        violations: one line for each constraint that does not.
    """

    total: float
    terms: Mapping[str, float] = field(default_factory=dict)
    feasible: bool = True
    violations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", dict(self.terms))

    def is_better_than(self, other: Cost) -> bool:
        """Whether this cost ranks before another: feasible before infeasible, then by total."""
        return (not self.feasible, self.total) < (not other.feasible, other.total)
