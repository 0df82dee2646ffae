"""Distributions over the allowed pairs of many samples at once, without padding."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.networks.graph_batch import Pairs


class PairDistribution:
    """A softmax over each group of pairs: a group is a sample, or with ``each_item`` an item of a sample.

    Args:
        scores: [P].
        pairs: sorted by sample and item.
        num_samples: B; one without pairs has probability 1 for whatever it does.
        each_item: whether each item gets its own resource (``one-shot``), or one pair is chosen.
    """

    def __init__(self, scores: Tensor, pairs: Pairs, num_samples: int, each_item: bool) -> None:
        self._pairs = pairs
        self._num_samples = num_samples
        self._each_item = each_item
        self._sample = pairs.row_sample[pairs.row]
        self._group = pairs.row if each_item else self._sample
        groups = len(pairs.row_item) if each_item else num_samples
        highest = scores.new_full((groups,), -torch.inf)
        highest = highest.scatter_reduce(0, self._group, scores.detach(), "amax")
        shifted = scores - highest[self._group]
        sums = scores.new_zeros(groups).index_add(0, self._group, shifted.exp())
        self.log_probs = shifted - sums.clamp(min=1e-38).log()[self._group]  # [P]

    def entropy(self) -> Tensor:
        """Return the entropies [B], summed over items with ``each_item``."""
        parts = -self.log_probs.exp() * self.log_probs
        return parts.new_zeros(self._num_samples).index_add(0, self._sample, parts)

    def log_prob(self, chosen: Tensor) -> Tensor:
        """Return the log-probabilities [B] of chosen pairs, int64 [<= P], those that ``sample`` returned."""
        log_probs = self.log_probs[chosen]
        return log_probs.new_zeros(self._num_samples).index_add(0, self._sample[chosen], log_probs)

    def sample(self, rng: np.random.Generator) -> Tensor:
        """Draw a pair of each group that has one: int64 [groups], rising."""
        if not len(self._group):
            return self._group
        group = self._group.cpu().numpy()
        keys = self.log_probs.detach().cpu().numpy() + rng.gumbel(size=len(group)).astype(np.float32)
        return torch.from_numpy(_best_of_groups(keys, group)).to(self._group.device)


def _best_of_groups(keys: NDArray[np.float32], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the largest key of each group is; groups are contiguous."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(starts, append=len(group))
    best = np.flatnonzero(keys == np.repeat(np.maximum.reduceat(keys, starts), sizes))
    return best[np.flatnonzero(np.diff(group[best], prepend=-1))]  # the first of ties
