"""Loops that take jitted functions: right for each choice of them, and found again by the next process."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from numba.core.caching import IndexDataCacheFile

from placezoo import jit
from placezoo.jit_cache import CheckedCacheFile


@jit.kernel
def plus(state, x):
    return state[0] + x


@jit.kernel
def times(state, x):
    return state[0] * x


@jit.generic_loop
def total(state, f, count, g):
    """Add up g of f."""
    result = 0.0
    for x in range(count):
        result += g(state, f(state, x))
    return result


def scaled(factor):
    @jit.kernel
    def scale(state, x):
        return factor * x

    return scale


@pytest.mark.parametrize("f", [plus, times, scaled(2.0), scaled(3.0)])
@pytest.mark.parametrize("g", [plus, times, scaled(5.0)])
def test_each_choice_has_a_loop_of_its_own(f, g):
    state = np.array([7.0])
    expected = sum(g.py_func(state, f.py_func(state, x)) for x in range(4))
    assert total(state, f, 4, g) == total(state, f, 4, g) == expected


def test_a_loop_keeps_its_name_and_counts_its_arguments():
    assert (total.__name__, total.__doc__) == ("total", "Add up g of f.")
    with pytest.raises(ValueError, match="zip"):
        total(np.ones(1), plus, 3)


LOOP = """
from placezoo import jit

@jit.generic_loop
def loop(f, count):
    result = 0
    for x in range(count):
        result += f(x)
    return result
"""
FUNCTION = """
from placezoo import jit

@jit.kernel
def f(x):
    return {}
"""
MAIN = """
from rules import f
from loops import loop

print(loop(f, 4), sum(sum(one.stats.cache_hits.values()) for one in loop._special.values()))
"""


def test_a_loop_is_kept_until_a_function_changes(tmp_path):
    (tmp_path / "code").mkdir()  # rules beside nothing else: only they are watched, besides the loop's own file
    (tmp_path / "loops.py").write_text(LOOP)
    rules = tmp_path / "code" / "rules.py"
    environment = {
        **os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(rules.parent), *sys.path]),
    }  # fmt: skip

    def run():
        done = subprocess.run([sys.executable, "-c", MAIN], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    rules.write_text(FUNCTION.format("x"))
    assert run() == ["6", "0"]
    assert run() == ["6", "1"]
    rules.write_text(FUNCTION.format("10 * x"))
    assert run() == ["60", "0"]
    assert run() == ["60", "1"]


DAMAGES = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[: len(content) // 2],
    "text": lambda content: b"not a pickle",
    "another pickle": lambda content: pickle.dumps([1, 2]),
    "a flipped bit": lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_damaged_files_are_written_anew(tmp_path, suffix, damage):
    """Machine code with one flipped bit is not run."""
    kernel, key = (b"machine code" * 100, "signature"), ("sig", "cpu")
    CheckedCacheFile(str(tmp_path), "f", "stamp").save(key, kernel)
    assert {path.suffix for path in tmp_path.iterdir()} == {".nbi", ".nbc"}
    path = next(tmp_path.glob(f"*{suffix}"))
    path.write_bytes(damage(path.read_bytes()))
    again = CheckedCacheFile(str(tmp_path), "f", "stamp")
    assert again.load(key) is None
    again.save(key, kernel)
    assert again.load(key) == kernel
    assert IndexDataCacheFile(str(tmp_path), "f", "stamp").load(key) == kernel  # and Numba itself reads them


def test_all_that_is_kept_is_checked():
    total(np.ones(1), plus, 3, times)
    for function in (plus, total._special[None, plus, None, times]):
        assert isinstance(function._cache._cache_file, CheckedCacheFile)


def test_an_empty_file_is_compiled_again(tmp_path):
    (tmp_path / "rules.py").write_text(FUNCTION.format("x"))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    program = "from rules import f; print(f(6), sum(f.stats.cache_hits.values()))"
    for damaged, hits in ((False, "0"), (True, "0"), (False, "1")):
        for path in (tmp_path / "cache").rglob("*.nb?") if damaged else ():
            path.write_bytes(b"")
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert done.stdout.split() == ["6", hits]


def test_a_loop_of_some_functions_is_a_function_for_other_loops():
    @jit.kernel
    def thrice(state, x):
        return 3.0 * x

    inner = added.of(plus)
    assert inner is added.of(plus)
    assert total(np.array([7.0]), inner, 4, thrice) == sum(3.0 * (7.0 + x + 1.0) for x in range(4))


@jit.generic_loop
def added(state, x, f):
    return f(state, x) + 1.0
