"""Adds an anomaly to the CCD images of an existing file, simulated or real."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.anomalies import (
    EXTENDED_LIGHT,
    affected_ccds,
    check_anomaly,
    inject,
    light_change,
    shortened_exptime,
)
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane
from badexp_assets.simulate.headers import MM_X, MM_Y
from badexp_assets.survey.camera_file import AMPLIFIER_CARDS
from badexp_assets.survey.cameras import Camera, Ccd, load_camera
from badexp_assets.survey.exposure import Exposure, open_exposure
from badexp_assets.survey.fits_validation import is_gzipped
from badexp_assets.survey.headers import number_card


def inject_into(
    path: Path,
    out: Path,
    category: str,
    severity: float,
    seed: int,
    only: Collection[int] | None = None,
    camera: Camera | None = None,
    ood: Path | None = None,
) -> list[int]:
    """Write the CP image file `path` with an anomaly to `out`; return the CCDNUMs of the affected CCDs.

    `path` has one extension per CCD, RICE-compressed (.fits.fz) or not; `out` has the same layout. `camera`: DECam by
    default. CCDs are identified and cards are read as `open_exposure` does; extensions that are no CCD are kept.
    Headers and the order of the CCDs are kept. SIMCAT, SIMSEV, SIMISEED and HISTORY say what was injected; exposure
    time and seeing follow the anomaly. The pattern is scaled to the inner focal plane if the file has 8 CCDs or more,
    else to the extent of its CCDs. Positions are computed from CRPIX, so cutouts are in place too; without CRPIX they
    are those of the camera's CCDs. CCDs whose CCDNUM is not in `only` (None: all)
    are copied byte by byte even if affected, which is fast where nothing reads them. `ood`: the mask file of the
    exposure, which is not changed; optical anomalies do not spread the pixels that it calls bad. Raises InputError if
    `out` is `path`, if `path` does not exist, or for an unknown category or severity; UnreadableImageError, naming file
    and extension, for an image that can't be read.
    """
    from astropy.io import fits

    path, out, camera = Path(path), Path(out), camera or load_camera()
    check_anomaly(category, severity)
    if out.resolve() == path.resolve():
        raise InputError(f"{out}: is the input file; give another output file")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        source = fits.open(path, memmap=False)
    except OSError as error:
        raise UnreadableImageError(f"{path}: not a readable FITS file ({error})") from error
    with source, ExitStack() as files:
        exposure = files.enter_context(open_exposure(path, ood, camera))
        try:
            found = sorted((ccd.extension, ccd.ccdnum) for ccd in exposure.ccds if _is_image(source[ccd.extension]))
        except Exception as error:  # astropy raises many types for damaged headers
            raise UnreadableImageError(f"{path}: {type(error).__name__}: {error}") from error
        if not found:
            raise UnreadableImageError(f"{path}: no CCD image in it")
        places = {i: camera.by_number[ccdnum] for i, ccdnum in found}

        def ccd_of(i: int, pixels: bool = True) -> CcdPixels:
            return _ccd(exposure, source[i], source[0].header, camera, places[i], pixels)

        ccds = {i: ccd_of(i, pixels=False) for i in places}
        plane = Plane() if len(ccds) >= 8 else Plane.around(ccds.values())
        affected = affected_ccds(category, severity, seed, list(ccds.values()), plane)
        changed = {i for i in places if ccds[i].ccdnum in affected or category in EXTENDED_LIGHT}
        copied = {i for i in places if i > 0 and only is not None and ccds[i].ccdnum not in only}
        factor = 1.0
        if category == "nonoptimal_exposure":
            factor = light_change(category, severity, seed, ccds[found[0][0]], plane).exposure_factor
        with atomic_path(out) as temporary:
            for i, hdu in enumerate(source):  # HDU by HDU, so only one CCD is in memory
                if i in copied:
                    with temporary.open("ab") as target:
                        target.write(_bytes(path, hdu))
                    continue
                image, header = None, hdu.header.copy()
                if i in places:
                    ccd = ccd_of(i)
                    if i in changed:
                        ccd = inject(ccd, category, severity, seed, plane)
                        for card in camera.cards["fwhm"]:
                            if card in header:
                                header[card] = round(ccd.fwhm_px, 6)
                    image = ccd.image[::-1, ::-1] if places[i].rotated else ccd.image
                if i == 0:
                    header["SIMCAT"] = (category, "anomaly injected by badexp simulate")
                    header["SIMSEV"] = (severity, "its severity, 0 to 1")
                    header["SIMISEED"] = (seed, "its seed")
                if i in changed or (i == 0 and i not in places):
                    header.add_history(f"badexp simulate: injected {category}, severity {severity:g}, seed {seed}")
                for card in camera.cards["exptime"]:
                    if factor != 1 and isinstance(header.get(card), int | float):
                        header[card] = shortened_exptime(header[card], factor)
                _append(temporary, hdu, image, header, 1 + _dither(source[0].header))
                del hdu.data  # astropy would keep every CCD in memory
    return affected


def _append(out: Path, hdu: Any, image: Any, header: Any, dither: int) -> None:
    """Append `hdu` with a new header and, unless `image` is None, new pixels to the FITS file `out`."""
    from astropy.io import fits

    if image is None:
        new = hdu.copy()
        new.header = header
    elif isinstance(hdu, fits.CompImageHDU):
        compression = {"compression_type": "RICE_1", "tile_shape": (1, image.shape[1]), "dither_seed": dither}
        new = fits.CompImageHDU(image, header, name=hdu.name, quantize_level=4.0, quantize_method=1, **compression)
    else:
        new = (fits.PrimaryHDU if isinstance(hdu, fits.PrimaryHDU) else fits.ImageHDU)(image, header)
    if isinstance(new, fits.PrimaryHDU):
        new.writeto(out, overwrite=True, output_verify="silentfix+ignore")
        return
    with fits.open(out, mode="append", memmap=False) as target:
        target.append(new)
        target.flush(output_verify="silentfix+ignore")


def _bytes(path: Path, hdu: Any) -> bytes:
    """Return header and data of an HDU as stored in the file."""
    place = hdu.fileinfo()
    with (gzip.open if is_gzipped(path.name) else open)(path, "rb") as file:
        file.seek(place["hdrLoc"])
        return file.read(place["datLoc"] + place["datSpan"] - place["hdrLoc"])


def _dither(primary: Any) -> int:
    text = str(primary.get("EXPNUM", "0")).strip()
    return int(text) % 10000 if text.isdigit() else 0


def _is_image(hdu: Any) -> bool:
    return bool(getattr(hdu, "is_image", False)) and len(hdu.shape or ()) == 2


def _ccd(exposure: Exposure, hdu: Any, primary: Any, camera: Camera, ccd: Ccd, pixels: bool) -> CcdPixels:
    """Return a CCD from its HDU and the primary header, turned like the focal plane; without `pixels` it is all 0."""

    def numbers(*keys: str) -> list[float]:
        found = (number_card(hdu.header, key) or number_card(primary, key) for key in keys)
        return [value for value in found if value is not None and value > 0]

    def mean(value: str, default: float) -> float:
        found = numbers(*AMPLIFIER_CARDS[value]) or numbers(*camera.cards[value])[:1] or [default]
        return sum(found) / len(found)

    def start(crpix: float | None, length: int, step: float, centre: float) -> float:
        """Return the place of the first pixel along an axis, mm."""
        if crpix is None:
            return centre - step * (length - 1) / 2
        return (crpix - length if ccd.rotated else 1.0 - crpix) * step

    shape = tuple(int(n) for n in hdu.shape)
    found = exposure.read(ccd.ccdnum) if pixels else None
    dx, dy = ((numbers(name) or [camera.pixel_size])[0] for name in (MM_X, MM_Y))
    return CcdPixels(
        image=np.broadcast_to(np.float32(0), shape) if found is None else found.image,
        mask=None if found is None else found.mask,
        gain=mean("gain", 4.0),
        read_noise=mean("read_noise", 6.0),
        saturate=min(numbers(*AMPLIFIER_CARDS["saturate"], *camera.cards["saturate"]), default=45000.0),
        exptime=(numbers(*camera.cards["exptime"]) or [100.0])[0],
        fwhm_px=max((numbers(*camera.cards["fwhm"]) or [4.0])[0], 1.0),
        expnum=exposure.header.expnum or 0,
        ccdnum=ccd.ccdnum,
        x0_mm=start(number_card(hdu.header, "CRPIX1"), shape[1], dx, ccd.x_mm),
        y0_mm=start(number_card(hdu.header, "CRPIX2"), shape[0], dy, ccd.y_mm),
        dx_mm=dx,
        dy_mm=dy,
    )
