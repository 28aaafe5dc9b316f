"""Pictures of single CCDs with North up and East left, as in the previews of focal planes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from badexp_assets.errors import UnreadableImageError
from badexp_assets.pixels.ccd_statistics import sky_and_noise
from badexp_assets.pixels.previews import bin_ccd, grey_levels

if TYPE_CHECKING:
    from badexp_assets.pixels.ccd_reader import CcdReader
    from badexp_assets.survey.exposure import CcdImage

Key = tuple[int, int]
MAP_ACROSS = 352  # width of each of the two pictures of a map, px
MAX_MAP_BYTES = 60_000
THUMBNAIL_ACROSS = 128
HEAT_TOP = 2.0
"""score at the upper end of the colour scale"""
_HEAT_SHARE = 0.6
_MARK = (90, 255, 120)
_GAP = 6


def ccd_picture(ccd: CcdImage, longest: int) -> Image.Image:
    """Return the CCD in grey, scaled to its own sky and noise, `longest` px on its longer side, in its own shape."""
    shape = ccd.axes.shape(*ccd.image.shape)
    down, across = (max(1, round(longest * n / max(shape))) for n in shape)
    tile = bin_ccd(ccd, (down, across)).pixels
    values = tile[np.isfinite(tile)]
    sky, noise = sky_and_noise(values[None], np.zeros((1, values.size), bool)) if values.size else (0.0, 1.0)
    return Image.fromarray(grey_levels(tile, sky, noise or 1.0)).resize((across, down), Image.Resampling.NEAREST)


def map_picture(ccd: CcdImage, score: npt.NDArray[np.float32]) -> bytes:
    """Return a PNG (at most 60 kB) of the CCD, and beside it the CCD overlaid with its (h, w) patch scores.

    The colour scale runs from 0 to `HEAT_TOP`. A box marks the patch of highest score.
    """
    across = MAP_ACROSS
    while True:
        png = _png(_side_by_side(ccd_picture(ccd, across), ccd.axes.turned(score)))
        if len(png) <= MAX_MAP_BYTES or across < 32:
            return png
        across = round(across * 0.8)


def read_thumbnails(
    reader: CcdReader, keys: Iterable[Key], progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[Key, bytes]:
    """Return a small PNG of every readable CCD (expnum, ccdnum); CCDs are read once, exposure by exposure."""
    wanted = sorted(set(keys))
    found = {}
    for done, key in enumerate(wanted, start=1):
        try:
            found[key] = _png(ccd_picture(reader.image(*key), THUMBNAIL_ACROSS).convert("RGB"))
        except UnreadableImageError:
            continue  # the page shows a placeholder
        finally:
            progress(done, len(wanted))
    return found


def small_jpeg(picture: bytes, height: int, quality: int) -> bytes:
    """Return a picture as JPEG, scaled down to at most `height` px high and twice as wide."""
    with Image.open(io.BytesIO(picture)) as opened:
        small = opened.convert("RGB")
    small.thumbnail((2 * height, height), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _side_by_side(grey: Image.Image, score: npt.NDArray[np.float32]) -> Image.Image:
    from matplotlib import colormaps

    width, height = grey.size
    turned = np.ascontiguousarray(score)
    shares = Image.fromarray((turned / HEAT_TOP).astype(np.float32)).resize(grey.size, Image.Resampling.BILINEAR)
    colours = np.round(colormaps["inferno"](np.clip(np.asarray(shares), 0, 1))[:, :, :3] * 255).astype(np.uint8)
    heat = Image.blend(grey, Image.fromarray(colours), _HEAT_SHARE)
    row, column = np.unravel_index(turned.argmax(), turned.shape)
    edges_y, edges_x = (np.linspace(0, n, m + 1) for n, m in zip((height, width), turned.shape, strict=True))
    box = (edges_x[column], edges_y[row], edges_x[column + 1] - 1, edges_y[row + 1] - 1)
    ImageDraw.Draw(heat).rectangle([int(v) for v in box], outline=_MARK, width=2)
    both = Image.new("RGB", (2 * width + _GAP, height), (255, 255, 255))
    both.paste(grey, (0, 0))
    both.paste(heat, (width + _GAP, 0))
    return both


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.quantize(96, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()
