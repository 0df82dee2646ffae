"""What strangers may hand over, and what the folder where one works may hold, without being believed or executed."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import placezoo
from placezoo.agents.solution import ClaimError
from placezoo.cost_models import Cost
from placezoo.envs.registration import PROBLEMS
from placezoo.experiments.evaluate import verify
from placezoo.experiments.leaderboard.best_known import BestKnown
from placezoo.experiments.own_code import names_own_code
from tests.instances import small_problem

INSTALLED = ("random", "json", "typing_extensions", "numpy")


@pytest.fixture
def trap(tmp_path):
    """A folder whose modules leave a mark when they are executed."""
    folder = tmp_path / "trap"
    folder.mkdir()
    for name in (*INSTALLED, "cffi", "winreg", "dill", "cuda"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'a').write({name!r})\n")
    return folder


def script(*arguments, cwd):
    """Run the installed command, which does not put the current folder on the module path by itself."""
    program = "import sys; from placezoo.experiments.command_line import main; sys.argv[0] = 'placezoo'; main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_of_the_current_folder_is_executed(trap, tmp_path):
    done = script("envs", cwd=trap)
    assert done.returncode == 0, done.stderr
    board = tmp_path / "board"
    done = script("leaderboard", "quick/edge", "--agent", "heft", "--only", "--jobs", "1", "--out", board, cwd=trap)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout
    assert not (tmp_path / "executed").exists()


AGENT = """
from dataclasses import dataclass
import placezoo


@dataclass(frozen=True)
class Mine(placezoo.Agent):
    name = "mine"

    def _search(self, search):
        search.evaluate(search.problem.greedy(search.rng))
"""


def test_an_agent_that_the_user_names_is_found_there_behind_all_others(trap, tmp_path):
    for path in trap.iterdir():
        if path.stem not in INSTALLED:
            path.unlink()  # what is missing elsewhere may come from here once the user names code of the folder
    (trap / "mine.py").write_text(AGENT)
    board = tmp_path / "board"
    for arguments in (
        ("solve", "GraphPartition-v0", "--instance", "karate", "--agent", "mine:Mine"),
        ("leaderboard", "quick/edge", "--agent", "mine:Mine", "--only", "--jobs", "1", "--out", board),
    ):
        done = script(*arguments, cwd=trap)
        assert done.returncode == 0, done.stderr
        assert "failed" not in done.stdout
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("arguments", "own"),
    [
        (("solve", "GraphPartition-v0", "--instance", "transformers:bert-base", "--agent", "fm"), False),
        (("solve", "GraphPartition-v0", "--instance", "karate", "--agent", "mine:Mine"), True),
        (("leaderboard", "quick", "--agent=mine:Mine,patience=3"), True),
        (("solve", "my.module:Own-v0", "--agent", "fm"), True),
        (("--import", "mine", "envs"), True),
        (("pretrain", "GraphPartition-v0:grid,num_parts=2"), False),
        (("trace", "torch:gnmt"), False),
    ],
)
def test_what_counts_as_naming_own_code(arguments, own):
    assert names_own_code(arguments) is own


@pytest.fixture
def claim():
    problem = placezoo.make_problem("GraphPartition-v0", "karate", num_parts=4)
    return placezoo.make_agent("greedy").solve(problem, placezoo.Budget(evaluations=1), seed=0)


def test_a_claim_has_the_terms_of_its_cost_and_no_others(claim):
    for name in ("total", "score", "gap", "error"):
        cost = claim.cost
        forged = replace(claim, cost=Cost(cost.total, {**cost.terms, name: 1.0}, cost.feasible, cost.violations))
        with pytest.raises(ClaimError, match=f"'{name}' is no term of GraphPartition-v0's cost"):
            verify(forged)
    missing = replace(claim, cost=Cost(claim.cost.total, {}, claim.cost.feasible, claim.cost.violations))
    with pytest.raises(ClaimError, match="cut is claimed to be nan"):
        verify(missing)


@pytest.mark.parametrize("bound", [1e9, math.nan, math.inf, -math.inf])
def test_a_claimed_bound_is_finite_and_no_more_than_the_cost(claim, bound, tmp_path):
    forged = replace(claim, bound=bound)
    with pytest.raises(ClaimError, match="bound: "):
        verify(forged)
    table = BestKnown(tmp_path / "table")
    with pytest.raises(ClaimError, match="bound: "):
        table.update(forged)
    assert not list(tmp_path.glob("table/*.json*"))
    if not math.isfinite(bound):
        with pytest.raises(ValueError, match="that is not finite cannot be saved"):
            forged.save(tmp_path / "forged.json")
        assert not (tmp_path / "forged.json").exists()


def test_a_bound_that_holds_is_kept(claim, tmp_path):
    table = BestKnown(tmp_path / "table")
    assert table.update(replace(claim, bound=claim.cost.total))
    index = json.loads((tmp_path / "table" / "index.json").read_text(), parse_constant=pytest.fail)
    assert index["records"][0]["bound"] == claim.cost.total


@pytest.mark.parametrize("env_id", PROBLEMS)
def test_public_methods_read_nothing_out_of_bounds(env_id):
    problem = small_problem(env_id)
    start = problem.initial_assignment(np.random.default_rng(0))
    n, resources = problem.num_items, problem.num_resources
    for item in (-1, n, 10**9, 0.5, True):
        with pytest.raises(ValueError, match="item must be a whole number in 0"):
            problem.allowed(start, item)
        with pytest.raises(ValueError, match="item must be a whole number in 0"):
            problem.move_cost(start, item, 0)
    for resource in (-1, -(10**9), resources, 10**9, "0"):
        with pytest.raises(ValueError, match="resource must be a whole number in 0"):
            problem.move_cost(start, 0, resource)
    for rows in (start, start[None, :-1], np.stack([start, start])[:, :, None], start[None] * 0 + resources):
        with pytest.raises(ValueError, match=r"assign|resources are|cells are"):
            problem.totals(rows)
    with pytest.raises(ValueError, match="whole numbers"):
        problem.totals(start[None].astype(float))
    np.testing.assert_allclose(problem.totals(start[None]), [problem.evaluate(start).total])
