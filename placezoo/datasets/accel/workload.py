"""What accelerators are searched for: one network or several."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.datasets.accel.layer_graph import Choice, Layer, LayerGraph
from placezoo.datasets.accel.network_layers import layers_of
from placezoo.datasets.arrays import EqualByDigest, digest_of
from placezoo.datasets.files import write_atomically
from placezoo.datasets.json_content import located, part, read_json
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.refusal import refuses_in_one_line

FORMAT = "placezoo.Workload/1"


@dataclass(frozen=True, eq=False)
class Workload(EqualByDigest):
    """Networks that an accelerator runs, one after another, each as important.

    Args:
        networks: at least one.
        name: of the workload, default those of its networks.

    Raises:
        ValueError: there is none, or several have tables of accuracies.
    """

    networks: tuple[LayerGraph, ...]
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "networks", tuple(self.networks))
        if not self.networks:
            raise ValueError("a workload has at least one network")
        if sum(bool(network.table) for network in self.networks) > 1:
            raise ValueError("one network of a workload may have a table of accuracies, not several")
        object.__setattr__(self, "name", self.name or "+".join(network.name for network in self.networks))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, without the names."""
        return digest_of("placezoo.Workload/1", (), "|".join(network.digest for network in self.networks))

    @classmethod
    def of(cls, given: Any) -> Any:
        """Return the workload of a network, traced or as layers, or of several; anything else as it is."""
        if isinstance(given, OpGraph):
            return cls((layers_of(given),))
        if isinstance(given, LayerGraph):
            return cls((given,))
        if isinstance(given, (list, tuple)) and given and all(isinstance(one, (OpGraph, LayerGraph)) for one in given):
            return cls(tuple(layers_of(one) if isinstance(one, OpGraph) else one for one in given))
        return given

    def __repr__(self) -> str:
        return f"Workload({self.name!r}, {len(self.networks)} networks)"


def write_workload(workload: Workload, path: str | Path) -> None:
    """Write a workload as JSON; numbers survive exactly."""
    content = {
        "format": FORMAT,
        "name": workload.name,
        "networks": [
            {
                "name": network.name,
                "table": network.table,
                "choices": [[choice.name, list(choice.options)] for choice in network.choices],
                "layers": [layer._asdict() for layer in network.layers],
                "edges": np.asarray(network.edges).tolist(),
            }
            for network in workload.networks
        ],
    }
    write_atomically(path, json.dumps(content) + "\n")


@refuses_in_one_line
def read_workload(path: str | Path, name: str | None = None) -> Workload:
    """Read what ``write_workload`` wrote.

    Args:
        path: of the file.
        name: of the workload, default the one in the file.

    Raises:
        ValueError: ``path:line: what``.
        OSError: the file cannot be read.
    """
    content = read_json(path)

    def build() -> Workload:
        if content.get("format") != FORMAT:
            raise ValueError(f"not a workload (format {FORMAT!r} expected)")
        networks = tuple(_network(entry) for entry in part(content, "networks", list))
        return Workload(networks, name or str(content.get("name", path)))

    workload: Workload = located(path, build)
    return workload


def _network(entry: Any) -> LayerGraph:
    layers = tuple(_layer(one) for one in part(entry, "layers", list))
    choices = tuple(Choice(str(name), tuple(map(str, options))) for name, options in part(entry, "choices", list))
    edges = np.array(part(entry, "edges", list), np.int64).reshape(-1, 2)
    return LayerGraph(layers, edges, choices, part(entry, "name", str), table=part(entry, "table", str))


def _layer(entry: Any) -> Layer:
    if not isinstance(entry, dict) or not {"name", "kind", "inputs", "weights", "outputs"} <= entry.keys() <= set(
        Layer._fields
    ):
        raise ValueError(
            f"a layer has a name, a kind, inputs, weights and outputs, and may have {', '.join(Layer._fields[5:])}"
        )
    numbers = {key: value for key, value in entry.items() if key not in ("name", "kind", "when")}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{key} of layer {entry['name']} must be a number")
    when = tuple((int(choice), int(option)) for choice, option in entry.get("when", ()))
    return Layer(str(entry["name"]), str(entry["kind"]), **numbers, when=when)
