"""Families of chips to train and test placers on."""

from __future__ import annotations

import numpy as np

from placezoo.datasets.chip.netlist import Netlist
from placezoo.datasets.chip.netlist_generator import generate_netlist
from placezoo.datasets.dataset import Dataset


def _synthetic_chip(rng: np.random.Generator, name: str) -> Netlist:
    num_hard = int(rng.integers(12, 37))
    num_soft = int(num_hard * rng.uniform(2.5, 5.0))
    return generate_netlist(
        num_hard, num_soft, rng, grid=(int(rng.integers(10, 15)), int(rng.integers(10, 15))),
        rent_exponent=float(rng.uniform(0.55, 0.75)), hard_utilization=float(rng.uniform(0.25, 0.42)),
        soft_utilization=float(rng.uniform(0.12, 0.22)), name=name,
    )  # fmt: skip


DATASETS = (
    Dataset(
        "synthetic-chips",
        "clustered netlists by Rent's rule: 12-36 hard macros, 30-180 soft ones",
        _synthetic_chip,
        {"train": 1000, "validation": 20, "test": 20},
        max_nodes=36,
        max_edges=36 * 12,
        max_resources=196,
    ),
)
