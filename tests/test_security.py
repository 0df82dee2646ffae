"""What strangers may hand over, and what the folder where one works may hold, without being believed or executed."""

import gzip
import json
import math
import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

import placezoo
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.solution import COUNTED, REPORTED, ClaimError, Solution
from placezoo.cost_models import Cost
from placezoo.datasets.files import read_bytes
from placezoo.datasets.json_content import read_json
from placezoo.datasets.yaml_content import parse_yaml
from placezoo.envs.memory import available_bytes, estimated_bytes
from placezoo.envs.problem import table_text
from placezoo.envs.registration import PROBLEMS
from placezoo.envs.rendering import figure_to_rgb, panel_bytes
from placezoo.envs.tally import Tally
from placezoo.experiments.evaluate import claimed_problem, verify
from placezoo.experiments.folder_lock import alone_in
from placezoo.experiments.leaderboard import Leaderboard, load_suite
from placezoo.experiments.leaderboard.best_known import BestKnown
from placezoo.experiments.own_code import names_own_code
from placezoo.experiments.plots import figure_bytes
from placezoo.experiments.progress import printable
from placezoo.experiments.train import TrainingRun, train
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


BOARD = """
version = 1
description = "one graph"
evaluations = 20
seeds = [0, 1]
[[problems]]
env = "GraphPartition-v0"
instances = ["karate"]
[[agents]]
name = "random"
[[agents]]
name = "fm"
"""


@pytest.fixture
def board(tmp_path):
    (tmp_path / "suite.toml").write_text(BOARD)
    return Leaderboard(load_suite(str(tmp_path / "suite.toml")), tmp_path / "board")


def test_a_run_file_is_of_the_run_that_it_stands_for(board):
    rows = {(row.agent, row.seed): row for row in board.run()}
    path = board.folder / rows["random", 0].file
    own, best = (Solution.load(board.folder / rows[agent, 0].file) for agent in ("random", "fm"))
    other_graph = placezoo.make_problem("GraphPartition-v0", "florentine")
    for forged in (
        best,
        replace(best, agent="random"),
        replace(own, seed=1),
        replace(own, budget={"evaluations": 10**6}),
        replace(own, budget={"evaluations": 20, "seconds": 1.0}),
        replace(own, agent="antigravity:Agent"),
        replace(own, hyperparameters={"starts": 1}),
        replace(own, parameters={**own.parameters, "epsilon": 1.0}),
        placezoo.make_agent("random").solve(other_graph, placezoo.Budget(evaluations=20)),
    ):
        forged.save(path)
        new = [row for row in board.run() if row.is_new]
        assert [(row.agent, row.seed) for row in new] == [("random", 0)], forged
        assert new[0].total == rows["random", 0].total


def test_nothing_is_imported_to_describe_a_run(board, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "strangers.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'a')\n")
    rows = list(board.run())
    stranger = replace(rows[0].solution, agent="strangers:Agent")
    named = [replace(rows[0], agent="strangers:Agent", solution=stranger), *rows[1:]]
    board.write(named)
    assert "strangers:Agent" in (board.folder / "report.html").read_text()
    assert not (tmp_path / "executed").exists()


def test_suites_that_share_a_folder_do_not_share_a_policy(tmp_path):
    training = """
    [training]
    env_id = "GraphPartition-v0"
    dataset = "grid"
    timesteps = {timesteps}
    validations = 1
    parameters = {{ num_parts = 2 }}
    hyperparameters = {{ num_envs = 4, num_steps = 16, batch_size = 32, width = 8, layers = 1 }}
    [[agents]]
    name = "ppo"
    checkpoint = "trained"
    """
    boards = []
    for timesteps in (64, 128):
        (tmp_path / "suite.toml").write_text(BOARD + training.format(timesteps=timesteps))
        board = Leaderboard(load_suite(str(tmp_path / "suite.toml")), tmp_path / "board")
        assert board.needs_training
        board.train()
        boards.append(board)
    for board, timesteps in zip(boards, (64, 128), strict=True):
        assert not board.needs_training
        assert board.learning_curve()[-1].timesteps == timesteps
        assert json.loads((board.trained / "policy.json").read_text())["training"]["timesteps"] == timesteps


