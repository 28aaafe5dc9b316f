import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from badexp_assets.classify.calibration import (
    LIMIT,
    _isotonic,
    _sigmoid,
    calibration_error,
    fit_calibration,
    fit_temperature,
    shift_prior,
)
from badexp_assets.classify.features import CLIP, NAMES, FeatureScaler, align, describe_ccds
from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import load_camera


def sample(n: int = 4000, slope: float = 2.5, seed: int = 0):
    """Overconfident log-odds: the true ones are these divided by `slope`."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=n) * 1.5
    return slope * true, rng.random(n) < expit(true), np.arange(n) % 3


def test_calibration_undoes_planted_overconfidence():
    x, bad, folds = sample()
    assert calibration_error(expit(x), bad) > 0.05
    calibration, losses, held = fit_calibration(x, bad, np.ones(len(x)), folds)
    new, new_bad, _ = sample(seed=1)
    assert calibration_error(expit(calibration(new)), new_bad) < 0.03
    assert losses["sigmoid"] <= losses["isotonic"]
    assert calibration.kind == "sigmoid"
    rest = folds != 1
    np.testing.assert_array_equal(held[~rest], _sigmoid(x[rest], bad[rest], np.ones(rest.sum()))(x[~rest]))


def test_a_shape_that_no_sigmoid_has_is_left_to_isotonic():
    rng = np.random.default_rng(0)
    x = rng.uniform(-4, 4, 6000)
    bad = rng.random(6000) < np.where(x < -2, 0.02, np.where(x < 3, 0.5, 0.98))
    calibration, *_ = fit_calibration(x, bad, np.ones(len(x)), np.arange(6000) % 3)
    assert calibration.kind == "isotonic"
    assert calibration_error(expit(calibration(x)), bad) < 0.03


@pytest.mark.slow
@settings(deadline=None)  # the first example imports scikit-learn
@given(st.floats(-20, 20), st.floats(-20, 20))
def test_calibration_keeps_the_order(a: float, b: float):
    calibration, *_ = fit_calibration(*(lambda x, bad, folds: (x, bad, np.ones(len(x)), folds))(*sample(300)))
    low, high = calibration(np.sort([a, b]))
    assert low <= high


def test_one_class_can_not_be_calibrated():
    with pytest.raises(InputError, match="good and bad images are needed"):
        fit_calibration(np.zeros(3), np.ones(3, bool), np.ones(3), np.arange(3))


def test_a_shifted_prior_is_bayes_rule():
    p = 0.7 * 0.01 / (0.7 * 0.01 / 0.5 + 0.3 * 0.99 / 0.5) / 0.5
    assert expit(shift_prior(np.log([0.7 / 0.3]), 0.5, 0.01))[0] == pytest.approx(p)
    assert shift_prior(np.array([1.2]), 0.3, 0.3)[0] == pytest.approx(1.2)


def test_a_shifted_prior_is_not_limited():
    assert expit(shift_prior(np.zeros(1), 0.5, 1e-6))[0] == pytest.approx(1e-6)


@pytest.mark.parametrize("share", [0.05, 0.95])
def test_the_share_of_bad_images_does_not_change_how_much_evidence_is_believed(share: float):
    rng = np.random.default_rng(0)
    bad = rng.random(20_000) < share
    x = rng.normal(np.where(bad, 4.0, -4.0), 1.0)
    calibration, *_ = fit_calibration(x, bad, np.ones(len(x)), np.arange(len(x)) % 3)
    ends = calibration(np.array([-30.0, 30.0])) - np.log(bad.mean() / (1 - bad.mean()))
    np.testing.assert_allclose(ends, [-LIMIT, LIMIT], atol=0.05 if calibration.kind == "sigmoid" else 1.5)


def test_steps_of_bad_images_alone_prove_no_more_than_the_number_of_good_ones():
    x, bad = np.arange(120.0), np.arange(120) >= 20
    weights = np.where(bad, 3.0, 1.0)
    steps = _isotonic(x, bad, weights)
    ends = steps(np.array([0.0, 119.0])) - np.log(300 / 20)
    np.testing.assert_allclose(ends, [-np.log(201), np.log(41)])


def test_calibration_error_agrees_with_a_hand_count():
    p, bad = np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, False, True, False])
    assert calibration_error(p, bad, bins=2) == pytest.approx(0.5 * 0.1 + 0.5 * 0.4)
    assert calibration_error(p, bad, np.array([2.0, 2.0, 1.0, 3.0]), bins=2) == pytest.approx(0.5 * 0.1 + 0.5 * 0.65)
    assert np.isnan(calibration_error(np.array([]), np.array([], bool)))


def test_temperature_of_overconfident_kinds_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5000, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = (rng.random((5000, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=3)
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert fit_temperature(sharp, codes) == pytest.approx(3, rel=0.1)


def night():
    ccds = pd.DataFrame(
        {
            "expnum": [1, 1, 1, 2],
            "ccdnum": [1, 2, 3, 1],
            "status": ["read", "read", "failed", "read"],
            "height": 1000,
            "width": 1000,
            "sky": [100.0, 200.0, None, None],
            "noise": [10.0, 20.0, None, 5.0],
            "fwhm": [4.0, 4.0, None, 0.0],
            "n_sources": [9, 99, None, 0],
            "saturated_fraction": [0.0, 0.5, None, 0.0],
            "masked_fraction": 0.1,
        }
    )
    exposures = pd.DataFrame({"expnum": [1, 2], "filter": ["g", "r"], "exptime": [100.0, 50.0]})
    counts = [np.array([4, 0, 0, 0], np.int32), np.array([1, 1, 1, 1], np.int32)]
    orientations = pd.DataFrame(
        {"expnum": [1, 1], "ccdnum": [1, 2], "source_counts": counts, "gradient_counts": counts}
    )
    return ccds, exposures, orientations


def test_features_are_what_a_hand_count_gives():
    found = describe_ccds(*night(), load_camera()).set_index(["expnum", "ccdnum"])
    assert len(found) == 3  # failed CCDs have none
    row = found.loc[(1, 2)]
    assert row["log_sky_rate"] == pytest.approx(np.log(2))
    assert row["log_noise_to_shot"] == pytest.approx(np.log(20 / np.sqrt(200)))
    assert row["log_n_sources"] == pytest.approx(np.log(100))
    assert row["log_noise_to_siblings"] == pytest.approx(np.log(2) / 2)
    assert row["gradient_concentration"] == pytest.approx(0, abs=1e-12)
    assert found.loc[(1, 1), "gradient_concentration"] == pytest.approx(1)
    assert found.loc[(1, 1), "source_concentration"] == pytest.approx(0.5)
    missing = found.loc[(2, 1)]
    assert missing[["log_sky_rate", "log_fwhm", "gradient_concentration"]].isna().all()
    place = load_camera().by_number[2]
    assert (row["x_mm"], row["y_mm"]) == (place.x_mm, place.y_mm)


def test_ccds_read_for_their_label_are_described_and_change_no_other_ccd():
    ccds, exposures, orientations = night()
    labelled = ccds.iloc[[1, 2, 1]].assign(
        ccdnum=[4, 5, 6], noise=[80.0, None, 160.0], status=["read", "absent", "read"]
    )
    labelled["gradient_counts"] = [np.array([0, 0, 5, 0], np.int32), None, np.array([1, 1, 1, 1], np.int32)]
    alone = describe_ccds(ccds, exposures, orientations, load_camera()).set_index(["expnum", "ccdnum"])
    found = describe_ccds(ccds, exposures, orientations, load_camera(), labelled).set_index(["expnum", "ccdnum"])
    assert sorted(set(found.index) - set(alone.index)) == [(1, 4), (1, 6)]
    pd.testing.assert_frame_equal(found.loc[alone.index], alone)
    row = found.loc[(1, 4)]
    assert row["log_noise_to_siblings"] == pytest.approx(np.log(80) - (np.log(10) + np.log(20)) / 2)
    assert (row["gradient_concentration"], row["source_concentration"]) == pytest.approx((1, 0.5))


def test_measured_columns_become_features_with_a_least_logarithm():
    ccds, exposures, orientations = night()
    ccds = ccds.assign(
        local_noise=[5.0, 20.0, None, None],
        flux_at_rank=[4000.0, 0.0, None, None],
        background_rms=[0.0, 3.0, None, None],
        seeing=[4.0, 8.0, None, None],
        ellipticity=[0.1, 0.3, None, None],
    )
    found = describe_ccds(ccds, exposures, orientations, load_camera()).set_index(["expnum", "ccdnum"])
    assert found.loc[(1, 1), "log_noise_to_local"] == pytest.approx(np.log(2))
    assert found.loc[(1, 1), "log_flux_rate"] == pytest.approx(np.log(40))
    assert found.loc[(1, 2), "log_flux_rate"] == pytest.approx(np.log(10 * 20 / 100))  # ten noises stand for nothing
    assert found.loc[(1, 1), "log_background_rms"] == pytest.approx(np.log(0.03))
    assert found.loc[(1, 2), "log_seeing_to_siblings"] == pytest.approx(np.log(2) / 2)
    assert found.loc[(1, 2), "ellipticity_to_siblings"] == pytest.approx(0.1)
    assert found.loc[(2, 1), ["log_seeing", "log_flux_rate", "ellipticity", "log_noise_to_local"]].isna().all()
    assert found["skewness"].isna().all()  # an older night lacks the column


def test_features_without_orientations_or_rows_have_all_columns():
    ccds, exposures, _ = night()
    for table in (
        describe_ccds(ccds, exposures, None, load_camera()),
        describe_ccds(ccds.head(0), exposures, None, load_camera()),
    ):
        assert set(NAMES) <= set(table.columns)


def test_alignment_follows_the_rows_and_keeps_what_has_no_features():
    features = describe_ccds(*night(), load_camera())
    rows = pd.DataFrame({"expnum": [2, 9, 1], "ccdnum": [1, 1, 2]})
    found = align(features, rows)
    assert found["expnum"].tolist() == [2, 9, 1]
    assert found.loc[1, list(NAMES)].isna().all()


def test_features_are_scaled_by_the_good_ones_of_their_band():
    rng = np.random.default_rng(0)
    n = 400
    band = np.repeat(["g", "z"], n)
    table = pd.DataFrame(dict.fromkeys(NAMES, 0.0), index=range(2 * n)).assign(expnum=range(2 * n), filter=band)
    table["log_sky_rate"] = rng.normal(size=2 * n) * 0.5 + np.where(band == "z", 5.0, 1.0)
    table.loc[0, "log_fwhm"] = np.nan
    categories = np.where(np.arange(2 * n) % 4 == 0, "noise", "good")
    table.loc[categories == "noise", "log_sky_rate"] += 100
    scaler = FeatureScaler.fit(table, categories)
    z = scaler.transform(table, 2 * n)
    good = z[categories == "good", 0]
    assert abs(np.median(good)) < 0.05
    assert np.std(good) == pytest.approx(1, abs=0.1)
    assert (z[categories == "noise", 0] == CLIP).all()
    assert scaler.missing == ("log_fwhm",)
    assert z[0, -1] == 1
    assert z[1:, -1].max() == 0
    other = scaler.transform(table.head(3).assign(filter="u"), 3)  # a band that was not in training
    assert np.isfinite(other).all()


def test_a_rare_band_has_its_own_median_and_the_scatter_within_bands():
    rng = np.random.default_rng(0)

    def exposures(band: str, n: int, first: int) -> pd.DataFrame:
        """CCDs of an exposure are alike: they differ by a twentieth of the scatter between exposures."""
        sky = (5.0 if band == "Y" else 1.0) + 0.4 * np.repeat(rng.normal(size=n), 20) + rng.normal(size=20 * n) * 0.02
        table = pd.DataFrame(dict.fromkeys(NAMES, 0.0), index=range(20 * n))
        return table.assign(expnum=first + np.arange(20 * n) // 20, filter=band, log_sky_rate=sky)

    table = pd.concat([exposures("r", 60, 0), exposures("Y", 2, 100), exposures("u", 1, 200)], ignore_index=True)
    scaler = FeatureScaler.fit(table, np.full(len(table), "good"))
    place = NAMES.index("log_sky_rate")
    two = table.loc[table["filter"] == "Y", "log_sky_rate"]
    assert scaler.medians["Y"][place] == pytest.approx(two.median())
    assert scaler.scatters["Y"][place] == pytest.approx(0.4, rel=0.25)
    assert scaler.scatters["r"][place] == pytest.approx(0.4, rel=0.25)
    assert "u" not in scaler.medians  # the median of one exposure is no reference
    new = exposures("Y", 200, 1000)
    assert np.std(scaler.transform(new, len(new))[:, place]) < 1.3


def test_without_a_common_band_the_scatter_is_that_within_all_bands():
    rng = np.random.default_rng(0)
    n_bands = 150
    table = pd.DataFrame(dict.fromkeys(NAMES, 0.0), index=range(2 * n_bands)).assign(expnum=range(2 * n_bands))
    table["filter"] = [f"band {i // 2}" for i in range(2 * n_bands)]
    table["log_sky_rate"] = rng.normal(size=2 * n_bands) * 0.4 + np.repeat(rng.normal(size=n_bands) * 10, 2)
    scaler = FeatureScaler.fit(table, np.full(len(table), "good"))
    assert scaler.scatters["band 3"][NAMES.index("log_sky_rate")] == pytest.approx(0.4, rel=0.2)
