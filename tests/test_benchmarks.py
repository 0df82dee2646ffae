"""Benchmarks: what misses a bound, what is printed, and that every script starts."""

import runpy
import sys
from pathlib import Path

import pytest

from benchmarks.measuring import Row, quantity, run, show

SCRIPTS = sorted(
    ".".join(path.with_suffix("").parts)
    for path in Path(__file__).parents[1].glob("benchmarks/**/*.py")
    for path in [path.relative_to(Path(__file__).parents[1])]
    if path.name not in ("__init__.py", "measuring.py")
)


@pytest.mark.parametrize(
    ("value", "unit", "bound", "missed"),
    [
        (1.0, "s", 2.0, False), (2.0, "s", 2.0, False), (2.1, "s", 2.0, True), (1.0, "/s", 2.0, True),
        (2.1, "moves/s", 2.0, False), (0.0, "", 0.0, False), (1.0, "", 0.0, True), (float("nan"), "s", 2.0, True),
        (float("nan"), "/s", 2.0, True), (9.0, "s", None, False),
    ],
)  # fmt: skip
def test_of_rates_more_is_better_and_of_all_others_less(value, unit, bound, missed):
    assert Row("a", value, unit, bound).missed == missed


def test_quantities():
    shown = [
        quantity(*of) for of in ((1.25, "s"), (0.02, "s"), (3e-4, "s"), (2e-6, "s"), (1234.5, "/s"), (9, "steps/s"))
    ]
    assert shown == ["1.25 s", "20 ms", "0.3 ms", "2 us", "1,234/s", "9 steps/s"]
    assert [quantity(191.0, "cut"), quantity(0, "")] == ["191 cut", "0"]


def test_tables_are_markdown(capsys):
    show([
        Row("slow", 0.5, "s", 0.6, "1 s, theirs", table="speeds"), Row("fast", 3e-3, "s", table="speeds"),
        Row("a", 1.0, column="x", shown="one", key="agent"), Row("a", 2.0, column="y", key="agent"),
        Row("b", 3.0, column="y", key="agent"), Row("b", 4.0, column="y", key="agent"),
    ])  # fmt: skip
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if "--" not in line]
    assert cells == [
        ["speeds"], ["what", "measured", "yardstick", "bound"], ["slow", "500 ms", "1 s, theirs", "0.6 s"],
        ["fast", "3 ms", "", ""], ["agent", "x", "y"], ["a", "one", "2"], ["b", "", "3"], ["b", "", "4"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code"), [([], 0), (["--check"], 1), (["good", "--check"], 0), (["good"], 0), (["--chek"], 2)]
)
def test_check_fails_where_a_bound_is_missed(arguments, code, monkeypatch, capsys):
    parts = {
        "bad": lambda: [Row("late", 2.0, "s", 1.0), Row("idle", 9.0)],
        "good": lambda: [Row("early", 0.5, "s", 1.0)],
    }
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    try:
        run("What it measures.", parts)
        found = 0
    except SystemExit as error:
        found = error.code
    assert found == code
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if line.startswith("missed")] == (
        ["missed: late: 2 s, at most 1 s"] if code == 1 else []
    )
    assert ("idle" in said.out) == (code != 2 and "good" not in arguments)


def test_there_are_scripts():
    assert {"benchmarks.partition.cost", "benchmarks.chip.learned", "benchmarks.transfer"} <= set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.filterwarnings("ignore")  # of the libraries that scripts import
def test_every_script_starts_and_can_check(script, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(script, run_name="__main__")
    assert ended.value.code == 0
    assert "--check" in capsys.readouterr().out
