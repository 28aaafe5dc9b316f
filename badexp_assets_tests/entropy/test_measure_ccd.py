import math

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.ccd import measure_ccd
from badexp_assets.entropy.divergence import kl_divergence, preferred_angle, z_against_null
from badexp_assets.entropy.reference import build_reference
from badexp_assets.entropy.scores import score_exposures
from badexp_assets.errors import InputError

PARAMS = EntropyParams()


def star_field(angle=None, n=100, seed=0, shape=(700, 700), stripes=None):
    """Sources on a jittered grid: of random orientation, or all stretched along `angle`; perhaps with stripes."""
    rng = np.random.default_rng(seed)
    image = rng.normal(300, 5, shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    if stripes is not None:
        image += 5 * np.sin(2 * math.pi * (x * math.cos(stripes) + y * math.sin(stripes)) / 40)
    side = math.ceil(math.sqrt(n))
    step = (shape[0] - 80) // side
    yy, xx = np.mgrid[-20:21, -20:21].astype(float)
    for k in range(n):
        i, j = 50 + step * (k % side) + rng.integers(0, 8), 50 + step * (k // side) + rng.integers(0, 8)
        theta = rng.uniform(0, math.pi) if angle is None else angle
        along, across = xx * math.cos(theta) + yy * math.sin(theta), yy * math.cos(theta) - xx * math.sin(theta)
        spread = 1.2 if angle is None else 2.0
        source = np.exp(-0.5 * ((along / (2.5 * spread)) ** 2 + (across / 2.5) ** 2))
        image[j - 20 : j + 21, i - 20 : i + 21] += 4000 * source
    return image.astype(np.float32)


def test_the_counts_are_those_of_what_was_found():
    measured = measure_ccd(star_field(), None, PARAMS, 1)
    assert measured.n_sources == len(measured.x) == len(measured.stamps) == measured.source_counts.sum() > 60
    assert measured.n_points == measured.gradient_counts.sum() == 10_000
    assert measured.stamps.shape[1:] == (64, 64)
    assert measured.stamps.dtype == np.float32
    assert measured.noise == pytest.approx(5, rel=0.2)
    assert measured.sky == pytest.approx(300, abs=5)
    assert np.all(measured.stamps[:, 32, 32] == measured.stamps.max(axis=(1, 2)))


def test_the_same_seed_gives_the_same_and_another_draws_other_points():
    image = star_field()
    first, again, other = (measure_ccd(image, None, PARAMS, seed) for seed in ((1, 5), (1, 5), (1, 6)))
    np.testing.assert_array_equal(first.gradient_counts, again.gradient_counts)
    np.testing.assert_array_equal(first.stamps, again.stamps)
    assert (first.gradient_counts != other.gradient_counts).any()


def test_byte_order_and_memory_layout_do_not_matter():
    image = star_field(n=9, shape=(200, 260))
    plain = measure_ccd(image, None, PARAMS, 1)
    for variant in (image.astype(">f4"), np.asfortranarray(image), image.astype(np.float64)):
        other = measure_ccd(variant, np.zeros(image.shape, np.int32), PARAMS, 1)
        np.testing.assert_array_equal(plain.stamps, other.stamps)
        np.testing.assert_array_equal(plain.gradient_counts, other.gradient_counts)


@pytest.mark.parametrize("degrees", [10, 80, 135])
def test_stretched_sources_give_their_angle_and_a_high_score(degrees):
    angle = math.radians(degrees)
    flat = np.ones(18)
    stretched = measure_ccd(star_field(angle), None, PARAMS, 1)
    random = measure_ccd(star_field(None), None, PARAMS, 1)
    scores = [z_against_null(kl_divergence(m.source_counts, flat), flat, m.n_sources) for m in (stretched, random)]
    assert scores[0] > 30
    assert abs(scores[1]) < 4
    apart = (preferred_angle(stretched.source_counts) - angle + math.pi / 2) % math.pi - math.pi / 2
    assert abs(apart) < math.radians(5)


def z_of_sources(image, moments):
    measured, flat = measure_ccd(image, None, EntropyParams(moments=moments), 1), np.ones(18)
    return z_against_null(kl_divergence(measured.source_counts, flat), flat, measured.n_sources)


def test_moments_without_the_noise_find_a_faint_stretch_that_noise_hides_in_those_of_the_stamp():
    image = star_field(0.6) + np.random.default_rng(1).normal(0, 200, (700, 700)).astype(np.float32)
    z = {moments: z_of_sources(image, moments) for moments in ("sources", "segment", "stamp")}
    assert min(z["sources"], z["segment"]) > 20
    assert min(z["sources"], z["segment"]) > 3 * z["stamp"]


def test_moments_of_all_sources_in_the_stamp_see_a_jump_that_those_of_the_segment_do_not():
    once = star_field()
    image = once + 0.5 * np.roll(once - 300, (14, 18), (0, 1))  # every source again, fainter, 23 px away
    z = {moments: z_of_sources(image, moments) for moments in ("sources", "segment")}
    assert z["sources"] > 30
    assert abs(z["segment"]) < 6


@pytest.mark.parametrize("degrees", [30, 100])
def test_stripes_in_the_background_give_the_angle_across_them(degrees):
    across = math.radians(degrees)
    striped = measure_ccd(star_field(n=20, stripes=across), None, PARAMS, 1)
    plain = measure_ccd(star_field(n=20), None, PARAMS, 1)
    flat = np.ones(18)
    assert kl_divergence(striped.gradient_counts, flat) > 10 * kl_divergence(plain.gradient_counts, flat)
    apart = (preferred_angle(striped.gradient_counts) - across + math.pi / 2) % math.pi - math.pi / 2
    assert abs(apart) < math.radians(5)


def test_what_the_mask_covers_is_in_neither_histogram():
    image, striped = star_field(n=20), star_field(n=20, stripes=0.5)
    covered = np.zeros(image.shape, np.uint16)
    covered[350:] = 256  # a code beyond one byte is masked too
    image[350:] = striped[350:]
    measured = measure_ccd(image, covered, PARAMS, 1)
    assert measured.y.max() < 350
    flat = np.ones(18)
    assert kl_divergence(measured.gradient_counts, flat) < 0.02
    hidden = measure_ccd(image, np.full(image.shape, 1), PARAMS, 1)
    assert (hidden.n_sources, hidden.n_points) == (0, 0)


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (3, 200), (41, 51), (63, 200)])
def test_an_image_smaller_than_a_stamp_has_no_sources_and_is_no_error(shape):
    image = np.random.default_rng(0).normal(100, 5, shape)
    measured = measure_ccd(image, None, PARAMS, 0)
    assert measured.n_sources == 0
    assert measured.stamps.shape == (0, 64, 64)
    assert measured.n_points == min(10_000, max(0, shape[0] - 19) * max(0, shape[1] - 19))


