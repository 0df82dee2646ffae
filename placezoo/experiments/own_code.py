"""Code that the user names: it may lie in the folder where one works, from which nothing else is loaded."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

_ENVIRONMENT = re.compile(r"[\w.]+:[A-Za-z][\w-]*-v\d+")  # module:Id-v0


def names_own_code(arguments: Sequence[str]) -> bool:
    """Return whether a command line names a module: an agent ``module:Class``, an environment, or ``--import``."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if option not in ("--agent", "--import") or not equals:
            option, value = before, argument
        if option == "--import" or (option == "--agent" and ":" in value) or _ENVIRONMENT.fullmatch(argument):
            return True
    return False


def look_here() -> None:
    """Let modules of the current folder be found, after all others: none of them can stand in for another."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
