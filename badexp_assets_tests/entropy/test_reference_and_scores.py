import math

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.divergence import kl_divergence, kl_null, shared_divergence, shared_divergences
from badexp_assets.entropy.reference import build_reference
from badexp_assets.entropy.scores import score_exposures
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS

PARAMS = EntropyParams(gradient_points=2000)
BINS = 18
SHAPE = 1 + 0.3 * np.cos(2 * (np.arange(BINS) + 0.5) * math.pi / BINS)  # a bias that every exposure has


def survey(n_exposures=60, n_ccds=4, per_ccd=40, seed=0, filters=("g", "r"), p=SHAPE, first=1):
    """Histograms of exposures without any anomaly."""
    rng, of_halves = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    share = p / p.sum()
    rows = []
    for expnum in range(first, first + n_exposures):
        for ccdnum in range(1, n_ccds + 1):
            source = rng.multinomial(per_ccd, share).astype(np.int32)
            gradient = rng.multinomial(2000, np.full(BINS, 1 / BINS)).astype(np.int32)
            halves = of_halves.multinomial(460, np.full(BINS, 1 / BINS), size=2).astype(np.int32).ravel()
            rows.append((expnum, ccdnum, filters[expnum % len(filters)], per_ccd, source, 2000, gradient, halves))
    return pd.DataFrame(rows, columns=SCHEMAS["night_orientations"].column_names)


def exposures_of(orientations):
    table = orientations[["expnum", "filter"]].drop_duplicates().assign(night="2018-01-01", status="scored")
    return table.reset_index(drop=True)


def test_the_reference_is_the_mean_of_the_normalised_histograms():
    orientations = survey()
    table = build_reference([orientations], PARAMS)
    assert list(zip(table["filter"], table["kind"], strict=True)) == [
        ("g", "source"),
        ("g", "background"),
        ("r", "source"),
        ("r", "background"),
    ]
    of_g = orientations[orientations["filter"] == "g"]
    by_exposure = np.stack([np.sum(list(rows["source_counts"]), axis=0) for _, rows in of_g.groupby("expnum")])
    np.testing.assert_allclose(table["p"][0], (by_exposure / 160).mean(axis=0))
    np.testing.assert_allclose(table["p"][1], (np.stack(list(of_g["gradient_counts"])) / 2000).mean(axis=0))
    for column in ("p", "p_trimmed"):
        np.testing.assert_allclose([p.sum() for p in table[column]], 1)
    assert list(table["n_exposures"]) == [30] * 4
    assert list(table["n_counts"]) == [30 * 160, 30 * 8000] * 2


def test_an_exposure_of_many_sources_weighs_no_more_than_one_of_few():
    orientations = survey(2, 1, 40, filters=("g",))
    orientations.at[0, "source_counts"] = np.eye(BINS, dtype=np.int32)[0] * 10_000
    orientations.at[1, "source_counts"] = np.ones(BINS, np.int32) * 5
    p = build_reference([orientations], PARAMS)["p"][0]
    assert p[0] == pytest.approx(0.5 + 0.5 / BINS)


def test_the_version_follows_the_content():
    first, again, other = (build_reference([survey(seed=seed)], PARAMS) for seed in (0, 0, 1))
    assert first["version"].nunique() == 1
    assert first["version"][0] == again["version"][0] != other["version"][0]


def test_the_reference_does_not_depend_on_the_order_or_index_of_its_rows():
    orientations = survey()
    shuffled = orientations.sample(frac=1, random_state=1)
    shuffled.index = np.zeros(len(shuffled), int)  # as nights concatenated without ignore_index
    assert build_reference([shuffled], PARAMS)["version"][0] == build_reference([orientations], PARAMS)["version"][0]


def test_the_trimmed_mean_is_not_pulled_by_anomalies():
    orientations = survey(filters=("g",))
    spoilt = orientations["expnum"] <= 4
    for row in np.flatnonzero(spoilt):
        orientations.at[row, "source_counts"] = np.eye(BINS, dtype=np.int32)[5] * 40
    table = build_reference([orientations], PARAMS)
    truth = SHAPE / SHAPE.sum()
    assert table["p"][0][5] > truth[5] * 1.7
    assert table["p_trimmed"][0][5] == pytest.approx(truth[5], rel=0.2)


