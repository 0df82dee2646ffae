"""Mt-KaHyPar, started once for all that use it."""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def mtkahypar_library() -> Any:
    """Start Mt-KaHyPar with one thread, which may happen once in a process.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import mtkahypar
    except ImportError:
        message = "this needs mtkahypar, which is not installed: pip install 'placezoo[solvers]'"
        raise ImportError(message) from None
    return mtkahypar.initialize(1)
