import numpy as np
import pytest

from badexp_assets.simulate import scene
from badexp_assets.simulate.anomalies import optical_kernel
from badexp_assets.simulate.ccd_pixels import Plane


@pytest.mark.parametrize("place", [(40.0, 40.0), (40.5, 39.5), (30.0, 45.5)])
@pytest.mark.parametrize("kind", [0, 5])
def test_a_source_has_its_position_and_flux(place: tuple[float, float], kind: int) -> None:
    templates = scene.source_templates(scene.draw_psf(96, 4.0, 3.5, (0.0, 0.0)), None, np.random.default_rng(0))
    image = np.zeros((81, 81), np.float32)
    scene.add_sources(image, templates, scene.Catalogue(*(np.array([v]) for v in (kind, *place, 1e4))))
    rows, columns = np.indices(image.shape)
    assert image.sum() == pytest.approx(1e4, rel=0.03)
    assert (image * rows).sum() / image.sum() == pytest.approx(place[0], abs=0.27)
    assert (image * columns).sum() / image.sum() == pytest.approx(place[1], abs=0.27)
    assert templates[kind].max() == pytest.approx(image.max() / 1e4, rel=0.25)


def test_stamping_by_slices_agrees_with_stamping_on_a_larger_image() -> None:
    rng = np.random.default_rng(1)
    templates = scene.source_templates(scene.draw_psf(96, 4.0, 0.0, (0.02, 0.0)), None, rng)
    n, margin = 60, 60
    kind, flux = rng.integers(0, 17, n), rng.uniform(1, 100, n)
    row, column = rng.uniform(-20, 84, n), rng.uniform(-20, 60, n)
    small, large = np.zeros((64, 40), np.float32), np.zeros((64 + 2 * margin, 40 + 2 * margin), np.float32)
    scene.add_sources(small, templates, scene.Catalogue(kind, row, column, flux))
    scene.add_sources(large, templates, scene.Catalogue(kind, row + margin, column + margin, flux))
    np.testing.assert_allclose(small, large[margin:-margin, margin:-margin], rtol=1e-5, atol=1e-5)


def test_the_seeing_is_the_full_width_at_half_maximum() -> None:
    psf = scene.draw_psf(192, 5.0, 3.0, (0.0, 0.0))
    profile = psf[96, 96:] / psf[96, 96]
    half = np.interp(0.5, profile[::-1], np.arange(96)[::-1])
    assert 2 * half / scene.SAMPLES == pytest.approx(5.0, rel=0.02)


def test_galaxies_prefer_no_orientation() -> None:
    spectra = scene.galaxy_bank(96)
    images = np.fft.fftshift(np.fft.irfft2(spectra, s=(96, 96)), axes=(1, 2))
    axis = np.arange(96) - 48
    q20 = (images * axis**2).sum(axis=(1, 2))
    q02 = (images * axis[:, None] ** 2).sum(axis=(1, 2))
    q11 = (images * axis * axis[:, None]).sum(axis=(1, 2))
    angle = 0.5 * np.arctan2(2 * q11, q20 - q02) % np.pi
    counts = np.histogram(angle, 8, (0, np.pi))[0]
    assert counts.sum() == scene.N_GALAXIES
    assert counts.min() >= 9
    assert counts.max() <= 15


@pytest.mark.parametrize("category", ["psf", "telescope_moving", "out_of_focus"])
def test_the_largest_kernel_fits_its_template(category: str) -> None:
    for expnum in range(10):
        kernel = optical_kernel(category, 1.0, 0, expnum, 7.0, (90.0, 60.0), Plane(), scene.SAMPLES)
        assert kernel.shape[0] <= scene.template_side(kernel.shape[0])