MISBEHAVING = """
import os
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import placezoo
from placezoo.cost_models import Cost


@dataclass(frozen=True)
class Liar(placezoo.Agent):
    name = "liar"

    def _search(self, search):
        search.evaluate(search.problem.greedy(search.rng))

    def solve(self, problem, budget=None, seed=0):
        honest = super().solve(problem, budget, seed)
        return self.spoil(honest)

    def spoil(self, honest):
        cost = honest.cost
        return replace(honest, cost=Cost(1.0, {**cost.terms, "cut": 1.0}, cost.feasible, cost.violations))


class Leaver(Liar):
    def spoil(self, honest):
        sys.exit(0)


class Unserialisable(Liar):
    def spoil(self, honest):
        return replace(honest, hyperparameters={"a": object()})


class NoSolution(Liar):
    def spoil(self, honest):
        return None


class Another(Liar):
    def spoil(self, honest):
        return replace(honest, seed=7, budget={"evaluations": 10**9})


class OutOfRange(Liar):
    def spoil(self, honest):
        return replace(honest, assignment=honest.assignment + 1000)


class Spender(Liar):

    def _search(self, search):
        for _ in range(50):
            search.problem.evaluate(search.problem.greedy(search.rng))
        super()._search(search)


class Recorder(Liar):
    def _search(self, search):
        for _ in range(50):
            search.record(search.problem.initial_assignment(search.rng))


class Preparer(Liar):
    def prepare(self, problem):
        problem.totals(np.zeros((50, problem.num_items), np.int64))

    solve = placezoo.Agent.solve


class Scout(Liar):

    def solve(self, problem, budget=None, seed=0):
        found = placezoo.Agent.solve(self, problem, budget, seed)
        other = problem.presented({**problem.parameters, "order": "spectral"})
        for _ in range(25):
            other.evaluate(found.assignment)
            other.move_cost(found.assignment, 0, 1)
        return found


class Dead(Liar):
    def spoil(self, honest):
        os._exit(0)


class ForkAndDie(Liar):
    def spoil(self, honest):
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(1)


class Hang(Liar):
    def spoil(self, honest):
        if os.fork() == 0:
            time.sleep(3600)
        time.sleep(3600)
"""
SPENDERS = ("Spender", "Recorder", "Preparer", "Scout")
HERE = ("Liar", "Leaver", "Unserialisable", "NoSolution", "Another", "OutOfRange", *SPENDERS)


@pytest.fixture
def misbehaving(tmp_path, monkeypatch):
    (tmp_path / "misbehaving.py").write_text(MISBEHAVING)
    monkeypatch.syspath_prepend(tmp_path)

    def board(*names):
        text = BOARD + "".join(f'[[agents]]\nname = "misbehaving:{name}"\n' for name in names)
        (tmp_path / "suite.toml").write_text(text.replace("seeds = [0, 1]", "seeds = [0]"))
        return Leaderboard(load_suite(str(tmp_path / "suite.toml")), tmp_path / "board")

    yield board
    sys.modules.pop("misbehaving", None)


