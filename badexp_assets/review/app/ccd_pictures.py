"""Pictures of a CCD in full resolution, North up and East left, and of its mask as a transparent overlay."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from badexp_assets.errors import InputError
from badexp_assets.survey import masks
from badexp_assets.survey.exposure import CcdImage

STRETCHES = ("zscale", "deep", "wide", "absolute")
FULL_SCALE = 65_535.0  # ADU that is white in the absolute stretch; the most that 16 bits hold
_KNEE = 100.0  # ADU below which the absolute stretch is linear, above logarithmic
MASK_COLOURS = {  # code, name, colour; the legend on the page is the same
    masks.BAD: ("bad", (213, 94, 0)),
    masks.NO_VALUE: ("no value", (120, 120, 120)),
    masks.SATURATED: ("saturated", (240, 228, 66)),
    masks.BLEED: ("bleed trail", (204, 121, 167)),
    masks.COSMIC_RAY: ("cosmic ray", (86, 180, 233)),
    masks.LOW_WEIGHT: ("low weight", (0, 114, 178)),
    masks.TRANSIENT: ("transient", (0, 158, 115)),
    masks.STREAK: ("streak", (230, 159, 0)),
}
_QUALITY = 88
_OPACITY = 190
_SAMPLE = 400_000  # pixels that limits are computed from


def ccd_jpeg(ccd: CcdImage, stretch: str) -> bytes:
    """Return the whole CCD as JPEG in full resolution.

    `stretch`: `zscale` (limits from astropy's ZScaleInterval, AsinhStretch), `deep` (sky within 4 sigma, linear),
    `wide` (1st to 99.9th percentile, AsinhStretch) or `absolute` (see `absolute_grey`; the same for every image).
    Pixels without a value are black. Raises InputError for others.
    """
    turned = np.ascontiguousarray(ccd.axes.turned(ccd.image))
    levels = np.nan_to_num(_shares(turned, stretch) * 255).astype(np.uint8)
    levels[~np.isfinite(turned)] = 0
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def absolute_grey(level: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Return the brightness, 0 (black) to 1 (white), of a level in ADU: linear below 100 ADU, then logarithmic.

    It is the same for every image: 0 ADU is black, 65,535 ADU is white, a sky of 200 ADU is 0.20. NaN stays NaN.
    """
    return np.arcsinh(np.clip(level, 0, FULL_SCALE) / _KNEE) / np.arcsinh(FULL_SCALE / _KNEE)


def mask_png(ccd: CcdImage) -> bytes:
    """Return the mask as PNG in the size of `ccd_jpeg`, transparent for good pixels, in MASK_COLOURS."""
    mask = np.zeros(ccd.image.shape, np.uint8) if ccd.mask is None else ccd.mask
    picture = Image.fromarray(np.ascontiguousarray(ccd.axes.turned(mask))).convert("P")
    colours = [(0, 0, 0)] + [MASK_COLOURS[code][1] for code in sorted(MASK_COLOURS)]
    picture.putpalette([value for colour in colours for value in colour])
    stream = io.BytesIO()
    opacity = bytes([0] + [_OPACITY] * len(MASK_COLOURS))
    picture.save(stream, "PNG", transparency=opacity, compress_level=4)
    return stream.getvalue()


def _shares(image: npt.NDArray[np.float32], stretch: str) -> npt.NDArray[np.floating]:
    """Return the brightness of each pixel, 0 to 1."""
    if stretch == "absolute":
        return absolute_grey(image)
    low, high = _limits(image, stretch)
    from astropy.visualization import AsinhStretch, LinearStretch

    curve = LinearStretch() if stretch == "deep" else AsinhStretch(0.1)
    shares: npt.NDArray[np.floating] = curve(np.nan_to_num(np.clip((image - low) / max(high - low, 1e-30), 0, 1)))
    return shares


def _limits(image: npt.NDArray[np.float32], stretch: str) -> tuple[float, float]:
    if stretch not in STRETCHES:
        raise InputError(f"stretch {stretch!r} is not known; allowed: {', '.join(STRETCHES)}")
    step = max(1, int(np.sqrt(image.size / _SAMPLE)))
    values = image[::step, ::step]
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    if stretch == "zscale":
        from astropy.visualization import ZScaleInterval

        low, high = ZScaleInterval().get_limits(values)
    elif stretch == "deep":
        middle = float(np.median(values))
        noise = 1.4826 * float(np.median(np.abs(values - middle)))
        low, high = middle - 4 * noise, middle + 4 * noise
    else:
        low, high = np.percentile(values, [1, 99.9])
    return float(low), float(high) if high > low else float(low) + 1.0
