"""Adds an anomaly to the CCD images of an existing file, simulated or real."""

from __future__ import annotations

import gzip
from collections.abc import Collection
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
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.fits_validation import is_gzipped


def inject_into(
    path: Path, out: Path, category: str, severity: float, seed: int, only: Collection[int] | None = None
) -> list[int]:
    """Write the CP image file `path` with an anomaly to `out`; return the CCDNUMs of the affected CCDs.

    `path` has one extension per CCD, RICE-compressed (.fits.fz) or not; `out` has the same layout. Headers and the
    order of the CCDs are kept. SIMCAT, SIMSEV, SIMISEED and HISTORY say what was injected; EXPTIME and FWHM follow the
    anomaly. The pattern is scaled to the inner focal plane if the file has 8 CCDs or more, else to the extent of its
    CCDs. Positions are computed from CRPIX, so cutouts are in place too. CCDs whose CCDNUM is not in `only` (None: all)
    are copied byte by byte even if affected, which is fast where nothing reads them. The mask file (ood) of the
    exposure is not changed. Raises InputError if `out` is `path`, if `path` does not exist, or for an unknown category
    or severity; UnreadableImageError, naming file and extension, for an image that can't be read.
    """
    from astropy.io import fits

    path, out = Path(path), Path(out)
    check_anomaly(category, severity)
    if out.resolve() == path.resolve():
        raise InputError(f"{out}: is the input file; give another output file")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        source = fits.open(path, memmap=False)
    except OSError as error:
        raise UnreadableImageError(f"{path}: not a readable FITS file ({error})") from error
    with source:
        try:
            places = [i for i, hdu in enumerate(source) if _is_image(hdu)]
        except Exception as error:  # astropy raises many types for damaged headers
            raise UnreadableImageError(f"{path}: {type(error).__name__}: {error}") from error
        if not places:
            raise UnreadableImageError(f"{path}: no CCD image in it")
        ccds = {i: _ccd(path, source[i], source[0].header, i, pixels=False) for i in places}
        plane = Plane() if len(ccds) >= 8 else Plane.around(ccds.values())
        affected = affected_ccds(category, severity, seed, list(ccds.values()), plane)
        changed = {i for i in places if ccds[i].ccdnum in affected or category in EXTENDED_LIGHT}
        copied = {i for i in places if i > 0 and only is not None and ccds[i].ccdnum not in only}
        factor = 1.0
        if category == "nonoptimal_exposure":
            factor = light_change(category, severity, seed, ccds[places[0]], plane).exposure_factor
        with atomic_path(out) as temporary:
            for i, hdu in enumerate(source):  # HDU by HDU, so only one CCD is in memory
                if i in copied:
                    with temporary.open("ab") as target:
                        target.write(_bytes(path, hdu))
                    continue
                image, header = None, hdu.header.copy()
                if i in places:
                    ccd = _ccd(path, hdu, source[0].header, i)
                    if i in changed:
                        ccd = inject(ccd, category, severity, seed, plane)
                        if "FWHM" in header:
                            header["FWHM"] = round(ccd.fwhm_px, 6)
                    image = ccd.image
                if i == 0:
                    header["SIMCAT"] = (category, "anomaly injected by badexp simulate")
                    header["SIMSEV"] = (severity, "its severity, 0 to 1")
                    header["SIMISEED"] = (seed, "its seed")
                if i in changed or (i == 0 and i not in places):
                    header.add_history(f"badexp simulate: injected {category}, severity {severity:g}, seed {seed}")
                if factor != 1 and isinstance(header.get("EXPTIME"), int | float):
                    header["EXPTIME"] = shortened_exptime(header["EXPTIME"], factor)
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


def _ccd(path: Path, hdu: Any, primary: Any, index: int, pixels: bool = True) -> CcdPixels:
    """Return a CCD from its HDU and the primary header; without `pixels` the image is all 0."""

    def number(name: str, default: float) -> float:
        for cards in (hdu.header, primary):
            try:
                value = float(cards[name])
            except (KeyError, TypeError, ValueError):
                continue
            if np.isfinite(value):
                return value
        return default

    if pixels:
        try:
            image = np.asarray(hdu.data, dtype=np.float32)
        except Exception as error:  # astropy raises many types for damaged tiles
            raise UnreadableImageError(f"{path}[{hdu.name or index}]: {type(error).__name__}: {error}") from error
    else:
        image = np.broadcast_to(np.float32(0), tuple(int(n) for n in hdu.shape))
    camera = load_camera()
    dx, dy = number(MM_X, camera.pixel_size), number(MM_Y, camera.pixel_size)
    gain = (number("GAINA", 4.0) + number("GAINB", number("GAINA", 4.0))) / 2
    return CcdPixels(
        image=image,
        gain=gain if gain > 0 else 4.0,
        read_noise=(number("RDNOISEA", 6.0) + number("RDNOISEB", number("RDNOISEA", 6.0))) / 2,
        saturate=number("SATURATE", number("SATURATA", 45000.0)),
        exptime=number("EXPTIME", 100.0),
        fwhm_px=max(number("FWHM", 4.0), 1.0),
        expnum=int(number("EXPNUM", 0)),
        ccdnum=int(number("CCDNUM", index)),
        x0_mm=(1.0 - number("CRPIX1", 0.0)) * dx,
        y0_mm=(1.0 - number("CRPIX2", 0.0)) * dy,
        dx_mm=dx,
        dy_mm=dy,
    )
