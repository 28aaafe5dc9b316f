"""The autoencoder of source stamps and its scores.

The published rival of the Entropy Method: a dense network learns what sources look like over the whole survey; an
exposure whose sources it can't reproduce is odd. Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.autoencoder.model import StampAutoencoder, train_autoencoder
    from badexp_assets.autoencoder.params import AutoencoderParams
    from badexp_assets.autoencoder.plots import plot_loss, plot_reconstructions
    from badexp_assets.autoencoder.sampling import sample_stamps
    from badexp_assets.autoencoder.scores import score_reconstruction

_HOMES = {
    "AutoencoderParams": "params",
    "StampAutoencoder": "model",
    "plot_loss": "plots",
    "plot_reconstructions": "plots",
    "sample_stamps": "sampling",
    "score_reconstruction": "scores",
    "train_autoencoder": "model",
}

__all__ = [
    "AutoencoderParams",
    "StampAutoencoder",
    "plot_loss",
    "plot_reconstructions",
    "sample_stamps",
    "score_reconstruction",
    "train_autoencoder",
]

__getattr__ = load_on_use(__name__, _HOMES)