@pytest.mark.parametrize("jobs", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_agent_that_misbehaves_fails_alone(misbehaving, jobs, monkeypatch):
    monkeypatch.setattr("placezoo.experiments.leaderboard.workers._HOUR", 60.0)
    names = {0: HERE, 1: ("Liar", "Unserialisable", "ForkAndDie"), 2: (*HERE, "Dead", "ForkAndDie", "Hang")}[jobs]
    board = misbehaving(*names)
    rows = list(board.run(jobs))
    errors = {row.agent.removeprefix("misbehaving:"): row.error for row in rows if row.error}
    assert set(errors) == set(names)
    for name in set(names) & set(SPENDERS):
        assert re.fullmatch(r"refused: budget: 5[01] evaluations of 20 allowed", errors[name]), name
    assert {row.agent for row in rows if not row.error} == {"random", "fm"}
    board.write(rows)
    assert len(list((board.folder / "runs").glob("*.json"))) == 2


class Direct(placezoo.Agent):
    """Evaluates through the problem alone; or through a kernel as well."""

    name = "direct"

    def _search(self, search):
        for _ in range(10):
            search.evaluate(search.problem.initial_assignment(search.rng))


class Kernels(Direct):
    def _search(self, search):
        super()._search(search)
        kernel = search.problem.kernel(search.best)
        for item in range(5_000):
            kernel.delta(kernel.state, (item % search.problem.num_items, 0, 1, -1))


def test_a_solution_says_who_counted_its_evaluations(claim):
    problem = placezoo.make_problem("GraphPartition-v0", "karate")
    for agent, evaluations, source in (
        (Direct(), 10, COUNTED),
        (Kernels(), 10, REPORTED),
        (placezoo.make_agent("random"), 200, COUNTED),
        (placezoo.make_agent("local-search"), 200, REPORTED),
    ):
        for _ in range(2):  # what an earlier search asked for is not this one's
            solution = agent.solve(problem, placezoo.Budget(evaluations=200))
            assert (solution.evaluations, solution.provenance["evaluations"]) == (evaluations, source)
            assert not solution.is_over_budget
    asked = problem.tally.copy()
    problem.evaluate(solution.assignment)
    problem.refined(None).totals(solution.assignment[None])
    problem.move_cost(solution.assignment, 0, 1)
    problem.allowed(solution.assignment, 0)
    assert problem.tally.since(asked) == Tally(3, 0)


def test_one_case_has_one_key_in_the_table(claim, tmp_path):
    table = BestKnown(tmp_path / "table")
    zero = placezoo.make_problem("GraphPartition-v0", "karate", num_parts=2, epsilon=0.0)
    first = placezoo.make_agent("fm").solve(zero, placezoo.Budget(evaluations=50))
    assert table.update(first)
    assert not table.update(replace(first, parameters={**first.parameters, "epsilon": -0.0}))
    assert table.update(claim)
    left_out = {name: value for name, value in claim.parameters.items() if name != "epsilon"}
    assert not table.update(replace(claim, parameters=left_out))
    assert len(table) == 2
    for name, value in (("topology", "my.yaml"), ("package", "/tmp/my.yml")):
        with pytest.raises(ValueError, match="no parameters that are files"):
            table.update(replace(claim, parameters={**claim.parameters, name: value}))


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))
MERGES = "a0: &a0 {x: 1, y: 2}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 30))


@pytest.mark.parametrize("text", [LAUGHS, MERGES, "a: &a [*a]\n", "a: " + "[" * 60 + "]" * 60 + "\n"])
def test_yaml_is_small_with_its_aliases_before_it_is_built(text):
    with pytest.raises(ValueError, match=r"^t.yaml:\d+: (more than 50 levels|\*a is part of itself)"):
        parse_yaml("t.yaml", text)
    assert parse_yaml("t.yaml", "a: &a {x: 1}\nb: {<<: *a, y: *a}\n") == {"a": {"x": 1}, "b": {"x": 1, "y": {"x": 1}}}


def test_json_has_not_more_values_than_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("placezoo.datasets.json_content.MOST_VALUES", 1000)
    path = tmp_path / "many.json.gz"
    path.write_bytes(gzip.compress(b'{"a": [' + b"[]," * 2000 + b"[]]}"))
    with pytest.raises(ValueError, match="more than 1,000 values"):
        read_json(path)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo.json")
    os.symlink(tmp_path / "fifo.json", tmp_path / "link.json")
    for path in (tmp_path / "fifo.json", tmp_path / "link.json", "/dev/zero"):
        with pytest.raises(ValueError, match="is no regular file"):
            read_bytes(path)
    with pytest.raises(ValueError, match="not JSON"):
        read_json("/proc/self/status")  # the kernel says no size; /proc/kmsg, which never ends, is alike


