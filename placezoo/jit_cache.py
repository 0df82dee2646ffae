"""Compiled kernels on disk that are compiled again where their files are damaged: cut short, empty, or changed."""

from __future__ import annotations

import hashlib
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile

_MARK = b"placezoo-sha256:"  # then the digest of what comes before; unpickling stops before it
_LENGTH = len(_MARK) + hashlib.sha256().digest_size


class CheckedCacheFile(IndexDataCacheFile):
    """Numba's index and data files, with a digest behind the data: machine code that is damaged is never run."""

    def load(self, key: Any) -> Any:
        """Return the kept kernel of a signature; None if there is none, or its file is damaged."""
        try:
            return super().load(key)
        except Exception:  # unpickling raises what it likes
            return None

    def _load_index(self) -> dict[Any, str]:
        try:
            overloads = super()._load_index()
            return overloads if isinstance(overloads, dict) else {}
        except Exception:
            return {}

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        body, end = content[:-_LENGTH], content[-_LENGTH:]
        if end.startswith(_MARK) and end != _MARK + hashlib.sha256(body).digest():
            raise ValueError(f"{name}: damaged")
        kernel = pickle.loads(content)
        if not isinstance(kernel, tuple):
            raise ValueError(f"{name}: no kernel")
        return kernel

    def _dump(self, obj: Any) -> bytes:
        content: bytes = super()._dump(obj)
        return content + _MARK + hashlib.sha256(content).digest()


def check_cache(dispatcher: Any) -> Any:
    """Let a function that Numba keeps on disk be kept in checked files; return it."""
    with suppress(AttributeError):  # a function that cannot be kept, or is not compiled at all, has no files
        cache = dispatcher._cache
        stamp = cache._cache_file._source_stamp
        cache._cache_file = CheckedCacheFile(cache.cache_path, cache._impl.filename_base, stamp)
    return dispatcher
