"""The graphs of the package: complete, as the index says, and what tracing anew gives."""

from pathlib import Path

import pytest

import placezoo
from placezoo.datasets.dataset import DATASETS, SPLITS
from placezoo.datasets.op_graphs import model_zoo as zoo
from placezoo.datasets.op_graphs.network_splits import CHIPLET_SPLITS, NETWORK_SPLITS, chiplet_models, split_models
from placezoo.datasets.op_graphs.op_graph_format import read_op_graph
from placezoo.datasets.op_graphs.shipped_graphs import OLDER, SHIPPED, shipped_graphs
from placezoo.experiments.leaderboard.best_known import BestKnown
from placezoo.experiments.leaderboard.suite import load_suite, suite_names

ROOT = Path(__file__).parents[3]
PINNED = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
SMALL = (
    "torch-paradnn-fc-training-8.json.gz", "torch-wavenet-inference-1.json.gz",
    "transformers-distilbert-inference-1.json.gz",
)  # fmt: skip


def test_the_index_says_what_the_files_are():
    rows = shipped_graphs()
    assert set(rows) == {path.name for path in SHIPPED.glob("*.json.gz")}
    for file, row in rows.items():
        graph = read_op_graph(SHIPPED / file)
        assert zoo.graph_file(zoo.split_name(row["name"])) == file
        assert (row["name"], int(row["operators"]), int(row["edges"]), row["digest"]) == (
            graph.name, graph.num_ops, graph.num_edges, graph.digest,
        )  # fmt: skip
        assert (int(row["tracer"]), row["torch"]) == (OLDER.get(file, zoo.TRACER), PINNED["torch"])
        assert row["transformers"] == (PINNED["transformers"] if file.startswith("transformers-") else "")
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 2e6


def named():
    """Every model that the package names itself, whole or as the source of a dataset's instances."""
    for name in zoo.model_names():
        yield from (name, f"{name},decomposed")
        if name != "transformers:t5-small":  # cannot be traced in training
            yield f"{name},training,batch=8"
    for split in SPLITS:
        assert split in NETWORK_SPLITS
        assert split in CHIPLET_SPLITS
        yield from split_models(split)
        yield from chiplet_models(split)
    for suite in suite_names():
        for problem in load_suite(suite).problems:
            yield from (name for name in problem.instances if name.startswith(zoo.PREFIXES))


def test_what_the_package_names_is_shipped(monkeypatch):
    monkeypatch.setattr(zoo, "cache_folder", None)  # neither a cache
    monkeypatch.setattr(zoo, "tracing_versions", None)  # nor torch
    rows = shipped_graphs()
    wanted = set(named())
    assert len(wanted) > 100
    for name in wanted:
        assert zoo.graph_file(zoo.split_name(name)) in rows, name
    for dataset in ("networks", "mcm"):
        for split in SPLITS:
            assert DATASETS[dataset].instance(split, DATASETS[dataset].size(split) - 1).num_ops > 1
    graph = zoo.traced_model("torch:gnmt,batch=1,layers=2,tokens=10")  # defaults said aloud
    assert graph.name == "torch:gnmt,batch=1,layers=2,tokens=10"
    assert graph.digest == rows["torch-gnmt-tokens-10-inference-1.json.gz"]["digest"]
    assert zoo.provenance(graph.name).startswith(f"torch {PINNED['torch']} on 20")
    assert zoo.provenance("torch:gnmt,layers=3") == ""


def test_the_best_known_solutions_are_of_these_graphs():
    records = [record for record in BestKnown() if record.instance.startswith(zoo.PREFIXES)]
    assert len(records) == 9
    for record in records:
        assert placezoo.datasets.load(record.instance).digest == record.digest


def trace_again(file):
    pytest.importorskip("torch")
    row = shipped_graphs()[file]
    try:
        installed = zoo.tracing_versions(zoo.split_name(row["name"]))
    except ImportError as error:
        pytest.skip(str(error))
    if any(version.split("+")[0] != row[package] for package, version in installed.items()):
        pytest.skip(f"{file} was traced by other versions than are installed, {installed}")
    if file in OLDER:
        pytest.skip(f"{file} is of tracer {OLDER[file]}")
    told = []
    graph = zoo.traced_model(row["name"], told.append, anew=True)
    assert told == [row["name"]]
    assert graph.digest == row["digest"]
    assert graph.names == read_op_graph(SHIPPED / file).names


@pytest.mark.parametrize("file", SMALL)
def test_tracing_anew_gives_what_is_shipped(file):
    trace_again(file)


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(set(shipped_graphs()) - set(SMALL)))
def test_tracing_anew_gives_what_is_shipped_everywhere(file):
    trace_again(file)
