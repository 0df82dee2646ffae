"""Figures of results, drawn without a window."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from placezoo.envs.rendering import PLAIN_TEXT

_LOGARITHMIC_FROM = 3.0  # largest over smallest value of a learning curve


def figure_bytes(draw: Callable[[Any], None], kind: str, size: tuple[float, float] = (7.0, 4.2)) -> bytes:
    """Draw on fresh axes and return the file's content, ``png`` or ``svg``."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A fixed salt makes the ids inside an SVG, and so the file, the same from run to run.
    with rc_context({"svg.hashsalt": "placezoo", "svg.fonttype": "none", **PLAIN_TEXT}):
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        content = io.BytesIO()
        figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def panel_bytes(panels: Sequence[Callable[[Any], None]], kind: str, side: float = 6.4) -> bytes:
    """Draw panels side by side, two to a row, and return the file's content, ``png`` or ``svg``."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    with rc_context(PLAIN_TEXT):
        figure = Figure(figsize=(side * columns, side * rows), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        for number, draw in enumerate(panels):
            draw(figure.add_subplot(rows, columns, number + 1))
        content = io.BytesIO()
        figure.savefig(content, format=kind)
    return content.getvalue()


def construction_gif(problem: Any, assignment: Any, seconds: float = 6.0) -> bytes:
    """Return an animated GIF of a construction: the items of an assignment placed one after another, in order.

    Args:
        problem: of which.
        assignment: int64 [num_items], whole.
        seconds: how long it runs, the last picture not counted.
    """
    from PIL import Image

    from placezoo.envs.rendering import figure_to_rgb

    order = problem.item_order
    steps = np.unique(np.linspace(0, order.size, min(order.size + 1, 60)).astype(int))
    frames = []
    for step in steps:
        partial = np.full(order.size, -1, np.int64)
        partial[order[:step]] = assignment[order[:step]]
        picture = figure_to_rgb(functools.partial(problem.draw, partial), size=(5.0, 5.0), dpi=80)
        frames.append(Image.fromarray(picture).quantize(64))
    durations = [max(int(1000 * seconds / len(frames)), 20)] * (len(frames) - 1) + [2000]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return content.getvalue()


def draw_learning_curve(curve: Sequence[Any], axes: Any, title: str) -> None:
    """Draw training and validation cost against environment steps."""
    steps = np.array([point.timesteps for point in curve])
    training = np.array([point.training_cost for point in curve])
    validation = np.array([point.validation_cost for point in curve])
    shown = np.isfinite(training)
    axes.plot(steps[shown], training[shown], label="training (drawn actions)", color="tab:blue", linewidth=1)
    shown = np.isfinite(validation)
    axes.plot(steps[shown], validation[shown], "o-", label="validation", color="tab:orange", markersize=4)
    axes.set(xlabel="environment steps", ylabel="cost / greedy's cost", title=title)
    axes.axhline(1.0, color="grey", linewidth=1, linestyle="--", label="greedy")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    seen = np.concatenate([training[np.isfinite(training)], validation[shown]])
    if seen.size and seen.min() > 0 and seen.max() / seen.min() > _LOGARITHMIC_FROM:
        axes.set_yscale("log")
        _plain_ticks(axes.yaxis, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))


def _plain_ticks(axis: Any, steps: tuple[float, ...]) -> None:
    """Write the ticks of a logarithmic axis as plain numbers at these steps of each decade, instead of as powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
