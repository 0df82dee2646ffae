"""Calls that end in time: what cannot be interrupted runs in a process of its own, which its alarm ends.

A server is started once. It has imported the package and has no threads, so that a call costs a fork (milliseconds) and
not an import (seconds); what a call allocates, caches or breaks ends with its process.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any

_ANSWER, _ERROR, _ENDED = range(3)
_SERVE = "import sys; sys.path[:] = {path!r}; from placezoo.agents.search.separate_process import serve; serve({fd})"


class _Server:
    """The server of this process; started when first asked for, and again if it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._owner = 0  # a process that was forked from the owner has no server yet

    def start(self) -> Connection:
        """Start the server, and wait until it is ready."""
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        ours, theirs = Pipe()
        command = [sys.executable, "-c", _SERVE.format(path=sys.path, fd=theirs.fileno())]
        alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env={**os.environ, **alone}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self._connection, self._owner = ours, os.getpid()
        ours.recv()
        return ours

    def end(self) -> None:
        """End the server, and what it runs."""
        if self._process is None or self._connection is None or self._owner != os.getpid():
            return
        self._connection.close()
        self._process.kill()
        self._process.wait()
        self._process = self._connection = None


_server = _Server()
atexit.register(_server.end)


def start_server() -> None:
    """Start what ``call_within`` needs, before a clock starts."""
    _server.start()


def call_within(seconds: float | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or None if it has not returned in time.

    Args:
        seconds: how long it may take, None for any time.
        function: one of a module, so that another process finds it by its name.
        arguments: that can be pickled.

    Raises:
        ValueError: the function failed, or its process was ended from outside; in one line.
    """
    if seconds is not None and seconds <= 0:
        return None
    connection = _server.start()
    try:
        connection.send((function, arguments, seconds))
        kind, answer = connection.recv()
    except BaseException as error:
        _server.end()  # it may be in the middle of an answer
        if isinstance(error, EOFError):
            raise ValueError(f"{function.__qualname__}: its process has ended") from None
        raise
    if kind == _ENDED and answer == signal.SIGALRM:
        return None
    if kind == _ENDED:
        raise ValueError(f"{function.__qualname__}: its process was ended by signal {answer}")
    if kind == _ERROR:
        raise ValueError(f"{function.__qualname__}: {answer}")
    return answer


def serve(descriptor: int) -> None:
    """Answer calls until the other end closes: each in a process of its own."""
    connection = Connection(descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks is interrupted, and ends this one
    connection.send(None)
    while True:
        try:
            function, arguments, seconds = connection.recv()
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            _answer(connection, function, arguments, seconds)
        _, status = os.waitpid(child, 0)
        if status != 0:
            connection.send((_ENDED, os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1))


def _answer(connection: Connection, function: Callable[..., Any], arguments: Any, seconds: float | None) -> None:
    """Send what the function returns, and end this process; or be ended by the alarm, also inside compiled code."""
    if seconds is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        answer = _ANSWER, function(*arguments)
    except Exception as error:  # solvers raise what they like
        answer = _ERROR, " ".join(str(error).split())[:300]
    signal.setitimer(signal.ITIMER_REAL, 0)
    connection.send(answer)
    os._exit(0)
