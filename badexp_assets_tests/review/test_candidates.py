import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.review_options import CandidateParams
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.label_files import find_label_files, read_decals, read_delve, read_des
from badexp_assets.labels.merge import merge_labels
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.review.candidates import rank_candidates
from badexp_assets.review.consensus import build_consensus
from badexp_assets.survey.cameras import load_camera

N = 60


def survey():
    """Sixty clean exposures in two bands with scores that scatter and flag none."""
    rng = np.random.default_rng(0)
    expnum = np.arange(1, N + 1)
    exposures = pd.DataFrame(
        {
            "expnum": expnum,
            "night": "2015-03-10",
            "filter": np.where(expnum % 2, "g", "r"),
            "plver": "V5",
            "path": "a",
            "status": "scored",
        }
    )
    predictions = pd.DataFrame(
        {
            "expnum": expnum,
            "category": "good",
            "p_bad": rng.uniform(0, 0.2, N),
            "n_scored": 16,
            "n_bad": 0,
            "is_bad": False,
            "model": "m1",
        }
    )
    entropy = pd.DataFrame(
        {
            "expnum": expnum,
            "n_sources": 500,
            "kl_source": 0.1,
            "z_source": rng.normal(0, 0.8, N).clip(-2, 2),
            "kl_background": 0.1,
            "z_background": rng.normal(0, 0.8, N).clip(-2, 2),
        }
    )
    errors = pd.DataFrame(
        {"expnum": expnum, "n_stamps": 50, "mean_mse": np.exp(rng.normal(0, 0.1, N).clip(-0.15, 0.15))}
    )
    labels = pd.DataFrame(
        {
            "expnum": pd.Series(dtype="int64"),
            "category": pd.Series(dtype="str"),
            "whole_exposure": pd.Series(dtype=bool),
        }
    )
    return {
        "exposures": exposures,
        "exposure_predictions": predictions,
        "entropy_scores": entropy,
        "reconstruction_errors": errors,
        "labels": labels,
    }


def put(tables, table, expnum, **values):
    for name, value in values.items():
        tables[table].loc[tables[table]["expnum"] == expnum, name] = value


def rank(tables, params=None):
    ranked = rank_candidates(**tables, params=params)
    assert to_arrow(ranked.table, SCHEMAS["review_candidates"]).num_rows == len(ranked.table)
    return ranked


def planted():
    tables = survey()
    put(tables, "exposure_predictions", 7, is_bad=True, n_bad=9, p_bad=0.97, category="clouds_transparency")
    put(tables, "entropy_scores", 7, z_source=14.2)
    put(tables, "entropy_scores", 8, z_background=6.0)
    put(tables, "reconstruction_errors", 9, mean_mse=8.0)
    return tables


def test_a_clean_survey_gives_no_candidate():
    assert rank(survey()).counts["candidates"] == 0


def test_every_method_flags_its_own_and_says_why_with_numbers():
    table = rank(planted()).table.set_index("expnum")
    assert set(table.index) == {7, 8, 9}
    assert (
        table.loc[7, "why"]
        == "classifier: 9 of 16 CCDs called bad (clouds_transparency, P(bad) of the exposure 0.97); "
        "entropy of sources z = 14.2"
    )
    assert table.loc[8, "why"] == "entropy of the background z = 6.0"
    assert table.loc[9, "why"].startswith("autoencoder error z = ")
    assert table["category"].to_dict() == {7: "clouds_transparency", 8: "unknown", 9: "unknown"}
    assert table.loc[7, "rank"] == 1
    assert sorted(table["rank"]) == [1, 2, 3]


def test_with_rank_by_kl_the_plain_divergence_flags_and_z_does_not():
    tables = planted()
    put(tables, "entropy_scores", 8, z_background=0.0, kl_background=0.7)
    put(tables, "entropy_scores", 7, kl_source=0.25)
    params = CandidateParams(entropy_top_fraction=0.02, entropy_min_kl=0.2)
    ranked = rank_candidates(**tables, params=params, rank_by="kl")
    table = ranked.table.set_index("expnum")
    assert table.loc[7, "why"].endswith("; entropy of sources KL = 0.250")
    assert table.loc[8, "why"] == "entropy of the background KL = 0.700"
    assert {name for name in ranked.counts if name.startswith("flagged_by_")} == {
        f"flagged_by_{name}" for name in ("classifier", "kl_source", "kl_background", "z_mse")
    }


def test_counts_add_up():
    counts = rank(planted()).counts
    assert counts["flagged"] == counts["known_left_out"] + counts["over_the_maximum"] + counts["candidates"] == 3
    assert counts["considered"] == N
    flagged = {k.removeprefix("flagged_by_"): v for k, v in counts.items() if k.startswith("flagged_by_")}
    assert flagged == {"classifier": 1, "z_source": 1, "z_background": 1, "z_mse": 1}


