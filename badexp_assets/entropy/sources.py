"""Sources of a CCD image and their orientations (Entropy Method of Alonso, Zhang & Li).

The docstrings name the choices that the published description leaves open.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.background import Background
from badexp_assets.entropy.moment_kernel import moment_angle
from badexp_assets.entropy.source_kernels import SEGMENT, SOURCES, STAMP, measure_sources
from badexp_assets.errors import InputError

_MOMENTS = {"stamp": STAMP, "segment": SEGMENT, "sources": SOURCES}


def source_orientation(stamp: ArrayLike, light_fraction: float = 0.02) -> float:
    """Return the angle of a source's long axis to +x, rad in [0, pi); x grows with columns, y with rows.

    Q_ij = sum I(x, y) x^i y^j over pixels with I > light_fraction I(0), where the origin is the stamp's maximum;
    e1 = (Q20 - Q02) / (Q20 + Q02), e2 = 2 Q11 / (Q20 + Q02), theta = 1/2 atan2(e2, e1) modulo pi.

    `stamp` is (rows, columns), background subtracted; all its pixels are used, light of neighbours included, as in the
    Entropy Method. Pixels that are NaN or infinite (masked) are left out. If several pixels share the maximum, the
    origin is their mean position. Returns NaN without an orientation: no positive pixel, light in one pixel only, or a
    perfectly round source. Raises InputError unless `stamp` has two dimensions.
    """
    pixels = np.ascontiguousarray(stamp, dtype=np.float64)
    if pixels.ndim != 2:
        raise InputError(f"source_orientation: stamp has shape {pixels.shape}; (rows, columns) is needed")
    return float(moment_angle(pixels, light_fraction))


def find_sources(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    background: Background,
    params: EntropyParams,
    saturate: float = math.inf,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return x, y (int32), stamps (float32, (n, size, size)) and angle (float64, rad) of the sources.

    A source is a pixel above detection_sigma that is the maximum of its stamp (columns x - size // 2 to
    x - size // 2 + size - 1, rows likewise, all inside the image; among equal pixels the first in reading order), with
    at least min_segment_pixels pixels above segment_sigma connected to it (8-connected). Only connected pixels count,
    because noise alone puts 93 scattered pixels of every 64 x 64 stamp above 2 sigma. Pixels that are masked
    (mask != 0), not finite or at least `saturate` are NaN in the stamps. A source is dropped if its core (the connected
    pixels above core_fraction of its peak and above segment_sigma) touches such a pixel, or if it has no orientation.
    Angles are those of `source_orientation` over pixels chosen by params.moments: `stamp` takes all of them, `sources`
    those of segments (8-connected above segment_sigma) with min_segment_pixels pixels and one above detection_sigma,
    `segment` those connected to the peak above both segment_sigma and light_fraction of the peak. Sources are in
    reading order; all arrays are empty for an image smaller than a stamp.
    """
    size = params.stamp_size
    stamps = np.empty((0, size, size), np.float32)
    none = np.empty(0, np.int32)
    if min(image.shape) < size:
        return none, none, stamps, np.empty(0)
    codes = np.empty((0, 0), np.uint8) if mask is None else mask
    limit = min(saturate, float(np.finfo(np.float32).max))
    coefficients = background.coefficients
    threshold = params.detection_sigma * background.sigma
    segment = params.segment_sigma * background.sigma
    return measure_sources(
        image,
        codes,
        limit,
        coefficients,
        threshold,
        segment,
        params.min_segment_pixels,
        params.core_fraction,
        params.light_fraction,
        _MOMENTS[params.moments],
        size,
    )
