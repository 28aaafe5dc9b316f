"""What every classifier of CCD images can do, whatever it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd


@runtime_checkable
class Classifier(Protocol):
    """A fitted classifier of CCD images. `card` says what it was made from; `version` is a hash of its content."""

    @property
    def card(self) -> dict[str, Any]:
        """Model card: data counts, options, seed, libraries, scores, findings."""

    @property
    def version(self) -> str:
        """Hash of the training data and options."""

    @property
    def dim(self) -> int:
        """Length of the vectors it takes."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories it knows, sorted, `good` among them."""

    def check_fits(self, backbone: str, recipe: str) -> None:
        """Raise ModelError unless it was trained on vectors of this backbone and recipe."""

    def predict(self, vectors: np.ndarray, features: pd.DataFrame | None = None) -> pd.DataFrame:
        """Classify (n, dim) vectors, with their rows of `describe_ccds` if it uses them.

        One row each, in order: category, probability, p_bad, p_<category> of every category; more is welcome.
        """

    def save(self, folder: Path) -> None:
        """Store as a folder that appears whole; the same version there already is left as it is."""
