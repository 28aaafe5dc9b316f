"""Options of the comparison of methods."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.errors import InputError


@dataclass(frozen=True)
class ComparisonParams:
    """Options of the comparison. Raises InputError for a value out of range."""

    truth: str = ""
    """CSV file that says which exposures are bad (expnum, bad, and, if known, severity); empty: verdicts and labels"""
    top_fraction: float = 0.1
    """share of a band's exposures, most anomalous first, that is looked at (Entropy Method paper: 0.1)"""
    bins: int = 10
    """parts of that share (the paper: 10)"""
    prominent_severity: float = 0.4
    """severity from which a bad exposure of the truth file is prominent; below, dubious"""
    min_sources: int = 20
    """sources below which an exposure has no score of sources"""
    min_stamps: int = 20
    """stamps below which it has none of the autoencoder"""
    folds: int = 5
    """of the combined rank, by night where there are as many nights, else by exposure"""
    seed: int = 0
    """of folds and intervals"""

    def __post_init__(self) -> None:
        if not 0 < self.top_fraction <= 1:
            raise InputError(f"comparison.top_fraction: {self.top_fraction}; above 0, at most 1 is needed")
        if not 0 <= self.prominent_severity <= 1:
            raise InputError(f"comparison.prominent_severity: {self.prominent_severity}; 0 to 1 is needed")
        for name, least in (("bins", 1), ("min_sources", 0), ("min_stamps", 0), ("folds", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"comparison.{name}: {getattr(self, name)}; at least {least} is needed")
