"""Pictures of a training and of what the network makes of stamps, as PNG bytes small enough for the UI's metadata."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from badexp_assets.errors import InputError

_MOST_BYTES = 100_000

if TYPE_CHECKING:
    from badexp_assets.autoencoder.model import StampAutoencoder


def plot_loss(history: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of the loss curves; `history` is that of `train_autoencoder`."""
    figure = _figure(4.4, 2.9)
    axes = figure.add_subplot()
    axes.plot(history["epoch"], history["train_loss"], label="training", color="#2f5d8a")
    axes.plot(history["epoch"], history["validation_loss"], label="validation", color="#b03a2e")
    best = int(history["epoch"].to_numpy()[history["validation_loss"].to_numpy().argmin()])
    axes.axvline(best, color="0.5", linewidth=0.8, label=f"kept: epoch {best}")
    axes.set(xlabel="epoch", ylabel="mean squared error, scaled pixels", yscale="log")
    axes.legend(fontsize="small")
    return _png(figure)


def plot_reconstructions(model: StampAutoencoder, stamps: ArrayLike, n: int = 6) -> bytes:
    """Return a PNG (at most 100 kB) of up to `n` stamps (n, pixels), what the network makes of them, the difference.

    The stamps shown are spread evenly over the order of their errors, from the best to the worst. Raises InputError
    when there is none with light.
    """
    given = np.asarray(stamps, dtype=np.float32)
    errors = model.errors(given)
    order = np.argsort(errors)[: np.isfinite(errors).sum()]
    if not len(order):
        raise InputError(f"plot_reconstructions: no stamp with light among {len(given)}; at least 1 is needed")
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(n, len(order))).astype(int))]
    scaled, made = model.scale(given[shown]), model.reconstruct(given[shown])
    side = math.isqrt(model.n_pixels)
    top = float(np.nanmax(scaled))
    figure = _figure(1.0 * len(shown) + 0.6, 3.2)
    grid = figure.subplots(3, len(shown), squeeze=False)
    for column, k in enumerate(shown):
        for row, pixels in enumerate((scaled[column], made[column], scaled[column] - made[column])):
            axes = grid[row, column]
            axes.imshow(pixels.reshape(side, -1), origin="lower", cmap="gray", vmin=-0.1 * top, vmax=top)
            axes.set(xticks=[], yticks=[])
        grid[0, column].set_title(f"{errors[k]:.2g}", fontsize="x-small")
    for row, name in enumerate(("stamp", "made", "difference")):
        grid[row, 0].set_ylabel(name, fontsize="x-small")
    return _png(figure)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    image = Image.open(drawn).convert("RGB")
    png = b""
    for colours in (64, 32, 16, 8, 4):  # noisy stamps hardly compress: fewer shades until it fits
        buffer = io.BytesIO()
        image.quantize(colours).save(buffer, format="png", optimize=True)
        png = buffer.getvalue()
        if len(png) <= _MOST_BYTES:
            break
    return png
