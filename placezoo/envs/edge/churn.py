"""Churn of clusters: devices leave and join, one at a time."""

from __future__ import annotations

import numpy as np

from placezoo.datasets.edge.device_cluster import DeviceCluster


def leave_or_join(
    cluster: DeviceCluster, whole: DeviceCluster, needed_types: np.ndarray, rng: np.random.Generator
) -> DeviceCluster:
    """Return the cluster after one device has left or one that was away has come back, with equal probability.

    A device leaves only if others support every type that is needed. Where only one of the two can happen, it does;
    where neither can, the cluster stays.

    Args:
        cluster: as it is.
        whole: with every device there; one that comes back supports what it supports there.
        needed_types: int64, the hardware types of the tasks.
        rng: draws.

    Source: Hu et al. 2023 (GiPH), section 5.3.
    """
    supports = cluster.support_matrix[:, np.unique(needed_types)]
    spare = (supports.sum(axis=0) - supports > 0).all(axis=1)  # of each type there is another device
    can_leave = np.flatnonzero(cluster.present & spare)
    can_join = np.flatnonzero(whole.present & ~cluster.present)
    leaves = rng.random() < 0.5
    if can_leave.size and (leaves or not can_join.size):
        return cluster.without(int(rng.choice(can_leave)))
    if can_join.size:
        device = int(rng.choice(can_join))
        return cluster.joined(device, np.flatnonzero(whole.support_matrix[device]).tolist())
    return cluster
