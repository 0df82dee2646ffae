import json
import re

import numpy as np
import pytest

import placezoo
from placezoo import Budget, Solution
from placezoo.agents.solution import ClaimError
from placezoo.experiments.evaluate import verify


@pytest.fixture
def saved(tmp_path):
    problem = placezoo.make_problem("GraphPartition-v0", instance="karate", num_parts=3)
    solution = placezoo.make_agent("fm").solve(problem, Budget(evaluations=3), seed=5)
    path = tmp_path / "s.json"
    solution.save(path)
    return solution, path


def test_round_trip(saved):
    solution, path = saved
    loaded = Solution.load(path)
    np.testing.assert_array_equal(loaded.assignment, solution.assignment)
    for field in (
        "env_id",
        "parameters",
        "instance",
        "digest",
        "agent",
        "hyperparameters",
        "seed",
        "budget",
        "cost",
        "trace",
    ):
        assert getattr(loaded, field) == getattr(solution, field), field
    assert verify(loaded) == solution.cost


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def set_key(*keys, value):
    def edit(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return edit


def rehashed(edit):
    """Change the assignment and its checksum, as a forger would."""
    from placezoo.agents.solution import assignment_digest

    def whole(content):
        edit(content)
        content["assignment_sha256"] = assignment_digest(np.array(content["assignment"]))

    return whole


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (set_key("cost", "total", value=1.0), "cost: total is claimed to be 1,"),
        (set_key("cost", "terms", "imbalance", value=0.5), "cost: imbalance is claimed to be 0.5"),
        (set_key("cost", "terms", value={}), "cost: cut is claimed to be nan"),
        (set_key("cost", "feasible", value=False), "cost: feasible"),
        (set_key("problem", "digest", value="0" * 64), "digest: "),
        (set_key("problem", "instance", value="les-miserables"), "digest: "),
        (set_key("assignment", 0, value=2), "assignment: changed"),
        (rehashed(set_key("assignment", value=[0] * 34)), "cost: total"),
        (rehashed(set_key("assignment", value=[0] * 33)), "assignment: an assignment is 34"),
        (rehashed(set_key("assignment", 0, value=3)), "assignment: item 0 is assigned to 3"),
    ],
)
def test_tampering_is_named(saved, edit, what):
    _, path = saved
    change(path, edit)
    with pytest.raises(ClaimError, match=what):
        verify(Solution.load(path))


@pytest.mark.parametrize(
    "edit",
    [
        set_key("format", value="other"),
        set_key("assignment", value="0"),
        set_key("assignment", 0, value=0.5),
        set_key("assignment", 0, value=10**30),
        set_key("cost", "total", value="low"),
        set_key("trace", value=[]),
        set_key("trace", value=[[1, 2]]),
        set_key("problem", "parameters", value=3),
        set_key("agent", value=None),
        lambda content: content.pop("cost"),
    ],
)
def test_damaged_files_give_one_line_with_the_path(saved, edit):
    _, path = saved
    change(path, edit)
    with pytest.raises(ValueError, match=r"s\.json:1: ") as caught:
        Solution.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda content: content["cost"].pop("feasible"), "'feasible' is missing - at `$.cost`"),
        (set_key("assignment", 3, value=True), "Expected `int`, got `bool` - at `$.assignment[3]`"),
        (set_key("trace", 0, 1, value="soon"), "Expected `float`, got `str` - at `$.trace[0][1]`"),
        (set_key("agent", "seed", value=None), "Expected `int`, got `null` - at `$.agent.seed`"),
    ],
)
def test_what_is_damaged_is_named_by_its_place(saved, edit, what):
    _, path = saved
    change(path, edit)
    with pytest.raises(ValueError, match=re.escape(f"{path}:1: {what}")):
        Solution.load(path)


def test_fields_of_later_versions_are_no_damage(saved):
    solution, path = saved
    change(path, set_key("colour", value=[1]))
    change(path, set_key("agent", "licence", value="MIT"))
    assert verify(Solution.load(path)) == solution.cost


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"{\n\n]", b"[" * 100_000])
def test_files_that_are_no_solutions(tmp_path, content):
    path = tmp_path / "s.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"s\.json:\d+: "):
        Solution.load(path)
