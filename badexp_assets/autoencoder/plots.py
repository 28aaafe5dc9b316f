"""Loss curves of a training, and stamps beside their reconstructions, as PNG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from badexp_assets.errors import InputError
from badexp_assets.io.figures import new_figure, to_png

if TYPE_CHECKING:
    from badexp_assets.autoencoder.model import StampAutoencoder


def plot_loss(history: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of the loss curves; `history` is that of `train_autoencoder`."""
    figure = new_figure(4.4, 2.9)
    axes = figure.add_subplot()
    axes.plot(history["epoch"], history["train_loss"], label="training", color="#2f5d8a")
    axes.plot(history["epoch"], history["validation_loss"], label="validation", color="#b03a2e")
    best = int(history["epoch"].to_numpy()[history["validation_loss"].to_numpy().argmin()])
    axes.axvline(best, color="0.5", linewidth=0.8, label=f"kept: epoch {best}")
    axes.set(xlabel="epoch", ylabel="mean squared error, scaled pixels", yscale="log")
    axes.legend(fontsize="small")
    return to_png(figure)


def plot_reconstructions(model: StampAutoencoder, stamps: ArrayLike, n: int = 6) -> bytes:
    """Return a PNG (at most 100 kB) of up to `n` of the stamps (m, pixels), their reconstructions and the differences.

    The stamps shown are spread evenly over the order of their errors, from the best to the worst. Raises InputError
    if no stamp has light.
    """
    given = np.asarray(stamps, dtype=np.float32)
    errors = model.errors(given)
    order = np.argsort(errors)[: np.isfinite(errors).sum()]
    if not len(order):
        raise InputError(f"plot_reconstructions: no stamp with light among {len(given)}; at least 1 is needed")
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(n, len(order))).astype(int))]
    scaled, reconstructed = model.scale(given[shown]), model.reconstruct(given[shown])
    side = math.isqrt(model.n_pixels)
    top = float(np.nanmax(scaled))
    figure = new_figure(1.0 * len(shown) + 0.6, 3.2)
    grid = figure.subplots(3, len(shown), squeeze=False)
    for column, k in enumerate(shown):
        for row, pixels in enumerate((scaled[column], reconstructed[column], scaled[column] - reconstructed[column])):
            axes = grid[row, column]
            axes.imshow(pixels.reshape(side, -1), origin="lower", cmap="gray", vmin=-0.1 * top, vmax=top)
            axes.set(xticks=[], yticks=[])
        grid[0, column].set_title(f"{errors[k]:.2g}", fontsize="x-small")
    for row, name in enumerate(("stamp", "reconstruction", "difference")):
        grid[row, 0].set_ylabel(name, fontsize="x-small")
    return to_png(figure)
