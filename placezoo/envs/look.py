"""How all pictures look: colours that colour-blind readers tell apart, fonts, titles and legends that fit."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Okabe & Ito 2008, without black.
BLUE, ORANGE, GREEN, VERMILLION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
SKY, PURPLE, YELLOW = "#56b4e9", "#cc79a7", "#f0e442"
DARK, GREY, UNPLACED = "#333333", "#8a8f94", "#d1d1d1"

STYLE: Any = MappingProxyType(
    {
        "text.parse_math": False,  # names may have dollars in them, and are no formulas
        "font.family": "DejaVu Sans",  # which comes with matplotlib: the same on every machine
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.labelsize": 9,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": GREY,
        "grid.alpha": 0.3,
        # A fixed salt makes the ids inside an SVG, and so the file, the same from run to run.
        "svg.hashsalt": "placezoo",
        "svg.fonttype": "none",
    }
)
"""Settings of matplotlib."""

_LONGEST_NAME = 44  # characters of a title's first line; a picture of 5 inches has room for 60
_LONGEST_LINE = 58
_MOST_IN_A_LEGEND = 8


def resource_colours(count: int) -> NDArray[np.float64]:
    """Return a colour for each resource: float64 [count, 4].

    The first seven are those of Okabe and Ito; then lighter and darker ones of the same hues; from 21 on they repeat.
    """
    from matplotlib.colors import to_rgba_array

    base = to_rgba_array([BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW])
    light, dark = base.copy(), base.copy()
    light[:, :3] += 0.55 * (1.0 - base[:, :3])
    dark[:, :3] *= 0.55
    wheel = np.concatenate([base, light, dark])
    return np.asarray(wheel[np.arange(count) % len(wheel)])


def assigned_colours(assignment: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the colour of each item's resource, grey for -1: float64 [num_items, 4]."""
    from matplotlib.colors import to_rgba

    colours = resource_colours(max(int(assignment.max(initial=-1)) + 1, 1))[assignment]
    colours[assignment < 0] = to_rgba(UNPLACED)
    return colours


def ink(colours: NDArray[np.float64]) -> list[str]:
    """Return the colour, dark or white, in which a text is read on each colour: float64 [n, 4]."""
    return [DARK if luminance > 0.4 else "white" for luminance in colours[:, :3] @ np.array([0.2126, 0.7152, 0.0722])]


def short(name: str, longest: int = _LONGEST_NAME) -> str:
    """Return a name of at most so many characters, its middle left out where it is longer.

    >>> short("/data/designs/ariane133/netlist.pb.txt,initial.plc", 30)
    '/data/designs/…txt,initial.plc'
    """
    if len(name) <= longest:
        return name
    tail = longest // 2
    return f"{name[: longest - tail - 1]}…{name[-tail:]}"


def give_title(axes: Any, name: str, figures: str, feasible: bool = True) -> None:
    """Write an instance's name above axes, and below it what it costs, in lines that fit."""
    state = "" if feasible else ", infeasible"
    axes.set_title("\n".join([short(name), *textwrap.wrap(f"{figures}{state}", _LONGEST_LINE)]))


def give_legend(axes: Any, entries: Sequence[tuple[str, str]], columns: int = 4) -> None:
    """Write a legend below axes, where it hides nothing: (label, colour) each; none where there are too many."""
    from matplotlib.patches import Patch

    if not 1 < len(entries) <= _MOST_IN_A_LEGEND:
        return
    axes.legend(
        handles=[Patch(color=colour, label=label) for label, colour in entries],
        loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=min(columns, len(entries)), handlelength=1.2,
    )  # fmt: skip