@pytest.mark.parametrize(
    "changes", [{"layers": 10**9}, {"width": 12_000}, {"width": 10**12}, {"layers": 30}, {"width": 24}]
)
def test_a_network_has_the_sizes_of_its_weights(changes, tmp_path):
    shipped = checkpoint_folder("pretrained", "ppo", "GraphPartition-v0")
    for name in ("policy.json", "policy.safetensors"):
        (tmp_path / name).write_bytes((shipped / name).read_bytes())
    config = json.loads((tmp_path / "policy.json").read_text())
    config["network"].update(changes)
    (tmp_path / "policy.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"no size of the weights|do not fit"):
        Checkpoint.load(tmp_path)


def test_weights_are_finite(tmp_path):
    checkpoint = Checkpoint.load(checkpoint_folder("pretrained", "giph"))
    with torch.no_grad():
        next(iter(checkpoint.network.parameters())).fill_(math.nan)
    checkpoint.save(tmp_path)
    with pytest.raises(ValueError, match="weights that are not finite"):
        Checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    "name", ["torch:gnmt,layers=99999999", "torch:wavenet,stacks=999", "transformers:gpt2,tokens=99999"]
)
def test_options_of_networks_are_bounded(name):
    with pytest.raises(ValueError, match="is at most"):
        placezoo.datasets.load(name)


def test_two_trainings_do_not_share_a_folder(tmp_path):
    run = TrainingRun("GraphPartition-v0", dataset="grid", parameters={"num_parts": 2}, timesteps=16)
    with alone_in(tmp_path, "training"), pytest.raises(OSError, match="another training is at work there"):
        train(run, tmp_path)
    assert list(tmp_path.iterdir()) == []  # the lock went with its holder


@pytest.mark.parametrize(
    "trace", [[[0, -1.0, 1.0]], [[-1, 0.0, 1.0]], [[5, 1.0, 1.0], [3, 2.0, 1.0]], [[5, 2.0, 1.0], [6, 1.0, 1.0]]]
)
def test_traces_do_not_run_backwards(claim, trace, tmp_path):
    claim.save(tmp_path / "s.json")
    content = json.loads((tmp_path / "s.json").read_text())
    (tmp_path / "s.json").write_text(json.dumps({**content, "trace": trace}))
    with pytest.raises(ClaimError, match="trace: "):
        Solution.load(tmp_path / "s.json")


def test_odd_claims_are_refused_in_one_line(claim, tmp_path):
    cost = replace(claim.cost, violations=("none of it holds",))
    with pytest.raises(ClaimError, match="1 violations are claimed, 0 found"):
        verify(replace(claim, cost=cost))
    for parameters in ({"epsilon": 1e300}, {"order": ["bfs"]}, {"num_parts": 10**30}):
        with pytest.raises(ValueError, match=next(iter(parameters))):
            placezoo.make_problem("GraphPartition-v0", "karate", **parameters)
    replace(claim, parameters={**claim.parameters, "instance": "x"}).save(tmp_path / "s.json")
    with pytest.raises(ValueError, match="'instance' is no parameter"):
        Solution.load(tmp_path / "s.json")


def test_names_of_any_length_are_refused_in_a_short_line(claim, tmp_path):
    for name in ("x" * 10**6, "x/" * 10**5, "a\0b", "transformers:" + "x" * 10**6):
        replace(claim, instance=name).save(tmp_path / "s.json")
        solution = Solution.load(tmp_path / "s.json")
        for check in (lambda s=solution: claimed_problem(s, tmp_path / "s.json"), lambda s=solution: verify(s)):
            with pytest.raises(ValueError, match=r"unknown|is not here") as refusal:
                check()
            assert len(str(refusal.value)) < 3000


def test_numbers_of_numpy_are_saved(claim, tmp_path):
    replace(claim, seed=np.int64(3), budget={"evaluations": np.int64(1)}).save(tmp_path / "s.json")
    assert Solution.load(tmp_path / "s.json").seed == 3


def test_tables_and_terminals_obey_no_names(capsys):
    assert table_text({"a": ["=1+1", "@x", "b", -1.5]}) == "a\n'=1+1\n'@x\nb\n-1.5\n"
    assert printable("a\x1b]0;title\x07b\n") == "a\\x1b]0;title\\x07b\n"


def test_names_are_no_formulas():
    def draw(axes):
        axes.set(title=r"$\foo{$", xlabel=r"$\bar{$")
        axes.set_xticks([0.0, 1.0], labels=[r"$\baz{$", "b"])

    assert figure_bytes(draw, "png")
    assert panel_bytes([draw], "png")
    assert figure_to_rgb(draw).size


