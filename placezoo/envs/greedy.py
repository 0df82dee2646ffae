"""Greedy construction of any problem: item by item, each where it adds least to the cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.envs.kernel import Kernel, StepKernel


def place_greedily(
    kernel: Kernel, step_kernel: StepKernel, num_resources: int, items: NDArray[np.int64], rng: np.random.Generator
) -> None:
    """Place some unplaced items of a state, one after another, each where it adds least to the cost; ties at random."""
    mask = np.zeros(num_resources, np.int8)
    _place_greedily(kernel.state, items, mask, kernel.delta, kernel.apply, step_kernel.allowed, rng)


@jit.generic_loop
def _place_greedily(state, items, mask, delta, apply, allowed, rng):
    for item in items:
        allowed(state, item, mask)
        best, best_change, ties = -1, np.inf, 0
        for resource in range(mask.size):
            if mask[resource]:
                change = delta(state, (item, -1, resource, -1))
                ties = 1 if change < best_change else ties + (change == best_change)
                if change < best_change or (change == best_change and rng.random() * ties < 1.0):
                    best, best_change = resource, change
        apply(state, (item, -1, best, -1))
