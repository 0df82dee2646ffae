"""``Tally``: how often a problem was asked for a cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Tally:
    """What a problem, and those that it was presented or refined as, was asked for since it was made.

    It keeps honest agents right, and shows careless ones: code in the same process can compute costs of its own, or
    write here what it likes.

    Attributes:
        evaluations: candidates whose cost or difference in cost the problem computed.
        kernels: states with compiled moves that it handed out; what is evaluated by them is not counted here.
    """

    evaluations: int = 0
    kernels: int = 0

    def since(self, begun: Tally) -> Tally:
        """Return what has come since an earlier ``copy``."""
        return Tally(self.evaluations - begun.evaluations, self.kernels - begun.kernels)

    def copy(self) -> Tally:
        """Return the tally as it is now."""
        return Tally(self.evaluations, self.kernels)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out what is asked meanwhile: to compile, or to learn of a candidate that is counted elsewhere."""
        before = self.copy()
        try:
            yield
        finally:
            self.evaluations, self.kernels = before.evaluations, before.kernels
