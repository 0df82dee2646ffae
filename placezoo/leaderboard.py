"""Leaderboards as a library: ``for row in placezoo.leaderboard.run("quick", agents=["fm", "metis"]): ...``.

Examples:
    >>> from placezoo import leaderboard
    >>> leaderboard.load_suite("quick/partition").problems[0].env
    'GraphPartition-v0'
"""

from placezoo.experiments.leaderboard import *  # noqa: F403 - one list of public names, there
from placezoo.experiments.leaderboard import __all__ as __all__
