"""Options of the stamp autoencoder, with the paper's values as defaults where it gives them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from badexp_assets.errors import InputError

SCALINGS = ("peak", "norm")


@dataclass(frozen=True)
class AutoencoderParams:
    """Options of training. Raises InputError for a value out of range.

    The paper gives the number of stamps, the split, the epochs and the layers; optimiser (Adam), batch size, learning
    rate and the scaling of stamps are this project's choice.
    """

    n_stamps: int = 10_000
    """stamps drawn over the survey, all bands together"""
    epochs: int = 500
    """passes over the training stamps"""
    batch_size: int = 256
    """stamps per step"""
    learning_rate: float = 1e-3
    """step size of Adam"""
    validation_fraction: float = 0.2
    """share of the stamps that is not trained on; the epoch of their lowest loss is kept"""
    patience: int = 0
    """stop after this many epochs without a lower validation loss; 0: never, as in the paper"""
    scaling: str = "peak"
    """what a stamp is divided by: its largest pixel (`peak`) or the root of its sum of squares (`norm`)"""
    seed: int = 0
    """of the split, the first weights and the order of stamps"""
    threads: int = 0
    """CPU threads of the training; 0: as torch is set"""
    device: str = "cpu"
    """torch device to train on"""

    def __post_init__(self) -> None:
        for name, low in (("n_stamps", 2), ("epochs", 1), ("batch_size", 1), ("patience", 0), ("seed", 0)):
            self._at_least(name, low)
        self._at_least("threads", 0)
        for name in ("learning_rate", "validation_fraction"):
            value = getattr(self, name)
            if isinstance(value, bool) or not math.isfinite(value) or not 0 < value < 1:
                raise InputError(f"autoencoder.{name}: {value!r}; between 0 and 1 is needed")
        if self.scaling not in SCALINGS:
            raise InputError(f"autoencoder.scaling: {self.scaling!r}; {' or '.join(SCALINGS)} is allowed")

    def _at_least(self, name: str, low: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise InputError(f"autoencoder.{name}: {value!r}; a whole number of at least {low} is needed")
