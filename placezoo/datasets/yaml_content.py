"""YAML: files of the user's, and presets that come with the package."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import yaml  # type: ignore[import-untyped]

from placezoo.datasets.files import read_bytes
from placezoo.datasets.json_content import located
from placezoo.datasets.suggestion import unknown_name

_MOST_VALUES, _MOST_DEPTH = 100_000, 50


def is_yaml(name: str) -> bool:
    """Return whether a preset's name is the path of a YAML file instead."""
    return name.endswith((".yaml", ".yml"))


def read_presets(package: str, file: str) -> dict[str, Any]:
    """Return the mapping in a YAML file of a package of ours."""
    return parse_yaml(file, resources.files(package).joinpath(file).read_text("utf-8"))


def preset_or_file(name: str, kind: str, presets: Mapping[str, Any], build: Callable[[Any], Any]) -> Any:
    """Return what ``build`` makes of a preset, or of a YAML file.

    Args:
        name: of the preset, or a path that ends in ``.yaml`` or ``.yml``.
        kind: of presets, for errors.
        presets: by name.
        build: takes a mapping.

    Raises:
        ValueError: no such preset (near names are given), or ``path:line: what`` for a file.
        OSError: the file cannot be read.
    """
    if is_yaml(name):
        content = parse_yaml(name, read_bytes(name).decode(errors="replace"))
        return located(name, lambda: build(content))
    if name not in presets:
        raise ValueError(unknown_name(kind, name, presets))
    return build(presets[name])


def parse_yaml(path: str, text: str) -> dict[str, Any]:
    """Return the mapping in a YAML text.

    Raises:
        ValueError: ``path:line: what`` if it is not one.
    """
    try:
        _check_size(path, text)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ValueError(f"{path}:{line}: not YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}:1: a mapping expected, not a {type(content).__name__}")
    return content


def _check_size(path: str, text: str) -> None:
    """Check, before anything is built, that a YAML text is small once its aliases stand for what they name.

    Raises:
        ValueError: it has too many values, is nested too deeply, or an alias names what it is part of.
    """
    open_sizes: list[int] = [0]  # of the collections around a value, each with what its aliases stand for
    anchors: dict[str, int] = {}
    names: list[str | None] = [None]
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        size = 0
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in names:
                raise ValueError(f"{path}:{event.start_mark.line + 1}: *{event.anchor} is part of itself")
            size = anchors.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
            anchors[event.anchor or ""] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_sizes.append(1)
            names.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            size = open_sizes.pop()
            anchors[names.pop() or ""] = size
        open_sizes[-1] += size
        if len(open_sizes) > _MOST_DEPTH or open_sizes[-1] > _MOST_VALUES:
            what = f"more than {_MOST_DEPTH} levels or {_MOST_VALUES:,} values"
            raise ValueError(f"{path}:{event.start_mark.line + 1}: {what}, aliases counted as what they name")


def check_number(what: str, value: float, may_be_zero: bool = False) -> None:
    """Refuse what is not finite, below 0, or 0 where it must not be.

    Raises:
        ValueError: it is one of those; the message begins with ``what``.
    """
    if not (math.isfinite(value) and (value > 0 or (may_be_zero and value == 0))):
        raise ValueError(f"{what} must be a finite number {'of at least' if may_be_zero else 'above'} 0, not {value}")


def number_of(entry: Any, field: str, owner: str) -> float:
    """Return a number in a mapping.

    Raises:
        ValueError: it is missing, or not a number.
    """
    try:
        return float(entry[field])  # YAML 1.1 reads 16e9 as text
    except KeyError:
        raise ValueError(f"{owner}: {field!r} is missing") from None
    except (TypeError, ValueError):
        raise ValueError(f"{owner}: {field} must be a number, not {entry[field]!r}") from None