@pytest.mark.parametrize("formulation", ["construct", "improve", "one-shot"])
def test_as_many_environments_as_memory_holds(formulation):
    many = 10**7
    with pytest.raises(ValueError, match=r"^num_envs=10000000: .* take about [\d,.]+ GB, [\d,.]+ GB are free$"):
        gymnasium.make_vec("GraphPartition-v0", num_envs=many, instance="karate", formulation=formulation)
    env = gymnasium.make_vec("GraphPartition-v0", num_envs=3, instance="karate", formulation=formulation).unwrapped
    env.reset(seed=0)
    each = estimated_bytes(env.envs[0])
    assert len(pickle.dumps(env.envs[0])) < each < 1e6
    assert each * many > available_bytes() > 0


def external(location, shape):
    """Return an ONNX model whose weight is said to lie in another file."""
    onnx = pytest.importorskip("onnx")
    weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=shape)
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(10**12))):
        weight.external_data.add(key=key, value=value)
    value = onnx.helper.make_tensor_value_info
    rows, columns = shape
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [value("x", 1, (2, rows))],
        [value("y", 1, (2, columns))], [weight],
    )  # fmt: skip
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]).SerializeToString()


@pytest.mark.parametrize("location", ["w.bin", "../w.bin", "/etc/passwd", "/dev/zero", "missing", "\0", "x" * 100_000])
def test_weights_of_onnx_models_are_never_opened(location, tmp_path, monkeypatch):
    (tmp_path / "w.bin").write_bytes(bytes(48))
    (tmp_path / "m.onnx").write_bytes(external(location, (10**6, 10**6)))
    opened = []
    monkeypatch.setattr("os.open", lambda path, *others, real=os.open: opened.append(str(path)) or real(path, *others))
    monkeypatch.setattr("builtins.open", lambda *_, **__: pytest.fail("it opens a file"))
    assert placezoo.datasets.load(str(tmp_path / "m.onnx")).num_ops == 1
    assert opened == [str(tmp_path / "m.onnx")]


def test_what_is_written_replaces_links_and_does_not_follow_them(claim, board, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "out.json").symlink_to(precious)
    claim.save(tmp_path / "out.json")
    assert Solution.load(tmp_path / "out.json").agent == claim.agent
    first = [row.total for row in board.run()]
    for path in board.folder.glob("runs/*.json"):
        path.unlink()
        path.symlink_to(precious)
    for name in ("results.json", "results.csv", "report.html"):
        (board.folder / name).symlink_to(precious)
    rows = list(board.run())
    board.write(rows)
    assert all(row.is_new for row in rows)
    assert [row.total for row in rows] == first
    assert not any(path.is_symlink() for path in board.folder.rglob("*"))
    for folder in ("locked", "table"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ".lock").symlink_to(precious)
    with pytest.raises(OSError, match=r"\.lock"), alone_in(tmp_path / "locked", "training"):
        pass
    with pytest.raises(OSError, match=r"\.lock"):
        BestKnown(tmp_path / "table").update(claim)
    assert precious.read_text() == "precious"


def test_a_table_keeps_its_index(claim, tmp_path):
    table = BestKnown(tmp_path)
    table.update(claim)
    content = json.loads((tmp_path / "index.json").read_text())
    for file in ("index.json", ".lock", "../index.json", "x.toml", ""):
        content["records"][0].update(file=file, total=1e9)
        (tmp_path / "index.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match="must be a solution's file in the table's folder"):
            BestKnown(tmp_path).update(claim)
        assert (tmp_path / "index.json").exists()


def test_budgets_do_not_go_by_the_clock_on_the_wall(claim, monkeypatch):
    back = iter(range(10**9, 0, -1000))
    monkeypatch.setattr("time.time", lambda: next(back))
    problem = placezoo.make_problem(claim.env_id, claim.instance, **claim.parameters)
    solution = placezoo.make_agent("local-search").solve(problem, placezoo.Budget(seconds=0.2))
    assert 0.2 <= solution.seconds < 60
    assert [point.seconds for point in solution.trace] == sorted(point.seconds for point in solution.trace)
