"""Figures of results, drawn without a window."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from placezoo.envs.look import BLUE, GREY, ORANGE, STYLE, short

_LOGARITHMIC_FROM = 3.0  # largest over smallest value of a learning curve


def figure_bytes(draw: Callable[[Any], None], kind: str, size: tuple[float, float] = (7.0, 4.2)) -> bytes:
    """Draw on fresh axes and return the file's content, ``png`` or ``svg``."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        content = io.BytesIO()
        figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def draw_learning_curve(curve: Sequence[Any], axes: Any, title: str) -> None:
    """Draw training and validation cost against environment steps."""
    steps = np.array([point.timesteps for point in curve])
    training = np.array([point.training_cost for point in curve])
    validation = np.array([point.validation_cost for point in curve])
    shown = np.isfinite(training)
    axes.plot(steps[shown], training[shown], label="training (drawn actions)", color=BLUE, linewidth=1)
    shown = np.isfinite(validation)
    axes.plot(steps[shown], validation[shown], "o-", label="validation", color=ORANGE, markersize=4)
    axes.set(xlabel="environment steps", ylabel="cost / greedy's cost", title=short(title, 64))
    axes.axhline(1.0, color=GREY, linewidth=1, linestyle="--", label="greedy")
    axes.grid(which="both")
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
