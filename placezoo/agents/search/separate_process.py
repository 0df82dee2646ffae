"""Calls that end in time: what cannot be interrupted runs in a process of its own, which its alarm ends.

A server is started once. It has imported the package and has no threads, so that a call costs a fork (milliseconds) and
not an import (seconds); what a call allocates, caches or breaks ends with its process.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection, Pipe
from typing import Any

from placezoo.agents.search.clock import ALARMS, alarm, now, spent_elsewhere

_ANSWER, _ERROR, _ENDED, _OVER = range(4)
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
            stdout=subprocess.DEVNULL, process_group=0,
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
        os.killpg(self._process.pid, signal.SIGKILL)  # it has not been waited for, so that the group is its own
        self._process.wait()
        self._process = self._connection = None


_server = _Server()
atexit.register(_server.end)


def start_server(*modules: str) -> None:
    """Start what ``call_within`` needs, before a clock starts.

    Args:
        modules: which the server imports now, so that calls need not; those that are not installed are passed over.
    """
    connection = _server.start()
    if modules:
        connection.send((None, modules, ()))
        connection.recv()


def call_within(seconds: float | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or None if it has not returned in time.

    Args:
        seconds: how long it may take, None for any time.
        function: one of a module, so that another process finds it by its name.
        arguments: that can be pickled.

    Raises:
        ValueError: the function failed, or its process was ended from outside; in one line.
    """
    answers = list(_ask((seconds, seconds), function, arguments))
    return answers[0] if answers else None


def answers_within(
    first: float | None, seconds: float | None, function: Callable[..., Iterator[Any]], *arguments: Any
) -> Iterator[Any]:
    """Yield what a generator yields, as it comes, until it ends or its time is over.

    Args:
        first: how many seconds its first answer may take, None for any time.
        seconds: how long it may take in all, None for any time.
        function: a generator function of a module, so that another process finds it by its name.
        arguments: that can be pickled.

    Raises:
        ValueError: the generator failed, or its process was ended from outside; in one line.
    """
    return _ask((first, seconds), function, arguments)


def _ask(
    limits: tuple[float | None, float | None], function: Callable[..., Any], arguments: tuple[Any, ...]
) -> Iterator[Any]:
    """Yield the answers of the server; nothing more once an alarm has ended the process that gives them."""
    if any(limit is not None and limit <= 0 for limit in limits):
        return
    connection = _server.start()
    is_over, counted = False, 0.0
    try:
        connection.send((function, arguments, limits))
        while True:
            kind, answer, spent = connection.recv()  # seconds since the process began
            spent_elsewhere(spent - counted)
            counted = spent
            is_over = kind != _ANSWER
            if is_over:
                break
            yield answer
    except EOFError:
        raise ValueError(f"{function.__qualname__}: its process has ended") from None
    finally:
        if not is_over:
            _server.end()  # it may be in the middle of an answer, or of the next one, which nobody wants
    if kind == _ERROR:
        raise ValueError(f"{function.__qualname__}: {answer}")
    if kind == _ENDED and answer not in ALARMS:
        raise ValueError(f"{function.__qualname__}: its process was ended by signal {answer}")


def serve(descriptor: int) -> None:
    """Answer calls until the other end closes: each in a process of its own."""
    connection = Connection(descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks is interrupted, and ends this one
    connection.send(None)
    while True:
        try:
            function, arguments, limits = connection.recv()
        except EOFError:
            return
        if function is None:
            for module in arguments:
                with contextlib.suppress(ImportError):
                    importlib.import_module(module)
            connection.send(None)
            continue
        child = os.fork()
        if child == 0:
            _answer(connection, function, arguments, limits)
        _, status, usage = os.wait4(child, 0)
        if status != 0:
            spent = usage.ru_utime + usage.ru_stime
            connection.send((_ENDED, os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1, spent))


def _answer(
    connection: Connection,
    function: Callable[..., Any],
    arguments: Any,
    limits: tuple[float | None, float | None],
) -> None:
    """Send what the function returns or yields, and end this process; or be ended by the alarm, also in compiled code.

    The alarm rests while an answer is sent, so that no answer is torn.
    """
    started = now()

    def set_alarm(limit: float | None) -> None:
        if limit is not None:
            alarm(max(limit - (now() - started), 1e-6))

    def send(kind: int, answer: Any) -> None:
        alarm(0)
        connection.send((kind, answer, time.process_time()))

    first, later = limits
    set_alarm(first)
    try:
        answer = function(*arguments)
        for one in answer if isinstance(answer, Generator) else (answer,):
            send(_ANSWER, one)
            set_alarm(later)
        send(_OVER, None)
    except BrokenPipeError:  # whoever asked has gone
        os._exit(1)
    except Exception as error:  # solvers raise what they like
        send(_ERROR, " ".join(str(error).split())[:300])
    os._exit(0)
