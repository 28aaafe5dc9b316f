"""Orientation histograms of sources and background gradients of a CCD image, and the stamps of its sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.background import fit_background
from badexp_assets.entropy.clipping import clip_levels
from badexp_assets.entropy.divergence import half_histograms, orientation_histogram
from badexp_assets.entropy.gradients import draw_gradient_points
from badexp_assets.entropy.sources import find_sources
from badexp_assets.errors import InputError


@dataclass(frozen=True)
class CcdOrientations:
    """Measurements of a CCD image for the Entropy Method and the autoencoder.

    `source_counts` and `gradient_counts` are int32 of shape (bins,) over [0, pi); their sums are `n_sources` and
    `n_points`. `gradient_halves` (2, bins): gradients of two halves of the CCD (`half_histograms`). Per source, in
    reading order: `x` (column) and `y` (row) of the peak (int32), `stamps` (float32, (n, size, size), rows first,
    background subtracted, ADU; NaN where masked; the peak is at [size // 2, size // 2]) and `angle` (rad).
    `sky` and `noise` (ADU): background at the centre of the image and its scatter; NaN without a fit.
    """

    n_sources: int
    source_counts: NDArray[np.int32]
    n_points: int
    gradient_counts: NDArray[np.int32]
    gradient_halves: NDArray[np.int32]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    stamps: NDArray[np.float32]
    angle: NDArray[np.float64]
    sky: float
    noise: float


def measure_ccd(
    image: ArrayLike,
    mask: ArrayLike | None,
    params: EntropyParams,
    seed: int | Sequence[int],
    saturate: float = math.inf,
) -> CcdOrientations:
    """Measure a CCD image of shape (rows, columns), ADU, with its code map `mask` (0: good) or None.

    Pixels that are masked with any code, not finite or at least `saturate` (ADU) are not used. `seed` (an int, or ints
    such as (seed, expnum, ccdnum)) determines the random points of the background and the gradients; the same seed
    gives the same result. An image smaller than a stamp has no sources, one smaller than the gradient's window no
    points, and an all-NaN, constant, saturated or empty one has neither; this is not an error. Raises InputError if
    `image` does not have two dimensions or `mask` has another shape. Equations: `source_orientation` (over the pixels
    named by params.moments) and `gradient_orientation` (of the image after clipping, see `clip_levels`).
    """
    # float64 values past float32's range become infinite, that is: unusable.
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(image, dtype=np.float32)
    if pixels.ndim != 2:
        raise InputError(f"measure_ccd: image has shape {pixels.shape}; (rows, columns) is needed")
    codes: NDArray[Any] | None = None
    if mask is not None:
        codes = np.asarray(mask)
        if codes.shape != pixels.shape:
            raise InputError(f"measure_ccd: mask has shape {codes.shape}; the image's {pixels.shape} is needed")
        if codes.dtype != np.uint8:
            codes = codes != 0  # a cast would fold code 256 onto 0
        codes = np.ascontiguousarray(codes).view(np.uint8)
    background_rng, gradient_rng = np.random.default_rng(seed).spawn(2)
    background = fit_background(pixels, codes, params, background_rng, saturate)
    if background is None:
        empty = np.empty(0, np.int32)
        size = params.stamp_size
        x, y, angle = empty, empty, np.empty(0)
        stamps = np.empty((0, size, size), np.float32)
        sky, noise = math.nan, math.nan
        columns, rows, gradients = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    else:
        x, y, stamps, angle = find_sources(pixels, codes, background, params, saturate)
        levels = clip_levels(pixels, codes, params.clip_sigma, saturate)
        columns, rows, gradients = draw_gradient_points(pixels, codes, params, gradient_rng, saturate, levels)
        sky, noise = background.level(pixels.shape[1] / 2, pixels.shape[0] / 2), background.sigma
    source_counts = orientation_histogram(angle, params.bins)
    gradient_counts = orientation_histogram(gradients, params.bins)
    return CcdOrientations(
        n_sources=len(x),
        source_counts=source_counts,
        n_points=int(gradient_counts.sum()),
        gradient_counts=gradient_counts,
        gradient_halves=half_histograms(columns, rows, gradients, params),
        x=x,
        y=y,
        stamps=stamps,
        angle=angle,
        sky=sky,
        noise=noise,
    )
