"""Hostile files for every reader: valid ones, damaged in the ways that break parsers.

``python -m tests.fuzzing [SECONDS] [READER ...]`` runs each reader for so long and prints how many inputs it tried, how
many were refused in one line, and the first that did anything else, which it keeps in ``/tmp/placezoo-fuzz``. The tests
run some of the same inputs. Memory is limited to 3 GB more than at the start and each input to 5 seconds, so that
"10^12 nodes" in a header cannot pass unnoticed.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import gzip
import json
import math
import resource
import signal
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import placezoo
from placezoo.agents.networks.checkpoint import checkpoint_folder
from placezoo.agents.solution import Solution, assignment_digest
from placezoo.datasets import (
    OpGraph,
    Workload,
    load,
    load_technology,
    read_bookshelf,
    read_def,
    read_hmetis,
    read_lef,
    read_metis,
    read_netlist,
    read_op_graph,
    read_partition,
    read_plc,
    read_workload,
    write_op_graph,
    write_workload,
)
from placezoo.datasets.chip.netlist_grouping import read_groups
from placezoo.datasets.edge.edge_format import read_cluster, read_published_giph, read_task_graph
from placezoo.datasets.instance_warning import InstanceWarning
from placezoo.datasets.json_content import read_json
from placezoo.datasets.yaml_content import parse_yaml
from placezoo.envs.registration import make_problem
from placezoo.envs.tally import Tally
from placezoo.experiments.evaluate import claimed_problem, verify
from placezoo.experiments.leaderboard import BestKnown, Leaderboard, load_suite
from tests.datasets.chip.test_bookshelf_format import FILES as BOOKSHELF
from tests.datasets.chip.test_lef_def import DEF, LEF, TOKENS
from tests.datasets.chip.test_netlist_format import PLC, TINY
from tests.datasets.test_edge import GOOD as EDGE
from tests.datasets.test_edge import OLDER_WORKFLOW, WORKFLOW
from tests.datasets.test_topology import GOOD as TOPOLOGY
from tests.experiments.test_leaderboard import SUITE
from tests.instances import ONE_RUN, small_network, small_problem

LIMIT_SECONDS = 5.0
LIMIT_BYTES = 3 << 30
KEPT = Path(tempfile.gettempdir()) / "placezoo-fuzz"


@dataclass(frozen=True)
class Target:
    """A reader and what it reads.

    Attributes:
        files: name -> content of a valid set of files; the first one is what is read.
        read: called with the first file's path; what it returns is used as a user would use it.
        damaged: which files are damaged, by default all.
        is_record: whether the files are JSON or TOML that stay so: single values of them are damaged. A claim's digest
            is made right again, as whoever forges one does.
    """

    files: dict[str, bytes]
    read: Callable[[Path], Any]
    damaged: tuple[str, ...] = ()
    is_record: bool = False


def _placed(env: str, **parameters: Any) -> Callable[[Any], None]:
    """Return what evaluates an assignment of an instance: what a reader lets pass must not break the problem."""

    def use(instance: Any) -> None:
        problem = make_problem(env, instance, **parameters)
        problem.evaluate(np.zeros(problem.num_items, np.int64))

    return use


def _then(read: Callable[[Path], Any], use: Callable[[Any], Any]) -> Callable[[Path], Any]:
    return lambda path: use(read(path))


def _onnx() -> bytes:
    import onnx
    from onnx import TensorProto, helper

    def tensor(name: str, *shape: Any) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 4], np.zeros(12))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(nodes, "g", [tensor("x", 2, 3)], [tensor("y", 2, 4)], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _checkpoint(path: Path) -> None:
    from placezoo.agents.networks.checkpoint import Checkpoint

    Checkpoint.load(path.parent)


def _policy(path: Path) -> None:
    from placezoo.agents.ppo.agent import PPO

    problem = small_problem("GraphPartition-v0")
    agent = PPO(checkpoint=str(path.parent), samples=2)
    agent.solve(problem, placezoo.Budget(evaluations=2))


def _claim(path: Path) -> None:
    solution = Solution.load(path)
    verify(solution, claimed_problem(solution, path))
    solution.counted(Tally()).save(path.with_name("again.json"))
    table_of(path).update(solution)


def table_of(path: Path) -> BestKnown:
    """Return a table beside a file, as it is after earlier inputs."""
    return BestKnown(path.parent / "table")


def _table(path: Path) -> None:
    """Score the entries of a table again, and put an answer into it."""
    table = BestKnown(path.parent)
    for record in table:
        table.verify(record)
    table.update(karate_answer())


@functools.cache
def karate_answer() -> Solution:
    """Return an answer to a small problem."""
    karate = placezoo.make_problem("GraphPartition-v0", instance="karate")
    return placezoo.make_agent("greedy").solve(karate, placezoo.Budget(evaluations=1))


def _board(path: Path) -> Leaderboard:
    suite = path.with_name("suite.toml")
    suite.write_text(ONE_RUN)
    return Leaderboard(load_suite(str(suite)), path.parent / "board")


def _run_file(path: Path) -> None:
    """Put a file into a board's folder in the place of its run, and go on with the board."""
    board = _board(path)
    (run,) = board.runs()
    board._path(run).parent.mkdir(parents=True, exist_ok=True)
    board._path(run).write_bytes(path.read_bytes())
    (row,) = board.run()
    assert row.is_new or row.total == row.solution.cost.total  # type: ignore[union-attr]
    board.write([row, *_submitted(board, path)])


