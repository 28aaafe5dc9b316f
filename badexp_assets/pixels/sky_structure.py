"""Structure of the sky of a CCD image: large-scale gradients, steps, stripes, correlated noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from badexp_assets.pixels.sky_kernels import cell_levels, residual_sums

Array = npt.NDArray[np.floating]
GRID = (16, 8)
"""cells, (rows, columns); each amplifier has half of the columns"""
_PER_CELL = 400  # pixels used for the median of a cell, which then scatters by 6 % of the noise
_CLIP = 3.0  # local noises: residuals beyond it belong to sources
_LOW = 8.0  # local noises below the sky: vignetted pixels, or readout that failed
_LEAST_CELLS = 32
_OUTLIER = 5.0  # scatters from the plane beyond which a cell is ignored in the fit
_SMOOTH = 31  # px; slower variation is structure, not noise of rows or columns
_LINES = 32  # rows and columns whose power spectra are averaged
_LEAST_LINE = 64  # px that a line needs for a spectrum
_LONGEST_PERIOD = 32  # px
MEAN_ABSOLUTE_TO_SIGMA = math.sqrt(math.pi / 2)


@dataclass(frozen=True)
class SkyStructure:
    """Structure of the sky, in units of the local noise: the median scatter within a cell of GRID (`local_noise`, ADU).

    Of the medians of the cells:

    - `background_scatter`, `background_rms`: robust and plain standard deviation (one bright star raises the latter);
    - `background_gradient`: rise of a fitted plane across the CCD; `background_residual`: robust scatter about it;
    - `amplifier_step`: |jump| at the middle column, less what the slopes on both sides explain;
    - `edge_excess`: |outer minus inner cells|.

    Without unit:

    - `amplifier_noise_ratio`: noise of the noisier amplifier over that of the other;
    - `row_noise`, `column_noise`: scatter of the means of rows (per amplifier) and columns over that of white noise;
    - `autocorrelation_x`, `autocorrelation_y`: of neighbouring pixels in a row, in a column;
    - `periodicity_x`, `periodicity_y`: highest over median power along rows and columns at periods of 2 to 32 px;
    - `skewness`: third standardised moment of the noise within 3 sigma;
    - `low_fraction`: share of usable pixels more than 8 local noises below the sky.

    NaN: not measurable (see `measure_sky`).
    """

    local_noise: float
    background_scatter: float
    background_rms: float
    background_gradient: float
    background_residual: float
    amplifier_step: float
    edge_excess: float
    amplifier_noise_ratio: float
    row_noise: float
    column_noise: float
    autocorrelation_x: float
    autocorrelation_y: float
    periodicity_x: float
    periodicity_y: float
    skewness: float
    low_fraction: float


NOTHING = SkyStructure(*[math.nan] * 16)


def measure_sky(
    image: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8] | None, saturate: float = math.inf
) -> SkyStructure:
    """Measure a CCD image (rows, columns), ADU, with its code map `mask` (0: good) or None.

    Pixels that are masked, not finite, or at least `saturate` are ignored. All values are NaN for an image with fewer
    than 32 usable cells (saturated, masked, or smaller than 64 px) or without noise (constant). Periodicity is NaN for
    sides below 128 px (x) and 64 px (y).
    """
    pixels = np.ascontiguousarray(image, np.float32)
    codes = np.empty((0, 0), np.uint8) if mask is None else np.ascontiguousarray(mask, np.uint8)
    limit = min(saturate, float(np.finfo(np.float32).max))
    if min(pixels.shape) < 64:
        return NOTHING
    level, scatter = cell_levels(pixels, codes, limit, *GRID, _PER_CELL)
    there = np.isfinite(level)
    if there.sum() < _LEAST_CELLS or not (noise := float(np.median(scatter[there]))) > 0:
        return NOTHING
    halves = [_median(scatter[:, : GRID[1] // 2]), _median(scatter[:, GRID[1] // 2 :])]
    ratio = max(halves) / min(halves) if min(halves) > 0 else math.nan
    structure = _structure(level / noise)
    return SkyStructure(noise, *structure, ratio, *_fine_structure(pixels, codes, limit, level, noise))


def _structure(level: Array) -> tuple[float, float, float, float, float, float]:
    """Return scatter, rms, gradient, residual, amplifier step and edge excess of the cells' medians, in their unit."""
    there = np.isfinite(level)
    off = level - _median(level)
    v, u = np.meshgrid(*(np.linspace(-0.5, 0.5, n) for n in GRID), indexing="ij")
    design, values = np.stack([np.ones(there.sum()), u[there], v[there]], axis=1), off[there]
    fitted = np.abs(values) <= _OUTLIER * _scatter(values)
    for _ in range(2):  # the second time without cells filled by a bright star
        plane = np.linalg.lstsq(design[fitted], values[fitted], rcond=None)[0]
        residual = values - design @ plane
        fitted = np.abs(residual) <= _OUTLIER * _scatter(residual)
    middle = GRID[1] // 2
    jump = np.diff(level, axis=1)
    steps = jump[:, middle - 1] - 0.5 * (jump[:, middle - 2] + jump[:, middle])
    inner = np.zeros(GRID, bool)
    inner[1:-1, 1:-1] = True
    return (
        _scatter(values),
        float(values.std()),
        float(np.hypot(plane[1], plane[2])),
        _scatter(residual),
        abs(_median(steps)),
        abs(_median(level[~inner]) - _median(level[inner])),
    )


