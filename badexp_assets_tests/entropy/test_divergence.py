import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.divergence import (
    bin_centres,
    kl_divergence,
    kl_null,
    orientation_histogram,
    preferred_angle,
    preferred_direction,
    z_against_null,
)
from badexp_assets.entropy.plots import plot_exposure
from badexp_assets.entropy.reference import build_reference
from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import load_camera

COUNTS = st.lists(st.integers(0, 10**6), min_size=2, max_size=40)


def test_the_divergence_is_that_of_a_textbook_example_in_nats():
    # Kullback's example: binomial (2, 0.4) against uniform over three values
    assert kl_divergence([0.36, 0.48, 0.16], [1 / 3, 1 / 3, 1 / 3]) == pytest.approx(0.0852996, abs=1e-7)
    assert kl_divergence([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2))


def test_counts_are_normalised_first():
    assert kl_divergence([36, 48, 16], [5, 5, 5]) == pytest.approx(kl_divergence([0.36, 0.48, 0.16], [1 / 3] * 3))


def test_zero_bins_add_nothing_or_make_it_infinite():
    assert kl_divergence([1, 0, 1], [1, 2, 1]) == pytest.approx(math.log(2))
    assert kl_divergence([1, 1, 1], [1, 0, 1]) == math.inf
    assert kl_divergence([1, 0, 1], [1, 0, 1]) == 0.0


def test_nothing_counted_gives_nan():
    assert math.isnan(kl_divergence([0, 0], [1, 1]))
    assert math.isnan(kl_divergence([1, 1], [0, 0]))


@given(COUNTS, st.data())
def test_the_divergence_is_never_negative_and_zero_only_against_itself(p, data):
    q = data.draw(st.lists(st.integers(0, 10**6), min_size=len(p), max_size=len(p)))
    kl = kl_divergence(p, q)
    if sum(p) and sum(q):
        assert kl >= 0
        assert kl_divergence(p, p) == 0
    else:
        assert math.isnan(kl)


@pytest.mark.parametrize(
    ("p", "q", "words"),
    [
        ([1, 2], [1, 2, 3], "p has 2 bins and q has 3"),
        ([-1, 2], [1, 2], "p has negative"),
        ([1, 2], [1, math.nan], "q has negative or non-finite"),
        ([], [], "p has shape"),
        ([[1, 2]], [[1, 2]], "p has shape"),
    ],
)
def test_what_is_no_histogram_is_refused_by_name(p, q, words):
    with pytest.raises(InputError, match=words):
        kl_divergence(p, q)


def test_the_histogram_counts_every_angle_once_in_its_bin():
    angles = np.append(bin_centres(18), [0.0, math.pi / 18, np.nextafter(math.pi, 0), math.nan])
    counts = orientation_histogram(angles, 18)
    assert counts.sum() == 21
    assert (counts[0], counts[1], counts[17]) == (2, 2, 2)
    assert counts.dtype == np.int32


@pytest.mark.parametrize("n", [30, 100, 1000])
def test_z_of_isotropic_sources_has_mean_0_and_deviation_1(n):
    rng = np.random.default_rng(n)
    q = rng.uniform(0.5, 1.5, 18)
    q /= q.sum()
    kl = [kl_divergence(draw, q) for draw in rng.multinomial(n, q, size=3000)]
    z = np.array([z_against_null(value, q, n) for value in kl])
    assert abs(z.mean()) < 0.15
    assert z.std() == pytest.approx(1, abs=0.12)
    assert np.mean(z > 4) < 0.005


@pytest.mark.parametrize("n", [100, 540, 20_000])
def test_z_of_sources_with_a_known_excess_has_mean_0_and_deviation_1(n):
    q = np.full(18, 1 / 18)
    p = q * (1 + 0.22 * np.cos(2 * bin_centres(18)))
    excess = kl_divergence(p, q)
    kl = [kl_divergence(draw, q) for draw in np.random.default_rng(n).multinomial(n, p, size=3000)]
    z = np.array([z_against_null(value, q, n, excess) for value in kl])
    assert abs(z.mean()) < 0.1
    assert z.std() == pytest.approx(1, abs=0.06)
    with_scatter = kl + np.random.default_rng([n, 1]).normal(0, 0.02, len(kl))
    assert np.std([z_against_null(v, q, n, excess, 0.02) for v in with_scatter]) == pytest.approx(1, abs=0.06)


def test_the_null_tends_to_bins_less_one_over_twice_the_sources():
    mean, sd = kl_null(np.full(18, 1 / 18), 10**6)
    assert mean == pytest.approx(17 / 2e6, rel=1e-4)
    assert sd == pytest.approx(math.sqrt(17 / 2) / 1e6, rel=1e-4)
    assert math.isnan(kl_null([1.0], 5)[0])
    assert math.isnan(kl_null([0.5, 0.5], 0)[0])


@pytest.mark.parametrize("degrees", [5, 45, 95, 175])
def test_the_preferred_angle_is_where_the_counts_exceed_the_reference(degrees):
    reference = np.full(18, 100.0)
    reference[3] = 300  # what every exposure has
    counts = reference.copy()
    counts[degrees // 10] += 50
    assert preferred_angle(counts, reference) == pytest.approx(math.radians(degrees))


def test_the_strength_of_a_direction_is_0_for_the_reference_and_1_for_a_single_angle():
    flat, one = np.ones(18), np.eye(18)[3]
    assert preferred_direction(flat * 7, flat)[1] == pytest.approx(0, abs=1e-12)
    assert preferred_direction(one, flat) == pytest.approx((math.radians(35), 1.0))
    assert preferred_direction(one + flat / 18, flat) == pytest.approx((math.radians(35), 0.5))
    assert np.isnan(preferred_direction(np.zeros(18), flat)).all()
    assert np.isnan(preferred_direction(flat, np.zeros(18))).all()


@pytest.mark.slow
def test_the_picture_of_an_exposure_is_a_small_png_also_without_sources_or_reference():
    params, camera = EntropyParams(gradient_points=1000), load_camera()
    rng = np.random.default_rng(0)
    sizes = ((9, 18), (99, 18), (25, 36))
    rows = [(7, c.ccdnum, "r", *(rng.integers(0, high, n) for high, n in sizes)) for c in camera.ccds]
    rows[3] = (*rows[3][:3], *(np.zeros(n, int) for _, n in sizes))
    columns = ["expnum", "ccdnum", "filter", "source_counts", "gradient_counts", "gradient_halves"]
    table = pd.DataFrame(rows, columns=columns)
    reference = build_reference([table], params)
    empty = table.iloc[3:4]
    for of_exposure, known in ((table, reference), (empty, reference), (table, reference[:0])):
        picture = plot_exposure(of_exposure, known, camera, params, "7 r")
        assert picture.startswith(b"\x89PNG")
        assert len(picture) <= 100_000


def test_no_excess_has_no_preferred_angle():
    assert math.isnan(preferred_angle(np.ones(18)))
    assert math.isnan(preferred_angle(np.zeros(18)))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("bins", 1),
        ("bins", 2.5),
        ("bins", 1000),
        ("detection_sigma", 0.0),
        ("detection_sigma", math.nan),
        ("background_trim", 0.5),
        ("core_fraction", 2.0),
        ("reference", "median"),
        ("moments", "all"),
        ("gradient_points", True),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(option, value):
    with pytest.raises(InputError, match=rf"^\[entropy\]: {option} is "):
        EntropyParams(**{option: value})
