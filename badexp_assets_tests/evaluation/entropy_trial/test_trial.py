from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from badexp_assets.commands.cli import badexp
from badexp_assets.config.night_options import EntropyParams
from badexp_assets.errors import InputError
from badexp_assets.evaluation.entropy_trial.params import TrialParams
from badexp_assets.evaluation.entropy_trial.published import compare_with_published, comparison_lines, sample_rows
from badexp_assets.evaluation.entropy_trial.rates import anomaly_ranks, found_rates, rank_lines, rate_lines
from badexp_assets.evaluation.entropy_trial.surveys import measure_surveys
from badexp_assets.simulate.survey_plan import HARD_NEGATIVES

SMALL = TrialParams(
    good=6,
    hard_negatives=1,
    anomalies=1,
    bands=("g", "r"),
    n_ccds=1,
    ccd_rows=192,
    ccd_columns=160,
    entropy=EntropyParams(gradient_points=300),
)


def survey(n_good=200, n_bad=8, seed=0):
    """Truth and orientations of one CCD per exposure: trails have an angle, good exposures have none."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for expnum in range(n_good + n_bad):
        bad = expnum >= n_good
        p = np.ones(18) + (np.eye(18)[4] * 6 if bad else 0)
        n = 10 if expnum < 5 else 200
        counts = rng.multinomial(n, p / p.sum())
        flat = [1 / 18] * 18
        halves = rng.multinomial(2300, flat, size=2).ravel()
        rows.append((expnum, 1, "r", counts, rng.multinomial(10_000, flat), halves))
        truth.append((expnum, "r", "trail" if bad else "few_sources" if expnum < 5 else "good", bad, float(bad)))
    return (
        pd.DataFrame(truth, columns=["expnum", "filter", "kind", "is_bad", "severity"]),
        pd.DataFrame(
            rows, columns=["expnum", "ccdnum", "filter", "source_counts", "gradient_counts", "gradient_halves"]
        ),
    )


def test_planted_trails_are_found_by_the_score_of_sources_and_by_chance_only_by_that_of_the_background():
    rates = found_rates(*survey(), TrialParams(bands=("r",))).set_index(["score", "kind"])
    assert rates.loc[("z_source", "trail"), ["n", "n_found", "rate"]].tolist() == [8, 8, 1.0]
    assert rates.loc[("z_background", "trail"), "rate"] < 0.5
    assert rates.loc[("z_source", "trail"), "low"] == pytest.approx(0.676, abs=0.001)  # Wilson, 8 of 8


def test_an_exposure_without_a_score_is_never_found_and_the_top_is_as_large_as_stated():
    truth, orientations = survey(n_bad=4)
    rates = found_rates(truth, orientations, TrialParams(bands=("r",))).set_index(["score", "kind"])
    assert rates.loc[("z_source", "few_sources"), ["n", "n_scored", "n_found"]].tolist() == [5, 0, 0]
    assert rates.loc["z_source", "n_found"].sum() == round(0.05 * 204)


def test_each_anomaly_is_in_one_mixture_of_the_stated_share():
    truth, orientations = survey(n_good=100, n_bad=7)  # mixtures of at most 2
    rates = found_rates(truth, orientations, TrialParams(bands=("r",))).set_index(["score", "kind"])
    assert rates.loc[("z_source", "trail"), "n"] == 7
    assert rates.loc[("z_source", "trail"), "n_found"] == 7


@pytest.mark.slow
def test_simulated_surveys_have_every_kind():
    truth, orientations = measure_surveys(SMALL)
    assert truth["kind"].value_counts().to_dict() == {"good": 12} | dict.fromkeys(
        (*HARD_NEGATIVES, "few_sources", "trail", "jump", "astigmatic", "stripes", "herringbone", "ring", "fringes"), 2
    )
    assert truth["expnum"].is_unique
    assert (truth.loc[truth["is_bad"], "severity"] >= 0.4).all()
    assert len(orientations) == len(truth)
    lines = list(rate_lines(found_rates(truth, orientations, SMALL)))
    assert sum("fringes" in line for line in lines) == 1


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing():
    few = replace(SMALL, good=3, hard_negatives=0, bands=("r",))
    alone, together = (measure_surveys(few, workers)[1] for workers in (1, 2))
    for column in ("source_counts", "gradient_counts", "gradient_halves"):
        np.testing.assert_array_equal(np.stack(alone[column]), np.stack(together[column]))


def test_a_third_of_the_ccds_of_every_exposure_is_sampled():
    rows = pd.DataFrame({"expnum": np.repeat([7, 8, 9], [16, 16, 1]), "ccdnum": [*range(16), *range(16), 5]})
    some = sample_rows(rows, 1 / 3, 0)
    assert some.groupby("expnum").size().to_dict() == {7: 5, 8: 5, 9: 1}
    assert some.equals(sample_rows(rows, 1 / 3, 0))
    assert not some.equals(sample_rows(rows, 1 / 3, 1))


@pytest.mark.slow
def test_the_published_options_are_measured_on_the_same_exposures():
    few = replace(SMALL, good=3, hard_negatives=0, bands=("r",))
    table = compare_with_published(few)
    assert table.columns[0] == "setting"
    assert list(table["setting"].unique()) == ["here", "here, a third of the CCDs", "published"]
    sizes = table.groupby("setting")["n"].sum()
    assert sizes.nunique() == 1
    assert sum(line.startswith("---") for line in comparison_lines(table)) == 3


def test_options_out_of_range_are_refused_by_name():
    with pytest.raises(InputError, match=r"trial\.anomalies: 0"):
        TrialParams(anomalies=0)
    with pytest.raises(InputError, match=r"trial\.top_fraction"):
        TrialParams(top_fraction=1.0)


def test_the_command_takes_its_options():
    result = CliRunner().invoke(badexp, ["entropy-trial", "--good", "0"])
    assert isinstance(result.exception, InputError)


def test_each_anomaly_has_its_rank_among_the_exposures_of_its_band():
    truth, orientations = survey(n_bad=8)
    truth.loc[truth["kind"] == "trail", "kind"] = ["trail", "jump"] * 4
    ranks = anomaly_ranks(truth, orientations, TrialParams(bands=("r",)), 5)
    assert ranks["kind"].value_counts().to_dict() == {"trail": 3, "jump": 2}  # in turn
    assert (ranks["n_exposures"] == 205).all()
    assert ranks["z_source"].tolist() == [1, 2, 3, 4, 5]
    assert ranks["found"].all()
    assert ranks["z_background"].max() > 10  # a trail leaves the background alone
    first, _, *rows = rank_lines(ranks)
    assert first == "band r: 5 of 5 anomalies found among 205 exposures"
    assert [row.split()[0] for row in rows] == [str(expnum) for expnum in ranks["expnum"]]


def test_an_anomaly_without_a_score_is_missed():
    truth, orientations = survey(n_bad=2)
    orientations["gradient_counts"] = [np.zeros(18, int)] * len(orientations)
    bad = truth["is_bad"]
    orientations.loc[bad.to_numpy(), "source_counts"] = pd.Series(
        [np.zeros(18, int)] * 2, index=orientations.index[bad]
    )
    ranks = anomaly_ranks(truth, orientations, TrialParams(bands=("r",)), 2)
    assert not ranks["found"].any()
    assert "no score" in list(rank_lines(ranks))[-1]
    assert list(rank_lines(ranks))[-1].endswith("missed")


@pytest.mark.slow
def test_the_trial_of_another_camera_ranks_anomalies(tmp_path):
    words = [
        "--camera",
        "megacam",
        "--ccds",
        "3",
        "--bands",
        "i",
        "--good",
        "8",
        "--hard-negatives",
        "0",
        "--ranks",
        "3",
    ]
    result = CliRunner().invoke(badexp, ["entropy-trial", str(tmp_path / "ranks.csv"), *words, "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert "anomalies found among 11 exposures" in result.output
    assert len(pd.read_csv(tmp_path / "ranks.csv")) == 3
    both = CliRunner().invoke(badexp, ["entropy-trial", *words, "--published"])
    assert (both.exit_code, "only one of them is allowed" in str(both.exception)) == (1, True)
