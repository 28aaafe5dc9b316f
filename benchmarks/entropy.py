"""Benchmark of the Entropy Method on one CCD: sums as in Alonso, Zhang & Li (arXiv:2310.15481), and compiled code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.ccd import measure_ccd
from badexp_assets.entropy.gradients import draw_gradient_points, gradient_angles, gradient_orientation, smooth
from benchmarks.measure import BenchOptions, Record, compare


def bench_entropy(options: BenchOptions) -> Iterator[Record]:
    """Yield CCDs/s of the background gradients at 10,000 points, and of gradients, background and sources.

    The baseline smooths the image and sums at each point, as Alonso, Zhang & Li define it. In the third case the
    baseline is decompressing the same CCD on one core: a ratio of 2 means that both scores take half of that time.
    """
    for rows, columns in [(192, 128)] if options.quick else [(512, 256), (4094, 2046)]:
        rng = np.random.default_rng(options.seed)
        image = _sky_with_stars(rows, columns, rng)
        params = EntropyParams(gradient_points=500) if options.quick else EntropyParams()
        x, y, _ = draw_gradient_points(image, None, params, rng)
        case = f"{rows} x {columns}, {len(x)} points"
        variants: dict[str, Callable[[], object]] = {
            "gradients, direct sums": partial(_direct, image, x, y),
            "gradients, compiled": partial(gradient_angles, image, None, x, y, params),
        }
        yield from compare("entropy", case, 1, "CCD", variants, options.repeats)
        variants = {
            "whole CCD, direct sums": partial(_whole_direct, image, x, y, params),
            "whole CCD, compiled": partial(measure_ccd, image, None, params, 0),
        }
        yield from compare("entropy", f"{case}, background and sources too", 1, "CCD", variants, options.repeats)
        path = options.folder / f"{rows}x{columns}.fits.fz"
        _write_ccd(path, image)
        variants = {
            "decompressing": partial(_read_ccd, path),
            "both scores": partial(measure_ccd, image, None, params, 0),
        }
        with threadpool_limits(limits=1):
            yield from compare("entropy", f"{case}, one core", 1, "CCD", variants, options.repeats)


def _write_ccd(path: Path, image: np.ndarray) -> None:
    """Write an image as the Community Pipeline does: RICE_1, row tiles, quantised with q = 4."""
    import fitsio

    options = {"compress": "RICE_1", "tile_dims": (1, image.shape[1]), "qlevel": 4.0}
    with fitsio.FITS(str(path), "rw", clobber=True) as file:
        file.write_image(image, qmethod="SUBTRACTIVE_DITHER_1", dither_seed=1, **options)


def _read_ccd(path: Path) -> None:
    import fitsio

    with fitsio.FITS(str(path)) as file:
        file[-1].read()


def _whole_direct(image: np.ndarray, x: np.ndarray, y: np.ndarray, params: EntropyParams) -> None:
    measure_ccd(image, None, replace(params, gradient_points=1), 0)
    _direct(image, x, y)


def _direct(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    smoothed = smooth(image)
    for column, row in zip(x, y, strict=True):
        gradient_orientation(smoothed, column, row)


def _sky_with_stars(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    image = rng.normal(300, 10, (rows, columns)).astype(np.float32)
    y, x = np.indices((17, 17)) - 8
    star = 3000 * np.exp(-(y**2 + x**2) / 8)
    for _ in range(max(3, rows * columns // 40_000)):
        top, left = rng.integers(0, rows - 17), rng.integers(0, columns - 17)
        image[top : top + 17, left : left + 17] += star
    return image
