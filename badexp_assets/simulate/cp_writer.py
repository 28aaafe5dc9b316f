"""Writes a synthetic exposure as the three files of the Community Pipeline: image, data-quality mask, weight map."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.ccd_pixels import CcdFrame
from badexp_assets.simulate.exposure import SimulatedCcd
from badexp_assets.simulate.headers import Cards, ccd_cards, primary_cards, sky_statistics
from badexp_assets.simulate.survey_plan import ExposurePlan


@dataclass(frozen=True)
class WrittenCcd:
    """Values of a written CCD for the label files and the truth: sky and its noise in ADU, FWHM in px, exptime in s."""

    frame: CcdFrame
    affected: bool
    sky: float
    sigma: float
    fwhm_px: float
    zero_point: float
    exptime: float

    @property
    def ccdnum(self) -> int:
        """CCD number."""
        return self.frame.ccd.ccdnum


def write_exposure(plan: ExposurePlan, ccds: Iterable[SimulatedCcd], archive: Path, seed: int) -> list[WrittenCcd]:
    """Write the files of an exposure, of each product that its camera has, below `archive` atomically, CCD by CCD.

    Compression is RICE_1 with row tiles; floats are quantised with q = 4 and a dither seed that depends on EXPNUM, so
    the same pixels give the same bytes.
    """
    written: list[WrittenCcd] = []
    folder = archive / plan.folder
    dither = 1 + plan.expnum % 10000
    with ExitStack() as stack:
        paths = {p: stack.enter_context(atomic_path(folder / plan.file_name(p))) for p in plan.camera.products}
        files: dict[str, Any] = {}
        for ccd in ccds:
            if not files:
                for product, path in paths.items():
                    files[product] = stack.enter_context(_create(path))
                    files[product].write_image(None, header=primary_cards(plan, product, ccd.pixels.exptime, seed))
            assert ccd.pixels.mask is not None
            planes: dict[str, tuple[Any, str | None]] = {
                "ooi": (ccd.pixels.image, "SUBTRACTIVE_DITHER_1"),
                "ood": (ccd.pixels.mask.astype(np.int32), None),
                "oow": (ccd.weight, "SUBTRACTIVE_DITHER_2"),  # keeps the zeros of masked pixels exact
            }
            for product, file in files.items():
                pixels, method = planes[product]
                _write_ccd(file, pixels, ccd, ccd_cards(plan, ccd, product), method, dither)
            sky, sigma = sky_statistics(ccd.pixels.image)
            fwhm, exptime = ccd.pixels.fwhm_px, ccd.pixels.exptime
            written.append(WrittenCcd(ccd.frame, ccd.affected, sky, sigma, fwhm, ccd.zero_point, exptime))
    return written


def _create(path: Path) -> Any:
    import fitsio

    return fitsio.FITS(str(path), "rw", clobber=True)


def _write_ccd(file: Any, pixels: Any, ccd: SimulatedCcd, cards: Cards, method: str | None, dither: int) -> None:
    if ccd.frame.ccd.rotated:
        pixels = pixels[::-1, ::-1]
    options: dict[str, Any] = {"compress": "RICE_1", "tile_dims": (1, pixels.shape[1])}
    if method is not None:
        options |= {"qlevel": 4.0, "qmethod": method, "dither_seed": dither}
    file.write_image(np.ascontiguousarray(pixels), extname=ccd.frame.ccd.ccdname, header=cards, **options)
