"""Errors for unknown names: what there is, and what comes near."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_LONGEST = 200  # characters of a name; one from a file may have a million
_MOST = 3  # names that are suggested
_BREAK = re.compile(r"[-_ ./:]")


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that somebody may have meant, the nearest first: at most three.

    Near is what has these initials; else what is spelt nearly so, in any case, or has the name as one of its words.

    >>> near_names("lr", ["learning_rate", "num_envs"])
    ['learning_rate']
    >>> near_names("epochs", ["num_epochs", "num_envs"])
    ['num_epochs']
    >>> near_names("EDGEPLACE-V0", ["EdgePlace-v0", "ChipPlace-v0"])[0]
    'EdgePlace-v0'
    """
    known, wanted = sorted(known), name.lower()
    words = {one: [word for word in _BREAK.split(one.lower()) if word] for one in known}
    initials = [one for one in known if len(wanted) > 1 and wanted == "".join(word[0] for word in words[one])]
    if initials:
        return initials[:_MOST]
    spelt = difflib.get_close_matches(wanted, [one.lower() for one in known], n=_MOST, cutoff=0.5)
    close = [one for lower in spelt for one in known if one.lower() == lower]
    holding = [one for one in known if wanted in words[one]]
    return list(dict.fromkeys([*close, *holding]))[:_MOST]


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return ``unknown KIND 'NAME'; did you mean ...`` (or, with nothing near, the known names)."""
    name = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
    known = sorted(known)
    near = near_names(name, known)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return f"unknown {kind} {name!r}; {hint}"
