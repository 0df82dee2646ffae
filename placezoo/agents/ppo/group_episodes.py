"""Whole episodes in groups on one instance, each the others' baseline: no critic is needed.

Source: Kwon et al. 2020 (POMO), equation 3; Kool et al. 2019 for the shared baseline.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from placezoo.agents.ppo.rollout import Segment


class GroupEpisodes:
    """Puts finished episodes into their groups.

    Environments ``g * size`` to ``(g + 1) * size - 1`` draw the same instances one after another: their first episodes
    are a group, their second ones, and so on.

    Args:
        size: how many environments a group has.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._ended: Counter[int] = Counter()  # episodes of each environment
        self._waiting: dict[tuple[int, int], list[tuple[float, Segment]]] = defaultdict(list)

    def add(self, index: int, cost: float, segment: Segment) -> list[tuple[float, Segment]] | None:
        """Note an episode of an environment; return the costs and episodes of its group if it is the last of it."""
        key = index // self._size, self._ended[index]
        self._ended[index] += 1
        self._waiting[key].append((cost, segment))
        return self._waiting.pop(key) if len(self._waiting[key]) == self._size else None


def set_advantages(groups: list[list[tuple[float, Segment]]]) -> list[Segment]:
    """Give every step of an episode its advantage; return the episodes.

    It is by how much the episode costs less than the mean of its group, in standard deviations within groups.
    """
    within = np.mean([np.var([cost for cost, _ in group]) for group in groups])
    scale = float(np.sqrt(within)) + 1e-8
    episodes = []
    for group in groups:
        mean = np.mean([cost for cost, _ in group])
        for cost, segment in group:
            segment.advantage = np.full(segment.length, (mean - cost) / scale, np.float32)
            episodes.append(segment)
    return episodes
