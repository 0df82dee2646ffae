"""One thread for small matrices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_thread() -> Iterator[None]:
    """Let torch use one thread inside the block.

    The products here are of some hundred rows: on two cores a second thread costs more than it brings, and on a busy
    machine each product waits for it.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
