"""Pictures as arrays, drawn without a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLAIN_TEXT: Any = {"text.parse_math": False}  # names may have dollars in them, and are no formulas


def figure_to_rgb(
    draw: Callable[[Any], None], size: tuple[float, float] = (6.4, 6.4), dpi: int = 100
) -> NDArray[np.uint8]:
    """Draw on fresh axes and return the picture: uint8 [height, width, 3].

    Uses no window and no global state of pyplot, so it works on machines without a screen.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(PLAIN_TEXT):
        figure = Figure(figsize=size, dpi=dpi, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])
