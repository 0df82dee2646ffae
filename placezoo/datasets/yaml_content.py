"""Reading YAML files."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]


def parse_yaml(path: str, text: str) -> dict[str, Any]:
    """Return the mapping in a YAML text.

    Raises:
        ValueError: ``path:line: what`` if it is not one.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ValueError(f"{path}:{line}: not YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}:1: a mapping expected, not a {type(content).__name__}")
    return content


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