def test_exposures_with_few_sources_are_left_out_and_counted():
    poor = survey(5, 2, 10, seed=3, filters=("g",), first=1000)
    poor["gradient_counts"] = [np.zeros(BINS, np.int32)] * len(poor)
    lonely = survey(1, 1, 5, filters=("Y",), first=2000)
    table = build_reference([pd.concat([survey(), poor, lonely])], PARAMS)
    assert list(table["filter"]) == ["Y", "g", "g", "r", "r"]
    counted = {(b, k): n for b, k, n in zip(table["filter"], table["kind"], table["n_left_out"], strict=True)}
    assert counted == {
        ("Y", "background"): 0,
        ("g", "source"): 5,
        ("g", "background"): 5,
        ("r", "source"): 0,
        ("r", "background"): 0,
    }
    assert table.attrs["left_out"]["Y", "source"] == 1


def test_a_bin_never_seen_makes_no_divergence_infinite():
    p = SHAPE.copy()
    p[4] = 0
    orientations = survey(6, p=p, filters=("g",))
    reference = build_reference([orientations], PARAMS)
    assert reference["p"][0][4] > 0
    odd = survey(1, filters=("g",), first=99)
    scores = score_exposures(odd, exposures_of(odd), reference, PARAMS)
    assert np.isfinite(scores["kl_source"][0])


def test_an_empty_survey_gives_an_empty_reference_and_reasons(tmp_path):
    empty = survey(0)
    reference = build_reference([empty], PARAMS)
    write_table(reference, tmp_path / "reference.parquet", SCHEMAS["entropy_reference"])
    night = survey(2)
    scores = score_exposures(night, exposures_of(night), read_table(tmp_path / "reference.parquet"), PARAMS)
    assert list(scores["reason"]) == [
        f"no reference for sources in band {b}; no reference for background in band {b}" for b in ("r", "g")
    ]
    assert scores["reference"].isna().all()
    assert len(score_exposures(empty, exposures_of(empty), reference, PARAMS)) == 0


def test_scores_are_divergences_of_the_counts_summed_over_ccds():
    orientations = survey()
    reference = build_reference([orientations], PARAMS)
    scores = score_exposures(orientations, exposures_of(orientations), reference, PARAMS)
    one = orientations[orientations["expnum"] == 7]
    p_source, p_background = reference["p"][2], reference["p"][3]
    row = scores[scores["expnum"] == 7].iloc[0]
    kl = kl_divergence(np.sum(list(one["source_counts"]), axis=0), p_source)
    assert row["kl_source"] == pytest.approx(kl)
    mean, sd = kl_null(p_source, 160, reference["excess_median"][2])
    assert row["z_source"] == pytest.approx((kl - mean) / np.hypot(sd, reference["excess_sd"][2]))
    background = np.mean([kl_divergence(c, p_background) for c in one["gradient_counts"]])
    assert row["kl_background"] == pytest.approx(background)
    shared = shared_divergence([np.reshape(h, (2, BINS)) for h in one["gradient_halves"]], p_background, 1)
    assert row["shared_background"] == pytest.approx(shared)
    of_background = reference.loc[3]
    sd = np.hypot(of_background["shared_between_sd"], of_background["shared_ccd_sd"] / np.sqrt(4))
    assert row["z_background"] == pytest.approx((shared - of_background["shared_median"]) / sd)
    assert row["reference"] == reference["version"][0]
    assert scores["reason"].isna().all()


def test_z_scores_of_a_survey_without_anomalies_are_about_0_with_deviation_1():
    orientations = survey(300, filters=("g",))
    scores = score_exposures(orientations, exposures_of(orientations), build_reference([orientations], PARAMS), PARAMS)
    for column in ("z_source", "z_background"):
        assert abs(scores[column].median()) < 0.3
        assert scores[column].std() == pytest.approx(1, abs=0.2)


