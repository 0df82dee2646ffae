"""Processes that do runs side by side: one that dies or hangs takes only its own run with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from placezoo.experiments.leaderboard.runs import Task, perform

_ONE_THREAD = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
_GRACE = 600.0  # seconds for loading, compiling and the last iteration of a search
_HOUR = 3600.0


class _Worker:
    """One process that takes tasks as lines of JSON and answers each with a line: the error, or nothing."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry for entry in (os.getcwd(), *sys.path) if entry)
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": path}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=environment,
        )  # fmt: skip

    def perform(self, task: Task, limit: float) -> str:
        """Do a run; return what went wrong, or an empty string. After a failure the worker may be dead.

        Raises:
            OSError: the solution cannot be written.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(limit, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(task.to_json() + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            timed_out = not timer.is_alive()
            timer.cancel()
        if answer:
            said = json.loads(answer)
            if "errno" in said:
                raise OSError(said["errno"], said["strerror"], said["filename"])
            return said["error"]
        code = self._process.wait()
        return f"stopped after {limit:.0f} s" if timed_out else f"the process died (exit status {code})"

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._process.kill()
        self._process.wait()


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
    free: SimpleQueue[_Worker | None] = SimpleQueue()
    for _ in range(jobs):
        free.put(None)  # a worker starts when its first task comes
    workers: list[_Worker] = []

    def one(task: Task) -> str:
        worker = free.get()
        if worker is None or not worker.is_alive:
            worker = _Worker()
            workers.append(worker)
        seconds = task.budget.get("seconds")
        try:
            return worker.perform(task, _HOUR if seconds is None else _GRACE + 5 * seconds)
        finally:
            free.put(worker)

    with ThreadPoolExecutor(jobs) as threads:
        futures = {threads.submit(one, task): number for number, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:  # also where the caller stops in the middle, or is interrupted
            threads.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.close()


def attempt(task: Task) -> str:
    """Do a run in this process; return what went wrong in one line, or an empty string.

    Raises:
        OSError: the solution cannot be written: that is no fault of the agent's, and would happen to all.
    """
    try:
        solution = perform(task)
    except Exception as error:  # agents may come from anyone, and fail in any way
        return _one_line(error)
    solution.save(task.path)
    return ""


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def main() -> None:
    """Do the tasks that come on the standard input until it ends."""
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
