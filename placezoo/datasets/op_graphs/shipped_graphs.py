"""The operator graphs that come with the package: one file a graph, and an index of what traced each.

They need no torch and are the same whatever version is installed; ``tools/trace_models.py`` writes them.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path

SHIPPED = Path(__file__).parent / "traced"
INDEX = SHIPPED / "index.csv"
# transformers is empty where torch alone traced; date is when, ISO 8601; digest is that of the graph.
COLUMNS = ("file", "name", "operators", "edges", "tracer", "torch", "transformers", "date", "digest")
# Graphs that an older tracer made and that stay, by file. Tracer 3 took the tied embedding for frozen; with its update
# no placement fits into the memory that the suites give (0.3 of the need), and their tables are of this graph.
OLDER = {"transformers-bart-base-training-8.json.gz": 3}


@functools.cache
def shipped_graphs() -> dict[str, dict[str, str]]:
    """Return the index by file: for each graph the ``COLUMNS``."""
    with INDEX.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}
