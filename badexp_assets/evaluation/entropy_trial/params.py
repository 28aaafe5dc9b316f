"""Options of the entropy trial."""

from __future__ import annotations

from dataclasses import dataclass, field

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.config.settings import DEFAULT_CAMERA
from badexp_assets.errors import InputError


@dataclass(frozen=True)
class TrialParams:
    """Options of the entropy trial, which simulates one survey per band. Raises InputError for an invalid value."""

    good: int = 300
    """ordinary good exposures of a band"""
    hard_negatives: int = 25
    """good exposures of a band for each kind that is easily mistaken for bad"""
    anomalies: int = 30
    """prominent anomalies of a band for each kind"""
    bad_fraction: float = 0.02
    """share of bad exposures in the mixtures that are scored"""
    top_fraction: float = 0.05
    """share of a mixture's exposures, those with the highest scores, that counts as found"""
    least_severity: float = 0.4
    """lowest severity of an anomaly; severities are uniform from here to 1"""
    camera: str = DEFAULT_CAMERA
    bands: tuple[str, ...] = ("g", "r", "z")
    n_ccds: int = 16
    ccd_rows: int = 512
    ccd_columns: int = 512
    seed: int = 0
    entropy: EntropyParams = field(default_factory=EntropyParams)

    def __post_init__(self) -> None:
        for name, least in (("good", 3), ("hard_negatives", 0), ("anomalies", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"trial.{name}: {value!r}; a whole number of at least {least} is needed")
        for name in ("bad_fraction", "top_fraction", "least_severity"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"trial.{name}: {getattr(self, name)!r}; more than 0 and less than 1 is needed")
