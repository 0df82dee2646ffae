"""Public instances that are files: what the registry says of them, where they lie, how they are fetched and checked."""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

from placezoo.datasets.files import MOST_BYTES, git_blob, read_bytes, sha256
from placezoo.datasets.suggestion import unknown_name

DATA_VARIABLE = "PLACEZOO_DATA"
_MARGIN = 10_000  # bytes that a compressed file may have more than its content
_PATIENCE = 60.0  # seconds without an answer


@dataclass(frozen=True)
class PublicFile:
    r"""A public instance that is a file somewhere, or the second file of one.

    Attributes:
        name: what ``load`` calls it.
        path: where it lies below a folder of ``PLACEZOO_DATA`` or in the cache.
        description: one line.
        format: which reader reads it.
        url: where it is fetched from, at a pinned commit; empty where there is no such place.
        size: bytes, uncompressed; 0 where unknown.
        sha256: of the uncompressed content, or empty.
        git_blob: its id in git, sha1 of ``blob SIZE\0`` and the content, where there is no sha256.
        licence: of the data.
        citation: the publication to cite.
        placement: the second file: canvas and placement of a netlist.
        published: published costs by method.

    Raises:
        ValueError: the path leaves its folder.
    """

    name: str
    path: str
    description: str = ""
    format: str = ""
    url: str = ""
    size: int = 0
    sha256: str = ""
    git_blob: str = ""
    licence: str = ""
    citation: str = ""
    placement: PublicFile | None = None
    published: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or not path.name or "\\" in self.path:
            raise ValueError(f"{self.name}: {self.path!r} does not lie below a folder of data")

    @property
    def files(self) -> list[PublicFile]:
        """All files of the instance."""
        return [self] if self.placement is None else [self, self.placement]


@functools.cache
def public_files() -> dict[str, PublicFile]:
    """Return the registry of public instances by name."""
    text = resources.files("placezoo.datasets").joinpath("registry.toml").read_text("utf-8")
    entries = {}
    for name, entry in tomllib.loads(text).items():
        if "placement" in entry:
            entry["placement"] = PublicFile(name=f"{name} (placement)", **entry["placement"])
        entries[name] = PublicFile(name=name, **entry)
    return entries


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


def is_here(entry: PublicFile) -> bool:
    """Return whether all files of an instance are on this machine."""
    return all(find_file(file) is not None for file in entry.files)


def verify_file(entry: PublicFile, path: Path) -> None:
    """Check a file against its registry entry.

    Raises:
        ValueError: the content is not the published one.
    """
    content = read_bytes(path)
    kind, expected = ("sha256", entry.sha256) if entry.sha256 else ("git blob", entry.git_blob)
    found = sha256(content) if entry.sha256 else git_blob(content)
    if found != expected:
        raise ValueError(f"{path}: not the published {entry.name}: {kind} {found[:16]}..., expected {expected[:16]}...")


def fetch(name: str) -> Path:
    """Return the verified file of a public instance, downloading what is nowhere yet into the cache.

    Raises:
        ValueError: no such instance, or a file's content is not the published one.
        OSError: it is not on this machine and cannot be downloaded.
    """
    if name not in public_files():
        raise ValueError(unknown_name("public instance", name, public_files()))
    entry = public_files()[name]
    if entry.placement is not None:
        _fetch_file(entry.placement)
    return _fetch_file(entry)


def _fetch_file(entry: PublicFile) -> Path:
    path = find_file(entry)
    if path is None:
        return _download(entry)
    verify_file(entry, path)
    return path


def _download_within(entry: PublicFile) -> Callable[[str, Any, Any], None]:
    """Return what downloads a file, and breaks off where it is longer than the registry says."""
    most = int(1.01 * entry.size) + _MARGIN if entry.size else MOST_BYTES

    def download(url: str, output_file: Any, _: Any) -> None:
        import requests

        with requests.get(url, stream=True, timeout=_PATIENCE) as response, Path(output_file).open("wb") as file:
            response.raise_for_status()
            for chunk in response.iter_content(1 << 20):
                file.write(chunk)
                if file.tell() > most:
                    raise ValueError(f"{url}: not the published {entry.name}: it is longer than {most:,} bytes")

    return download


def _download(entry: PublicFile) -> Path:
    import pooch
    import requests

    suffix = next((suffix for suffix in (".gz", ".xz") if entry.url.endswith(suffix)), "")
    target = cache_folder() / (entry.path + suffix)
    advice = f"put it at {entry.path} below a folder named in {DATA_VARIABLE}"
    if not entry.url:
        raise OSError(f"{entry.name} has no public address; {advice}")
    pooch.get_logger().setLevel("WARNING")  # an error is one line, and success needs none
    part = target.with_name(f"part-{os.getpid()}-{target.name}")  # ends alike, so that it is read alike
    try:
        fetch_it = _download_within(entry)
        pooch.retrieve(entry.url, known_hash=None, fname=part.name, path=part.parent, downloader=fetch_it)
        verify_file(entry, part)
        part.replace(target)
    except (requests.RequestException, OSError) as error:
        raise OSError(f"cannot download {entry.name} from {entry.url} ({type(error).__name__}); {advice}") from None
    finally:
        part.unlink(missing_ok=True)
    return target
