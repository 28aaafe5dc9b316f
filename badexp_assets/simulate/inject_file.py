"""Put an anomaly into the CCD images of an existing file, a real one too."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.anomalies import SPANNING, affected_ccds, check, inject, light_of, shortened
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane
from badexp_assets.simulate.headers import MM_X, MM_Y
from badexp_assets.survey.cameras import load_camera


def inject_into(
    path: Path, out: Path, category: str, severity: float, seed: int, only: Collection[int] | None = None
) -> list[int]:
    """Write the CP image file `path` with an anomaly to `out`; return the CCDNUMs that were hit.

    `path` has one extension per CCD, RICE-compressed (.fits.fz) or not, as has `out`. All headers and CCDs stay, in
    their order; SIMCAT, SIMSEV, SIMISEED and HISTORY say what was injected, EXPTIME and FWHM follow the anomaly.
    Patterns are spread over the inner focal plane when the file has 8 CCDs or more, over its CCDs when it has fewer.
    Where the CCD lies is read from CRPIX, so cutouts are in place too. CCDs that are not in `only` (CCDNUMs; None: all
    are) are copied byte by byte, hit or not: cheap, where nobody is going to read them. The mask of
    the exposure (ood) is not changed. Raises InputError when `out` is `path`, when `path` is not there, or for a
    category or severity that is not allowed; UnreadableImageError, naming file and extension, for an image that can't
    be read.
    """
    from astropy.io import fits

    path, out = Path(path), Path(out)
    check(category, severity)
    if out.resolve() == path.resolve():
        raise InputError(f"{out}: is the file to read; give another place to write to")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        source = fits.open(path, memmap=False)
    except OSError as error:
        raise UnreadableImageError(f"{path}: not a readable FITS file ({error})") from error
    with source:
        try:
            places = [i for i, hdu in enumerate(source) if _is_image(hdu)]
        except Exception as error:  # astropy raises many kinds for damaged headers
            raise UnreadableImageError(f"{path}: {type(error).__name__}: {error}") from error
        if not places:
            raise UnreadableImageError(f"{path}: no CCD image in it")
        primary = source[0].header
        geometry = [_ccd(path, source[i], primary, i, pixels=False) for i in places]
        plane = Plane() if len(places) >= 8 else Plane.around(geometry)
        hit = affected_ccds(category, severity, seed, geometry, plane)
        untouched = {i for i, ccd in zip(places, geometry, strict=True) if only is not None and ccd.ccdnum not in only}
        factor = 1.0
        if category == "nonoptimal_exposure":
            factor = light_of(category, severity, seed, geometry[0], plane).exposure_factor
        with atomic_path(out) as temporary:
            _rewrite(source, places, untouched - {0}, path, temporary, (category, severity, seed), plane, hit, factor)
    return hit


def _rewrite(
    source: Any,
    places: list[int],
    untouched: set[int],
    path: Path,
    out: Path,
    what: tuple[str, float, int],
    plane: Plane,
    hit: list[int],
    exposure_factor: float,
) -> None:
    """Append HDU after HDU, so that one CCD is in memory at a time."""
    from astropy.io import fits

    category, severity, seed = what
    text = f"badexp simulate: injected {category}, severity {severity:g}, seed {seed}"
    for i, hdu in enumerate(source):
        if i in untouched:
            with out.open("ab") as target:
                target.write(_bytes(path, hdu))
            continue
        header = hdu.header.copy()
        if i in places:
            ccd = _ccd(path, hdu, source[0].header, i)
            if ccd.ccdnum in hit or category in SPANNING:
                ccd = inject(ccd, category, severity, seed, plane)
                if "FWHM" in header:
                    header["FWHM"] = round(ccd.fwhm_px, 6)
                header.add_history(text)
        if i == 0:
            header["SIMCAT"] = (category, "anomaly injected by badexp simulate")
            header["SIMSEV"] = (severity, "its severity, 0 to 1")
            header["SIMISEED"] = (seed, "its seed")
            if i not in places:
                header.add_history(text)
        if exposure_factor != 1 and isinstance(header.get("EXPTIME"), int | float):
            header["EXPTIME"] = shortened(header["EXPTIME"], exposure_factor)
        if i in places:
            new = _block(hdu, ccd.image, header, 1 + _dither(source[0].header))
        else:
            new = hdu.copy()
            new.header = header
        if i == 0:
            new.writeto(out, overwrite=True, output_verify="silentfix+ignore")
        else:
            with fits.open(out, mode="append", memmap=False) as target:
                target.append(new)
                target.flush(output_verify="silentfix+ignore")
        del hdu.data  # astropy would keep every CCD


def _bytes(path: Path, hdu: Any) -> bytes:
    """Header and data of an HDU as they lie in the file."""
    place = hdu.fileinfo()
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        file.seek(place["hdrLoc"])
        return file.read(place["datLoc"] + place["datSpan"] - place["hdrLoc"])


def _dither(primary: Any) -> int:
    text = str(primary.get("EXPNUM", "0")).strip()
    return int(text) % 10000 if text.isdigit() else 0


def _block(hdu: Any, image: Any, header: Any, dither: int) -> Any:
    from astropy.io import fits

    if isinstance(hdu, fits.CompImageHDU):
        return fits.CompImageHDU(
            image,
            header,
            name=hdu.name,
            compression_type="RICE_1",
            tile_shape=(1, image.shape[1]),
            quantize_level=4.0,
            quantize_method=1,
            dither_seed=dither,
        )
    return (fits.PrimaryHDU if isinstance(hdu, fits.PrimaryHDU) else fits.ImageHDU)(image, header)


def _is_image(hdu: Any) -> bool:
    return bool(getattr(hdu, "is_image", False)) and len(hdu.shape or ()) == 2


def _ccd(path: Path, hdu: Any, primary: Any, index: int, pixels: bool = True) -> CcdPixels:
    header = hdu.header

    def number(name: str, default: float) -> float:
        for cards in (header, primary):
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
        except Exception as error:  # astropy raises many kinds for damaged tiles
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
        band=str(primary.get("FILTER", "r")).split()[0] if str(primary.get("FILTER", "r")).strip() else "r",
        x0_mm=(1.0 - number("CRPIX1", 0.0)) * dx,
        y0_mm=(1.0 - number("CRPIX2", 0.0)) * dy,
        dx_mm=dx,
        dy_mm=dy,
    )
