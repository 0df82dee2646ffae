"""Leaderboards as a library: ``for row in placezoo.leaderboard.run("quick", agents=["fm", "metis"]): ...``.

Examples:
    >>> from placezoo import leaderboard
    >>> leaderboard.load_suite("quick/partition").problems[0].env
    'GraphPartition-v0'
"""

from placezoo.experiments.leaderboard import (
    BestKnown,
    Leaderboard,
    Row,
    Suite,
    load_suite,
    overall,
    performance_profile,
    run,
    standings,
    suite_names,
    to_latex,
    to_markdown,
    to_pandas,
    win_matrix,
    with_gaps,
)

__all__ = [
    "BestKnown", "Leaderboard", "Row", "Suite", "load_suite", "overall", "performance_profile", "run", "standings",
    "suite_names", "to_latex", "to_markdown", "to_pandas", "win_matrix", "with_gaps",
]  # fmt: skip
