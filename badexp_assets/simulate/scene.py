"""Point-spread functions and source templates, made with GalSim and added to images with numpy.

Templates have `SAMPLES` grid points per pixel along each axis; summing neighbouring points gives the source at each
subpixel phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SAMPLES = 2
N_GALAXIES = 96
N_PER_CCD = 16  # galaxy templates used on a CCD
PIXEL_SCALE = 0.263


@dataclass(frozen=True)
class Catalogue:
    """Sources of a CCD: template (0: star), centre (px, may lie outside the CCD), flux (ADU); arrays (n,)."""

    template: NDArray[np.int64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    flux: NDArray[np.float64]


@cache
def galaxy_bank(n: int) -> Array:
    """Return the Fourier transforms of galaxies without PSF, flux 1: (N_GALAXIES, n, n // 2 + 1) complex64.

    Sizes, ellipticities and profiles vary; orientations are spread evenly over [0, pi), so none is preferred.
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
        images[i] = _draw(galaxy, n)
    return _transform(images)


def draw_psf(n: int, fwhm_px: float, beta: float, shear: tuple[float, float]) -> Array:
    """Return the PSF of seeing and optics, (n, n) on the fine grid, flux 1.

    `fwhm_px`: its FWHM, px; `beta`: of the Moffat profile of the seeing (0: Kolmogorov); `shear`: (g1, g2).
    """
    psf = _round_psf(fwhm_px * PIXEL_SCALE, beta).shear(g1=shear[0], g2=shear[1])
    return _draw(psf, n).astype(np.float32)


@lru_cache(maxsize=4)
def _round_psf(fwhm: float, beta: float) -> Any:
    """Return a GalSim profile of FWHM `fwhm` arcsec; cached, because all CCDs of an exposure need the same one."""
    import galsim

    optics = 0.4
    seeing = np.sqrt(max(fwhm**2 - optics**2, 0.2))
    air = galsim.Moffat(beta=beta, fwhm=seeing) if beta else galsim.Kolmogorov(fwhm=seeing)
    psf = galsim.Convolve(air, galsim.Gaussian(fwhm=optics))
    return psf.dilate(fwhm / psf.calculateFWHM(scale=fwhm / 25))


def template_side(kernel_side: int | None) -> int:
    """Return the side of the fine grid for a kernel of `kernel_side` grid points (None: no kernel)."""
    return 96 if kernel_side is None else (144 if kernel_side <= 60 else 256)


def source_templates(psf: Array, kernel: NDArray[np.float64] | None, rng: np.random.Generator) -> Array:
    """Return templates of flux 1, (1 + N_PER_CCD, SAMPLES, SAMPLES, m, m).

    The axes are source, row phase, column phase, row, column. The first source is a star, the others are galaxies
    chosen from the bank. `kernel`: see `optical_kernel`.
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
    m, left = n // SAMPLES - 1, n - SAMPLES + 1
    # sums over SAMPLES x SAMPLES grid points from each point on, first along columns, then along rows
    pixels = reduce(np.add, [fine[:, i : i + left] for i in range(SAMPLES)])
    pixels = reduce(np.add, [pixels[:, :, j : j + left] for j in range(SAMPLES)])
    phases = np.empty((len(fine), SAMPLES, SAMPLES, m, m), np.float32)
    for i in range(SAMPLES):
        for j in range(SAMPLES):
            phases[:, i, j] = pixels[:, i : i + SAMPLES * m : SAMPLES, j : j + SAMPLES * m : SAMPLES]
    return phases


def add_sources(image: Array, templates: Array, catalogue: Catalogue) -> None:
    """Add the sources of a catalogue to `image` (rows, columns), ADU, in place; `templates`: see `source_templates`."""
    rows, columns = image.shape
    m = templates.shape[-1]
    # A source's centre is at grid point m + 1 of its template. Phase i skips the first i points, so the centre of pixel
    # p is at grid point i + SAMPLES p + (SAMPLES - 1)/2. Rounding moves a source by at most 1/4 px.
    shift = SAMPLES * (m + 1) / 2 - (SAMPLES - 1) / 2
    fine_row = np.rint(catalogue.row * SAMPLES - shift).astype(np.int64)
    fine_column = np.rint(catalogue.column * SAMPLES - shift).astype(np.int64)
    phase_row, phase_column = -fine_row % SAMPLES, -fine_column % SAMPLES
    top, left = (fine_row + phase_row) // SAMPLES, (fine_column + phase_column) // SAMPLES
    low_r, high_r = np.maximum(top, 0), np.minimum(top + m, rows)
    low_c, high_c = np.maximum(left, 0), np.minimum(left + m, columns)
    for i in np.flatnonzero((low_r < high_r) & (low_c < high_c)):
        t = templates[catalogue.template[i], phase_row[i], phase_column[i]]
        r0, r1, c0, c1 = low_r[i], high_r[i], low_c[i], high_c[i]
        image[r0:r1, c0:c1] += np.float32(catalogue.flux[i]) * t[r0 - top[i] : r1 - top[i], c0 - left[i] : c1 - left[i]]


def _draw(profile: Any, n: int) -> NDArray[np.float64]:
    """Return a GalSim profile on the fine grid, (n, n), flux 1."""
    grid = {"nx": n, "ny": n, "scale": PIXEL_SCALE / SAMPLES, "use_true_center": False}
    drawn = profile.drawImage(method="no_pixel", dtype=np.float64, **grid).array
    return drawn / drawn.sum()


def _transform(images: Array) -> Array:
    return np.fft.rfft2(np.fft.ifftshift(images, axes=(1, 2))).astype(np.complex64)
