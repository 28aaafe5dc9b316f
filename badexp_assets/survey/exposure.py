"""Reading an exposure one CCD at a time: pixels, mask and calibration, each decompressed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.place import Place, as_place
from badexp_assets.survey.camera_file import AMPLIFIER_CARDS
from badexp_assets.survey.cameras import Camera, load_camera
from badexp_assets.survey.ccd_files import CcdFiles, open_fits
from badexp_assets.survey.cp_files import number_in_name
from badexp_assets.survey.fits_file import FitsFile, is_image
from badexp_assets.survey.headers import ExposureHeader, first_card, number_card, parse_header, text_card
from badexp_assets.survey.masks import BLEED, GOOD, SATURATED, code_table
from badexp_assets.survey.sky_axes import SkyAxes

MAX_ADU = 1e30
"""a pixel beyond this is damaged and becomes NaN; sums and squares of such pixels would overflow"""


@dataclass(frozen=True)
class CcdInfo:
    """A CCD of a file: its number (1-based) and name in the camera, and its extension (0 is the primary)."""

    ccdnum: int
    ccdname: str
    extension: int


@dataclass(frozen=True, eq=False)
class CcdImage:
    """One CCD of an exposure.

    image: float32 (rows, columns), ADU; pixels without a value are NaN. mask: uint8 (rows, columns), codes as in
    `masks.mask_codes`, or None where there is none, with `mask_problem` if one was expected. gain in electrons/ADU and
    read_noise in electrons are means of the amplifiers, saturate (ADU) is the lowest of them; fwhm_px is the seeing;
    None where the header has none. header: header of the extension. axes: where columns and rows run on the sky.
    """

    ccdnum: int
    ccdname: str
    image: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint8] | None
    gain: float | None
    read_noise: float | None
    saturate: float | None
    fwhm_px: float | None
    header: Mapping[str, Any]
    mask_problem: str | None = None
    axes: SkyAxes = field(default_factory=SkyAxes)

    @property
    def bad(self) -> npt.NDArray[np.bool_]:
        """Pixels (rows, columns) that are masked for any reason or not finite."""
        bad = ~np.isfinite(self.image)
        return bad if self.mask is None else bad | (self.mask != GOOD)

    @property
    def saturated(self) -> npt.NDArray[np.bool_]:
        """Pixels (rows, columns) that are saturated or in a bleed trail; without a mask, those at SATURATE or above."""
        if self.mask is not None:
            return (self.mask == SATURATED) | (self.mask == BLEED)
        return self.image >= (np.inf if self.saturate is None else self.saturate)


class Exposure:
    """An open exposure, made by `open_exposure`; use it in a `with` block.

    header: values of the primary header. ccds: its CCDs in CCDNUM order, including empty extensions. problems: messages
    about extensions that are no CCD of the camera, or the second one of a CCD.
    """

    def __init__(self, ooi: Place, ood: Place | None, camera: Camera) -> None:
        self.mask_path = ood
        self.problems: list[str] = []
        self._camera = camera
        self._masks: FitsFile | CcdFiles | None = None
        self._mask_extensions: dict[int, int] = {}
        self._mask_problem: str | None = None
        self._fits = open_fits(ooi, camera)
        self.path = self._fits.where
        try:
            self.header: ExposureHeader = parse_header(self._fits.header(0), camera, number_in_name(ooi.name, camera))
            self._extensions = ccd_extensions(self._fits, camera, self.problems)
        except BaseException:
            self._fits.close()
            raise
        self._mask_plver = self.header.plver
        if ood is not None:
            self._open_masks(ood)

    @property
    def ccds(self) -> list[CcdInfo]:
        """CCDs of the file, in CCDNUM order."""
        names = self._camera.by_number
        return [CcdInfo(n, names[n].ccdname, ext) for n, ext in sorted(self._extensions.items())]

    def read(self, ccdnum: int, step: int = 1, min_rows: int = 1) -> CcdImage:
        """Decompress and return one CCD, or every step-th row of it, which takes about a step-th of the time.

        A CCD with few rows is read in smaller steps, so that `min_rows` of them are returned, as far as it has them.
        The image of a rotated CCD is turned, so that columns run with x and rows with y of the focal plane.

        Raises UnreadableImageError, which names file and extension, when the CCD is not in the file, is empty, does not
        have two axes, or can't be decompressed. If only its mask can't be read, `mask` is None (see `mask_problem`).
        """
        from badexp_assets.survey.pixel_kernels import blank_beyond

        ccd = self._camera.by_number.get(ccdnum)
        name = ccd.ccdname if ccd else f"CCDNUM {ccdnum}"
        if ccd is None or ccdnum not in self._extensions:
            raise UnreadableImageError(f"{self.path}[{name}]: no such CCD in the file")
        extension, cards = self._extensions[ccdnum], self._camera.cards
        header = self._fits.header(extension)
        step = row_step(int(number_card(header, "ZNAXIS2") or number_card(header, "NAXIS2") or 0), step, min_rows)
        pixels = self._fits.pixels(extension, f"{self.path}[{name}]", step=step)
        with np.errstate(over="ignore"):  # values beyond float32 become infinite
            image = np.ascontiguousarray(pixels, dtype=np.float32)
        blank_beyond(image, np.float32(MAX_ADU))
        mask, problem = self._read_mask(ccdnum, name, image.shape, step)
        if ccd.rotated:
            image = np.ascontiguousarray(image[::-1, ::-1])
            mask = None if mask is None else np.ascontiguousarray(mask[::-1, ::-1])
        return CcdImage(
            ccdnum=ccdnum,
            ccdname=name,
            image=image,
            mask=mask,
            gain=_mean(header, AMPLIFIER_CARDS["gain"], cards["gain"]),
            read_noise=_mean(header, AMPLIFIER_CARDS["read_noise"], cards["read_noise"]),
            saturate=min(_numbers(header, (*AMPLIFIER_CARDS["saturate"], *cards["saturate"])), default=None),
            fwhm_px=first_card(header, cards["fwhm"], number_card),
            header=header,
            mask_problem=problem,
            axes=self._camera.axes,
        )

    def close(self) -> None:
        """Close the files."""
        self._fits.close()
        if self._masks is not None:
            self._masks.close()

    def __enter__(self) -> Exposure:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _open_masks(self, ood: Place) -> None:
        try:
            self._masks = open_fits(ood, self._camera)
            self.mask_path = self._masks.where
            self._mask_plver = text_card(self._masks.header(0), "PLVER") or self.header.plver
            self._mask_extensions = ccd_extensions(self._masks, self._camera, [])
        except UnreadableImageError as error:
            self._mask_problem = str(error)

    def _read_mask(
        self, ccdnum: int, name: str, shape: tuple[int, ...], step: int
    ) -> tuple[npt.NDArray[np.uint8] | None, str | None]:
        where = f"{self.mask_path}[{name}]"
        if self.mask_path is None or self._mask_problem is not None or self._masks is None:
            return None, self._mask_problem
        if ccdnum not in self._mask_extensions:
            return None, f"{where}: no such CCD in the file"
        try:
            codes = code_table(self._mask_plver, self._camera)
            mask = self._masks.pixels(self._mask_extensions[ccdnum], where, codes, step)
        except UnreadableImageError as error:
            return None, str(error)
        if mask.shape != shape:
            return None, f"{where}: mask of {mask.shape} px; the image has {shape}"
        if mask.dtype.kind not in "iu":
            return None, f"{where}: mask of type {mask.dtype}; integers are needed"
        return mask, None


def open_exposure(ooi: Place, ood: Place | None = None, camera: Camera | None = None) -> Exposure:
    """Open an exposure's image file and, where given, its mask file (see `open_fits`); use it in a `with` block.

    CCDs are identified by EXTNAME, then DETPOS, then CCDNUM. camera: DECam by default. If the mask file can't be
    opened, the CCDs have no mask. Of files behind URLs only headers and the CCDs that are read are fetched. Raises
    UnreadableImageError for an image file that can't be opened or has no CCD of the camera, and TransientError or
    InputError when a server does not answer or denies access.
    """
    return Exposure(as_place(ooi), as_place(ood) if ood is not None else None, camera or load_camera())


def row_step(rows: int, step: int, min_rows: int) -> int:
    """Return `step`, or the largest smaller one (at least 1) with which `min_rows` of `rows` are read."""
    return max(1, min(step, rows // min_rows))


def ccd_extensions(fits: FitsFile | CcdFiles, camera: Camera, problems: list[str]) -> dict[int, int]:
    """Return the extension of every CCD, by CCDNUM; add messages about other extensions to `problems`."""
    found: dict[int, int] = {}
    path = fits.where
    images = [info for info in fits.infos() if is_image(info)]
    if len(images) == len(camera.ccds) == 1:  # whatever its name
        return {camera.ccds[0].ccdnum: images[0]["extnum"]}
    for info in images:
        extension, name = info["extnum"], str(info["extname"]).strip().upper()
        ccd = camera.named(name)
        ccdnum = ccd.ccdnum if ccd else _identify(fits, extension, camera)
        if ccdnum is None:
            problems.append(f"{path}[{extension}]: EXTNAME {name!r} is no CCD of {camera.instrument}")
        elif ccdnum in found:
            problems.append(f"{path}[{extension}]: a second extension for {camera.by_number[ccdnum].ccdname}")
        else:
            found[ccdnum] = extension
    if not found:
        raise UnreadableImageError(f"{path}: has no CCD of {camera.instrument}")
    return found


def _identify(fits: FitsFile | CcdFiles, extension: int, camera: Camera) -> int | None:
    """Return the CCDNUM of an extension whose EXTNAME is no CCD, by DETPOS, then CCDNUM."""
    header = fits.header(extension)
    ccd = camera.named(text_card(header, "DETPOS") or "")
    number = number_card(header, "CCDNUM")
    if ccd is not None:
        return ccd.ccdnum
    return int(number) if number in camera.by_number else None


def _numbers(header: Mapping[str, Any], keys: tuple[str, ...]) -> list[float]:
    found = (number_card(header, key) for key in keys)
    return [value for value in found if value is not None and value > 0]


def _mean(header: Mapping[str, Any], amplifiers: tuple[str, ...], others: tuple[str, ...]) -> float | None:
    values = _numbers(header, amplifiers) or _numbers(header, others)[:1]
    return sum(values) / len(values) if values else None
