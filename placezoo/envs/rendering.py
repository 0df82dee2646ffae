"""Pictures of assignments: PNG, SVG, animated GIF, or an array; drawn without a window."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.files import write_atomically
from placezoo.envs.look import STYLE

PICTURES = (".png", ".svg", ".gif")
MOST_FRAMES = 40
_LAST_FRAME = 2000  # milliseconds


def figure_to_rgb(
    draw: Callable[[Any], None], size: tuple[float, float] = (6.4, 6.4), dpi: int = 100
) -> NDArray[np.uint8]:
    """Draw on fresh axes and return the picture: uint8 [height, width, 3].

    Uses no window and no global state of pyplot, so it works on machines without a screen.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=size, dpi=dpi, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])


def panel_bytes(panels: Sequence[Callable[[Any], None]], kind: str, side: float = 6.4) -> bytes:
    """Draw panels side by side, two to a row, and return the file's content, ``png`` or ``svg``."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(side * columns, side * rows), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        for number, draw in enumerate(panels):
            draw(figure.add_subplot(rows, columns, number + 1))
        content = io.BytesIO()
        figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def check_picture(path: Path) -> None:
    """Raise ValueError, in one line, if a picture's name does not end in one of ``PICTURES``."""
    if path.suffix.lower() not in PICTURES:
        raise ValueError(f"{path}: a picture ends in {', '.join(PICTURES)}")


def write_picture(problem: Any, assignment: NDArray[np.int64], path: Path, panel: int | None = None) -> None:
    """Draw an assignment into a file: PNG or SVG, or a GIF of how it is constructed, item by item.

    Args:
        problem: of which.
        assignment: int64 [num_items].
        path: its ending says which kind.
        panel: which drawing alone, from 1; default all that the problem has, side by side. A GIF has the first.

    Raises:
        ValueError: another ending, or no such panel.
    """
    check_picture(path)
    panels = problem.panels(assignment)
    if panel is not None:
        if not 1 <= panel <= len(panels):
            raise ValueError(f"panel {panel}: {problem.env_id} has the panels 1 to {len(panels)}")
        panels = [panels[panel - 1]]
    if path.suffix.lower() == ".gif":
        write_atomically(path, construction_gif(problem, assignment))
    else:
        write_atomically(path, panel_bytes(panels, path.suffix.lower()[1:]))


def construction_gif(problem: Any, assignment: NDArray[np.int64], seconds: float = 6.0) -> bytes:
    """Return an animated GIF of a construction: the items of an assignment placed one after another, in order.

    Args:
        problem: of which.
        assignment: int64 [num_items], whole.
        seconds: how long it runs, the last picture not counted.
    """
    order = problem.item_order
    steps = np.unique(np.linspace(0, order.size, min(order.size + 1, MOST_FRAMES)).astype(int))
    stages = np.full((steps.size, order.size), -1, np.int64)
    for stage, step in zip(stages, steps, strict=True):
        stage[order[:step]] = assignment[order[:step]]
    return film(problem, stages, seconds)


def film(problem: Any, stages: Sequence[NDArray[np.int64]] | NDArray[np.int64], seconds: float = 6.0) -> bytes:
    """Return an animated GIF of assignments, one after another; of many, evenly chosen ones and the last.

    Args:
        problem: of which.
        stages: int64 [num_items] each, -1 = unplaced; at least one.
        seconds: how long it runs, the last picture not counted.
    """
    from PIL import Image

    chosen = np.unique(np.linspace(0, len(stages) - 1, min(len(stages), MOST_FRAMES)).astype(int))
    frames = []
    for number in chosen:
        picture = figure_to_rgb(functools.partial(problem.draw, stages[number]), size=(5.0, 5.0), dpi=80)
        frames.append(Image.fromarray(picture).quantize(64))
    durations = [max(int(1000 * seconds / len(frames)), 20)] * (len(frames) - 1) + [_LAST_FRAME]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return content.getvalue()
