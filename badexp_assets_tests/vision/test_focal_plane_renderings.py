import numpy as np
import pytest

from badexp_assets.pixels.mosaic import MosaicPlan
from badexp_assets.survey.cameras import load_camera
from badexp_assets.vision.focal_plane_renderings import MIN_SHARE, PlaneRenderer, interval_shares, render_plane

SHAPE = (60, 80)


def noise(level: float = 0.2, scatter: float = 0.05, seed: int = 0) -> np.ndarray:
    return (level + scatter * np.random.default_rng(seed).standard_normal(SHAPE)).astype(np.float32)


def test_renderings_are_the_grey_levels_three_standardised_images_and_the_visible_pixels() -> None:
    image = noise()
    found = render_plane(image, np.ones(SHAPE, bool), SHAPE)
    assert (found.shape, found.dtype) == ((5, *SHAPE), np.float32)
    assert np.allclose(found[0], image, atol=1e-6)
    assert [float(np.median(plane)) for plane in found[1:4]] == pytest.approx([0.25, 0.4, 0.4], abs=1e-6)
    assert found[4].min() == 1


def test_the_standardised_rendering_does_not_depend_on_the_level_and_scale_of_an_exposure() -> None:
    image = noise()
    one, other = (render_plane(i, np.ones(SHAPE, bool), (96, 128)) for i in (image, 0.5 * image + 0.3))
    assert np.allclose(one[1:4], other[1:4], atol=1e-4)
    assert not np.allclose(one[0], other[0], atol=0.1)


def test_smoothing_brings_a_faint_ring_out_of_the_noise() -> None:
    rows, columns = np.mgrid[:400, :400]
    ring = np.abs(np.hypot(rows - 200, columns - 200) - 80) < 4
    image = 0.2 + 0.05 * np.random.default_rng(0).standard_normal((400, 400)) + 0.03 * ring
    found = render_plane(image, np.ones(ring.shape, bool), ring.shape)
    contrast = [(plane[ring].mean() - plane[~ring].mean()) / plane[~ring].std() for plane in found[1:4]]
    assert contrast[0] < 0.8
    assert 1.5 < contrast[1] < contrast[2]


def test_missing_pixels_are_shown_at_the_median_and_spread_into_no_smoothed_pixel() -> None:
    image = np.full((400, 400), 0.3)
    image[:, ::2] = 0.31
    image[100:200, 100:200] = np.nan
    inside = np.ones(image.shape, bool)
    inside[300:] = False
    dark = image.copy()
    dark[300:] = 0.0
    found, other = (render_plane(i, inside, image.shape) for i in (image, dark))
    assert np.isfinite(found).all()
    assert np.unique(found[4][100:200, 100:200]).tolist() == [0]
    assert found[0][150, 150] == pytest.approx(np.nanmedian(image))
    assert np.allclose(found[2:4, :300], other[2:4, :300], atol=0.02)


def test_flat_images_and_planes_without_a_pixel_inside_are_finite() -> None:
    flat = np.full(SHAPE, 0.3)
    assert np.isfinite(render_plane(flat, np.ones(SHAPE, bool), (32, 32))).all()
    assert np.isfinite(render_plane(noise(), np.zeros(SHAPE, bool), (32, 32))).all()


@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("missing", [0.0, 0.5, 0.7, 1.0])
def test_ccds_that_show_too_little_of_their_box_are_missing_as_in_products_of_matrices(
    shift: float, missing: float
) -> None:
    plan = MosaicPlan(load_camera(), 180, 196)
    boxes, rng = np.clip(plan.boxes + shift, 0, None), np.random.default_rng(7)
    boxes[:, 2:] = np.minimum(boxes[:, 2:], plan.shape[::-1])
    image = rng.random(plan.shape, dtype=np.float32)
    image[rng.random(plan.shape) < missing] = np.nan
    left, top, right, bottom = boxes[20].astype(int)
    image[top:bottom, left:right] = np.nan
    down, across = (
        interval_shares(boxes[:, first::2], np.arange(n + 1.0)).astype(float)
        for first, n in zip((1, 0), plan.shape, strict=True)
    )
    shares = np.einsum("nh,hw,nw->n", down, np.isfinite(image).astype(float), across)
    planes, there = PlaneRenderer(boxes, plan.shape, (192, 208))(image)
    assert np.array_equal(there, shares >= MIN_SHARE)
    assert not there[20]
    if missing == 1:
        assert planes is None
    else:
        assert np.array_equal(planes, render_plane(image, down.T @ across > 0, (192, 208)))
