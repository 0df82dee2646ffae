"""Named instances: public files, NetworkX's own graphs, members of generated datasets, and files of the user's."""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import networkx as nx

from placezoo.datasets.dataset import DATASETS, get_dataset
from placezoo.datasets.files import read_bytes, sha256
from placezoo.datasets.graph import Graph
from placezoo.datasets.graph_conversion import from_networkx
from placezoo.datasets.metis_format import read_metis
from placezoo.datasets.suggestion import unknown_name

DATA_VARIABLE = "PLACEZOO_DATA"


@dataclass(frozen=True)
class PublicFile:
    """A public instance that is a file somewhere.

    Attributes:
        name: what ``load`` calls it.
        description: one line.
        format: which reader reads it.
        path: where it lies below a folder of ``PLACEZOO_DATA`` or in the cache.
        url: where it is fetched from, at a pinned commit; empty where there is no such place.
        size: bytes, uncompressed.
        sha256: of the uncompressed content.
        licence: of the data.
        citation: the publication to cite.
    """

    name: str
    description: str
    format: str
    path: str
    url: str
    size: int
    sha256: str
    licence: str
    citation: str


@functools.cache
def public_files() -> dict[str, PublicFile]:
    """Return the registry of public instances by name."""
    text = resources.files("placezoo.datasets").joinpath("registry.toml").read_text("utf-8")
    return {name: PublicFile(name=name, **entry) for name, entry in tomllib.loads(text).items()}


EMBEDDED: dict[str, tuple[str, Callable[[], nx.Graph]]] = {
    "karate": ("Zachary's karate club, 34 members, weighted by shared activities", nx.karate_club_graph),
    "les-miserables": ("characters of the novel, weighted by shared chapters", nx.les_miserables_graph),
    "florentine": ("marriages among 15 Renaissance families", nx.florentine_families_graph),
    "davis-southern-women": ("18 women and the 14 events they came to", nx.davis_southern_women_graph),
}


def data_folders() -> list[Path]:
    """Return the folders of ``PLACEZOO_DATA`` that are searched before anything is fetched."""
    return [Path(folder) for folder in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if folder]


def cache_folder() -> Path:
    """Return where fetched files are kept."""
    import pooch  # imported where it is needed: it takes 0.1 s that no other use of the package should pay

    return Path(pooch.os_cache("placezoo"))


def find_file(entry: PublicFile) -> Path | None:
    """Return where the file already lies on this machine, or None."""
    for folder in [*data_folders(), cache_folder()]:
        for suffix in ("", ".gz", ".xz"):
            candidate = folder / (entry.path + suffix)
            if candidate.is_file():
                return candidate
    return None


def verify_file(entry: PublicFile, path: Path) -> None:
    """Check a file against its registry entry.

    Raises:
        ValueError: the content is not the published one.
    """
    found = sha256(read_bytes(path))
    if found != entry.sha256:
        raise ValueError(
            f"{path}: not the published {entry.name}: sha256 {found[:16]}..., expected {entry.sha256[:16]}..."
        )


def fetch(name: str) -> Path:
    """Return the verified file of a public instance, downloading it into the cache if it is nowhere yet.

    Raises:
        ValueError: no such instance, or the file's content is not the published one.
        OSError: it is not on this machine and cannot be downloaded.
    """
    if name not in public_files():
        raise ValueError(unknown_name("public instance", name, public_files()))
    entry = public_files()[name]
    path = find_file(entry)
    if path is None:
        path = _download(entry)
    verify_file(entry, path)
    return path


def _download(entry: PublicFile) -> Path:
    import pooch
    import requests

    target = cache_folder() / entry.path
    advice = f"put it at {entry.path} below a folder named in {DATA_VARIABLE}"
    if not entry.url:
        raise OSError(f"{entry.name} has no public address; {advice}")
    pooch.get_logger().setLevel("WARNING")  # an error is one line, and success needs none
    try:
        pooch.retrieve(entry.url, known_hash=f"sha256:{entry.sha256}", fname=target.name, path=target.parent)
    except (requests.RequestException, OSError) as error:
        raise OSError(f"cannot download {entry.name} from {entry.url} ({type(error).__name__}); {advice}") from None
    return target


def instance_names() -> list[str]:
    """Return every name that ``load`` knows without counting the members of generated datasets."""
    return [*EMBEDDED, *public_files()]


@functools.lru_cache(maxsize=64)
def _load_public(name: str, path: Path, modified: int) -> Graph:
    verify_file(public_files()[name], path)
    return read_metis(path, name=name)


def load(name: str | Path) -> Graph:
    """Return a named instance.

    Args:
        name: an embedded graph (``karate``), a public one (``4elt``), a member of a generated dataset
            (``delaunay/test/3``), or the path of a METIS ``.graph`` file.

    Raises:
        ValueError: no such name (near ones are suggested), or the file is not what it should be.
        OSError: a public file is not on this machine and cannot be downloaded.
    """
    text = str(name)
    if text in EMBEDDED:
        return from_networkx(EMBEDDED[text][1](), name=text)
    if text in public_files():
        path = fetch(text)
        return _load_public(text, path, path.stat().st_mtime_ns)
    parts = text.split("/")
    if len(parts) == 3 and parts[0] in DATASETS and parts[2].isdecimal():
        return get_dataset(parts[0]).instance(parts[1], int(parts[2]))
    if _looks_like_file(text):
        return read_metis(text, name=text)
    raise ValueError(unknown_name("instance", text, [*instance_names(), *(f"{d}/test/0" for d in DATASETS)]))


def resolve(instance: Any) -> Any:
    """Return an instance: itself, or what ``load`` finds under a name or path."""
    return load(instance) if isinstance(instance, (str, Path)) else instance


def _looks_like_file(text: str) -> bool:
    return Path(text).is_file() or any(
        text.endswith(suffix) for suffix in (".graph", ".graph.gz", ".graph.xz", ".metis")
    )
