"""Reads and measures one small CCD when it is imported, which loads the compiled code that doing so needs.

For the fork server alone: each process that it forks would otherwise load the code itself, in 1.4 s of a core.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask
from badexp_assets.pixels.mosaic import MosaicPlan
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.vision.recipes import Recipe

_SHAPE = (256, 256)


def _measure_small_ccd() -> None:
    import fitsio

    camera = load_camera()
    rng = np.random.default_rng(0)
    image = rng.normal(1000, 30, _SHAPE).astype(np.float32)
    for y in (48, 128, 208):
        for x in (48, 128, 208):
            image[y - 2 : y + 3, x - 2 : x + 3] += 3000  # sources, one in a stamp
    mask = np.zeros(_SHAPE, np.int32)
    mask[:4] = 1
    with tempfile.TemporaryDirectory() as folder:
        ooi, ood = Path(folder, "ooi.fits.fz"), Path(folder, "ood.fits.fz")
        for path, pixels in ((ooi, image), (ood, mask)):
            with fitsio.FITS(str(path), "rw") as file:
                file.write(None, header={"EXPNUM": 1})
                file.write(pixels, extname=camera.ccds[0].ccdname, compress="RICE", qlevel=4)
        with open_exposure(ooi, camera=camera) as exposure:
            (ccd,) = exposure.ccds
        recipe = Recipe("scaled", 0, 64, 32, (0.5,) * 3, (0.5,) * 3)
        measurer = CcdMeasurer(camera, recipe, MosaicPlan(camera, 64, 64), EntropyParams(), PassParams())
        measurer(CcdTask(1, ooi, ood, ccd, True, (20, 40)))
        measurer.close()


with contextlib.suppress(OSError):  # no folder for temporary files: each process loads the code itself
    _measure_small_ccd()
