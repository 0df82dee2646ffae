"""Named instances: embedded ones, public files, members of datasets, models to trace, and files of the user's.

Each domain says what it can load, in the ``formats`` and ``families`` of its folder; the package puts them together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from placezoo.datasets.dataset import DATASETS, get_dataset
from placezoo.datasets.public_files import fetch, find_file, public_files
from placezoo.datasets.suggestion import unknown_name


@dataclass(frozen=True)
class Embedded:
    """An instance that comes with the package.

    Attributes:
        name: what ``load`` calls it.
        description: one line.
        make: (name) -> the instance.
    """

    name: str
    description: str
    make: Callable[[str], Any]


@dataclass(frozen=True)
class FileFormat:
    """How files of one kind become instances.

    Attributes:
        suffixes: how their names end; ``.gz`` and ``.xz`` may follow.
        read: (path, what follows it after commas, the instance's name) -> the instance.
        recognises: (path, what follows) -> whether a file is of this kind, where several have the suffix; the first
            that does reads it.
    """

    suffixes: tuple[str, ...]
    read: Callable[[str, list[str], str], Any]
    recognises: Callable[[str, list[str]], bool] = lambda path, others: True


EMBEDDED: dict[str, Embedded] = {}
_FORMATS: list[FileFormat] = []
_PUBLIC: dict[str, Callable[[Path, Path | None, str], Any]] = {}  # by the registry's format
_PREFIXES: dict[str, Callable[[str], Any]] = {}


def register_embedded(instance: Embedded) -> None:
    """Let ``load`` know an instance that comes with a package."""
    EMBEDDED[instance.name] = instance


def register_format(format: FileFormat) -> None:
    """Let ``load`` read files of another kind."""
    _FORMATS.append(format)


def register_public_format(name: str, read: Callable[[Path, Path | None, str], Any]) -> None:
    """Say what reads public files of a format of ``registry.toml``: (file, second file or None, name) -> instance."""
    _PUBLIC[name] = read


def public_reader(name: str) -> Callable[[Path, Path | None, str], Any]:
    """Return what reads public files of a format of ``registry.toml``."""
    return _PUBLIC[name]


def register_prefix(prefix: str, make: Callable[[str], Any]) -> None:
    """Let ``load`` make instances of all names that begin so, ``torch:`` for example: (name) -> instance."""
    _PREFIXES[prefix] = make


def instance_names() -> list[str]:
    """Return every name that ``load`` knows without counting the members of generated datasets."""
    return [*EMBEDDED, *public_files()]


@functools.lru_cache(maxsize=32)
def _load_public(name: str, paths: tuple[Path, ...], modified: tuple[int, ...]) -> Any:
    return _PUBLIC[public_files()[name].format](paths[0], paths[1] if len(paths) > 1 else None, name)


def load(name: str | Path) -> Any:
    """Return a named instance.

    Args:
        name: an embedded graph (``karate``), a public instance (``4elt``, ``ariane133-ng45``), a member of a dataset
            (``delaunay/test/3``), a model (``transformers:bert-base,training``, ``torch:gnmt,layers=4``), or
            the path of a file: a METIS ``.graph``; an hMETIS ``.hgr``; a netlist ``.pb.txt``, with its placement
            after a comma (``netlist.pb.txt,initial.plc``); a Bookshelf ``.aux``; a ``.def`` with its LEF files after
            commas; an ``.onnx`` model, with the sizes of its open dimensions after commas (``model.onnx,batch=8``); an
            edge instance or an operator graph ``.json``, or a workflow with its cluster after a comma
            (``workflow.json,cluster.json``).

    Raises:
        ValueError: no such name (near ones are suggested), or a file is not what it should be.
        OSError: a public file is not on this machine and cannot be downloaded.
    """
    text = str(name)
    if text in EMBEDDED:
        return EMBEDDED[text].make(text)
    if text in public_files():
        fetch(text)
        paths = tuple(path for file in public_files()[text].files if (path := find_file(file)) is not None)
        return _load_public(text, paths, tuple(path.stat().st_mtime_ns for path in paths))
    parts = text.split("/")
    if len(parts) == 3 and parts[0] in DATASETS and parts[2].isdecimal():
        return get_dataset(parts[0]).instance(parts[1], int(parts[2]))
    for prefix, make in _PREFIXES.items():
        if text.startswith(prefix):
            return make(text)
    if _looks_like_file(text):
        return _load_file(text)
    raise ValueError(unknown_name("instance", text, [*instance_names(), *(f"{d}/test/0" for d in DATASETS)]))


def is_named(name: str) -> bool:
    """Return whether ``load`` knows an instance by its name, the same on every machine; a file's path is no name."""
    parts = name.split("/")
    member = len(parts) == 3 and parts[0] in DATASETS and parts[1] in DATASETS[parts[0]].sizes and parts[2].isdecimal()
    return name in EMBEDDED or name in public_files() or member or name.startswith(tuple(_PREFIXES))


def resolve(instance: Any) -> Any:
    """Return an instance: itself, or what ``load`` finds under a name or path."""
    return load(instance) if isinstance(instance, (str, Path)) else instance


def _plain(text: str) -> str:
    """Return the name of a file without what says that it is compressed."""
    return text.removesuffix(".gz").removesuffix(".xz")


def is_file(text: str | Path) -> bool:
    """Return whether a text is a file's path; what no system takes for a path is none."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long, or with a null byte
        return False


def _looks_like_file(text: str) -> bool:
    first = text.split(",")[0]
    suffixes = tuple(suffix for format in _FORMATS for suffix in format.suffixes)
    return is_file(text) or is_file(first) or _plain(first).endswith(suffixes)


def _load_file(text: str) -> Any:
    first, *others = [text] if is_file(text) else text.split(",")
    for format in _FORMATS:
        if _plain(first).endswith(format.suffixes) and format.recognises(first, others):
            return format.read(first, others, text)
    return _FORMATS[0].read(first, others, text)  # files without a suffix that says more: the first format's


def read_alone(read: Callable[..., Any]) -> Callable[[str, list[str], str], Any]:
    """Return the ``read`` of a format whose files stand alone, from (path, name=) -> instance."""

    def reader(path: str, others: list[str], name: str) -> Any:
        if others:
            raise ValueError(f"{name}: {path} is read alone, without {others[0]}")
        return read(path, name=name)

    return reader
