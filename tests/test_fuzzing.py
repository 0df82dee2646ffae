"""Hostile files are refused in one line: no traceback, no hang, no gigabytes (``tests/fuzzing.py`` tries many more)."""

import pytest

from tests.fuzzing import attempt, inputs, limits, targets

TARGETS = targets()
INPUTS = 150  # for each reader
DEAR = {"run file, its values": 20, "policy, its values": 40}  # what a board or an agent does with each


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")  # of numbers near the largest; the command line shows none either
def test_hostile_files(name, tmp_path):
    target = TARGETS[name]
    assert attempt(target, target.files, tmp_path, seconds=0) is None  # undamaged it is accepted
    failures = {}
    refused = 0
    count = DEAR.get(name, INPUTS)
    with limits():
        for seed in range(count):
            result = attempt(target, inputs(target, seed), tmp_path)
            refused += result == ""
            if result:
                failures[seed] = result
    assert failures == {}
    assert refused > count // 4  # the damage is real


def test_limits_are_lifted_again(tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with limits():
        assert resource.getrlimit(resource.RLIMIT_AS) != before
        with pytest.raises(MemoryError):
            bytearray(8 << 30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
