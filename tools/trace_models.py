"""Trace the models that come with the package and write them with their index: ``python tools/trace_models.py``.

To be run in a clone with the versions of constraints.txt. Graphs that the index says were traced by these versions and
this tracer stay, and those that are older on purpose; with ``--all`` the others are traced again (half an hour). What
cannot be traced is said and left out.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from placezoo.datasets.files import write_atomically
from placezoo.datasets.op_graphs import model_zoo as zoo
from placezoo.datasets.op_graphs import network_splits as splits
from placezoo.datasets.op_graphs.op_graph_format import write_op_graph
from placezoo.datasets.op_graphs.shipped_graphs import COLUMNS, INDEX, OLDER, SHIPPED, shipped_graphs

STEPS = ("", splits.STEP, ",decomposed")
# What documentation, tests and benchmarks name beyond the steps of all models and the splits.
OTHERS = (
    "transformers:bert-base,training", "transformers:resnet-50,training,batch=16", "torch:gnmt,layers=4",
    "torch:gnmt,tokens=10", "torch:fuseconv,half=0",
)  # fmt: skip


def names() -> list[str]:
    """Return the names of all models that the package should have."""
    found = [name + step for name in zoo.model_names() for step in STEPS]
    found += [name for split in splits.NETWORK_SPLITS for name in splits.split_models(split)]
    found += [name for split in splits.CHIPLET_SPLITS for name in splits.chiplet_models(split)]
    return list(dict.fromkeys([*found, *OTHERS]))


def rows(again: bool) -> Iterator[dict[str, str]]:
    """Write what is not there yet, or everything again, and return the rows of the index."""
    constraints = (Path(__file__).parents[1] / "constraints.txt").read_text().splitlines()
    there = shipped_graphs() if INDEX.is_file() else {}
    for text in names():
        name = zoo.split_name(text)
        file = zoo.graph_file(name)
        versions = {package: version.split("+")[0] for package, version in zoo.tracing_versions(name).items()}
        for package, version in versions.items():
            if f"{package}=={version}" not in constraints:
                raise SystemExit(f"{package} {version} is installed; constraints.txt pins another version")
        made_by = {"tracer": str(zoo.TRACER), "transformers": "", **versions}
        row = there.get(file, {})
        if file not in OLDER and (again or not row.items() >= made_by.items()):
            try:
                graph = zoo.traced_model(text, anew=True)
            except ValueError as error:
                print(error)
                continue
            write_op_graph(graph, SHIPPED / file)
            print(f"{text}: {graph.num_ops} operators", flush=True)
            size = {"operators": str(graph.num_ops), "edges": str(graph.num_edges), "digest": graph.digest}
            row = {"file": file, "name": text, "date": date.today().isoformat(), **size, **made_by}
        yield row


def main(again: bool) -> None:
    """Write the files and the index, and remove files that are no longer wanted."""
    kept = list(rows(again))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    write_atomically(INDEX, text.getvalue())
    for path in SHIPPED.glob("*.json.gz"):
        if path.name not in {row["file"] for row in kept}:
            path.unlink()


if __name__ == "__main__":
    main("--all" in sys.argv[1:])
