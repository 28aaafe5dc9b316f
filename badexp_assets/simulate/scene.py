"""Point-spread functions and templates of sources, drawn with GalSim and stamped with numpy.

Templates are drawn `SAMPLES` times finer than pixels; adding neighbours gives the source at each subpixel phase.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SAMPLES = 2
N_GALAXIES = 96
N_PER_CCD = 16  # galaxy templates used on a CCD
PIXEL_SCALE = 0.263


@cache
def galaxy_bank(n: int) -> Array:
    """Return (N_GALAXIES, n, n // 2 + 1) complex64: Fourier transforms of galaxies before the PSF, flux 1.

    Sizes, ellipticities and profiles vary; orientations are spread evenly over [0, pi), so that none is preferred.
    """
    import galsim

    rng = np.random.default_rng(20120912)
    images = np.empty((N_GALAXIES, n, n), np.float32)
    for i, turn in enumerate(rng.permutation(N_GALAXIES)):
        size = float(np.clip(0.45 * np.exp(rng.normal(0, 0.5)), 0.15, 1.6))
        shape = galsim.Shear(g=float(min(0.65, rng.rayleigh(0.22))), beta=np.pi * turn / N_GALAXIES * galsim.radians)
        profile = (
            galsim.Exponential(half_light_radius=size) if i % 3 else galsim.Spergel(nu=-0.4, half_light_radius=size)
        )
        # the narrow Gaussian keeps the image band-limited; the PSF is far wider
        galaxy = galsim.Convolve(profile.shear(shape), galsim.Gaussian(fwhm=0.15))
        drawn = galaxy.drawImage(
            nx=n, ny=n, scale=PIXEL_SCALE / SAMPLES, method="no_pixel", dtype=np.float64, use_true_center=False
        ).array
        images[i] = drawn / drawn.sum()
    return _transform(images)


def draw_psf(n: int, fwhm_px: float, beta: float, shear: tuple[float, float]) -> Array:
    """Return the PSF, (n, n) on the fine grid, flux 1: seeing (Moffat of `beta`, 0: Kolmogorov) through the optics."""
    psf = _round_psf(fwhm_px * PIXEL_SCALE, beta).shear(g1=shear[0], g2=shear[1])
    drawn = psf.drawImage(
        nx=n, ny=n, scale=PIXEL_SCALE / SAMPLES, method="no_pixel", dtype=np.float64, use_true_center=False
    ).array
    return (drawn / drawn.sum()).astype(np.float32)


@lru_cache(maxsize=4)
def _round_psf(fwhm: float, beta: float) -> Any:
    """GalSim profile of seeing and optics whose FWHM is `fwhm` arcsec; kept for the other CCDs of the exposure."""
    import galsim

    optics = 0.4
    seeing = np.sqrt(max(fwhm**2 - optics**2, 0.2))
    air = galsim.Moffat(beta=beta, fwhm=seeing) if beta else galsim.Kolmogorov(fwhm=seeing)
    psf = galsim.Convolve(air, galsim.Gaussian(fwhm=optics))
    return psf.dilate(fwhm / psf.calculateFWHM(scale=fwhm / 25))


def template_side(kernel_side: int | None) -> int:
    """Side of the fine grid for sources that are convolved with a kernel of `kernel_side` fine points, or with none."""
    return 96 if kernel_side is None else (144 if kernel_side <= 60 else 256)


def source_templates(psf: Array, kernel: NDArray[np.float64] | None, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return templates and their FWHM-independent peak: (1 + N_PER_CCD, SAMPLES, SAMPLES, m, m) and (1 + N_PER_CCD,).

    The first is a star, the others are galaxies drawn from the bank; axes 1 and 2 are the row and column phase.
    """
    n = psf.shape[0]
    chosen = rng.choice(N_GALAXIES, N_PER_CCD, replace=False)
    common = _transform(psf[None])[0]
    if kernel is not None:
        wide = np.zeros((n, n), np.float32)
        low = n // 2 - kernel.shape[0] // 2
        wide[low : low + kernel.shape[0], low : low + kernel.shape[0]] = kernel
        common = common * _transform(wide[None])[0]
    spectra = np.concatenate([common[None], common * galaxy_bank(n)[chosen]])
    fine = np.fft.fftshift(np.fft.irfft2(spectra, s=(n, n)), axes=(1, 2)).astype(np.float32)
    ramp = np.clip((n / 2 - np.abs(np.arange(n) - n // 2)) / (0.15 * n), 0, 1).astype(np.float32)
    taper = ramp * ramp * (3 - 2 * ramp)
    fine *= taper[:, None] * taper[None, :]
    m = n // SAMPLES - 1
    phases = np.empty((len(fine), SAMPLES, SAMPLES, m, m), np.float32)
    for i in range(SAMPLES):
        for j in range(SAMPLES):
            part = fine[:, i : i + SAMPLES * m, j : j + SAMPLES * m]
            phases[:, i, j] = part.reshape(len(fine), m, SAMPLES, m, SAMPLES).sum(axis=(2, 4))
    return phases, phases.max(axis=(1, 2, 3, 4))


def stamp_sources(
    image: Array,
    templates: Array,
    kind: NDArray[np.int64],
    row: NDArray[np.float64],
    column: NDArray[np.float64],
    flux: NDArray[np.float64],
) -> None:
    """Add sources to `image` in place: template `kind`, centre (`row`, `column`) in px, also outside, `flux` in ADU."""
    rows, columns = image.shape
    m = templates.shape[-1]
    # a source's centre is at fine point m + 1 of its template; phase i leaves out the first i points, and the centre of
    # pixel p is at fine point i + SAMPLES p + (SAMPLES - 1)/2. Rounding moves a source by at most 1/4 px.
    shift = SAMPLES * (m + 1) / 2 - (SAMPLES - 1) / 2
    fine_row = np.rint(row * SAMPLES - shift).astype(np.int64)
    fine_column = np.rint(column * SAMPLES - shift).astype(np.int64)
    phase_row, phase_column = -fine_row % SAMPLES, -fine_column % SAMPLES
    top, left = (fine_row + phase_row) // SAMPLES, (fine_column + phase_column) // SAMPLES
    low_r, high_r = np.maximum(top, 0), np.minimum(top + m, rows)
    low_c, high_c = np.maximum(left, 0), np.minimum(left + m, columns)
    for i in np.flatnonzero((low_r < high_r) & (low_c < high_c)):
        t = templates[kind[i], phase_row[i], phase_column[i]]
        r0, r1, c0, c1 = low_r[i], high_r[i], low_c[i], high_c[i]
        image[r0:r1, c0:c1] += np.float32(flux[i]) * t[r0 - top[i] : r1 - top[i], c0 - left[i] : c1 - left[i]]


def _transform(images: Array) -> Array:
    return np.fft.rfft2(np.fft.ifftshift(images, axes=(1, 2))).astype(np.complex64)
