"""The resources of neural-network device placement: accelerators, and the links that join them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.arrays import EqualByDigest, as_integers, as_quantities, digest_of, read_only


@dataclass(frozen=True, eq=False)
class DeviceTopology(EqualByDigest):
    """Devices, switches, and directed links between them; what is sent takes the route of fewest links.

    Nodes are the devices, 0 to num_devices - 1, and after them switches, which compute nothing. Arrays are read-only.

    Args:
        kinds: what each device is called.
        peak_flops: float64 [num_devices], FLOP/s, above 0.
        memory_bandwidth: float64 [num_devices], bytes/s, above 0.
        memory: float64 [num_devices], bytes.
        links: int64 [num_links, 2], from node, to node; each direction is a link of its own.
        link_bandwidth: float64 [num_links], bytes/s, above 0.
        link_latency: float64 [num_links], seconds.
        num_switches: how many nodes are switches.
        efficiency: the share of the peak that operators reach, in (0, 1].
        launch_overhead: seconds that each operator takes besides.
        name: what the topology is called in results.

    Raises:
        ValueError: an array has the wrong shape or value, or a device cannot be reached from another.
    """

    kinds: Sequence[str]
    peak_flops: NDArray[np.float64]
    memory_bandwidth: NDArray[np.float64]
    memory: NDArray[np.float64]
    links: NDArray[np.int64]
    link_bandwidth: NDArray[np.float64]
    link_latency: NDArray[np.float64]
    num_switches: int = 0
    efficiency: float = 0.5
    launch_overhead: float = 5e-6
    name: str = field(default="topology", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(map(str, self.kinds)))
        k = len(self.kinds)
        if k == 0:
            raise ValueError("a topology has at least one device")
        for name, owner in (
            ("peak_flops", "device"), ("memory_bandwidth", "device"), ("memory", "device"),
            ("link_bandwidth", "link"), ("link_latency", "link"),
        ):  # fmt: skip
            object.__setattr__(self, name, read_only(as_quantities(getattr(self, name), name, owner)))
        object.__setattr__(self, "links", read_only(as_integers(self.links, np.int64, "links").reshape(-1, 2)))
        for name, count in (
            ("peak_flops", k), ("memory_bandwidth", k), ("memory", k), ("link_bandwidth", len(self.links)),
            ("link_latency", len(self.links)),
        ):  # fmt: skip
            if getattr(self, name).shape != (count,):
                raise ValueError(f"{name} must be {count} numbers, not of shape {getattr(self, name).shape}")
            if name not in ("memory", "link_latency") and count and getattr(self, name).min() == 0:
                raise ValueError(f"{name} must be above 0, but number {int(np.argmin(getattr(self, name)))} is 0")
        if not 0 < self.efficiency <= 1:
            raise ValueError(f"efficiency must be in (0, 1], not {self.efficiency}")
        if not (np.isfinite(self.launch_overhead) and self.launch_overhead >= 0):
            raise ValueError(f"launch_overhead must be finite and at least 0, not {self.launch_overhead}")
        nodes = k + self.num_switches
        if len(self.links) and (self.links.min() < 0 or self.links.max() >= nodes):
            raise ValueError(f"a link's end lies outside the nodes 0..{nodes - 1}")
        if np.any(self.links[:, 0] == self.links[:, 1]):
            raise ValueError(
                f"node {self.links[np.argmax(self.links[:, 0] == self.links[:, 1]), 0]} is linked to itself"
            )
        self.routes  # noqa: B018 - checks that all devices are reachable

    @property
    def num_devices(self) -> int:
        """How many devices there are."""
        return len(self.kinds)

    @cached_property
    def routes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The links between devices: where each pair's route starts, int64 [K * K + 1], and the links of all routes.

        The route of fewest links; of several, the one found first by the order of the links.

        Raises:
            ValueError: a device cannot be reached from another.
        """
        k = self.num_devices
        out: dict[int, list[tuple[int, int]]] = {}
        for link, (a, b) in enumerate(self.links.tolist()):
            out.setdefault(a, []).append((link, b))
        start, chosen = np.zeros(k * k + 1, np.int64), []
        for source in range(k):
            came: dict[int, tuple[int, int]] = {source: (-1, -1)}
            layer = [source]
            while layer:
                following = []
                for node in layer:
                    for link, other in out.get(node, ()):
                        if other not in came and (node == source or node >= k):  # devices do not forward
                            came[other] = (node, link)
                            following.append(other)
                layer = following
            for target in range(k):
                if target not in came:
                    raise ValueError(f"{self.name}: device {target} cannot be reached from device {source}")
                route, node = [], target
                while node != source:
                    node, link = came[node]
                    route.append(link)
                chosen += route[::-1]
                start[source * k + target + 1] = len(chosen)
        return read_only(start), read_only(np.array(chosen, np.int64))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, without the name."""
        columns = (
            (self.peak_flops, "<f8"), (self.memory_bandwidth, "<f8"), (self.memory, "<f8"), (self.links, "<i8"),
            (self.link_bandwidth, "<f8"), (self.link_latency, "<f8"), (self.num_switches, "<i8"),
            (self.efficiency, "<f8"), (self.launch_overhead, "<f8"),
        )  # fmt: skip
        return digest_of("placezoo.DeviceTopology/1", columns)

    def __repr__(self) -> str:
        return f"DeviceTopology({self.name!r}, {self.num_devices} devices, {len(self.links)} links)"
