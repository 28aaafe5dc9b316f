"""The plan of a synthetic survey: field, weather and anomaly of every exposure, chosen before pixels are simulated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import numpy as np

from badexp_assets.simulate.params import SurveyParams
from badexp_assets.survey.camera_file import FILE_PRODUCTS
from badexp_assets.survey.cameras import Camera, load_camera

HARD_NEGATIVES = ("satellite", "thin_cirrus", "bright_star", "crowded_field")
# another hard negative, for trials only; `plan_survey` does not use it. It is a sound exposure of a sparse field, not
# the anomaly of the same name
FEW_SOURCES = "few_sources"
PLVER = "V5.6S"
TAG = "sim1"
_MJD_EPOCH = datetime(1858, 11, 17)
# range of the sky level (ADU) and zero point (mag of 1 ADU/s), as in real exposures
_SKY = {"g": (100.0, 360.0), "r": (170.0, 430.0), "i": (500.0, 1300.0), "z": (1600.0, 3600.0)}
_ZERO_POINT = {"g": 25.15, "r": 25.25, "i": 25.15, "z": 24.82}
_FIRST_EXPNUM = 725000
_DUSK = 19.7  # local mean solar time at which observing starts, h


@dataclass(frozen=True)
class ExposurePlan:
    """One exposure: when, where and through which sky it was taken, and what is wrong with it.

    `category`: `good`, or one of ANOMALIES with its `severity`. `hard_negative`: "", one of HARD_NEGATIVES, or
    FEW_SOURCES. `labelled`: a label file names it. Times are UTC, angles in degrees, `exptime` in s, `seeing_px` FWHM
    in px, `moffat_beta` 0 for a Kolmogorov PSF, `shear` ellipticity of the PSF, `ebv` in mag, `field_density` number of
    sources relative to an average field, `star_share` share of stars among them. `header_quirks`: which irregularities
    of real headers its header has.
    """

    expnum: int
    night: str
    start: datetime
    band: str
    exptime: float
    ra: float
    dec: float
    airmass: float
    seeing_px: float
    moffat_beta: float
    shear: tuple[float, float]
    sky_adu: float
    zero_point: float
    ebv: float
    field_density: float
    star_share: float
    category: str = "good"
    severity: float = 0.0
    hard_negative: str = ""
    labelled: bool = False
    header_quirks: frozenset[str] = frozenset()
    camera: Camera = field(default_factory=load_camera)

    @property
    def mjd_obs(self) -> float:
        """Start of the exposure, MJD (UTC)."""
        return (self.start - _MJD_EPOCH) / timedelta(days=1)

    @property
    def folder(self) -> str:
        """Folder of the exposure's files, relative to the archive: its night's, without the CP's names its month's."""
        if self.camera.files:
            return f"{self.camera.name}/{self.night[:7]}"
        return f"{self.camera.name}/CP/{PLVER}/CP{self.night.replace('-', '')}"

    def file_name(self, product: str) -> str:
        """Return the name of the exposure's file of a product (ooi, ood, oow)."""
        for name, own in self.camera.files.items():
            if FILE_PRODUCTS[name] == product:
                return own.format(number=self.expnum, exposure=self.expnum) + ".fits.fz"
        return f"{self.camera.file_prefix}_{self.start:%y%m%d_%H%M%S}_{product}_{self.band}_{TAG}.fits.fz"


def as_hard_negative(plan: ExposurePlan, name: str) -> ExposurePlan:
    """Return a good exposure changed to the hard negative `name`, one of HARD_NEGATIVES or FEW_SOURCES."""
    if name == "crowded_field":
        return replace(plan, hard_negative=name, field_density=4.0 * plan.field_density, star_share=0.85)
    if name == FEW_SOURCES:  # as behind dust
        return replace(plan, hard_negative=name, field_density=0.2 * plan.field_density)
    return replace(plan, hard_negative=name)


def plan_survey(params: SurveyParams) -> list[ExposurePlan]:
    """Return the exposures of the survey, ordered by EXPNUM; the same `params` give the same plan."""
    rng = np.random.default_rng([params.seed, 1])
    return [_exposure(params, i, rng, *condition) for i, condition in enumerate(_conditions(params, rng))]


