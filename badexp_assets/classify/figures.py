"""PNG files of figures, small enough for Dagster's metadata."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_BYTES = 100_000


def to_png(figure: Figure) -> bytes:
    """Return `figure` as PNG of at most 100 kB: the resolution is lowered until it fits. No display is needed."""
    for dpi in (110, 80, 60, 45, 30, 20):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
        if buffer.tell() <= MAX_BYTES:
            break
    return buffer.getvalue()
