"""Cells of CSV files that spreadsheets take for text."""

from __future__ import annotations

from typing import Any

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def inert(cell: Any) -> Any:
    """Return a cell that no spreadsheet executes: a text that begins as a formula has an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell
