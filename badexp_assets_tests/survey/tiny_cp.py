"""Tiny Community-Pipeline files with planted truths and planted faults, for the tests of several rooms."""

from __future__ import annotations

from pathlib import Path

import fitsio
import numpy as np

FOLDER = "decam/CP/V5.6S/CP20180517"
HEADER = {
    "EXPNUM": 747382,
    "FILTER": "r DECam SDSS c0002 6415.0 1480.0",
    "EXPTIME": 90.0,
    "MJD-OBS": 58256.19,
    "AIRMASS": 1.2,
    "DTCALDAT": "2018-05-17",
    "OBSTYPE": "object",
    "PROCTYPE": "InstCal",
    "PLVER": "V5.6S",
    "PLPROCID": "9560b38",
    "WCSCAL": "Successful",
    "SCAMPFLG": 0,
    "NEXTEND": 2,
}
CCDS = {"S4": 28, "N1": 32, "N4": 35, "N12": 43}
SKY, NOISE = 200.0, 8.0


def tiny_image(seed: int, shape: tuple[int, int] = (120, 90)) -> np.ndarray:
    """Sky with noise and a few round stars."""
    rng = np.random.default_rng(seed)
    image = rng.normal(SKY, NOISE, shape)
    y, x = np.indices(shape)
    for _ in range(4):
        cy, cx = rng.uniform(0.3, 0.7, 2) * shape
        image += 4000 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 8)
    return image.astype(np.float32)


def write_cp(
    archive: Path,
    expnum: int = 747382,
    *,
    time: str = "044138",
    folder: str = FOLDER,
    header: dict | None = None,
    ccds: dict[str, int] | None = None,
    images: dict[str, np.ndarray | None] | None = None,
    masks: dict[str, np.ndarray] | None = None,
    with_ood: bool = True,
    packed: bool = True,
    extname: bool = True,
    detpos: bool = True,
) -> Path:
    """Write ooi (and ood) of one exposure; `images` and `masks` replace those of single CCDs, None is an empty one."""
    place = archive / folder
    place.mkdir(parents=True, exist_ok=True)
    cards = {k: v for k, v in (HEADER | {"EXPNUM": expnum} | (header or {})).items() if v is not None}
    ccds = ccds or CCDS
    suffix = ".fits.fz" if packed else ".fits"
    paths = {p: place / f"c4d_180518_{time}_{p}_r_ls9{suffix}" for p in ("ooi", "ood")}
    for product in ("ooi", "ood") if with_ood else ("ooi",):
        with fitsio.FITS(str(paths[product]), "rw", clobber=True, ignore_empty=True) as fits:
            fits.write(None, header=cards)
            for name, number in ccds.items():
                extra = {"CCDNUM": number, "GAINA": 4.0, "GAINB": 4.2, "FWHM": 4.5}
                extra |= {"SATURATA": 40000.0, "SATURATB": 41000.0, "SATURATE": 41000.0}
                extra |= {"DETPOS": name} if detpos else {}
                image = (images or {}).get(name, tiny_image(expnum + number))
                if product == "ood" and image is not None:
                    image = (masks or {}).get(name, np.zeros(image.shape, np.int32))
                if image is None:
                    fits.write(None, header=extra, extname=name)
                    continue
                options = {"compress": "RICE_1", "tile_dims": [1, image.shape[1]]} if packed else {}
                if packed and image.dtype.kind == "f":
                    options |= {"qlevel": 4, "qmethod": "SUBTRACTIVE_DITHER_1", "dither_seed": 1}
                fits.write(image, header=extra, extname=name if extname else None, **options)
    return paths["ooi"]
