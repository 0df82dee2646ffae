"""Processes that do runs side by side: one that dies or hangs takes only its own run with it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from placezoo.experiments.leaderboard.runs import Task, perform

_ONE_THREAD = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
_GRACE = 600.0  # seconds for loading, compiling and the last iteration of a search
_HOUR = 3600.0
_POLL = 0.2  # seconds
_MOST = 2000  # characters of an error


class _Worker:
    """One process that takes tasks as lines of JSON and answers each with a line: the error, or nothing."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry for entry in sys.path if entry)  # what this process finds, in its own order
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": path}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=environment, start_new_session=True,
        )  # fmt: skip

    def perform(self, task: Task, limit: float) -> str:
        """Do a run; return what went wrong, or an empty string. After a failure the worker may be dead.

        Raises:
            OSError: the solution cannot be written.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + limit
        try:
            self._process.stdin.write(task.to_json() + "\n")
            self._process.stdin.flush()
            answer = self._answer(deadline)
        except BrokenPipeError:
            answer = ""
        if answer:
            try:
                said = json.loads(answer)
            except ValueError:
                self._end()
                return "the process answered what nobody understands"
            if "errno" in said:
                raise OSError(said["errno"], said["strerror"], said["filename"])
            return said["error"]
        self._end()
        code = self._process.wait()
        timed_out = time.monotonic() >= deadline
        return f"stopped after {limit:.0f} s" if timed_out else f"the process died (exit status {code})"

    def _answer(self, deadline: float) -> str:
        """Return the process's answer; empty if it dies or its time is over, whoever else holds its pipes then."""
        stream: Any = self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                is_alive = self.is_alive  # asked first: what it said before it died is read below
                if selector.select(_POLL if is_alive else 0.0):
                    return stream.readline()
                if not is_alive:
                    break
        return ""

    def _end(self) -> None:
        """End the process and those that it started, which would go on and hold its pipes."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._end()  # first: a thread that still reads its answer holds the stream
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


class _Queue:
    """Hands out runs so that a worker stays with one environment: each compiles what it needs of one, and once."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._waiting: dict[str, deque[tuple[int, Task]]] = {}
        for number, task in enumerate(tasks):
            self._waiting.setdefault(task.env_id, deque()).append((number, task))
        self._workers: Counter[str] = Counter()  # at work on each environment
        self._lock = threading.Lock()

    def take(self, env_id: str | None) -> tuple[int, Task] | None:
        """Return the next run for a worker that has been at this environment; None if all are taken."""
        with self._lock:
            if env_id is None or not self._waiting.get(env_id):
                if env_id is not None:
                    self._workers[env_id] -= 1
                left = [env for env, waiting in self._waiting.items() if waiting]
                if not left:
                    return None
                env_id = min(left, key=lambda env: (self._workers[env], -self._work(env)))
                self._workers[env_id] += 1
            return self._waiting[env_id].popleft()

    def _work(self, env_id: str) -> float:
        return sum(task.budget.get("seconds", 1.0) for _, task in self._waiting[env_id])


def perform_all(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[int, str]]:
    """Do runs and yield the number of each when it is done, with what went wrong or an empty string.

    Args:
        tasks: what to do.
        jobs: how many processes, each with one thread; 0 for none: in this process, one after the other.

    Raises:
        OSError: a solution cannot be written.
    """
    if jobs == 0:
        for number, task in enumerate(tasks):
            yield number, attempt(task)
        return
    queue, done = _Queue(tasks), SimpleQueue[tuple[int, str | Exception]]()
    workers: list[_Worker] = []
    over = threading.Event()

    def work() -> None:
        worker, env_id = None, None
        while not over.is_set() and (taken := queue.take(env_id)) is not None:
            number, task = taken
            env_id = task.env_id
            seconds = task.budget.get("seconds")
            try:
                if worker is None or not worker.is_alive:
                    worker = _Worker()
                    workers.append(worker)
                done.put((number, worker.perform(task, _HOUR if seconds is None else _GRACE + 5 * seconds)))
            except (OSError, ValueError) as error:  # no solution can be written, no process started or understood
                done.put((number, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    try:
        for _ in tasks:
            number, outcome = done.get()
            if isinstance(outcome, Exception):
                raise outcome
            yield number, outcome
    finally:  # also where the caller stops in the middle, or is interrupted
        over.set()
        for worker in workers:
            worker.close()


def attempt(task: Task) -> str:
    """Do a run in this process; return what went wrong in one line, or an empty string.

    Raises:
        OSError: the solution cannot be written: that is no fault of the agent's, and would happen to all.
    """
    try:
        solution = perform(task)
    except (Exception, SystemExit) as error:  # agents may come from anyone, and fail in any way
        return _one_line(error)
    try:
        solution.save(task.path)
    except OSError:
        raise
    except Exception as error:  # it has what JSON has not
        return _one_line(error)
    return ""


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_MOST]


def _end_with(parent: int) -> None:
    """End this process and those that it started as soon as its parent is gone, killed perhaps."""
    while os.getppid() == parent:
        time.sleep(_POLL)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Do the tasks that come on the standard input until it ends."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an agent prints must not come between the answers
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"error": attempt(Task(**json.loads(line)))}
        except OSError as error:
            answer = {"errno": error.errno, "strerror": error.strerror, "filename": error.filename}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
