"""Reading JSON files whose errors say where they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from placezoo.datasets.files import read_bytes
from placezoo.datasets.refusal import refuses_in_one_line

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

MOST_VALUES = 20_000_000  # of a file: three bytes can become an object of a hundred


@refuses_in_one_line
def read_json(path: str | Path, name: str = "") -> dict[str, Any]:
    """Return the object in a JSON file, plain or compressed.

    Args:
        path: the file's.
        name: what an error calls such a file.

    Raises:
        ValueError: ``path:line: what``, if it is none.
        OSError: it cannot be read.
    """
    raw = read_bytes(path)
    if sum(raw.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise ValueError(f"{path}:1: more than {MOST_VALUES:,} values")
    try:
        content = json.loads(raw)
    except UnicodeDecodeError:
        raise ValueError(f"{path}:1: not a text file") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    except ValueError as error:  # of a whole number with thousands of digits
        raise ValueError(f"{path}:1: {error}") from None
    if not isinstance(content, dict):
        what = f"not {name}: " if name else ""
        raise ValueError(f"{path}:1: {what}an object expected, not a {type(content).__name__}")
    return content


def read_record(path: str | Path, kind: type[S], name: str) -> S:
    """Return what is in a JSON file, plain or compressed, of one of our own formats.

    Args:
        path: the file's.
        kind: what the format holds; its tag is the format's name, in the field ``format``.
        name: what an error calls such a file.

    Raises:
        ValueError: ``path:line: what``, if it is none.
        OSError: it cannot be read.
    """
    content, expected = read_json(path, name), kind.__struct_config__.tag
    if content.get("format") != expected:
        raise ValueError(f"{path}:1: not {name} (format {expected!r} expected)")
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in content:
            raise ValueError(f"{path}:1: {field.name!r} is missing")
    return located(path, lambda: converted(content, kind))


def converted(content: Any, kind: type[T]) -> T:
    """Return a content as a struct, or another type that msgspec knows.

    Raises:
        ValueError: what is missing, of another type or refused by the type itself, and where.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ValueError(re.sub("Object missing required field `(.*?)`", r"'\1' is missing", str(error))) from None


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
