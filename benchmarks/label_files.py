"""Writes label files and survey tables of any size for the benchmark `labels`."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np

from badexp_assets.simulate.survey_ccds import SURVEY_COLUMNS
from badexp_assets.survey.cameras import load_camera

FIRST_EXPNUM = 200_000
_PIECE = 61 * 2**14  # rows that are written at a time: whole exposures
_SURVEY = [column for column in SURVEY_COLUMNS if column[0] not in ("ebv", "annotated")]  # survey-ccds has neither
_REASONS = ("1", "2 depth factor < 0.2", "expfactor=0.208  seeing=1.400", "3 telescope moving", "3   exp factor < 0.3")
_PROBLEMS = ("NObjects", "Dome Light", "Ghosting", "Clouds", "Telescope Moving", "Wonky", "Sky Background")


def write_survey_table(path: Path, n_rows: int, seed: int) -> Path:
    """Write a survey-ccds table of `n_rows` rows, 61 CCDs per exposure; compressed if `path` ends in `.gz`."""
    import fitsio

    rng = np.random.default_rng(seed)
    ccdnames = np.array([ccd.ccdname for ccd in load_camera().ccds if ccd.ccdname != "N30"], "S3")
    n = len(ccdnames)
    piece = np.zeros(min(_PIECE, n_rows), _SURVEY)
    for name, kind in _SURVEY:
        if kind == ">f4":
            piece[name] = rng.normal(1, 0.1, len(piece))
    piece["camera"], piece["plver"], piece["procdate"] = "decam", "V5.5LS", "2020-11-01T04:30:00"
    piece["plprocid"], piece["object"], piece["propid"], piece["exptime"] = "abcdef0", "DECaLS", "2014B-0404", 90
    piece["ccd_cuts"] = np.where(rng.random(len(piece)) < 0.1, 2**12, 0)
    piece["dec"] = piece["dec_bore"] = rng.uniform(-30, 30, len(piece))
    piece["ra"] = piece["ra_bore"] = rng.uniform(0, 360, len(piece))
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    with fitsio.FITS(str(plain), "rw", clobber=True) as file:
        for start in range(0, n_rows, len(piece)):
            part = piece[: n_rows - start]
            exposure = np.arange(start, start + len(part)) // n
            names, place = np.unique(exposure, return_inverse=True)
            files = [f"decam/CP/V5.5LS/CP20150328/c4d_{e:09d}_ooi_r_ls9.fits.fz" for e in names]
            part["image_filename"] = np.array(files, "S64")[place]
            part["expnum"] = FIRST_EXPNUM + exposure
            part["ccdname"] = ccdnames[np.arange(start, start + len(part)) % n]
            part["filter"] = np.array(["g", "r", "z"], "S1")[exposure % 3]
            part["mjd_obs"] = 56_500 + exposure * 0.01
            if start:
                file[-1].append(part)
            else:
                file.write(part)
    if plain != path:
        with open(plain, "rb") as raw, gzip.open(path, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(raw, packed, 2**20)
        plain.unlink()
    return path


def write_bad_expid(path: Path, n_lines: int, n_exposures: int, seed: int) -> Path:
    """Write a bad_expid file of `n_lines` lines in the forms of real lists; a tenth of them name single CCDs."""
    rng = np.random.default_rng(seed)
    ccdnames = [ccd.ccdname for ccd in load_camera().ccds]
    expnums = (FIRST_EXPNUM + rng.integers(0, n_exposures, n_lines)).tolist()
    picks = zip(expnums, rng.random(n_lines).tolist(), rng.integers(0, 10**6, n_lines).tolist(), strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as file:
        file.write("#EXPID\tFlag\tcomments\n")
        for expnum, share, pick in picks:
            ccd = f"-{ccdnames[pick % len(ccdnames)]}" if share < 0.1 else ""
            reason = _REASONS[pick % len(_REASONS)]
            if pick % 7 == 0:  # measured values, which make nearly every line different
                reason = f"expfactor={0.1 + pick / 5e6:.4f}  seeing={1 + pick / 1e6:.3f}"
            file.write(f"{expnum}{ccd} {reason}\n")
    return path


def write_exclude_lists(folder: Path, n_lines: int, n_exposures: int, seed: int) -> Path:
    """Write exclude lists of `n_lines` lines in all: half name exposures and their problem, half CCDs with noise."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    half = n_lines // 2
    expnums = (FIRST_EXPNUM + rng.integers(0, n_exposures, n_lines)).tolist()
    picks = rng.integers(0, 10**6, n_lines).tolist()
    with (folder / "problem-y03.txt").open("w", encoding="ascii") as file:
        file.write("#Nite      Exposure  Problem\n")
        file.writelines(
            f"20150{1 + p % 9}{10 + p % 18}  {e}  {_PROBLEMS[p % len(_PROBLEMS)]}  \n"
            for e, p in zip(expnums[:half], picks[:half], strict=True)
        )
    with (folder / "noise-y03.txt").open("w", encoding="ascii") as file:
        file.write("#date expnum ccd id ccdnum\n")
        file.writelines(
            f"20150{1 + p % 9}{10 + p % 18} {e} nan nan {1 + p % 62}\n"
            for e, p in zip(expnums[half:], picks[half:], strict=True)
        )
    return folder