def _submitted(board: Leaderboard, path: Path) -> list[Any]:
    return [board.submission(path)]


def _run() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        board = _board(Path(folder) / "s.json")
        (row,) = board.run()
        return (board.folder / row.file).read_bytes()


def _suite(path: Path) -> None:
    board = Leaderboard(load_suite(str(path)), path.parent / "board")
    for run in board.runs():
        board._task(run, board._path(run)).to_json()


def _written(write: Callable[[Path], Any], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def targets() -> dict[str, Target]:
    """Return every reader by name."""
    graph = b"% a comment\n6 7 11 1\n1 2 1 3 2\n2 1 1 3 1\n1 4 2 2 1 1 2\n1 3 2 5 1 6 1\n3 4 1 6 2\n1 4 1 5 2\n"
    hypergraph = b"% a comment\n4 7 11\n2 1 2\n3 1 7 5 6\n8 5 6 4\n7 2 3 4\n5\n1\n8\n7\n3\n9\n3\n"
    chain = OpGraph([1e9] * 4, [1e6] * 4, [1e5] * 4, [1e6] * 4, [[0, 1], [1, 2], [2, 3]])
    op_graph = _written(lambda path: write_op_graph(chain, path), "chain.json")
    workload = _written(lambda path: write_workload(Workload.of(small_network()), path), "w.json")
    fixed = "{columns: 8, input_sram: 1e4, weight_sram: 1e4, output_sram: 1e4}"
    space = f"parameters:\n  rows: {{options: [4, 8], sets: {{rows: 1}}}}\nfixed: {fixed}\nlimits: {{area_mm2: 9}}\n"
    numbers = dataclasses.asdict(load_technology("dosa"))
    technology = "\n".join(f"{name}: {number}" for name, number in numbers.items() if name != "name")
    answer = karate_answer()
    solution = _written(answer.save, "s.json")

    def table(path: Path) -> None:
        BestKnown(path).update(answer)

    index = _written(lambda path: table(path.parent), "index.json")
    (entry,) = msgspec.json.decode(index)["records"]
    tables = {entry["file"]: _written(lambda path: table(path.parent), entry["file"])}
    saga = {
        "tasks": [{"name": "a", "cost": 1.0}, {"name": "b", "cost": 2.0}],
        "dependencies": [{"source": "a", "target": "b", "size": 3.0}],
    }
    giph = {
        "programs": [{"id": "p", **EDGE["task_graph"]}],
        "networks": [{"id": "n", **EDGE["cluster"]}],
        "cases": [{"program": "p", "network": "n", "placement": [0, 1], "makespan": 5.0, "heft_makespan": 4.0}],
    }
    clustered = load("synthetic-chips/test/0")
    shipped = Path(placezoo.__file__).parent / "agents" / "pretrained" / "giph"
    shipped_ppo = checkpoint_folder("pretrained", "ppo", "GraphPartition-v0")
    topology = TOPOLOGY.encode()
    topology_json = json.dumps(parse_yaml("t.yaml", TOPOLOGY)).encode()
    edge = _placed("EdgePlace-v0")
    mcm = b"count: 4\npeak_flops: 1e12\nmemory_bandwidth: 1e11\nsram: 1e7\nlink_bandwidth: 1e10\nlink_latency: 1e-6\n"

    def plc(path: Path) -> Any:
        return read_netlist(path, path.with_name("t.plc"))

    def bookshelf(path: Path) -> Any:
        return read_bookshelf(path, grid=(6, 4))

    def with_topology(path: Path) -> None:
        make_problem("DevicePlace-v0", chain, topology=str(path))

    def with_package(path: Path) -> None:
        make_problem("MCMPartition-v0", chain, package=str(path))

    def with_space(path: Path) -> None:
        make_problem("AccelSearch-v0", small_network(), space=str(path))

    def with_technology(path: Path) -> None:
        make_problem("AccelSearch-v0", small_network(), technology=str(path))

    return {
        "METIS": Target({"g.graph": graph}, _then(read_metis, _placed("GraphPartition-v0"))),
        "hMETIS": Target({"h.hgr": hypergraph}, _then(read_hmetis, _placed("GraphPartition-v0"))),
        "partition": Target({"g.part.3": b"0\n1\n2\n1\n0\n2\n"}, lambda path: read_partition(path, 6)),
        "METIS, compressed": Target({"g.graph.gz": gzip.compress(graph)}, read_metis),
        "netlist": Target({"t.pb.txt": TINY.encode(), "t.plc": PLC.encode()}, _then(plc, _placed("ChipPlace-v0"))),
        "plc": Target({"t.plc": PLC.encode()}, read_plc),
        "Bookshelf": Target(
            {name: text.encode() for name, text in BOOKSHELF.items()}, _then(bookshelf, _placed("ChipPlace-v0"))
        ),
        "LEF": Target({"t.lef": LEF.encode()}, read_lef),
        "DEF": Target({"t.def": DEF.encode(), "t.lef": LEF.encode()}, lambda p: read_def(p, [p.with_name("t.lef")])),
        "DEF, free form": Target(
            {"t.def": TOKENS.encode(), "t.lef": LEF.encode()}, lambda p: read_def(p, [p.with_name("t.lef")])
        ),
        "groups": Target(
            {"groups.final": b"0\n-1\n1\n" * (clustered.num_nodes // 3) + b"2\n" * (clustered.num_nodes % 3)},
            lambda path: read_groups(path, clustered),
        ),
        "edge instance": Target({"e.json": json.dumps(EDGE).encode()}, _then(load, edge)),
        "task graph": Target({"t.json": json.dumps(EDGE["task_graph"]).encode()}, read_task_graph),
        "cluster": Target({"c.json": json.dumps(EDGE["cluster"]).encode()}, read_cluster),
        "published GiPH cases": Target({"g.json": json.dumps(giph).encode()}, lambda p: read_published_giph(p, "g")),
        "WfCommons 1.5": Target({"w.json": json.dumps(WORKFLOW).encode()}, read_task_graph),
        "WfCommons before": Target({"w.json": json.dumps(OLDER_WORKFLOW).encode()}, read_task_graph),
        "SAGA": Target({"s.json": json.dumps(saga).encode()}, read_task_graph),
        "operator graph": Target(
            {"o.json": op_graph}, _then(read_op_graph, _placed("DevicePlace-v0", topology="p100x2-pcie"))
        ),
        "topology": Target({"t.yaml": topology}, with_topology),
        "chiplet package": Target({"p.yaml": mcm + b"value_bytes: 1\n"}, with_package),
        "workload": Target({"w.json": workload}, _then(read_workload, _placed("AccelSearch-v0"))),
        "design space": Target({"s.yaml": space.encode()}, with_space),
        "technology": Target({"t.yaml": technology.encode()}, with_technology),
        "ONNX": Target({"m.onnx": _onnx()}, load),
        "JSON": Target({"j.json": json.dumps(WORKFLOW).encode()}, read_json),
        "solution": Target({"s.json": solution}, Solution.load),
        "suite": Target({"s.toml": SUITE.encode()}, lambda path: load_suite(str(path))),
        "best known": Target({"index.json": index}, lambda path: BestKnown(path.parent)),
        "checkpoint": Target(
            {name: (shipped / name).read_bytes() for name in ("policy.json", "policy.safetensors")}, _checkpoint
        ),
        "claim, its values": Target({"s.json": solution}, _claim, is_record=True),
        "run file, its values": Target({"s.json": _run()}, _run_file, is_record=True),
        "suite, its values": Target({"s.toml": ONE_RUN.encode()}, _suite, is_record=True),
        "best known, its values": Target(
            {"index.json": index, **{path: content for path, content in tables.items()}}, _table, ("index.json",), True
        ),
        "policy, its values": Target(
            {name: (shipped_ppo / name).read_bytes() for name in ("policy.json", "policy.safetensors")},
            _policy,
            ("policy.json",),
            True,
        ),
        "topology, its values": Target({"t.yaml": topology_json}, with_topology, is_record=True),
    }


# --- Damage -----------------------------------------------------------------------------------------------------------

_NUMBERS = (
    b"0", b"-1", b"1", b"3", b"1000000000000", b"9223372036854775807", b"9223372036854775808", b"4294967296", b"1e308",
    b"-1e308", b"1e400", b"nan", b"inf", b"-inf", b"0.5", b"1e-320", b"", b"0x10", b"1_000", b"99999999999999999999999",
    b"1" * 5000, "٣".encode(), b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}", b'"x"', b"100000", b"2000000000",
)  # fmt: skip
_SPLICES = (b"\x00", b"\xff\xfe", b"\n", b" ", b"{", b"[", b'"', b"}", b"%", b"#", b"\r\n", b",", b":", b"\xe2\x80\xa8")


def _spans(content: bytes, characters: bytes) -> list[tuple[int, int]]:
    """Return where runs of some characters lie."""
    spans, begin = [], None
    for place, byte in enumerate(content):
        if byte in characters:
            begin = place if begin is None else begin
        elif begin is not None:
            spans.append((begin, place))
            begin = None
    if begin is not None:
        spans.append((begin, len(content)))
    return spans


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a content with one to three damages."""
    for _ in range(int(rng.integers(1, 4))):
        content = _KINDS[rng.integers(len(_KINDS))](content, rng)
    return content


def _number(content: bytes, rng: np.random.Generator) -> bytes:
    spans = _spans(content[:20_000], b"0123456789.-+eE")
    if not spans:
        return content
    begin, end = spans[rng.integers(len(spans))]
    return content[:begin] + _NUMBERS[rng.integers(len(_NUMBERS))] + content[end:]


def _word(content: bytes, rng: np.random.Generator) -> bytes:
    spans = _spans(content[:20_000], b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
    if len(spans) < 2:
        return content
    (begin, end), (first, last) = (spans[i] for i in rng.integers(len(spans), size=2))
    return content[:begin] + content[first:last] + content[end:]


def _line(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    place, other = rng.integers(len(lines), size=2)
    kind = rng.integers(3)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(other, lines[place])
    else:
        lines[place], lines[other] = lines[other], lines[place]
    return b"\n".join(lines)


def _byte(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content or b"x")
    for _ in range(int(rng.integers(1, 5))):
        changed[rng.integers(len(changed))] = rng.integers(256)
    return bytes(changed)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    begin, end = np.sort(rng.integers(len(content) + 1, size=2))
    return content[:begin] if rng.random() < 0.5 else content[:begin] + content[end:]


def _insert(content: bytes, rng: np.random.Generator) -> bytes:
    place = rng.integers(len(content) + 1)
    what = _SPLICES[rng.integers(len(_SPLICES))] * int(rng.choice([1, 1, 1, 3, 20_000]))
    return content[:place] + what + content[place:]


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    begin, end = np.sort(rng.integers(len(content) + 1, size=2))
    return content[:end] + content[begin:end] * int(rng.choice([1, 2, 50])) + content[end:]


_KINDS = (_number, _number, _number, _word, _word, _line, _byte, _cut, _insert, _repeat)


# --- Trying -----------------------------------------------------------------------------------------------------------


class Hang(BaseException):
    """An input took too long."""


def _ring(*_: Any) -> None:
    raise Hang


@contextmanager
def limits() -> Iterator[None]:
    """Limit this process's memory, and prepare the alarm."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, _ring)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, handler)


def attempt(target: Target, files: dict[str, bytes], folder: Path, seconds: float = LIMIT_SECONDS) -> str | None:
    """Read some files; return None if they were accepted, "" if refused in one line, else what went wrong.

    Within ``limits`` after so many seconds it is a hang; 0 is without end, for what compiles on the way.
    """
    for name, content in files.items():
        (folder / name).write_bytes(content)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InstanceWarning)
            target.read(folder / next(iter(files)))
    except ValueError as error:
        message = str(error)
        if "\n" in message.strip():
            return f"more than one line: {message[:300]!r}"
        return f"a line of {len(message)} characters" if len(message) > 2000 else ""
    except FileNotFoundError as error:  # of a file that this one names
        return "" if str(folder) in str(error) else f"FileNotFoundError without the path: {error}"
    except (Hang, MemoryError) as error:
        return f"{type(error).__name__}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


# --- Values -----------------------------------------------------------------------------------------------------------

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3.5, -0.0, 1e308, 5e-324, math.nan, math.inf, 10**9, 2**63, -(2**63), 10**30,
    "", "x", "0", "karate", "../../etc/passwd", "/dev/zero", "/proc/self/mem", "a\nb", "\x1b[31m", "$\\foo{$", "=1+1",
    "\ud800", "x" * 100_000, "antigravity:Agent", "os.path:join", "t.yaml", "transformers:x/../../y", [], {},
    [[]], [None], {"": None}, [0] * 1000, ["x"], {"x": {"x": {}}}, [1e308] * 3, "GraphPartition-v1",
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each value in nested dicts and lists; of long lists to some of theirs."""
    found = [path]
    if isinstance(value, dict):
        found += [place for name, one in value.items() for place in _places(one, (*path, name))]
    elif isinstance(value, list):
        found += [place for number, one in enumerate(value[:5]) for place in _places(one, (*path, number))]
    return found


def damage_record(content: bytes, rng: np.random.Generator, is_toml: bool) -> bytes:
    """Return a record, JSON or TOML, with one to three values, names or entries changed."""
    record = tomllib.loads(content.decode()) if is_toml else json.loads(content)
    for _ in range(int(rng.integers(1, 4))):
        *way, last = (places := _places(record)[1:])[rng.integers(len(places))]
        parent = functools.reduce(lambda value, key: value[key], way, record)
        kind = rng.integers(6)
        if kind == 0:
            del parent[last]
        elif kind == 1 and isinstance(parent, dict):
            parent[str(_VALUES[rng.integers(len(_VALUES))])[:50]] = parent.pop(last)
        elif kind == 2:  # what stands elsewhere
            source = places[rng.integers(len(places))]
            with suppress(LookupError, TypeError):
                parent[last] = copy.deepcopy(functools.reduce(lambda value, key: value[key], source, record))
        elif kind == 3 and isinstance(parent, list):
            parent.insert(int(rng.integers(len(parent) + 1)), _VALUES[rng.integers(len(_VALUES))])
        else:
            parent[last] = copy.deepcopy(_VALUES[rng.integers(len(_VALUES))])
        if not record:
            break
    if isinstance(record.get("assignment_sha256"), str) and rng.random() < 0.8:
        with suppress(LookupError, TypeError, ValueError, OverflowError):
            record["assignment_sha256"] = assignment_digest(np.array(record["assignment"], np.int64))
    return _toml(record).encode("utf-8", "surrogatepass") if is_toml else json.dumps(record).encode()


def _toml(value: Any, depth: int = 0) -> str:
    """Return a record as TOML, with inline tables; what TOML has not is left out."""
    if isinstance(value, dict):
        entries = [f"{json.dumps(str(k))} = {_toml(v, depth + 1)}" for k, v in value.items() if v is not None]
        return "{" + ", ".join(entries) + "}" if depth else "\n".join(entries) + "\n"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one, depth + 1) for one in value if one is not None) + "]"
    return json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan")


def inputs(target: Target, seed: int) -> dict[str, bytes]:
    """Return input number ``seed``: the valid files, one of them damaged."""
    rng = np.random.default_rng(seed)
    names = list(target.damaged or target.files)
    hit = names[rng.integers(len(names))]

    def damaged(content: bytes) -> bytes:
        return damage_record(content, rng, hit.endswith(".toml")) if target.is_record else damage(content, rng)

    return {name: damaged(content) if name == hit else content for name, content in target.files.items()}


def main(seconds: float, chosen: list[str]) -> int:
    """Try every reader, or those chosen, for so many seconds each; print a table."""
    failures = tried_all = 0
    print(f"{'reader':24}{'tried':>9}{'accepted':>10}{'refused':>9}{'failed':>8}")
    for name, target in targets().items():
        if chosen and name not in chosen:
            continue
        with tempfile.TemporaryDirectory() as folder:
            attempt(target, target.files, Path(folder), seconds=0)  # compiles
            seed = accepted = refused = failed = 0
            with limits():
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    files = inputs(target, seed)
                    result = attempt(target, files, Path(folder))
                    accepted, refused = accepted + (result is None), refused + (result == "")
                    if result:
                        failed += 1
                        if failed <= 5:
                            print(f"  {name}, seed {seed}: {result}", flush=True)
                        KEPT.mkdir(exist_ok=True)
                        for file, content in files.items():
                            (KEPT / f"{name}-{seed}-{file}").write_bytes(content)
                    seed += 1
        print(f"{name:24}{seed:9,}{accepted:10,}{refused:9,}{failed:8,}", flush=True)
        failures, tried_all = failures + failed, tried_all + seed
    print(f"{tried_all:,} inputs, {failures:,} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0, sys.argv[2:]))
