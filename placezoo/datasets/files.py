"""Reading plain and compressed files, and writing files that are never half there."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import lzma
import os
import stat
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
MOST_BYTES = 1 << 30  # of a file once decompressed; a few kilobytes can be made to unfold into more than any memory


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file, decompressed if its name ends in ``.gz`` or ``.xz``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file, not what its suffix says, is cut short, or grows beyond ``MOST_BYTES``.
    """
    path = Path(path)
    opener: Callable[..., BinaryIO] | None = _OPENERS.get(path.suffix)
    try:
        # Not to wait for the other end of a pipe. What the kernel offers without a size may never end either.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as raw:
            about = os.fstat(raw.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ValueError(f"{path}: is no regular file")
            if about.st_size == 0:
                return b""
            if opener is None:
                return raw.read()
            with opener(raw) as file:
                content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: is a folder, not a file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{path}: damaged {path.suffix[1:]} file ({error})") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path}: holds more than {MOST_BYTES:,} bytes once decompressed")
    return content


def read_text_bytes(path: str | Path) -> bytes:
    """Return the content of a text file as UTF-8 without a byte order mark, which Windows puts before text.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as ``read_bytes``; or it begins as UTF-16 and does not go on so.
    """
    content = read_bytes(path)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16").encode()
        except UnicodeDecodeError:
            raise ValueError(f"{path}:1: it begins as UTF-16 text and does not go on so") from None
    return content.removeprefix(codecs.BOM_UTF8)


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write a file under a temporary name beside it, then rename: readers see all of it or none of it.

    Raises:
        OSError: the file cannot be written, and names it; what was there before still is.
    """
    path = Path(path)
    if isinstance(content, str):
        content = content.encode()
    try:
        _replace(path, content)
    except OSError as error:  # of a full disk it would not say where
        raise OSError(error.errno, error.strerror, str(path)) from None


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes files private; a result is an ordinary file
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes as lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def git_blob(content: bytes) -> str:
    """Return the id that git gives some content as a file, as lower-case hex."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
