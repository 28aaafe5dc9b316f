"""Files and a camera of telescopes whose headers are not those of the Community Pipeline."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits

OWN_CAMERA = """\
name = "own"
instrument = "OwnCam"
file_prefix = "own"
timezone = "America/Phoenix"
first_night = "2005-01-01"
pixel_scale = 0.5
pixel_size = 0.015
ccd_shape = [64, 48]
bands = ["R"]
needs_cp_cards = false
min_exptime = 5.0

[header]
expnum = ["EXPNUM", "RUN"]
exptime = ["EXPOSURE"]
filter = ["FILT"]
mjd_obs = ["MJD-OBS", "MJDATE"]
gain = ["GAIN", "CCDGAIN"]
saturate = ["MAXLIN"]

[[ccds]]
ccdnum = 7
ccdname = "a1"
x_mm = -10
y_mm = 0

[[ccds]]
ccdnum = 9
ccdname = "B2"
x_mm = 10.0
y_mm = 0.0

[[dead]]
ccdname = "A1"
from = "2006-01-02"
until = "2006-01-02"
"""
CCDS = {"A1": {"GAIN": 1.5, "MAXLIN": 60000}, "b2": {"CCDGAIN": 2.5, "MAXLIN": 60000}}


def write_file(path: Path, cards: Mapping[str, object], ccds: Mapping[str, Mapping[str, object]] = CCDS) -> Path:
    """Write a file with noise of 64 x 48 px for each of `ccds` (cards by EXTNAME), or in the primary without any."""
    random = np.random.default_rng(1)

    def pixels() -> np.ndarray:
        return random.normal(100, 5, (64, 48)).astype("f4")

    primary = fits.PrimaryHDU(None if ccds else pixels())
    primary.header.update(cards)
    images = [fits.ImageHDU(pixels(), name=name) for name in ccds]
    for image, (name, own) in zip(images, ccds.items(), strict=True):
        image.header.update(own)
        image.header["EXTNAME"] = name
    fits.HDUList([primary, *images]).writeto(path)
    return path


def split_into_ccds(path: Path, name_of_ccd: Callable[[str], str]) -> list[Path]:
    """Replace a file with an extension per CCD by one file per CCD, each with the cards of both headers."""
    files = []
    with fits.open(path) as whole:
        for image in whole[1:]:
            header = whole[0].header.copy(strip=True)
            header.extend(image.header.copy(strip=True), unique=True)
            header.pop("EXTNAME")
            files.append(path.with_name(name_of_ccd(image.name)))
            fits.PrimaryHDU(image.data, header).writeto(files[-1])
    path.unlink()
    return files
