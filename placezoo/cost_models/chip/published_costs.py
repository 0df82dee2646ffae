"""Costs that a placement file claims in its header, computed again."""

from __future__ import annotations

from pathlib import Path

from placezoo.cost_models.chip.proxy_cost import ProxyCost
from placezoo.datasets.chip.netlist import Netlist
from placezoo.datasets.chip.plc_format import read_plc

_TOLERANCE = 6e-5  # headers have four digits


def check_header(netlist: Netlist, path: Path) -> str:
    """Compute the costs again that a netlist's placement file has in its header, and say how they compare.

    Args:
        netlist: with that placement.
        path: of the placement file.

    Raises:
        ValueError: wirelength or density is not the header's.
    """
    header = {term: claimed for term, claimed in read_plc(path).costs.items() if claimed > 0}  # 0.0: never computed
    if netlist.canvas.num_cells < 10:
        header.pop("density", None)  # published rules for so few cells differ
    if not header:
        return "its header has no costs"
    terms = ProxyCost(netlist).evaluate(netlist.placement).terms
    said = []
    for term, claimed in header.items():
        agrees = abs(terms[term] - claimed) <= _TOLERANCE
        if not agrees and term != "congestion":
            raise ValueError(f"{netlist.name}: the header's {term} is {claimed:g}, computed {terms[term]:.6g}")
        # The binary that wrote the headers counts pins outside the canvas in a way that was never published.
        said.append(f"{term} {claimed:g}" + ("" if agrees else f" (here {terms[term]:.4f}: pins outside the canvas)"))
    return "costs computed again agree with its header: " + ", ".join(said)
