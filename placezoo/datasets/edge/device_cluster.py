"""The resources of device placement on a cluster: devices of several kinds and the links between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import EqualByDigest, as_integers, as_quantities, digest_of, read_only


@dataclass(frozen=True, eq=False)
class DeviceCluster(EqualByDigest):
    """Devices with a speed and the hardware types they support, and a link between each two.

    A device that supports nothing is away: it keeps its number, but no task may be on it. That is how clusters change
    (``without``, ``joined``), so that the numbers in a placement keep their meaning.

    Arrays are read-only. Two clusters are equal when their content is, whatever their names.

    Args:
        speed: float64 [num_devices], above 0, compute per unit of time.
        delay: float64 [num_devices, num_devices], what a transfer takes at least, row to column; 0 on the diagonal.
        inverse_bandwidth: float64 [num_devices, num_devices], what each byte adds; 0 on the diagonal.
        supports: for each device the list of hardware types that it can run; or bool [num_devices, num_types].
        name: what the cluster is called in results.

    Raises:
        ValueError: an array has the wrong shape or value.
    """

    speed: NDArray[np.float64]
    delay: NDArray[np.float64]
    inverse_bandwidth: NDArray[np.float64]
    supports: Sequence[Sequence[int]] | NDArray[np.bool_]
    name: str = "cluster"

    def __post_init__(self) -> None:
        speed = as_quantities(self.speed, "speed", "device")
        if speed.ndim != 1 or speed.size == 0:
            raise ValueError(f"speed must be one number for each of at least one device, not of shape {speed.shape}")
        if speed.min() == 0:
            raise ValueError(f"device {int(np.argmin(speed))} has speed 0; one that is away supports nothing instead")
        object.__setattr__(self, "speed", read_only(speed))
        for field in ("delay", "inverse_bandwidth"):
            links = as_quantities(getattr(self, field), field, "device")
            if links.shape != (speed.size, speed.size):
                raise ValueError(f"{speed.size} devices but {field} of shape {links.shape}")
            if np.diagonal(links).any():
                device = int(np.flatnonzero(np.diagonal(links))[0])
                raise ValueError(f"{field} from device {device} to itself must be 0, not {links[device, device]}")
            object.__setattr__(self, field, read_only(links))
        object.__setattr__(self, "supports", read_only(_support_matrix(self.supports, speed.size)))

    @property
    def support_matrix(self) -> NDArray[np.bool_]:
        """Which types each device supports: bool [num_devices, num_types]."""
        return np.asarray(self.supports)

    @property
    def num_devices(self) -> int:
        """How many devices there are, those that are away included."""
        return int(np.asarray(self.speed).size)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which devices are there: bool [num_devices]."""
        return np.asarray(self.support_matrix.any(axis=1))

    def can_run(self, hardware_type: ArrayLike) -> NDArray[np.bool_]:
        """Return which devices support each of some types: bool [len(hardware_type), num_devices]."""
        types = np.asarray(hardware_type)
        matrix = self.support_matrix
        padded = np.zeros((matrix.shape[0], max(matrix.shape[1], int(types.max(initial=0)) + 1)), bool)
        padded[:, : matrix.shape[1]] = matrix
        return padded[:, types].T

    def without(self, device: int) -> DeviceCluster:
        """Return the cluster after a device has left."""
        return self._with_support(device, False)

    def joined(self, device: int, hardware_types: Sequence[int], speed: float | None = None) -> DeviceCluster:
        """Return the cluster after a device has (re)joined with these types, and a new speed unless that is None."""
        cluster = self._with_support(device, hardware_types)
        if speed is None:
            return cluster
        speeds = np.array(self.speed)
        speeds[device] = speed
        return replace(cluster, speed=speeds)

    def _with_support(self, device: int, types: Any) -> DeviceCluster:
        if not 0 <= device < self.num_devices:
            raise ValueError(f"device {device} does not exist, devices are 0..{self.num_devices - 1}")
        matrix = np.array(self.support_matrix)
        matrix[device] = False
        if types is not False:
            chosen = as_integers(types, np.int64, "hardware_types")
            if chosen.size and (chosen.min() < 0 or chosen.max() >= matrix.shape[1]):
                raise ValueError(f"hardware types are 0..{matrix.shape[1] - 1}, not {chosen.tolist()}")
            matrix[device, chosen] = True
        return replace(self, supports=matrix)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, without the name."""
        columns = (
            (self.speed, "<f8"), (self.delay, "<f8"), (self.inverse_bandwidth, "<f8"), (self.supports, "u1"),
        )  # fmt: skip
        return digest_of("placezoo.DeviceCluster/1", columns)

    def __repr__(self) -> str:
        away = self.num_devices - int(self.present.sum())
        return f"DeviceCluster({self.name!r}, {self.num_devices} devices{f', {away} away' if away else ''})"


def _support_matrix(supports: Any, num_devices: int) -> NDArray[np.bool_]:
    if len(supports) != num_devices:
        raise ValueError(f"{num_devices} devices but supports has {len(supports)} rows")
    if isinstance(supports, np.ndarray) and supports.ndim == 2 and supports.dtype == bool:
        return supports.copy()
    rows = [as_integers(row, np.int64, f"supports of device {device}").ravel() for device, row in enumerate(supports)]
    for device, row in enumerate(rows):
        if row.size and row.min() < 0:
            raise ValueError(f"device {device} supports type {row.min()}, types are at least 0")
        if row.size and row.max() >= _MAX_TYPES:
            raise ValueError(f"device {device} supports type {row.max()}, types are below {_MAX_TYPES}")
    matrix = np.zeros((num_devices, max((int(row.max()) + 1 for row in rows if row.size), default=1)), bool)
    for device, row in enumerate(rows):
        matrix[device, row] = True
    return matrix


_MAX_TYPES = 10_000  # a matrix of devices and types stays small
