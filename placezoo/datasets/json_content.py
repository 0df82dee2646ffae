"""Reading JSON files whose errors say where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from placezoo.datasets.files import read_bytes
from placezoo.datasets.refusal import refuses_in_one_line


@refuses_in_one_line
def read_json(path: str | Path) -> dict[str, Any]:
    """Return the object in a JSON file, plain or compressed.

    Raises:
        ValueError: ``path:line: what``, if it is none.
        OSError: it cannot be read.
    """
    try:
        content = json.loads(read_bytes(path))
    except UnicodeDecodeError:
        raise ValueError(f"{path}:1: not a text file") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    except ValueError as error:  # of a whole number with thousands of digits
        raise ValueError(f"{path}:1: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}:1: an object expected, not a {type(content).__name__}")
    return content


def part(content: Any, key: str, kind: type) -> Any:
    """Return an entry of an object.

    Raises:
        ValueError: it is missing or of another type.
    """
    if not isinstance(content, dict):
        raise ValueError(f"an object with {key!r} expected, not a {type(content).__name__}")
    if key not in content:
        raise ValueError(f"{key!r} is missing")
    if not isinstance(content[key], kind):
        raise ValueError(f"{key!r} must be of type {kind.__name__}, not {type(content[key]).__name__}")
    return content[key]


def located(path: str | Path, build: Any) -> Any:
    """Return what ``build`` returns, its errors turned into ``path:1: what``."""
    try:
        return build()
    except KeyError as error:
        raise ValueError(f"{path}:1: {error.args[0]!r} is missing") from None
    except (TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path}:1: not of the expected shape ({error})") from None
    except ValueError as error:
        raise ValueError(f"{path}:1: {error}") from None