@pytest.mark.parametrize("value", [np.nan, 0.0, 65_535.0, np.inf, 0.1, -1e38])
def test_an_all_nan_constant_saturated_or_empty_ccd_counts_nothing(value):
    measured = measure_ccd(np.full((128, 150), value, np.float32), None, PARAMS, 0)
    assert (measured.n_sources, measured.n_points) == (0, 0)
    assert measured.source_counts.shape == measured.gradient_counts.shape == (18,)
    assert math.isnan(measured.noise)


def test_a_constant_half_gives_no_angles_rather_than_angle_0():
    image = np.random.default_rng(0).normal(100, 5, (200, 200)).astype(np.float32)
    image[:, 100:] = 100.0
    # without clipping, which makes a step between the halves: it takes from the mean of noise, not from a constant's
    measured = measure_ccd(image, None, EntropyParams(clip_sigma=math.inf), 0)
    assert 4500 < measured.n_points < 6500
    assert measured.gradient_counts.max() < 1.5 * measured.gradient_counts.min()


WEIRD = st.sampled_from([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-40, 3e38, -3e38, 65535.0, 200.5])


@pytest.mark.slow
@given(
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    st.data(),
    st.integers(1, 12),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
def test_no_image_however_weird_makes_it_fail(shape, data, factor, dtype, seed):
    image = np.repeat(np.repeat(data.draw(hnp.arrays(dtype, shape, elements=WEIRD)), factor, 0), factor, 1)
    mask = data.draw(st.none() | hnp.arrays(np.uint8, image.shape, elements=st.integers(0, 9), fill=st.just(0)))
    if data.draw(st.booleans()):
        image = image + np.random.default_rng(seed).normal(0, 3, image.shape).astype(dtype)
    params = EntropyParams(stamp_size=12, gradient_points=300, smoothing=3, half_width=2)
    measured = measure_ccd(image, mask, params, seed)
    assert measured.n_sources == measured.source_counts.sum() == len(measured.stamps)
    assert 0 <= measured.n_points == measured.gradient_counts.sum() <= 300
    assert np.all((measured.angle >= 0) & (measured.angle < math.pi))


def test_a_mask_of_another_shape_is_refused_by_name():
    with pytest.raises(InputError, match=r"mask has shape \(5, 5\); the image's \(6, 5\)"):
        measure_ccd(np.ones((6, 5)), np.ones((5, 5)), PARAMS, 0)
    with pytest.raises(InputError, match="image has shape"):
        measure_ccd(np.ones(5), None, PARAMS, 0)


def test_the_real_cutouts_go_through_and_each_says_that_it_has_too_few_sources(shared_data):
    files = sorted((shared_data / "cutouts").glob("**/*_ooi_*.fits"))
    if not files:
        pytest.skip(f"no cutouts in {shared_data}")
    rows = []
    for expnum, file in enumerate(files):
        with fits.open(file) as image, fits.open(str(file).replace("_ooi_", "_ood_")) as quality:
            pixels, codes = image[1].data, quality[1].data
        measured = measure_ccd(pixels, codes, PARAMS, 0)
        assert measured.n_sources < 30
        assert measured.n_points <= (pixels.shape[0] - 19) * (pixels.shape[1] - 19)
        if min(pixels.shape) < 64:
            assert measured.n_sources == 0
        rows.append((expnum, 1, "r", *histograms(measured)))
    scores = scored(rows)
    assert scores["z_source"].isna().all()
    assert scores["reason"].str.match(r"too few sources \(\d+ < 30\)").all()


def histograms(measured):
    return measured.source_counts, measured.gradient_counts, measured.gradient_halves.ravel()


def scored(rows):
    """Scores of exposures of one CCD each, among 40 good exposures that the reference is made of."""
    columns = ["expnum", "ccdnum", "filter", "source_counts", "gradient_counts", "gradient_halves"]
    rng = np.random.default_rng(0)
    flat = [1 / 18] * 18
    good = [
        (1000 + k, 1, "r", *(rng.multinomial(n, flat) for n in (200, 9000)), rng.multinomial(2000, flat, 2).ravel())
        for k in range(40)
    ]
    reference = build_reference([pd.DataFrame(good, columns=columns)], PARAMS)
    night = pd.DataFrame([*rows, *good], columns=columns)
    scores = score_exposures(night, night[["expnum", "filter"]].assign(night="2018-01-01"), reference, PARAMS)
    return scores[scores["expnum"] < 1000]


def useless_ccds():
    rng = np.random.default_rng(0)
    shape = (200, 180)
    empty = rng.normal(100, 5, shape)
    lonely = empty.copy()
    lonely[90:97, 80:89] += 900.0
    return {
        "all NaN": np.full(shape, np.nan),
        "constant": np.full(shape, 300.1),
        "saturated": np.full(shape, 65_535.0),
        "zero": np.zeros(shape),
        "no pixel": np.empty((0, 0)),
        "no source": empty,
        "one source": lonely,
    }


def test_a_ccd_that_tells_nothing_has_no_score_a_reason_and_never_the_top_rank():
    ccds = useless_ccds()
    measured = {name: measure_ccd(image, None, PARAMS, 0, saturate=60_000.0) for name, image in ccds.items()}
    assert [m.n_sources for m in measured.values()] == [0, 0, 0, 0, 0, 0, 1]
    scores = scored([(k, 1, "r", *histograms(m)) for k, m in enumerate(measured.values())])
    assert scores["z_source"].isna().all()
    assert scores["kl_source"].isna().all()
    assert scores["reason"].str.startswith("too few sources").all()
    pixels = np.array([name in ("no source", "one source") for name in measured])
    assert scores["z_background"].notna().tolist() == pixels.tolist()
    assert scores["reason"][~pixels].str.contains("too few gradient points (0 < 1000) in every CCD", regex=False).all()
