"""What this installation has, what it lacks, and the command that adds it."""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from placezoo.agents.budget import Budget
from placezoo.agents.registry import make_agent
from placezoo.agents.solution import describe_machine
from placezoo.datasets.public_files import cache_folder, data_folders, is_here, public_files
from placezoo.envs.registration import make_problem

OK, MISSING, BROKEN = "ok", "missing", "broken"


class Finding(NamedTuple):
    """One line of the diagnosis.

    Attributes:
        what: was looked at.
        state: ``ok``; ``missing`` where something optional is not there; ``broken`` where placezoo does not work.
        detail: what was found.
        remedy: the command that mends it, or empty.
    """

    what: str
    state: str
    detail: str
    remedy: str = ""


def diagnose() -> Iterator[Finding]:
    """Yield what there is to say about the machine, the packages, the data, and one small search."""
    machine = describe_machine()
    yield Finding("placezoo", OK, f"{machine['placezoo']} on Python {machine['python']}")
    yield Finding("processor", OK, f"{machine['processor']}, {_threads()}")
    yield from _packages("")
    extras = metadata.metadata("placezoo").get_all("Provides-Extra") or []
    for extra in (name for name in extras if name not in ("all", "dev", "docs")):
        yield from _packages(extra)
    yield _gpu()
    for folder in data_folders():
        yield Finding("PLACEZOO_DATA", OK if folder.is_dir() else MISSING, f"{folder}{_absent(folder)}")
    here = sum(is_here(entry) for entry in public_files().values())
    yield Finding("public instances", OK, f"{here} of {len(public_files())} are here, fetched ones in {cache_folder()}")
    yield _writable("cache", cache_folder())
    yield _compiled()


def _threads() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if name in os.environ]
    return ", ".join([f"{cores} cores", *limits])


def _packages(extra: str) -> Iterator[Finding]:
    """Yield a line on the packages of an extra, or without a name on those that placezoo cannot do without."""
    found, lacking = [], []
    for text in metadata.requires("placezoo") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        is_of_extra = marker is not None and re.search(rf"extra == ['\"]{extra}['\"]", str(marker)) is not None
        if (extra and not is_of_extra) or (not extra and marker is not None and "extra ==" in str(marker)):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            lacking.append(f"{requirement.name} is not installed")
            continue
        if requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement.name} {version}")
        else:
            lacking.append(f"{requirement.name} {version} is too old, {requirement.specifier} is needed")
    what = f"extra {extra}" if extra else "packages"
    if lacking:
        target = f"placezoo[{extra}]" if extra else "placezoo"
        yield Finding(what, MISSING if extra else BROKEN, "; ".join(lacking), f"pip install '{target}'")
    else:
        yield Finding(what, OK, ", ".join(found))


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", MISSING, "torch is not installed", "pip install 'placezoo[agents]'")
    import torch

    if not torch.cuda.is_available():
        return Finding("GPU", MISSING, f"torch {torch.__version__} sees none; everything runs on the processor")
    return Finding("GPU", OK, ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())))


def _absent(folder: Path) -> str:
    return "" if folder.is_dir() else ": no such folder"


def _writable(what: str, folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Finding(what, OK, f"{folder} can be written")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Finding(what, MISSING, f"{folder}: {reason}", "export XDG_CACHE_HOME=FOLDER")


def _compiled() -> Finding:
    """Search a small graph: that numba compiles, and finds again what it has compiled."""
    started = time.perf_counter()
    try:
        problem = make_problem("GraphPartition-v0", "karate", num_parts=2)
        solution = make_agent("local-search").solve(problem, Budget(evaluations=1000), seed=0)
    except Exception as error:  # whatever it is, it is what the user wants to know
        return Finding("a small search", BROKEN, f"{type(error).__name__}: {' '.join(str(error).split())}")
    seconds = time.perf_counter() - started
    return Finding(
        "a small search", OK, f"cut {solution.cost.total:g} of karate, {seconds:.1f} s with what is compiled"
    )
