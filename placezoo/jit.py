"""How the package's kernels are compiled: plain functions over arrays, without the GIL, kept on disk between processes.

Numba keeps compiled kernels beside the file that each is written in, and compiles again when that file changes. It does
not notice a change of this file, or of a kernel in another file that a kept one calls: delete ``__pycache__`` then.
"""

from numba import njit

kernel = njit(cache=True, nogil=True)
"""A kernel; a division by zero raises ``ZeroDivisionError``, as in Python."""

ieee_kernel = njit(cache=True, nogil=True, error_model="numpy")
"""A kernel whose divisions go unchecked, as in NumPy: x / 0 is inf or nan, and loops over divisions vectorise."""

inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
"""An ``ieee_kernel`` that becomes part of its callers: a call that does not counts the references of all arrays of a
state up and down, and takes 3 times as long."""

fastmath_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
"""An ``ieee_kernel`` whose sums may be reordered; for what need not be equal to the last bit on every machine."""

generic_loop = njit(nogil=True)
"""A loop that takes other jitted functions as arguments. It is compiled in each process, in about a second for each
problem class: numba does not find a kept function again that takes functions, and would add a file at every start."""
