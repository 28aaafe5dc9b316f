from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from badexp_assets.errors import InputError
from badexp_assets.simulate.anomalies import (
    ANOMALIES,
    EXTENDED_LIGHT,
    WHOLE_EXPOSURE,
    affected_ccds,
    inject,
    kind_of,
    light_change,
    optical_kernel,
)
from badexp_assets.simulate.anomalies_detector import fringes, glare
from badexp_assets.simulate.anomalies_light import plane_coordinates
from badexp_assets.simulate.anomalies_optics import widened_fwhm
from badexp_assets.simulate.anomaly_kinds import KINDS
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane, choose_ccds, frame_of, simulated_frames
from badexp_assets.simulate.exposure import simulate_exposure
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey_plan import plan_survey
from badexp_assets.survey.cameras import load_camera

SKY, GAIN, NOISE = 300.0, 4.0, 6.0
OPTICAL = ("psf", "telescope_moving", "out_of_focus")


def field_of_stars(seed: int = 1, shape: tuple[int, int] = (96, 64)) -> CcdPixels:
    """A CCD with sky, its noise, and a star of 1000 sigma in peak in the middle among fainter ones."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    model = np.full(shape, SKY)
    for row, column, peak in [
        (48, 32, 8000.0),
        *zip(rng.uniform(8, 88, 9), rng.uniform(8, 56, 9), [900.0] * 9, strict=True),
    ]:
        model += peak * np.exp(-0.5 * ((rows - row) ** 2 + (columns - column) ** 2) / 1.8**2)
    image = model + np.sqrt(model / GAIN + (NOISE / GAIN) ** 2) * rng.standard_normal(shape)
    return CcdPixels(
        image.astype(np.float32), None, GAIN, NOISE, expnum=700001, ccdnum=35, sky_adu=SKY, dx_mm=0.5, dy_mm=0.6
    )


def camera_of(ccds: int = 16, rows: int = 64, columns: int = 32) -> list[CcdPixels]:
    camera = load_camera()
    frames = [frame_of(camera, c, rows, columns) for c in choose_ccds(camera, "2018-03-10", ccds)]
    flat = np.full((rows, columns), SKY, np.float32)
    return [
        CcdPixels(flat, expnum=7, ccdnum=f.ccd.ccdnum, x0_mm=f.x0_mm, y0_mm=f.y0_mm, dx_mm=f.dx_mm, dy_mm=f.dy_mm)
        for f in frames
    ]


@pytest.mark.parametrize("category", ANOMALIES)
@pytest.mark.parametrize("expnum", [700001, 700002, 700003])
def test_an_anomaly_changes_the_image_more_when_it_is_more_severe(category: str, expnum: int) -> None:
    ccd = replace(field_of_stars(), expnum=expnum)
    plane = Plane(15.0, 28.0, 40.0)
    changes = [
        np.abs(inject(ccd, category, severity, 5, plane).image - ccd.image).mean() for severity in (0.1, 0.5, 1.0)
    ]
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("category", ANOMALIES)
def test_an_anomaly_repeats_with_its_seed_and_differs_with_another(category: str) -> None:
    ccd = field_of_stars()
    before = ccd.image.copy()
    first = inject(ccd, category, 0.7, 3)
    np.testing.assert_array_equal(first.image, inject(ccd, category, 0.7, 3).image)
    assert not np.array_equal(first.image, inject(ccd, category, 0.7, 4).image)
    np.testing.assert_array_equal(ccd.image, before)
    assert first.image.dtype == np.float32
    assert first.image.shape == before.shape


@pytest.mark.parametrize("category", [c for c in ANOMALIES if c != "saturated"])  # glare brings its own noise
def test_faint_anomalies_leave_the_noise_of_the_sky_as_it_was(category: str) -> None:
    rng = np.random.default_rng(0)
    shape = (200, 100)
    flat = CcdPixels((SKY + 8.79 * rng.standard_normal(shape)).astype(np.float32), None, GAIN, NOISE, sky_adu=SKY)
    after = inject(flat, category, 0.02, 1, Plane(0.7, 1.4, 20.0))
    noise = 1.4826 * np.median(np.abs(after.image - np.median(after.image)))
    assert noise == pytest.approx(flat.sigma, rel=0.12)


@pytest.mark.parametrize("category", OPTICAL)
def test_a_kernel_keeps_light_and_the_sigma_of_the_sky(category: str) -> None:
    kernel = optical_kernel(category, 0.6, 1, 5, 4.0, (10.0, -20.0), Plane())
    assert kernel.sum() == pytest.approx(1.0)
    assert kernel.min() >= 0
    assert kernel.shape[0] == kernel.shape[1]
    assert kernel.shape[0] % 2 == 1
    rng = np.random.default_rng(0)
    flat = CcdPixels((SKY + 8.79 * rng.standard_normal((160, 160))).astype(np.float32), None, GAIN, NOISE, sky_adu=SKY)
    after = inject(flat, category, 0.6, 1)
    assert after.image.std() == pytest.approx(flat.sigma, rel=0.05)
    assert after.image.mean() == pytest.approx(SKY, abs=0.5)
    assert after.fwhm_px == pytest.approx(
        widened_fwhm(4.0, optical_kernel(category, 0.6, 1, 0, 4.0, flat.centre_mm, Plane()))
    )


def test_a_moving_telescope_trails_all_ccds_alike() -> None:
    kernels = [optical_kernel("telescope_moving", 0.8, 1, 5, 4.0, ccd.centre_mm, Plane()) for ccd in camera_of(4)]
    for kernel in kernels[1:]:
        np.testing.assert_array_equal(kernel, kernels[0])


def test_clouds_dim_a_star_by_their_extinction() -> None:
    ccd = field_of_stars()
    light = light_change("clouds_transparency", 0.5, 9, ccd, Plane())
    after = inject(ccd, "clouds_transparency", 0.5, 9)
    sky_after = SKY * np.broadcast_to(light.sky_factor, ccd.image.shape)
    box = np.s_[42:55, 26:39]
    kept = (after.image[box] - sky_after[box]).sum() / (ccd.image[box] - SKY).sum()
    assert kept == pytest.approx(light.transmission[48, 32], rel=0.1)


def test_noise_follows_the_sky_that_an_anomaly_makes() -> None:
    rng = np.random.default_rng(0)
    flat = CcdPixels((SKY + 8.79 * rng.standard_normal((300, 200))).astype(np.float32), None, GAIN, NOISE, sky_adu=SKY)
    for expnum in range(6):  # both kinds, too short and too bright, occur
        ccd = replace(flat, expnum=expnum)
        after = inject(ccd, "nonoptimal_exposure", 0.8, 1, Plane(1.5, 2.2, 1000.0))
        level = float(np.median(after.image))
        assert after.image.std() == pytest.approx(np.sqrt(level / GAIN + (NOISE / GAIN) ** 2), rel=0.04)


@pytest.mark.parametrize("category", ["ghost_scatter", "clouds_transparency", "few_sources"])
def test_light_runs_on_from_one_ccd_to_the_next(category: str) -> None:
    left = CcdPixels(np.ones((80, 40), np.float32), expnum=3, ccdnum=1, x0_mm=0.0, dx_mm=0.6, dy_mm=0.7)
    right = replace(left, ccdnum=2, x0_mm=40 * 0.6)
    whole = replace(left, image=np.ones((80, 80), np.float32))
    parts = [light_change(category, 0.8, 2, ccd, Plane()).sky_factor for ccd in (left, right)]
    together = light_change(category, 0.8, 2, whole, Plane()).sky_factor
    assert together.std() > 0
    np.testing.assert_allclose(np.hstack(parts), together, rtol=1e-10)


def test_glare_runs_on_from_one_ccd_to_the_next() -> None:
    for expnum in range(6):
        rngs = [np.random.default_rng(expnum) for _ in range(3)]
        x, y = np.linspace(-1, 1, 60), np.linspace(-1, 1, 30)
        parts = np.hstack([glare(rngs[0], 0.6, x[:30], y), glare(rngs[1], 0.6, x[30:], y)])
        np.testing.assert_allclose(parts, glare(rngs[2], 0.6, x, y), rtol=1e-10)


@pytest.mark.parametrize("category", ANOMALIES)
@pytest.mark.parametrize("severity", [0.1, 1.0])
def test_the_affected_ccds_depend_on_where_an_anomaly_acts(category: str, severity: float) -> None:
    ccds = camera_of()
    numbers = [ccd.ccdnum for ccd in ccds]
    hits = [affected_ccds(category, severity, seed, ccds) for seed in range(12)]
    assert all(hit and set(hit) <= set(numbers) for hit in hits)
    if category in WHOLE_EXPOSURE:
        assert all(hit == numbers for hit in hits)
    elif (category, severity) != ("saturated", 1.0):  # its glare reaches all of them
        assert any(len(hit) < len(numbers) for hit in hits)


@pytest.mark.parametrize("category", EXTENDED_LIGHT)
def test_extended_light_is_faint_on_ccds_that_are_not_affected(category: str) -> None:
    ccds = camera_of()
    for seed in range(20):
        hit = affected_ccds(category, 0.5, seed, ccds)
        if len(hit) < len(ccds):
            break
    change = {c.ccdnum: np.quantile(np.abs(inject(c, category, 0.5, seed).image - c.image), 0.8) for c in ccds}
    assert min(change[n] for n in hit) > 0
    assert max(change[n] for n in hit) > max(v for n, v in change.items() if n not in hit)


def test_saturated_pixels_have_the_codes_of_the_mask() -> None:
    ccd = replace(field_of_stars(), expnum=1)
    plane = Plane(15.0, 28.0, 20.0)
    after = inject(ccd, "saturated", 1.0, 0, plane)
    light = glare(np.random.default_rng([0, 1, 1, 0]), 1.0, *plane_coordinates(ccd, plane)) * (ccd.saturate - SKY)
    sure = light > 1.05 * ccd.saturate
    assert sure.any()
    assert (after.mask[sure] == 3).all()
    assert after.image[after.mask == 3].min() > 0.97 * ccd.saturate
    assert set(np.unique(after.mask)) <= {0, 3, 4}


def test_pixels_without_a_value_stay_so() -> None:
    ccd = field_of_stars()
    image = ccd.image.copy()
    image[10:14, 5] = np.nan
    for category in ANOMALIES:
        after = inject(replace(ccd, image=image), category, 0.5, 1)
        lost = ~np.isfinite(after.image)
        assert lost[10:14, 5].all() or category == "saturated" or category == "bad_ccd"
        if category != "bad_ccd":
            assert lost.sum() <= 4


@pytest.mark.parametrize("category", KINDS)
def test_the_kind_of_an_exposure_is_known_beforehand_and_kinds_have_their_shares(category: str) -> None:
    found = [kind_of(category, 1, expnum) for expnum in range(600)]
    for kind, share in KINDS[category].items():
        assert found.count(kind) / 600 == pytest.approx(share, abs=0.07)


def test_the_kind_that_is_predicted_is_injected() -> None:
    flat = CcdPixels(np.full((200, 100), SKY, np.float32), gain=GAIN, read_noise=NOISE, ccdnum=5, sky_adu=SKY)
    of_kind = {kind_of("wonky", 1, expnum): expnum for expnum in range(60)}
    change = {k: inject(replace(flat, expnum=e), "wonky", 0.6, 1).image - SKY for k, e in of_kind.items()}
    pattern = fringes(5, (200, 100))
    likeness = {k: np.corrcoef(c.ravel(), pattern.ravel())[0, 1] for k, c in change.items()}
    assert likeness.pop("fringes") == pytest.approx(1.0, abs=1e-3)
    assert set(likeness) == {"step", "waves", "levels"}
    assert max(np.abs(list(likeness.values()))) < 0.5


def test_fringes_differ_between_ccds_and_a_category_without_kinds_has_none() -> None:
    np.testing.assert_array_equal(fringes(5, (90, 60)), fringes(5, (90, 60)))
    assert np.abs(np.corrcoef(fringes(5, (90, 60)).ravel(), fringes(6, (90, 60)).ravel())[0, 1]) < 0.5
    assert kind_of("saturated", 1, 5) == ""


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ANOMALIES), st.floats(0.01, 1.0), st.integers(0, 10**6), st.integers(1, 62))
def test_every_anomaly_fits_the_smallest_cutout(category: str, severity: float, expnum: int, ccdnum: int) -> None:
    rng = np.random.default_rng(expnum)
    image = (SKY + 9 * rng.standard_normal((51, 41))).astype(np.float32)
    ccd = CcdPixels(image, expnum=expnum, ccdnum=ccdnum)
    after = inject(ccd, category, severity, 1, Plane.around([ccd]))
    assert after.image.shape == (51, 41)
    assert np.isfinite(after.image).all()
    assert after.image.max() <= 1.05 * ccd.saturate


def test_unknown_categories_and_severities_are_named() -> None:
    ccd = field_of_stars()
    with pytest.raises(InputError, match="category: found 'clouds'"):
        inject(ccd, "clouds", 0.5, 0)
    for severity in (0.0, -1.0, 1.01, float("nan")):
        with pytest.raises(InputError, match="severity: found"):
            inject(ccd, "psf", severity, 0)


def simulated(category: str, severity: float, kind: str = "") -> list[np.ndarray]:
    """CCDs of an exposure that is good but for `category`, of the given kind."""
    plan = plan_survey(SurveyParams(nights=1, exposures=1, bad_fraction=0, hard_negative_fraction=0, seed=3))[0]
    while kind and kind_of(category, 3, plan.expnum) != kind:
        plan = replace(plan, expnum=plan.expnum + 1)
    plan = replace(plan, category=category, severity=severity)
    frames = simulated_frames(plan.camera, plan.night, 2, 512, 256)
    return [ccd.pixels.image for ccd in simulate_exposure(plan, frames, 3, Plane())]


def count_detections(image: np.ndarray) -> int:
    """Groups of at least 6 connected pixels above 2 sigma, sigma from the median absolute deviation."""
    level = np.median(image)
    groups, _ = label(image > level + 2 * 1.4826 * np.median(np.abs(image - level)))
    return int((np.bincount(groups.ravel())[1:] >= 6).sum())


@pytest.mark.parametrize("kind", KINDS["nobjects"])
def test_nobjects_has_an_anomalously_large_number_of_detections(kind: str) -> None:
    good, faint, severe = (
        sum(map(count_detections, simulated(category, severity, kind if severity else "")))
        for category, severity in (("good", 0.0), ("nobjects", 0.5), ("nobjects", 1.0))
    )
    assert faint > 1.25 * good
    assert severe > 2 * good


def test_few_sources_has_less_than_half_of_the_detections() -> None:
    good, few = (sum(map(count_detections, simulated(*of))) for of in (("good", 0.0), ("few_sources", 0.9)))
    assert few < 0.5 * good


def test_a_glare_is_nowhere_negative_on_the_whole_focal_plane() -> None:
    axis = np.linspace(-1.5, 1.5, 25)
    for seed in range(200):
        assert glare(np.random.default_rng(seed), 0.96, axis, axis).min() >= 0
