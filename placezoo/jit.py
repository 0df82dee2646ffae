"""How the package's kernels are compiled: plain functions over arrays, without the GIL, kept on disk between processes.

Numba keeps compiled kernels beside the file that each is written in, and compiles again when that file changes. It does
not notice a change of this file, or of a kernel in another file that a kept one calls: delete ``__pycache__`` then.
Loops that take kernels notice a change of any file beside those kernels. Files that are damaged are written anew.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event
from numba.core.dispatcher import Dispatcher

from placezoo.jit_cache import check_cache


def _kept(**options: Any) -> Callable[[Callable[..., Any]], Dispatcher]:
    """Return a decorator: compiled without the GIL, and kept on disk."""
    compiled = njit(cache=True, nogil=True, **options)
    return lambda function: check_cache(compiled(function))


kernel = _kept()
"""A kernel; a division by zero raises ``ZeroDivisionError``, as in Python."""

ieee_kernel = _kept(error_model="numpy")
"""A kernel whose divisions go unchecked, as in NumPy: x / 0 is inf or nan, and loops over divisions vectorise."""

inlined = _kept(error_model="numpy", forceinline=True)
"""An ``ieee_kernel`` that becomes part of its callers: a call that does not counts the references of all arrays of a
state up and down, and takes 3 times as long."""

generic_inlined = njit(nogil=True, error_model="numpy", forceinline=True)
"""As ``inlined``, for functions that take jitted functions: numba cannot keep those on disk, but what they become part
of is kept."""

fastmath_kernel = _kept(error_model="numpy", fastmath=True)
"""An ``ieee_kernel`` whose sums may be reordered; for what need not be equal to the last bit on every machine."""


unkept = njit(nogil=True)
"""A function over the states of many domains, not kept on disk: loading it would import the modules of all of them."""


_SAY_AFTER = 1.0  # seconds of compilation


class CompilationClock(event.Listener):
    """Counts the seconds that this process has spent on compiling, and says so once to somebody who waits.

    Attributes:
        seconds: so far; what is loaded from disk does not count.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth, self._began, self._is_said = 0, 0.0, False

    def on_start(self, _: Any) -> None:
        """Note that a kernel is being compiled, perhaps within another one."""
        if self._depth == 0:
            self._began = time.perf_counter()
        self._depth += 1
        if not self._is_said and self.seconds + time.perf_counter() - self._began > _SAY_AFTER:
            self._is_said = True
            if sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules):
                print("placezoo: compiling kernels, once; they are kept for the next time ...", file=sys.stderr)

    def on_end(self, _: Any) -> None:
        """Note that a kernel is compiled."""
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._began


compilation = CompilationClock()
"""Of this process."""
event.register("numba:compile", compilation)


def working_seconds() -> float:
    """Return a clock that stands still while kernels are compiled: trainings have their seconds by it."""
    return time.perf_counter() - compilation.seconds


class GenericLoop:
    """A loop that takes other jitted functions as arguments, compiled once for each choice of them and kept on disk.

    Numba alone compiles a function that takes functions in each process anew, seconds each time, since it does not find
    it again. Here each choice is a function of its own, in which the functions are globals. It is compiled again when
    the file of the loop, or a file beside one of the functions, changes. What depends on more than its source is not
    kept: functions from a notebook, and closures.

    Args:
        function: the loop; called with positional arguments only.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._special: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run the loop, compiled for the functions among its arguments."""
        chosen = tuple([one if isinstance(one, Dispatcher) else None for one in arguments])
        special = self._special.get(chosen)
        if special is None:
            special = self._special[chosen] = _specialised(self._function, chosen)
        return special(*[one for one, function in zip(arguments, chosen, strict=True) if function is None])

    def of(self, *functions: Callable[..., Any]) -> Callable[..., Any]:
        """Return the loop compiled for its last arguments, itself a jitted function that loops may take.

        Args:
            functions: jitted.
        """
        chosen = (None,) * (len(inspect.getfullargspec(self._function).args) - len(functions)) + functions
        if chosen not in self._special:
            self._special[chosen] = _specialised(self._function, chosen)
        return self._special[chosen]


generic_loop = GenericLoop
"""A ``GenericLoop``, as a decorator."""


def _specialised(loop: Callable[..., Any], chosen: tuple[Any, ...]) -> Callable[..., Any]:
    """Return a loop compiled for some of its arguments: those that are not None."""
    names = inspect.getfullargspec(loop).args
    functions = {name: function for name, function in zip(names, chosen, strict=True) if function is not None}
    tree = ast.parse(textwrap.dedent(inspect.getsource(loop)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    definition.args.args = [one for one in definition.args.args if one.arg not in functions]
    ast.increment_lineno(tree, loop.__code__.co_firstlineno - 1)
    scope = {**loop.__globals__, **functions}
    exec(compile(tree, loop.__code__.co_filename, "exec"), scope)
    special = scope[loop.__name__]
    digests = [_digest(function) for function in functions.values()]
    if None in digests:
        return njit(nogil=True)(special)
    # Numba keeps a function under its qualified name.
    text = "|".join(f"{name} {digest}" for name, digest in zip(functions, digests, strict=True))
    special.__qualname__ = f"{loop.__qualname__}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return kernel(special)


def _digest(function: Dispatcher) -> str | None:
    """Return what a jitted function's compiled form depends on; None if that cannot be told."""
    source = function.py_func
    file = Path(source.__code__.co_filename)
    if source.__closure__ is not None or not file.is_file():
        return None
    return f"{source.__module__} {source.__qualname__} {function.targetoptions} {_stamp(file.parent)}"


@functools.cache
def _stamp(folder: Path) -> str:
    """Return when the Python files of a folder were last written, and their sizes."""
    files = sorted((path.name, path.stat()) for path in folder.glob("*.py"))
    return " ".join(f"{name} {stat.st_mtime_ns} {stat.st_size}" for name, stat in files)
