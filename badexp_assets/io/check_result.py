"""The result of a check of a table, and the limits of checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from badexp_assets.errors import InputError


@dataclass(frozen=True)
class CheckResult:
    """Whether a check passed, what it found in a sentence, numbers by name, and the offending rows."""

    passed: bool
    description: str
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    rows: pd.DataFrame | None = None


@dataclass(frozen=True)
class CheckParams:
    """Section [checks]: limits beyond which a check warns.

    max_label_loss: share of a category's labels, or of all, that may vanish between two runs; max_missing_share: share
    of the labelled CCD images, of exposures that were read, that may be without an image; min_good_share,
    max_good_share: good images in the training set. How far a night may lie from training: max_novel_share of its CCDs
    like nothing in training; max_score_distance, Kolmogorov-Smirnov, of P(bad); max_embedding_shift in units of the
    scatter of training nights (classify/drift.py). min_free_gb: room that the disk of the home must have, 10^9 bytes.
    """

    max_label_loss: float = 0.2
    max_missing_share: float = 0.1
    min_good_share: float = 0.05
    max_good_share: float = 0.95
    max_novel_share: float = 0.02
    max_score_distance: float = 0.15
    max_embedding_shift: float = 3.0
    min_free_gb: float = 20.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            share = name not in ("max_embedding_shift", "min_free_gb")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value <= (1 if share else float("inf")):
                raise InputError(f"checks: {name} is {value!r}; a number from 0{' to 1' if share else ''} is needed")
        if self.min_good_share >= self.max_good_share:
            raise InputError(
                f"checks: min_good_share is {self.min_good_share}; less than max_good_share, {self.max_good_share}, "
                "is needed"
            )
