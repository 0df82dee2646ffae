"""A folder in which one process at a time writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def alone_in(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder: no other process works there meanwhile. When this one ends, killed or not, it is free.

    Args:
        folder: made if it is not there.
        what: the other process does there, for the error: ``training``.

    Raises:
        OSError: another process holds it, or it cannot be written.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            try:
                yield
            finally:
                with suppress(OSError):
                    (folder / ".lock").unlink()  # still held: whoever comes now makes a new one
                    if is_new:
                        folder.rmdir()  # refused where there is something in it: what came to nothing leaves nothing
    except Timeout:
        raise OSError(f"{folder}: another {what} is at work there; wait, or choose another --out") from None
