"""Matplotlib figures as PNG images that are small enough for Dagster's metadata."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_BYTES = 100_000
CYCLE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""colours that readers with any kind of colour vision can tell apart (Okabe & Ito 2008)"""
GREY = "#B0B0B0"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` inches on white, whatever theme it is shown in."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def to_png(figure: Figure) -> bytes:
    """Return `figure` as PNG of at most 100 kB. No display is needed.

    If it is larger, its colours are reduced to 64, and if that is not enough, also its resolution.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    for dpi in (110, 80, 60, 45, 30, 20):
        buffer = io.BytesIO()
        figure.set_dpi(dpi)
        canvas.print_png(buffer, metadata={"Software": None})  # `savefig` would draw the figure twice
        if buffer.tell() > MAX_BYTES:
            buffer = _few_colours(buffer)
        if buffer.tell() <= MAX_BYTES:
            break
    return buffer.getvalue()


def _few_colours(png: io.BytesIO) -> io.BytesIO:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer
