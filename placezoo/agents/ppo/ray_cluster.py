"""Starting Ray on this machine or joining a cluster, and leaving it as it was found."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from placezoo.parameters import at_least, check_fields

_OBJECT_STORE_BYTES = 300_000_000  # of a Ray started here: episodes are small, and not every machine has much to spare


@dataclass(frozen=True)
class Scale:
    """How much of which machines RLlib uses.

    Args:
        env_runners: processes that step environments; 0 lets the learner's process do it.
        learners: processes that compute gradients; 0 lets the calling process do it.
        gpus: for each learner.
        address: of a running Ray cluster, ``auto`` for the one this machine belongs to; None starts Ray here.
    """

    env_runners: Annotated[int, at_least(0)] = 0
    learners: Annotated[int, at_least(0)] = 0
    gpus: Annotated[float, at_least(0)] = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, "rllib")


def _check_answers(address: str | None) -> None:
    """Raise ValueError if nobody listens there: Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        what = error.strerror or error
        raise ValueError(f"no Ray cluster could be reached at {address!r}: {str(what).lower()}") from None


@contextmanager
def ray_session(address: str | None = None, cpus: int | None = None) -> Iterator[None]:
    """Have Ray running; what is started here is shut down in the end, what was running before goes on.

    Args:
        address: of a cluster to join, or None.
        cpus: that a Ray started here may use; default the machine's.

    Raises:
        ValueError: no cluster answers there.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # spares a warning about GPUs nobody asked for
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        if ray.is_initialized():
            yield
            return
        _check_answers(address)
        try:
            if address is None:
                # Not None: Ray would look for a cluster on this machine, and fail at what a killed one left behind.
                ray.init(
                    "local", num_cpus=cpus, include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES,
                    logging_level=logging.ERROR, log_to_driver=False,
                )  # fmt: skip
            else:
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        except Exception as error:  # a machine that is too busy to start it in time raises just that
            what = (str(error).splitlines() or [type(error).__name__])[0]
            where = "Ray could not be started here" if address is None else f"no Ray cluster was reached at {address!r}"
            raise ValueError(f"{where}: {what}") from None
    try:
        with _ended_in_order():
            yield
    finally:
        ray.shutdown()


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM end this process in order: Ray's own handler prints a stack and aborts, whoever installed another."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        print("ended by SIGTERM", file=sys.stderr)
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
