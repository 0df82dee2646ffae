"""Named instances: public files, NetworkX's own graphs, members of generated datasets, and files of the user's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx

from placezoo.datasets.chip.bookshelf_format import read_bookshelf
from placezoo.datasets.chip.def_format import read_def
from placezoo.datasets.chip.netlist_format import read_netlist
from placezoo.datasets.dataset import DATASETS, get_dataset
from placezoo.datasets.edge.edge_format import read_edge
from placezoo.datasets.json_content import read_json
from placezoo.datasets.op_graphs import op_graph_format
from placezoo.datasets.op_graphs.model_zoo import PREFIXES, traced_model
from placezoo.datasets.op_graphs.onnx_format import read_onnx
from placezoo.datasets.partition.graph_conversion import from_networkx
from placezoo.datasets.partition.metis_format import read_metis
from placezoo.datasets.public_files import fetch, find_file, public_files
from placezoo.datasets.suggestion import unknown_name

EMBEDDED: dict[str, tuple[str, Callable[[], nx.Graph]]] = {
    "karate": ("Zachary's karate club, 34 members, weighted by shared activities", nx.karate_club_graph),
    "les-miserables": ("characters of the novel, weighted by shared chapters", nx.les_miserables_graph),
    "florentine": ("marriages among 15 Renaissance families", nx.florentine_families_graph),
    "davis-southern-women": ("18 women and the 14 events they came to", nx.davis_southern_women_graph),
}


def instance_names() -> list[str]:
    """Return every name that ``load`` knows without counting the members of generated datasets."""
    return [*EMBEDDED, *public_files()]


def _refuse_cases(name: str) -> Any:
    split = name.split("-")[1]
    raise ValueError(f"{name} is a file of many cases: load one of them, giph-published/{split}/0")


# What reads each format; the file, its placement if it has one, and the instance's name.
_READERS: dict[str, Callable[[Path, Path | None, str], Any]] = {
    "metis": lambda path, _, name: read_metis(path, name=name),
    "netlist": lambda path, placement, name: read_netlist(path, placement, name=name),
    "giph": lambda _path, _placement, name: _refuse_cases(name),
}


@functools.lru_cache(maxsize=32)
def _load_public(name: str, paths: tuple[Path, ...], modified: tuple[int, ...]) -> Any:
    return _READERS[public_files()[name].format](paths[0], paths[1] if len(paths) > 1 else None, name)


def load(name: str | Path) -> Any:
    """Return a named instance.

    Args:
        name: an embedded graph (``karate``), a public instance (``4elt``, ``ariane133-ng45``), a member of a dataset
            (``delaunay/test/3``), a model (``transformers:bert-base,training``, ``torch:gnmt,layers=4``), or
            the path of a file: a METIS ``.graph``; a netlist ``.pb.txt``, with its placement after a comma
            (``netlist.pb.txt,initial.plc``); a Bookshelf ``.aux``; a ``.def`` with its LEF files after commas; an
            ``.onnx`` model, with the sizes of its open dimensions after commas (``model.onnx,batch=8``); an edge
            instance or an operator graph ``.json``, or a workflow with its cluster after a comma
            (``workflow.json,cluster.json``).

    Raises:
        ValueError: no such name (near ones are suggested), or a file is not what it should be.
        OSError: a public file is not on this machine and cannot be downloaded.
    """
    text = str(name)
    if text in EMBEDDED:
        return from_networkx(EMBEDDED[text][1](), name=text)
    if text in public_files():
        fetch(text)
        paths = tuple(path for file in public_files()[text].files if (path := find_file(file)) is not None)
        return _load_public(text, paths, tuple(path.stat().st_mtime_ns for path in paths))
    parts = text.split("/")
    if len(parts) == 3 and parts[0] in DATASETS and parts[2].isdecimal():
        return get_dataset(parts[0]).instance(parts[1], int(parts[2]))
    if text.startswith(PREFIXES):
        return _traced_model(text)
    if _looks_like_file(text):
        return _load_file(text)
    raise ValueError(unknown_name("instance", text, [*instance_names(), *(f"{d}/test/0" for d in DATASETS)]))


def is_named(name: str) -> bool:
    """Return whether ``load`` knows an instance by its name, the same on every machine; a file's path is no name."""
    parts = name.split("/")
    member = len(parts) == 3 and parts[0] in DATASETS and parts[1] in DATASETS[parts[0]].sizes and parts[2].isdecimal()
    return name in EMBEDDED or name in public_files() or member or name.startswith(PREFIXES)


@functools.lru_cache(maxsize=64)
def _traced_model(text: str) -> Any:
    return traced_model(text)


def resolve(instance: Any) -> Any:
    """Return an instance: itself, or what ``load`` finds under a name or path."""
    return load(instance) if isinstance(instance, (str, Path)) else instance


_NETLIST_SUFFIXES = (".pb.txt", ".pb")
_SUFFIXES = (".graph", ".metis", ".aux", ".def", ".json", ".onnx", *_NETLIST_SUFFIXES)


def _plain(text: str) -> str:
    """Return the name of a file without what says that it is compressed."""
    return text.removesuffix(".gz").removesuffix(".xz")


def _looks_like_file(text: str) -> bool:
    first = text.split(",")[0]
    return Path(text).is_file() or Path(first).is_file() or _plain(first).endswith(_SUFFIXES)


def _dimensions(text: str, options: list[str]) -> dict[str, int]:
    pairs = [option.partition("=") for option in options]
    for key, _, value in pairs:
        if not key or not value.isdecimal() or not 0 < int(value) < 2**31:
            raise ValueError(f"{text}: after an .onnx file sizes of its open dimensions are expected, batch=8")
    return {key: int(value) for key, _, value in pairs}


def _load_file(text: str) -> Any:
    first, *others = [text] if Path(text).is_file() else text.split(",")
    kind = _plain(first)
    if kind.endswith(_NETLIST_SUFFIXES):
        if len(others) > 1:
            raise ValueError(f"{text}: a netlist has one placement file, not {len(others)}")
        return read_netlist(first, others[0] if others else None, name=text)
    if kind.endswith(".def"):
        return read_def(first, others, name=text)
    if kind.endswith(".onnx"):
        return read_onnx(first, _dimensions(text, others), name=text)
    if kind.endswith(".json"):
        if not others and read_json(first).get("format") == op_graph_format.FORMAT:
            return op_graph_format.read_op_graph(first, name=text)
        if len(others) > 1:
            raise ValueError(f"{text}: a task graph has one cluster file, not {len(others)}")
        return read_edge(first, others[0] if others else None, name=text)
    if others:
        raise ValueError(f"{text}: {first} is read alone, without {others[0]}")
    return read_bookshelf(first, name=text) if kind.endswith(".aux") else read_metis(first, name=text)
