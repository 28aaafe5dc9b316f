"""The ccds-annotated table of a synthetic survey, with the columns of the Legacy Surveys' tables."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.cp_writer import WrittenCcd
from badexp_assets.simulate.headers import PROCESSED, plproc_id
from badexp_assets.simulate.label_files import Written
from badexp_assets.simulate.survey_plan import PLVER, ExposurePlan
from badexp_assets.survey.ccd_cuts import CCD_CUTS

SURVEY_CCDS = "survey-ccds-simulated.fits.gz"
# name and FITS type of the columns of ccds-annotated of Legacy Surveys DR10
SURVEY_COLUMNS = [
    ("image_filename", "S64"), ("image_hdu", ">i2"), ("camera", "S7"), ("expnum", ">i8"), ("plver", "S7"),
    ("procdate", "S19"), ("plprocid", "S7"), ("ccdname", "S5"), ("object", "S35"), ("propid", "S10"),
    ("filter", "S1"), ("exptime", ">f4"), ("mjd_obs", ">f8"), ("airmass", ">f4"), ("fwhm", ">f4"), ("width", ">i2"),
    ("height", ">i2"), ("ra_bore", ">f8"), ("dec_bore", ">f8"), ("crpix1", ">f4"), ("crpix2", ">f4"),
    ("crval1", ">f8"), ("crval2", ">f8"), ("cd1_1", ">f4"), ("cd1_2", ">f4"), ("cd2_1", ">f4"), ("cd2_2", ">f4"),
    ("yshift", "?"), ("ra", ">f8"), ("dec", ">f8"), ("skyrms", ">f4"), ("sig1", ">f4"), ("ccdzpt", ">f4"),
    ("zpt", ">f4"), ("ccdraoff", ">f4"), ("ccddecoff", ">f4"), ("ccdskycounts", ">f4"), ("ccdskysb", ">f4"),
    ("ccdrarms", ">f4"), ("ccddecrms", ">f4"), ("ccdphrms", ">f4"), ("ccdnastrom", ">i2"), ("ccdnphotom", ">i2"),
    ("ccd_cuts", ">i8"), ("psfnorm", ">f4"), ("galnorm", ">f4"), ("ebv", ">f4"), ("annotated", "?"),
]  # fmt: skip
_BRIGHT_SKY = {"g": 600.0, "r": 900.0, "i": 2200.0, "z": 6000.0}  # ADU


def write_survey_ccds(written: Written, in_bad_expid: set[int], folder: Path, seed: int) -> None:
    """Write one row per CCD image; the bits of ccd_cuts follow from the measurements, as in legacypipe.

    Bit 9 marks the exposures in `in_bad_expid`; 1.5 % of the CCDs fail in photometry (bit 10) by chance. `ebv` is 0
    where `annotated` is False (2 % of the exposures).
    """
    import fitsio

    table = np.zeros(sum(len(ccds) for _, ccds in written), SURVEY_COLUMNS)
    i = 0
    for plan, ccds in written:
        rng = np.random.default_rng([seed, plan.expnum, 104])
        annotated = rng.random() >= 0.02
        zero_point = float(np.median([ccd.zero_point for ccd in ccds]))
        for hdu, ccd in enumerate(ccds, start=1):
            row = _row(plan, ccd, hdu, zero_point, annotated, plan.expnum in in_bad_expid, seed, rng)
            for name, kind in SURVEY_COLUMNS:
                value = row[name]
                table[name][i] = value.ljust(int(kind[1:])).encode() if kind.startswith("S") else value
            i += 1
    with atomic_path(folder / SURVEY_CCDS) as temporary:
        plain = temporary.with_suffix(".fits")
        try:
            with fitsio.FITS(str(plain), "rw", clobber=True) as file:
                file.write(table)
            # without name and time in the gzip header the same table gives the same bytes
            with open(temporary, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                packed.write(plain.read_bytes())
        finally:
            plain.unlink(missing_ok=True)


def _row(
    plan: ExposurePlan,
    ccd: WrittenCcd,
    hdu: int,
    zero_point: float,
    annotated: bool,
    in_bad_expid: bool,
    seed: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    (rows, columns), crpix = ccd.frame.shape, ccd.frame.crpix
    psfnorm = 1.0 / (np.sqrt(4 * np.pi) * ccd.fwhm_px / 2.3548)
    # in the tangent plane columns run South and rows East
    scale = plan.camera.pixel_scale / 3600
    north = -((columns + 1) / 2 - crpix[0]) * scale
    east = ((rows + 1) / 2 - crpix[1]) * scale
    sky_rate = max(ccd.sky, 0.01) / ccd.exptime
    phrms = rng.uniform(0.008, 0.03) + (0.2 if rng.random() < 0.015 else 0.0)
    depth = (ccd.exptime / plan.exptime) * 10 ** (0.8 * (ccd.zero_point - plan.zero_point)) * (4.1 / ccd.fwhm_px) ** 2
    cuts = {
        "exptime": ccd.exptime < 30,
        "zpt_small": ccd.zero_point < plan.zero_point - 0.5,
        "sky_is_bright": ccd.sky > _BRIGHT_SKY[plan.band],
        "badexp_file": in_bad_expid,
        "phrms": phrms > 0.2,
        "seeing_bad": ccd.fwhm_px * plan.camera.pixel_scale > 2.5,
        "depth_cut": depth < 0.08,
    }
    return {
        "image_filename": f"{plan.folder}/{plan.file_name('ooi')}",
        "image_hdu": hdu,
        "camera": plan.camera.name,
        "expnum": plan.expnum,
        "plver": PLVER,
        "procdate": PROCESSED,
        "plprocid": plproc_id(seed),
        "ccdname": ccd.frame.ccd.ccdname,
        "object": f"DECaLS_{plan.expnum % 60000}_{plan.band}",
        "propid": "2014B-0404",
        "filter": plan.band,
        "exptime": ccd.exptime,
        "mjd_obs": plan.mjd_obs + 0.640012 / 86400,
        "airmass": plan.airmass,
        "fwhm": ccd.fwhm_px,
        "width": columns,
        "height": rows,
        "ra_bore": plan.ra,
        "dec_bore": plan.dec,
        "crpix1": crpix[0],
        "crpix2": crpix[1],
        "crval1": plan.ra,
        "crval2": plan.dec,
        "cd1_1": 0.0,
        "cd1_2": scale,
        "cd2_1": -scale,
        "cd2_2": 0.0,
        "yshift": False,
        "ra": plan.ra + east / np.cos(np.radians(plan.dec)),
        "dec": plan.dec + north,
        "skyrms": ccd.sigma / ccd.exptime,
        "sig1": ccd.sigma / (psfnorm * ccd.exptime) * 10 ** (-0.4 * (ccd.zero_point - 22.5)),
        "ccdzpt": ccd.zero_point + rng.normal(0, 0.01),
        "zpt": zero_point,
        "ccdraoff": rng.normal(0, 0.02),
        "ccddecoff": rng.normal(0, 0.02),
        "ccdskycounts": sky_rate,
        "ccdskysb": ccd.zero_point - 2.5 * np.log10(sky_rate / plan.camera.pixel_scale**2),
        "ccdrarms": rng.uniform(0.015, 0.035),
        "ccddecrms": rng.uniform(0.015, 0.035),
        "ccdphrms": phrms,
        "ccdnastrom": int(rng.integers(200, 450)),
        "ccdnphotom": int(rng.integers(200, 450)),
        "ccd_cuts": sum(1 << CCD_CUTS[name] for name, is_set in cuts.items() if is_set),
        "psfnorm": psfnorm,
        "galnorm": 0.78 * psfnorm,
        "ebv": plan.ebv if annotated else 0.0,
        "annotated": annotated,
    }
