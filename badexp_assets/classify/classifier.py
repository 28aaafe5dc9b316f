"""Base class of the classifiers of CCD images, and checks of their input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.classify.skops_folder import write_content
from badexp_assets.errors import InputError, ModelError
from badexp_assets.io.model_folder import write_model_folder

GOOD = "good"
_NO_KIND = "no single kind"


def kind_in_words(category: str | None, p_bad: float | None) -> str | None:
    """Return the category of a CCD as people read it beside its P(bad).

    The most probable category can be `good` though P(bad) is above 0.5, shared by several kinds of bad: that is
    `no single kind`.
    """
    return _NO_KIND if category == GOOD and p_bad is not None and p_bad >= 0.5 else category


class Classifier(ABC):
    """A fitted classifier of CCD images.

    `categories`: sorted, `good` among them. `card`: the model card, with counts of the training data, options, seed,
    library versions, scores and findings.
    """

    categories: tuple[str, ...]
    card: dict[str, Any]

    @property
    def version(self) -> str:
        """Hash of training data, options, backbone, recipe and the code of the fit."""
        return str(self.card["version"])

    @property
    def dim(self) -> int:
        """Length of the input vectors."""
        return int(self.card["dim"])

    @property
    def findings(self) -> list[str]:
        """Remarks about the fit that a user should know, a sentence each."""
        return list(self.card["findings"])

    def check_fits(self, backbone: str, recipe: str) -> None:
        """Raise ModelError unless it was trained on vectors of this backbone and recipe (their ids)."""
        for what, found in (("backbone", backbone), ("recipe", recipe)):
            if found != self.card[what]:
                raise ModelError(
                    f"model {self.version} was trained on vectors of {what} {self.card[what]}; {found} found: "
                    f"embed these images with the model's {what}, or fit a model on vectors of {found}"
                )

    @abstractmethod
    def predict(self, vectors: np.ndarray, features: pd.DataFrame | None = None) -> pd.DataFrame:
        """Classify (n, dim) vectors; `features`: their rows of `describe_ccds`, for classifiers that use them.

        Returns a row per vector, in order: category, probability, p_bad, p_<category> of every category; subclasses may
        add columns.
        """

    @property
    @abstractmethod
    def metric(self) -> str:
        """Name of the distance (one of METRICS) between `positions`."""

    @abstractmethod
    def positions(self, vectors: np.ndarray) -> np.ndarray:
        """Return positions of (n, dim) vectors in the space where images are compared, (n, components) float32."""

    def save(self, folder: Path) -> None:
        """Store the model as `folder`: `pipeline.skops` and `model_card.json`, all or nothing.

        If the same version is there already, it is left as it is. Raises ModelError if `folder` holds anything else.
        """
        card = self.card | {"categories": list(self.categories)}
        write_model_folder(self, Path(folder), lambda temporary: write_content(self._content(), card, temporary))

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Classifier:
        """Read a model that `save` wrote. Raises ModelError if it is missing, damaged or holds foreign types."""

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """Return the fitted parts that are stored beside the card."""

    def _checked(self, vectors: np.ndarray) -> np.ndarray:
        """Return (n, dim) vectors as float32; ModelError for another length, InputError for non-finite values."""
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ModelError(
                f"model {self.version} takes vectors (n, {self.dim}); {vectors.shape} found: embed these images with "
                f"backbone {self.card['backbone']}, or fit a model on vectors of this length"
            )
        refuse_non_finite(vectors)
        return vectors

    def table_of(self, shares: np.ndarray) -> pd.DataFrame:
        """Return category, probability, p_bad and p_<category> of (n, categories) probabilities."""
        top = shares.argmax(axis=1)
        table = {
            "category": pd.Series(np.array(self.categories, dtype=object)[top], dtype="str"),
            "probability": shares[np.arange(len(top)), top].astype(np.float32),
            "p_bad": (1.0 - shares[:, self.categories.index(GOOD)]).astype(np.float32),
        }
        table |= {f"p_{c}": shares[:, i].astype(np.float32) for i, c in enumerate(self.categories)}
        return pd.DataFrame(table)


def check_training(vectors: np.ndarray, names: np.ndarray, votes: np.ndarray) -> None:
    """Raise InputError unless a classifier can be fitted on (n, dim) vectors, n categories and n weights."""
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise InputError(f"vectors: shape {vectors.shape} found; (n, dim) with at least one row is needed")
    if not len(vectors) == len(names) == len(votes):
        raise InputError(
            f"vectors, categories, weights: {len(vectors)}, {len(names)}, {len(votes)} found; equal numbers needed"
        )
    if pd.isna(names).any():
        raise InputError(f"categories: {int(pd.isna(names).sum())} missing; every vector needs one")
    refuse_non_finite(vectors)
    if not (np.isfinite(votes) & (votes > 0)).all():
        raise InputError(f"weights: {votes.min()} to {votes.max()} found; finite values above 0 allowed")
    n_good = int((names == GOOD).sum())
    if n_good == 0 or n_good == len(names):
        raise InputError(
            f"categories: {n_good} of {len(names)} training images are {GOOD!r}; good and bad images are needed: "
            "check the label files and the cuts of the training set"
        )
    if (vectors == vectors[0]).all():
        raise InputError(f"vectors: all {len(vectors)} are the same; nothing can be fitted to them")


def refuse_non_finite(vectors: np.ndarray) -> None:
    """Raise InputError, with count and first row, if (n, dim) vectors hold NaN or infinity."""
    bad = [k for k, vector in enumerate(vectors) if not np.isfinite(vector).all()]
    if len(bad):
        raise InputError(
            f"vectors: {len(bad)} of {len(vectors)} have non-finite values, the first in row {bad[0]}; embed them again"
        )
