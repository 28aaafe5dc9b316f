"""Benchmark of decompressing the CCDs of an exposure (RICE_1, row tiles, quantised with q = 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.fits_file import FitsFile
from badexp_assets.survey.masks import code_table
from benchmarks.measure import BenchOptions, Record, compare


def bench_decode(options: BenchOptions) -> Iterator[Record]:
    """Yield MPix/s of image pixels read by astropy (the baseline), fitsio and our `open_exposure`.

    `open_exposure` also finds the CCDs and checks headers and pixels. `with mask` fitsio reads the integers of the mask
    too, and `open_exposure` its codes (uint8). A second case are the masks alone, opened before: fitsio (the baseline)
    and the codes.
    """
    import fitsio

    rows, columns, n_ccds = (192, 128, 2) if options.quick else (4094, 2046, 4)
    params = SurveyParams(
        nights=1, exposures=1, n_ccds=n_ccds, ccd_rows=rows, ccd_columns=columns, bad_fraction=0, seed=options.seed
    )
    archive = write_survey(options.folder / "survey", params).archive
    ooi = next(archive.rglob("*_ooi_*"))
    ood = ooi.with_name(ooi.name.replace("_ooi_", "_ood_"))
    variants: dict[str, Callable[[], object]] = {
        "astropy": lambda: _astropy(ooi),
        "fitsio": lambda: _fitsio(ooi, None),
        "open_exposure": lambda: _ours(ooi, None),
        "fitsio with mask": lambda: _fitsio(ooi, ood),
        "open_exposure with mask": lambda: _ours(ooi, ood),
    }
    case = f"{n_ccds} CCDs of {rows} x {columns}"
    pixels = n_ccds * rows * columns / 1e6
    yield from compare("decode", case, pixels, "MPix", variants, options.repeats)
    with fitsio.FITS(str(ood)) as masks, FitsFile(ood) as file:
        codes = code_table("V5.6")
        variants = {
            "fitsio": lambda: [mask.read() for mask in masks[1:]],
            "codes": lambda: [file.pixels(i, "mask", codes) for i in range(1, n_ccds + 1)],
        }
        yield from compare("decode", f"masks of {case}", pixels, "MPix", variants, options.repeats)


def _astropy(ooi: Path) -> None:
    from astropy.io import fits

    with fits.open(ooi) as file:
        for hdu in file[1:]:
            np.ascontiguousarray(hdu.data, dtype=np.float32)


def _fitsio(ooi: Path, ood: Path | None) -> None:
    import fitsio

    with fitsio.FITS(str(ooi)) as images, fitsio.FITS(str(ood or ooi)) as masks:
        for image, mask in zip(images[1:], masks[1:], strict=True):
            np.ascontiguousarray(image.read(), dtype=np.float32)
            if ood is not None:
                mask.read()


def _ours(ooi: Path, ood: Path | None) -> None:
    with open_exposure(ooi, ood) as exposure:
        for ccd in exposure.ccds:
            exposure.read(ccd.ccdnum)
