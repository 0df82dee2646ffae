"""Errors for unknown names: what there is, and what comes near."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST = 200  # characters of a name; one from a file may have a million


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return ``unknown KIND 'NAME'; did you mean ...`` (or, with nothing near, the known names)."""
    name = name if len(name) <= _MOST else f"{name[:_MOST]}..."
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return f"unknown {kind} {name!r}; {hint}"