def _fine_structure(
    pixels: npt.NDArray[np.float32], codes: npt.NDArray[np.uint8], limit: float, level: Array, noise: float
) -> tuple[float, ...]:
    """Return row and column noise, both autocorrelations, both periodicities, skewness and the share of low pixels."""
    height, width = pixels.shape
    nodes = _along_rows(np.where(np.isfinite(level), level, _median(level)), width)
    share = np.clip((np.arange(height) + 0.5) * GRID[0] / height - 0.5, 0, GRID[0] - 1 - 1e-6)
    below = np.vstack([nodes[1:], nodes[-1:]])
    every = max(1, height // _LINES), max(1, width // _LINES)
    sums, counts, columns, moments, some_rows, some_columns = residual_sums(
        pixels, codes, limit, nodes, below, share, _CLIP * noise, _median(level) - _LOW * noise, *every
    )
    n, second, third, along, n_along, down, n_down, n_usable, n_low = moments
    if not (n > 0 and second > 0):
        return (math.nan,) * 8
    variance = second / n
    sigma = math.sqrt(variance)
    of_amplifiers = [_line_noise(s, c, sigma) for s, c in zip(sums, counts, strict=True)]
    known = [value for value in of_amplifiers if math.isfinite(value)]
    halves = [some_rows[:, : width // 2], some_rows[:, width // 2 :]]
    return (
        float(np.mean(known)) if known else math.nan,
        _line_noise(columns[0], columns[1], sigma),
        along / n_along / variance if n_along else math.nan,
        down / n_down / variance if n_down else math.nan,
        max(_periodicity(half) for half in halves),
        _periodicity(some_columns.T),
        third / n / sigma**3,
        n_low / n_usable,
    )


def _along_rows(level: Array, width: int) -> npt.NDArray[np.float32]:
    """Return the background at the middle rows of the cells, (rows of cells, width), interpolated between cell centres.

    It may jump at the middle column, where the other amplifier begins.
    """
    x, cells = np.arange(width) + 0.5, (np.arange(GRID[1]) + 0.5) * width / GRID[1]
    left = x < width // 2
    half = GRID[1] // 2
    rows = [np.where(left, np.interp(x, cells[:half], r[:half]), np.interp(x, cells[half:], r[half:])) for r in level]
    return np.array(rows, np.float32)


def _line_noise(sums: Array, counts: Array, sigma: float) -> float:
    """Return the scatter of the lines' means about their running mean, divided by that of white noise of `sigma`.

    The scatter is a mean absolute deviation, which one line of blooming charge does not dominate. NaN if fewer than 32
    lines have half of their pixels.
    """
    from scipy.ndimage import uniform_filter1d

    enough = counts >= max(1.0, 0.5 * float(counts.max(initial=0)))
    if enough.sum() < _SMOOTH + 1:
        return math.nan
    mean, n = sums[enough] / counts[enough], counts[enough]
    rough = (mean - uniform_filter1d(mean, _SMOOTH, mode="nearest")) * np.sqrt(n) / sigma
    return float(np.abs(rough).mean() * MEAN_ABSOLUTE_TO_SIGMA / math.sqrt(1 - 1 / _SMOOTH))


def _periodicity(lines: npt.NDArray[np.float32]) -> float:
    """Return the highest over the median power of the mean spectrum of lines (n, length); NaN for lines below 64 px."""
    length = lines.shape[1]
    if length < _LEAST_LINE:
        return math.nan
    power = (np.abs(np.fft.rfft(lines, axis=1)) ** 2).mean(axis=0)[length // _LONGEST_PERIOD :]
    middle = float(np.median(power))
    return float(power.max()) / middle if middle > 0 else math.nan


def _scatter(values: Array) -> float:
    """Return 1.4826 MAD about the median."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _median(values: Array) -> float:
    """Return the median of the finite values; NaN without any."""
    there = values[np.isfinite(values)]
    return float(np.median(there)) if there.size else math.nan