def elongated(numbers, first=1, seed=0, trail=0.0):
    """Exposures of these numbers of sources, one CCD each, with a weak preferred direction each, or with a trail.

    Excess divergences are those of good exposures in the simulator of the project: the median is 0.012.
    """
    rng = np.random.default_rng([seed, first])
    table = survey(len(numbers), 1, filters=("g",), first=first, seed=seed)
    doubled = 2 * (np.arange(BINS) + 0.5) * math.pi / BINS
    sources = []
    for n in numbers:
        amplitude = trail or min(rng.rayleigh(math.sqrt(4 * 0.012) / 1.177), 0.9)
        p = 1 + amplitude * np.cos(doubled - rng.uniform(0, 2 * math.pi))
        sources.append(rng.multinomial(n, p / p.sum()).astype(np.int32))
    return table.assign(source_counts=sources)


def numbers_of_sources(median, n_exposures=600):
    return np.exp(np.random.default_rng(5).normal(math.log(median), 0.6, n_exposures)).astype(int)


def robust_scatter(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def test_the_excess_of_the_reference_is_the_planted_one_at_any_number_of_sources():
    for median in (540, 20_000):
        row = build_reference([elongated(numbers_of_sources(median))], PARAMS).iloc[0]
        assert row["excess_median"] == pytest.approx(0.012, rel=0.15)
        # of an exponential distribution with this median, 1.4826 times the median absolute deviation
        assert row["excess_sd"] == pytest.approx(0.0123, rel=0.15)
    without = build_reference([survey(300, filters=("g",))], PARAMS).iloc[0]
    assert abs(without["excess_median"]) < 0.01
    assert without["excess_sd"] < 0.3 * kl_null(without["p"], 160)[1]
    assert build_reference([survey(filters=("g",))], PARAMS)["excess_sd"].isna().tolist() == [False, True]


@pytest.mark.parametrize("median", [540, 20_000])
def test_z_of_good_exposures_is_calibrated_from_few_to_many_sources(median):
    reference = build_reference([elongated(numbers_of_sources(median))], PARAMS)
    for k, n in enumerate((100, 540, 20_000)):
        night = elongated([n] * 500, first=10_000 * (k + 1))
        z = score_exposures(night, exposures_of(night), reference, PARAMS)["z_source"]
        assert abs(z.median()) < 0.2
        assert robust_scatter(z) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("median", [540, 20_000])
def test_trails_are_at_the_top_whether_their_exposures_have_many_or_few_sources(median):
    good, numbers = elongated(numbers_of_sources(median)), numbers_of_sources(median, 20)
    trails = [
        elongated(numbers, first=1000, trail=0.9),
        elongated(np.maximum(numbers // 5, 100), first=2000, trail=0.9),
    ]
    night = pd.concat([good, *trails])
    scores = score_exposures(night, exposures_of(night), build_reference([night], PARAMS), PARAMS)
    top = scores.nlargest(64, "z_source")["expnum"]  # a tenth of the exposures
    assert (top >= 2000).sum() >= 18
    assert top.between(1000, 1999).sum() >= 18
    rich = scores["n_sources"] >= scores["n_sources"].quantile(0.9)
    assert (rich & scores["expnum"].isin(top) & (scores["expnum"] < 1000)).sum() <= 5


def with_structure(n_ccds, n_exposures=300, first=1, between=0.0, stripes=0.0):
    """Exposures whose CCDs have a weak structure each, and share one with an excess of `between` on average.

    stripes: amplitude that all exposures have in addition.
    """
    rng = np.random.default_rng(first)
    table = survey(n_exposures, n_ccds, filters=("g",), first=first, seed=first)
    doubled = 2 * (np.arange(BINS) + 0.5) * math.pi / BINS
    shared = stripes + rng.rayleigh(math.sqrt(2 * between), n_exposures).repeat(n_ccds)
    halves = []
    for amplitude in shared:
        p = 1 + 0.05 * np.cos(doubled - rng.uniform(0, 2 * math.pi)) + amplitude * np.cos(doubled)
        halves.append(rng.multinomial(460, p / p.sum(), size=2).astype(np.int32).ravel())
    return table.assign(gradient_halves=halves)


def test_the_scatters_of_the_background_are_those_within_and_between_exposures():
    alike = build_reference([with_structure(20)], PARAMS).iloc[1]
    values = shared_divergences(
        np.stack(list(with_structure(20)["gradient_halves"])).reshape(-1, 2, BINS), alike["p"], 1
    )
    assert alike["shared_ccd_sd"] == pytest.approx(values.std(), rel=0.05)
    assert alike["shared_between_sd"] < 0.5 * alike["shared_ccd_sd"] / math.sqrt(20)
    other = build_reference([with_structure(n, 150, first=1000 * n, between=0.004) for n in (5, 20)], PARAMS).iloc[1]
    # exponential with the mean 0.004: 1.4826 times its median absolute deviation
    assert other["shared_between_sd"] == pytest.approx(1.4826 * 0.4812 * 0.004, rel=0.3)


@pytest.mark.parametrize("between", [0.0, 0.004])
def test_z_of_the_background_is_calibrated_for_few_and_many_ccds(between):
    reference = build_reference([with_structure(20, between=between)], PARAMS)
    for n in (1, 2, 5, 20):
        night = with_structure(n, 400, first=1000 * (n + 1), between=between)
        z = score_exposures(night, exposures_of(night), reference, PARAMS)["z_background"]
        assert robust_scatter(z) == pytest.approx(1, abs=0.2)
        assert abs(z.median()) < 0.3


def test_stripes_are_at_the_top_among_exposures_of_few_and_many_ccds():
    good = [with_structure(n, 100, first=1000 * n) for n in (2, 20)]
    stripes = with_structure(20, 10, first=50_000, stripes=0.17)
    night = pd.concat([*good, stripes])
    scores = score_exposures(night, exposures_of(night), build_reference(good, PARAMS), PARAMS)
    assert scores.nlargest(10, "z_background")["expnum"].min() >= 50_000
    assert scores.nlargest(10, "shared_background")["expnum"].min() < 50_000  # few CCDs scatter more


def test_a_reference_of_an_earlier_version_gives_the_scores_of_that_version():
    night = elongated([540] * 60)
    later = ["excess_median", "excess_sd", "shared_between_sd", "shared_ccd_sd"]
    reference = build_reference([night], PARAMS).drop(columns=later)
    scores = score_exposures(night, exposures_of(night), reference, PARAMS)
    mean, sd = kl_null(reference["p"][0], 540)
    np.testing.assert_allclose(scores["z_source"], (scores["kl_source"] - mean) / sd)
    deviations = scores["shared_background"] - reference["shared_median"][1]
    np.testing.assert_allclose(scores["z_background"], deviations / reference["shared_sd"][1])


def test_few_sources_do_not_rise_to_the_top_and_a_real_trail_does():
    orientations = survey(100, filters=("g",))
    few = survey(50, 1, 35, seed=8, filters=("g",), first=1000)
    trail = survey(1, p=SHAPE + 2 * np.eye(BINS)[12], filters=("g",), first=2000)
    reference = build_reference([orientations], PARAMS)
    night = pd.concat([few, trail])
    scores = score_exposures(night, exposures_of(night), reference, PARAMS).set_index("expnum")
    assert scores["kl_source"].drop(2000).max() > scores["kl_source"][2000]  # what a plain divergence would do
    assert scores["z_source"].idxmax() == 2000
    assert scores["z_source"][2000] > 6
    assert scores["z_source"].drop(2000).max() < 5


def test_the_preferred_angle_is_that_of_the_trails():
    reference = build_reference([survey(100, filters=("g",))], PARAMS)
    night = survey(1, p=SHAPE + 10 * np.eye(BINS)[12], filters=("g",))
    angle = score_exposures(night, exposures_of(night), reference, PARAMS)["source_angle"][0]
    assert angle == pytest.approx(math.radians(125), abs=math.radians(5))


def test_every_exposure_has_a_row_and_every_missing_score_a_reason(tmp_path):
    reference = build_reference([survey(filters=("g",))], PARAMS)
    night = pd.concat([survey(1, 2, 6, filters=("g",), first=500), survey(1, filters=("z",), first=501)])
    night["gradient_counts"] = [np.full(BINS, 1 if f == "g" else 100, np.int32) for f in night["filter"]]
    listed = pd.concat(
        [
            exposures_of(night),
            pd.DataFrame([{"expnum": 502, "filter": "g", "night": "2018-01-01", "status": "failed"}]),
        ]
    )
    scores = score_exposures(night, listed, reference, PARAMS)
    assert list(scores["expnum"]) == [500, 501, 502]
    assert list(scores["n_sources"]) == [12, 160, 0]
    assert scores["reason"][0] == "too few sources (12 < 30); too few gradient points (18 < 200) in every CCD"
    assert scores["reason"][1] == "no reference for sources in band z; no reference for background in band z"
    assert scores["reason"][2] == "no CCD was measured"
    assert scores[["kl_source", "z_source", "kl_background", "z_background", "source_angle"]].isna().all(axis=None)
    write_table(scores, tmp_path / "scores.parquet", SCHEMAS["night_entropy_scores"])
    stored = read_table(tmp_path / "scores.parquet")
    assert stored["reference"].isna().tolist() == [False, True, False]


def test_a_ccd_with_few_points_does_not_count_in_the_background():
    orientations = survey(filters=("g",))
    reference = build_reference([orientations], PARAMS)
    night = survey(1, 3, filters=("g",), first=900)
    night.at[1, "gradient_counts"] = np.eye(BINS, dtype=np.int32)[0] * 150
    scores = score_exposures(night, exposures_of(night), reference, PARAMS)
    assert (scores["n_ccds"][0], scores["n_ccds_background"][0]) == (3, 2)
    assert scores["kl_background"][0] < 0.02


@pytest.mark.parametrize("n", [1, 2])
def test_exposures_nearly_alone_in_their_band_have_no_z_and_say_why(n):
    trail = survey(n, p=SHAPE + 20 * np.eye(BINS)[12], filters=("Y",))
    orientations = pd.concat([trail, survey(3, filters=("g",), first=100)])
    reference = build_reference([orientations], PARAMS)
    scores = score_exposures(orientations, exposures_of(orientations), reference, PARAMS)
    of_y, of_g = scores[:n], scores[n:]
    assert set(of_y["reason"]) == {
        f"too few exposures in the reference of sources ({n} < 3); "
        f"no scatter of shared_background in the reference ({n} exposures)"
    }
    assert of_y[["z_source", "z_background"]].isna().all(axis=None)
    assert of_y[["kl_source", "kl_background"]].notna().all(axis=None)  # as published
    assert of_g["reason"].isna().all()
    assert of_g["z_source"].notna().all()


def test_the_reference_survives_parquet_and_scores_alike(tmp_path):
    orientations = survey()
    reference = build_reference([orientations], PARAMS)
    write_table(reference, tmp_path / "reference.parquet", SCHEMAS["entropy_reference"])
    write_table(orientations, tmp_path / "night.parquet", SCHEMAS["night_orientations"])
    listed = exposures_of(orientations)
    for params in (PARAMS, EntropyParams(gradient_points=2000, reference="trimmed")):
        direct = score_exposures(orientations, listed, reference, params)
        stored = score_exposures(
            read_table(tmp_path / "night.parquet"), listed, read_table(tmp_path / "reference.parquet"), params
        )
        pd.testing.assert_frame_equal(direct, stored)


def test_other_numbers_of_bins_are_refused_by_name():
    orientations = survey(4)
    with pytest.raises(InputError, match=r"source_counts has 18 bins and entropy\.bins asks for 36"):
        build_reference([orientations], EntropyParams(bins=36))
    with pytest.raises(InputError, match=r"entropy_reference: g source has 18 bins and entropy\.bins is 36"):
        score_exposures(
            survey(0), exposures_of(survey(0)), build_reference([orientations], PARAMS), EntropyParams(bins=36)
        )


def test_an_exposure_with_two_filters_is_refused():
    orientations = survey(2)
    orientations.loc[1, "filter"] = "z"
    with pytest.raises(InputError, match="exposure 1 has filters r, z"):
        build_reference([orientations], PARAMS)
