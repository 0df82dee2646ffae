"""Refusals of readers: a file that is no good is refused in one line, whatever is in it."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

_MOST = 1000  # characters of a message; a file may hold a line of a million

R = TypeVar("R", bound=Callable[..., Any])


def refuses_in_one_line(read: R) -> R:
    """Decorate a reader, so that nothing but ValueError says that a content is bad.

    What it reads is the first text or path among its arguments.
    Numbers that are out of every range, values nested a thousand deep and sizes that no memory holds are bad content
    too, wherever in the reader they come to light. A ValueError's message is made one line, and not a long one.
    """

    @functools.wraps(read)
    def checked(*args: Any, **kwargs: Any) -> Any:
        path = next((arg for arg in (*args, *kwargs.values()) if isinstance(arg, (str, os.PathLike))), "file")
        try:
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                return read(*args, **kwargs)
        except ValueError as error:
            message = str(error)
            if "\n" not in message and len(message) <= _MOST:
                raise
            raise type(error)(_shortened(message)) from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise ValueError(f"{path}:1: it names a file by more than any file's name has") from None
        except ArithmeticError as error:
            raise ValueError(f"{path}:1: a number is out of range ({_shortened(str(error))})") from None
        except RecursionError:
            raise ValueError(f"{path}:1: nested too deeply") from None
        except MemoryError:
            raise ValueError(f"{path}:1: it describes more than this machine's memory holds") from None

    return checked  # type: ignore[return-value]


def _shortened(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _MOST else f"{line[: _MOST // 2]} [...] {line[-_MOST // 4 :]}"
