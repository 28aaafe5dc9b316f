"""Options of a synthetic survey."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from badexp_assets.errors import InputError
from badexp_assets.simulate.anomalies import ANOMALIES
from badexp_assets.survey.cameras import load_camera

BANDS = ("g", "r", "i", "z")
CATEGORIES = tuple(category for category in ANOMALIES if category != "few_sources")  # those that are trained on


@dataclass(frozen=True)
class SurveyParams:
    """Options of `write_survey`.

    `ccd_rows` x `ccd_columns`: size of a CCD image, px, at the camera's real pixel scale (a real DECam CCD has 4094 x
    2046); `nights`: number of consecutive nights from `first_night` (YYYY-MM-DD) on; `exposures`: number per night;
    `bad_fraction`, `hard_negative_fraction`: shares of all exposures; `labelled_fraction`: share of the bad exposures
    that label files name; `categories`: which ANOMALIES occur, equally often. Raises InputError for a value that is not
    allowed.
    """

    camera: str = "decam"
    ccd_rows: int = 512
    ccd_columns: int = 256
    n_ccds: int = 16
    nights: int = 8
    exposures: int = 22
    bad_fraction: float = 0.5
    seed: int = 0
    first_night: str = "2018-03-10"
    labelled_fraction: float = 0.6
    hard_negative_fraction: float = 0.12
    bands: tuple[str, ...] = ("g", "r", "z")
    categories: tuple[str, ...] = CATEGORIES

    def __post_init__(self) -> None:
        camera = load_camera(self.camera)
        object.__setattr__(self, "bands", tuple(self.bands))
        object.__setattr__(self, "categories", tuple(self.categories))
        rows, columns = camera.ccd_shape
        for name, low, high in (
            ("ccd_rows", 41, rows),
            ("ccd_columns", 41, columns),
            ("n_ccds", 1, len(camera.ccds)),
            ("nights", 1, 3650),
            ("exposures", 1, 500),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise InputError(f"{name}: found {value!r}, allowed are whole numbers from {low} to {high}")
        for name in ("bad_fraction", "labelled_fraction", "hard_negative_fraction"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value <= 1:
                raise InputError(f"{name}: found {value!r}, allowed are numbers from 0 to 1")
        if self.bad_fraction + self.hard_negative_fraction > 1:
            raise InputError(
                f"bad_fraction + hard_negative_fraction: found {self.bad_fraction + self.hard_negative_fraction:g}, "
                "allowed is at most 1"
            )
        try:
            date.fromisoformat(self.first_night)
        except (TypeError, ValueError) as error:
            raise InputError(f"first_night: found {self.first_night!r}, allowed is YYYY-MM-DD") from error
        if not self.categories or not set(self.categories) <= set(ANOMALIES):
            raise InputError(
                f"categories: found {', '.join(self.categories) or 'none'}, allowed are some of {', '.join(ANOMALIES)}"
            )
        if len(set(self.categories)) < len(self.categories):
            raise InputError(f"categories: found {', '.join(self.categories)}, allowed is each category once")
        known = [band for band in BANDS if band in camera.filters]
        if not self.bands or not set(self.bands) <= set(known):
            raise InputError(
                f"bands: found {', '.join(self.bands) or 'none'}, allowed are some of {', '.join(known) or 'none'} "
                f"for camera {camera.name}"
            )