def _conditions(params: SurveyParams, rng: np.random.Generator) -> list[tuple[str, float, str, bool]]:
    """Return (category, severity, hard negative, labelled) of each exposure, in random order."""
    n = params.nights * params.exposures
    n_bad = round(params.bad_fraction * n)
    n_hard = min(n - n_bad, round(params.hard_negative_fraction * n))
    conditions: list[tuple[str, float, str, bool]] = []
    for k, category in enumerate(params.categories):
        count = n_bad // len(params.categories) + (k < n_bad % len(params.categories))
        # severities are spread evenly, so each category has faint and obvious cases
        severity = 0.08 + 0.92 * (np.arange(count) + rng.uniform(0, 1, count)) / max(count, 1)
        n_labelled = round(params.labelled_fraction * count)
        if params.labelled_fraction > 0 and count >= 4:
            n_labelled = min(max(n_labelled, 3), count)
        if params.labelled_fraction < 1 and count >= 2:
            n_labelled = min(n_labelled, count - 1)
        labelled = rng.permutation(count) < n_labelled
        conditions += [
            (category, float(round(s, 4)), "", bool(flag)) for s, flag in zip(severity, labelled, strict=True)
        ]
    conditions += [("good", 0.0, HARD_NEGATIVES[k % len(HARD_NEGATIVES)], False) for k in range(n_hard)]
    conditions += [("good", 0.0, "", False)] * (n - len(conditions))
    return [conditions[i] for i in rng.permutation(n)]


def _exposure(
    params: SurveyParams,
    index: int,
    rng: np.random.Generator,
    category: str,
    severity: float,
    hard_negative: str,
    labelled: bool,
) -> ExposurePlan:
    band = params.bands[int(rng.integers(len(params.bands)))]
    night = date.fromisoformat(params.first_night) + timedelta(days=index // params.exposures)
    step = min(150.0, 9.0 * 3600 / params.exposures)
    camera = load_camera(params.camera)
    evening = timedelta(minutes=5 * round((_DUSK - camera.longitude / 15) * 12))  # UTC, after 0h of the night's date
    start = (
        datetime(night.year, night.month, night.day)
        + evening
        + timedelta(seconds=round(index % params.exposures * step))
    )
    start += timedelta(seconds=int(rng.integers(0, 20)) if step > 25 else 0)
    airmass = round(float(1.0 + rng.gamma(2.0, 0.12)), 2)
    low, high = _SKY[band]
    sky = float(low * (high / low) ** rng.beta(1.3, 1.6))
    seeing = float(np.clip(rng.lognormal(np.log(4.1), 0.13), 2.8, 6.0) * airmass**0.4)
    angle, ellipticity = rng.uniform(0, 2 * np.pi), rng.rayleigh(0.012)
    quirks = {"wcscal": 0.6, "dimmsee": 0.64, "airmass": 0.15, "radec": 0.1}
    quirks_here = frozenset(name for name, share in quirks.items() if rng.random() < share)
    return ExposurePlan(
        expnum=_FIRST_EXPNUM + 17 * (params.seed % 1000) + index + 3 * (index // params.exposures),
        night=night.isoformat(),
        start=start,
        band=band,
        exptime=float(rng.integers(70, 160)),
        ra=float(rng.uniform(140, 240)),
        dec=float(rng.uniform(-25, 25)),
        airmass=airmass,
        seeing_px=seeing,
        moffat_beta=float(rng.choice([0.0, 3.0, 4.0])),
        shear=(float(ellipticity * np.cos(angle)), float(ellipticity * np.sin(angle))),
        sky_adu=sky,
        zero_point=_ZERO_POINT[band] - 0.1 * (airmass - 1) + float(rng.normal(0, 0.02)),
        ebv=float(np.clip(rng.lognormal(np.log(0.028), 0.4), 0.006, 0.2)),
        field_density=float(rng.lognormal(0, 0.25)) * (4.0 if hard_negative == "crowded_field" else 1.0),
        star_share=0.85 if hard_negative == "crowded_field" else float(rng.uniform(0.25, 0.5)),
        category=category,
        severity=severity,
        hard_negative=hard_negative,
        labelled=labelled,
        header_quirks=quirks_here,
        camera=camera,
    )
