"""The mean of the largest values: how density and congestion become one number."""

from __future__ import annotations

from placezoo import jit


@jit.ieee_kernel
def top_mean(values, k, scratch, hint):
    """Return the mean of the ``k`` largest values and the k-th largest.

    Args:
        values: float64 [n].
        k: 1..n.
        scratch: float64 [n], overwritten.
        hint: where the k-th largest was before a small change; any number is right, a near one is fast.
    """
    bound = 0.98 * hint
    count = 0
    for value in values:
        scratch[count] = value  # written always, counted if large: no branch to mispredict
        count += value >= bound
    if count < k:
        for i in range(values.size):
            scratch[i] = values[i]
        count = values.size
    low, high = 0, count - 1
    target = k - 1
    while low < high:  # Hoare's quickselect, in descending order
        pivot = scratch[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while scratch[i] > pivot:
                i += 1
            while scratch[j] < pivot:
                j -= 1
            if i <= j:
                scratch[i], scratch[j] = scratch[j], scratch[i]
                i += 1
                j -= 1
        if target <= j:
            high = j
        elif target >= i:
            low = i
        else:
            break
    total = 0.0
    for i in range(k):
        total += scratch[i]
    return total / k, scratch[target]