def test_only_the_top_fraction_of_a_band_is_flagged_by_a_score():
    tables = survey()
    tables["entropy_scores"]["z_source"] = 10.0 + np.arange(N) / 10
    found = rank(tables, CandidateParams(entropy_top_fraction=0.1)).table
    assert sorted(found["expnum"]) == list(range(55, 61))  # three of thirty in each band


def test_a_score_on_few_sources_does_not_count():
    tables = planted()
    put(tables, "entropy_scores", 7, n_sources=3)
    put(tables, "exposure_predictions", 7, is_bad=False, p_bad=0.1)
    put(tables, "reconstruction_errors", 9, n_stamps=3)
    assert rank(tables).table["expnum"].tolist() == [8]


def test_the_most_likely_of_a_band_are_candidates_though_the_vote_says_no():
    tables = survey()
    put(tables, "exposure_predictions", 3, p_bad=0.8, n_bad=5, category="psf")
    put(tables, "exposure_predictions", 5, p_bad=0.6)
    put(tables, "exposure_predictions", 8, p_bad=0.45, n_bad=3, category="noise")
    found = rank(tables).table.set_index("expnum")
    assert found["category"].to_dict() == {3: "psf", 5: "unknown"}
    assert found.at[3, "why"] == "classifier: 5 of 16 CCDs called bad (psf, P(bad) of the exposure 0.80)"
    assert found.at[5, "why"] == "classifier: 0 of 16 CCDs called bad (P(bad) of the exposure 0.60)"
    assert not found["is_bad"].any()
    assert rank(tables, CandidateParams(classifier_top_fraction=0.0)).table.empty


def test_exposures_that_a_list_calls_bad_are_left_out_and_counted_unless_asked_for():
    tables = planted()
    tables["labels"] = pd.DataFrame(
        {"expnum": [7, 8, 9], "category": ["psf", "streak", "fringing"], "whole_exposure": [False, False, True]}
    ).assign(source="decals", n_sources=1, plver="V4")
    ranked = rank(tables)
    assert ranked.table["expnum"].tolist() == [8]  # a streak on one CCD is no verdict on the exposure
    assert ranked.counts["known_left_out"] == 2
    assert len(rank(tables, CandidateParams(include_known=True)).table) == 3


def test_an_exposure_that_was_rejected_and_reduced_again_is_a_candidate_until_the_new_version_is_rejected(tmp_path):
    camera, taxonomy = load_camera(), load_taxonomy()
    (tmp_path / "decam-bad_expid.txt").write_text("12 psf\n")
    files = find_label_files(tmp_path)
    lists = [read(files, camera, taxonomy) for read in (read_decals, read_des, read_delve)]

    def candidates(*versions):
        """Both reviewers reject these (expnum, plver); all exposures are flagged."""
        said = [(e, name, "bad", "noise", plver) for e, plver in versions for name in ("ann", "bob")]
        verdicts = pd.DataFrame(said, columns=["expnum", "reviewer", "verdict", "category", "plver"], dtype=object)
        labels = merge_labels(*lists, build_consensus(verdicts), None, camera, taxonomy).table
        tables = survey() | {"labels": labels}
        for expnum in range(7, 14):
            put(tables, "exposure_predictions", expnum, is_bad=True)
        put(tables, "exposures", 11, plver=None)
        found = rank(tables)
        assert found.counts["known_left_out"] == 7 - len(found.table)
        return sorted(found.table["expnum"])

    assert candidates() == [7, 8, 9, 10, 11, 13]
    rejected = [(7, "V4"), (8, "V5"), (9, None), (11, "V4"), (12, "V4")]
    assert candidates(*rejected) == [7, 10, 13]
    assert candidates(*rejected, (7, "V5")) == [10, 13]


def test_a_maximum_keeps_the_best_and_counts_the_rest():
    ranked = rank(planted(), CandidateParams(max_candidates=1))
    assert ranked.table["rank"].tolist() == [1]
    assert ranked.counts["over_the_maximum"] == 2


def test_missing_scores_and_empty_tables_do_no_harm():
    tables = planted()
    for name in ("entropy_scores", "reconstruction_errors"):
        tables[name] = tables[name].iloc[:0]
    assert rank(tables).table["expnum"].tolist() == [7]
    tables["exposure_predictions"] = tables["exposure_predictions"].iloc[:0]
    assert rank(tables).counts["candidates"] == 0
    assert rank({k: v.iloc[:0] for k, v in tables.items()}).counts["considered"] == 0


def test_exposures_that_were_not_scored_are_no_candidates():
    tables = planted()
    put(tables, "exposures", 8, status="failed")
    assert 8 not in rank(tables).table["expnum"].tolist()


@pytest.mark.parametrize("option", [{"entropy_top_fraction": 2}, {"min_sources": -1}, {"entropy_min_z": float("nan")}])
def test_a_wrong_option_is_named(option):
    with pytest.raises(InputError, match=next(iter(option))):
        CandidateParams(**option)
