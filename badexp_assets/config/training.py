"""Options of the training set, with the paper's values as defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.training.extinction import check_sfd_maps

SPLIT_BY = ("exposure", "row")
PAPER_THIN = ("clouds_transparency=1/3", "ghost_scatter=1/2", "nobjects=3/4")


@dataclass(frozen=True)
class TrainingParams:
    """How the training set is drawn.

    good_exposures x ccds_per_exposure good images (paper: 10,000); max_ebv: E(B-V) of good ones is below it, mag;
    sfd_maps: folder with the SFD dust maps, for exposures that no annotated table gives an E(B-V) of.
    test_fraction of the exposures of every category; folds of cross-validation in the rest; seed of every draw.
    thin: `category=share` to keep (or a mapping), applied to categories of more than thin_above CCD images;
    max_ccds_per_bad_exposure: 0 for all; hold_out_nights: when given, these nights are the test split.
    split_by: `exposure`, or `row` for the paper's own split of CCD images, which puts CCDs of one exposure on both
    sides: only to measure what that does to a score; the check of the asset refuses it.
    """

    good_exposures: int = 2000
    ccds_per_exposure: int = 5
    max_ebv: float = 0.04
    sfd_maps: str | None = None
    test_fraction: float = 0.3
    folds: int = 3
    seed: int = 0
    thin: Any = PAPER_THIN
    thin_above: int = 1000
    max_ccds_per_bad_exposure: int = 0
    hold_out_nights: tuple[str, ...] = ()
    split_by: str = "exposure"

    def __post_init__(self) -> None:
        for name, least in (
            ("good_exposures", 1),
            ("ccds_per_exposure", 1),
            ("folds", 2),
            ("seed", 0),
            ("thin_above", 0),
            ("max_ccds_per_bad_exposure", 0),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"training: {name} is {value!r}; a whole number from {least} is needed")
        if self.folds > 100:
            raise InputError(f"training: folds is {self.folds}; at most 100 are allowed")
        if not _is_number(self.max_ebv) or not self.max_ebv > 0:
            raise InputError(f"training: max_ebv is {self.max_ebv!r}; a number above 0 (mag) is needed")
        if not _is_number(self.test_fraction) or not 0 < self.test_fraction < 1:
            raise InputError(f"training: test_fraction is {self.test_fraction!r}; a number between 0 and 1 is needed")
        if self.split_by not in SPLIT_BY:
            raise InputError(f"training: split_by is {self.split_by!r}; allowed: {', '.join(SPLIT_BY)}")
        if self.sfd_maps is not None:
            if not str(self.sfd_maps).strip():
                raise InputError("training: sfd_maps is empty; a folder is needed, or leave it out")
            folder = Path(self.sfd_maps).expanduser().absolute()
            check_sfd_maps(folder)
            object.__setattr__(self, "sfd_maps", str(folder))
        nights = self.hold_out_nights
        if isinstance(nights, str) or any(not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(n)) for n in nights):
            raise InputError(f"training: hold_out_nights is {nights!r}; a list of YYYY-MM-DD is needed")
        object.__setattr__(self, "hold_out_nights", tuple(nights))
        pairs = [f"{k}={v}" for k, v in self.thin.items()] if isinstance(self.thin, Mapping) else self.thin
        if isinstance(pairs, str):
            raise InputError(f"training: thin is {pairs!r}; a list of category=share is needed")
        object.__setattr__(self, "thin", tuple(str(pair) for pair in pairs))
        _ = self.shares

    @property
    def shares(self) -> dict[str, float]:
        """Share of a category's exposures to keep, above 0 up to 1."""
        shares = {}
        for pair in self.thin:
            category, _, text = pair.partition("=")
            try:
                share = float(Fraction(text.strip()))
            except (ValueError, ZeroDivisionError):
                share = 0.0
            if not category.strip() or not 0 < share <= 1:
                raise InputError(f"training: thin has {pair!r}; category=share with a share above 0 up to 1 is needed")
            shares[category.strip()] = share
        return shares


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
