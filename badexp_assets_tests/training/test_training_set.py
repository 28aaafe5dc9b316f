from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.classifier_options import TrainingParams
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.training.labelled_images import NO_SUCH_CCD, NOT_NEEDED, TO_BE_READ, labelled_ccds_to_read
from badexp_assets.training.split import split_groups
from badexp_assets.training.training_set import build_training_set
from badexp_assets.training.training_vectors import gather_vectors, with_other_ccds

TAXONOMY = load_taxonomy()
CCDS = range(1, 11)
BAD = {"clouds_transparency": 30, "psf": 10, "ghost_scatter": 8, "wonky": 2, "noise": 1, "fringing": 3}
N_GOOD = 40
LUO2025_SHARES = ("clouds_transparency=1/3", "ghost_scatter=1/2", "nobjects=3/4")
PARAMS = TrainingParams(good_exposures=20, ccds_per_exposure=5, thin_above=50, thin=LUO2025_SHARES)


def survey(seed=0):
    """Exposures 1, 2, ... : the bad ones by category, then good ones; ten CCDs each, on six nights."""
    n = sum(BAD.values()) + N_GOOD
    expnum = np.arange(1, n + 1)
    night = [f"2015-03-{10 + e % 6}" for e in expnum]
    exposures = pd.DataFrame({"expnum": expnum, "night": night, "status": "scored", "status_reason": None})
    ccds = pd.DataFrame([(e, c) for e in expnum for c in CCDS], columns=["expnum", "ccdnum"]).assign(
        status="read", status_reason=None
    )
    category = np.repeat(list(BAD), list(BAD.values()))
    labels = pd.DataFrame(
        [(e, c, k) for e, k in zip(expnum, category, strict=False) for c in CCDS],
        columns=["expnum", "ccdnum", "category"],
    ).assign(source="decals")
    return labels, exposures, ccds


def build(params=PARAMS, survey_ccds=None, listed=None, **changes):
    labels, exposures, ccds = survey()
    found = {"labels": labels, "exposures": exposures, "ccds": ccds} | changes
    return build_training_set(survey_ccds=survey_ccds, taxonomy=TAXONOMY, params=params, listed=listed, **found)


def ccd_table(exposures, cuts=0, ebv=np.nan):
    table = pd.DataFrame([(e, c) for e in exposures["expnum"] for c in CCDS], columns=["expnum", "ccdnum"])
    return table.assign(ccd_cuts=pd.array([cuts] * len(table), "Int64"), ebv=np.full(len(table), ebv, "f4"))


def test_the_table_has_the_promised_columns_and_every_ccd_once():
    made = build()
    stored = to_arrow(made.table, SCHEMAS["training_set"])
    assert stored.num_rows == len(made.table)
    assert not made.table.duplicated(["expnum", "ccdnum"]).any()
    assert set(made.table["category"]) == {"good", *(set(BAD) - {"fringing"})}


def test_an_exposure_is_on_one_side_and_in_one_fold():
    sides = build().table.groupby("expnum")[["split", "fold"]].nunique()
    assert (sides == 1).all(axis=None)


def test_split_and_folds_are_stratified_by_category():
    table = build().table.drop_duplicates("expnum")
    share = table.assign(test=table["split"] == "test").groupby("category")["test"].mean()
    for category in ("psf", "good", "clouds_transparency"):
        assert share[category] == pytest.approx(0.3, abs=0.06)
    folds = table[table["split"] == "train"].groupby(["category", "fold"]).size()
    for category in ("psf", "good"):
        assert folds[category].max() - folds[category].min() <= 1
    assert set(table.loc[table["split"] == "test", "fold"]) == {-1}


def test_a_category_of_two_exposures_is_on_both_sides_and_one_of_one_is_trained_on():
    table = build().table.drop_duplicates("expnum")
    assert sorted(table.loc[table["category"] == "wonky", "split"]) == ["test", "train"]
    assert table.loc[table["category"] == "noise", "split"].tolist() == ["train"]


def test_large_categories_are_thinned_by_exposure_and_weighted_by_the_inverse():
    table = build().table
    clouds = table[table["category"] == "clouds_transparency"]
    assert clouds["expnum"].nunique() == 10
    assert len(clouds) == 100
    assert clouds["weight"].tolist() == [3.0] * 100
    assert table.loc[table["category"] == "ghost_scatter", "weight"].tolist() == [2.0] * 40
    assert set(table.loc[table["category"].isin(["psf", "good", "wonky"]), "weight"]) == {1.0}


def test_a_small_category_is_not_thinned():
    table = build(TrainingParams(good_exposures=20)).table
    assert (table["category"] == "clouds_transparency").sum() == 300


def test_the_same_seed_gives_the_same_table_whatever_the_order_of_rows():
    labels, exposures, ccds = survey()
    shuffled = build(
        labels=labels.sample(frac=1, random_state=1),
        exposures=exposures.sample(frac=1, random_state=2),
        ccds=ccds.sample(frac=1, random_state=3),
    )
    pd.testing.assert_frame_equal(build().table, shuffled.table)
    other = build(TrainingParams(good_exposures=20, thin_above=50, seed=1)).table
    assert set(other["expnum"]) != set(build().table["expnum"])


def test_the_funnel_adds_up():
    made = build()
    steps = made.funnel.set_index("step")
    assert steps.loc["labelled CCD images", ["path", "ccds"]].tolist() == ["bad", 540]
    assert steps.loc["of a trained category", "ccds"] == 510
    assert steps.loc["sampled", ["path", "exposures", "ccds"]].tolist() == ["good", 20, 100]
    assert steps.loc["train", "ccds"] + steps.loc["test", "ccds"] == len(made.table)
    assert steps.loc["train", "exposures"] + steps.loc["test", "exposures"] == made.table["expnum"].nunique()


def test_only_ccds_that_were_read_are_used_and_the_others_are_listed_with_reasons():
    labels, exposures, ccds = survey()
    exposures.loc[exposures["expnum"] == 31, ["status", "status_reason"]] = ["failed", "no header"]
    exposures = exposures[exposures["expnum"] != 32]
    ccds = ccds[~ccds["expnum"].isin([31, 32])]
    ccds.loc[(ccds["expnum"] == 33) & (ccds["ccdnum"] == 4), ["status", "status_reason"]] = ["failed", "bad tile"]
    ccds = ccds[~((ccds["expnum"] == 33) & (ccds["ccdnum"] == 5))]
    made = build(labels=labels, exposures=exposures, ccds=ccds)
    missing = made.missing.set_index(["expnum", "ccdnum"])["reason"]
    assert len(missing) == 22
    assert missing[31, 1] == "the exposure was failed: no header"
    assert missing[32, 1] == "the exposure is not among the nights that were read"
    assert missing[33, 4] == "the CCD could not be read: bad tile"
    assert missing[33, 5] == TO_BE_READ
    used = made.table.merge(made.missing, on=["expnum", "ccdnum"])
    assert used.empty


def test_labelled_ccds_that_were_read_besides_the_sampled_ones_are_used_and_never_as_good_ones():
    labels, exposures, ccds = survey()
    sampled, others = ccds[ccds["ccdnum"] <= 6], ccds[ccds["ccdnum"] > 6]
    wanted = labelled_ccds_to_read(labels, exposures, sampled, TAXONOMY.categories, 0, 0)
    trained = labels[labels["category"] != "fringing"]
    assert set(zip(wanted["expnum"], wanted["ccdnum"], strict=True)) == {
        (e, c) for e, c in zip(trained["expnum"], trained["ccdnum"], strict=True) if c > 6
    }
    made = build(ccds=sampled, labelled_ccds=others)
    assert made.missing.empty
    good = made.table["category"] == "good"
    assert made.table.loc[good, "ccdnum"].max() <= 6
    assert made.table.loc[~good, "ccdnum"].max() == 10


def test_only_as_many_labelled_ccds_are_wanted_as_training_takes_of_an_exposure():
    labels, exposures, ccds = survey()
    labels = labels[(labels["expnum"] != 2) | (labels["ccdnum"] == 9)]  # one CCD of exposure 2, all of the others
    exposures.loc[exposures["expnum"] == 3, "status"] = "failed"
    sampled = ccds[(ccds["ccdnum"] <= 4) & (ccds["expnum"] != 3)]
    found = labelled_ccds_to_read(labels, exposures, sampled, TAXONOMY.categories, 6, 0)
    per_exposure = found.groupby("expnum").size()
    assert (per_exposure[1], per_exposure[2], 3 in per_exposure) == (2, 1, False)
    assert found["ccdnum"].min() > 4
    assert labelled_ccds_to_read(labels, exposures, sampled, TAXONOMY.categories, 4, 0)["expnum"].tolist() == [2]
    made = build(replace(PARAMS, max_ccds_per_bad_exposure=6), labels=labels, exposures=exposures, ccds=sampled)
    reasons = made.missing.set_index(["expnum", "ccdnum"])["reason"]
    assert (reasons[1] == TO_BE_READ).sum() == 2
    assert (reasons[1] == NOT_NEEDED).sum() == 4
    assert reasons[2, 9] == TO_BE_READ


def test_ccds_that_cannot_be_read_are_replaced_by_others_of_their_exposure():
    labels, exposures, ccds = survey()
    sampled = ccds[ccds["ccdnum"] <= 3]
    failed = (sampled["expnum"] == 1) & (sampled["ccdnum"] == 1)
    sampled = sampled.assign(status=sampled["status"].mask(failed, "failed"))

    def choose(labelled=None):
        found = labelled_ccds_to_read(labels, exposures, sampled, TAXONOMY.categories, 4, 0, labelled)
        return found.loc[found["expnum"] == 1, "ccdnum"].tolist()

    first = choose()
    assert len(first) == 2  # besides CCDs 2 and 3; CCD 1 was sampled and is not read again
    assert min(first) > 3
    stored = pd.DataFrame({"expnum": 1, "ccdnum": first, "status": ["absent", "read"]})
    second = choose(stored)
    assert set(first) < set(second)
    assert len(second) == 3


def test_a_label_of_a_ccd_that_the_file_lacks_is_listed_with_that_reason():
    ccds = survey()[2]
    absent = pd.DataFrame([(5, 10, "absent", "no")], columns=["expnum", "ccdnum", "status", "status_reason"])
    made = build(ccds=ccds[(ccds["expnum"] != 5) | (ccds["ccdnum"] != 10)], labelled_ccds=absent)
    assert made.missing[["expnum", "ccdnum", "reason"]].to_numpy().tolist() == [[5, 10, NO_SUCH_CCD]]


def test_an_exposure_on_any_line_of_a_list_is_no_good_candidate():
    first_good = sum(BAD.values()) + 1
    listed = list(range(first_good, first_good + 30))
    made = build(listed=[*listed, pd.NA])
    good = made.table.loc[made.table["category"] == "good", "expnum"]
    assert set(good) == set(range(first_good + 30, first_good + 40))


def test_exposures_that_reviewers_call_fine_come_first_and_are_distinguished_from_candidates():
    first_good = sum(BAD.values()) + 1
    fine = {first_good + 3, first_good + 17, 1}  # exposure 1 is in a list: it does not become good
    made = build(TrainingParams(good_exposures=5), reviewed_fine=fine)
    good = made.table[made.table["category"] == "good"]
    assert fine - {1} <= set(good["expnum"])
    assert good["expnum"].nunique() == 5
    by_source = good.groupby("source")["expnum"].unique().map(set).to_dict()
    assert by_source["review"] == fine - {1}
    assert not by_source["candidate"] & fine


def test_cut_bits_and_dust_remove_good_candidates_and_unknown_ones_stay():
    exposures = survey()[1]
    first = sum(BAD.values()) + 1
    table = ccd_table(exposures, ebv=0.01)
    table.loc[(table["expnum"] < first + 10) & (table["ccdnum"] == 3), "ccd_cuts"] = 512
    table.loc[table["expnum"].between(first + 10, first + 19), "ebv"] = 0.2
    table = table[table["expnum"] < first + 30]
    made = build(TrainingParams(good_exposures=100), survey_ccds=table)
    good = set(made.table.loc[made.table["category"] == "good", "expnum"])
    assert good == set(range(first + 20, first + 40))
    assert made.warnings == ()


def test_without_any_dust_value_there_is_a_warning_and_no_cut():
    made = build(survey_ccds=ccd_table(survey()[1]))
    assert any("E(B-V)" in w for w in made.warnings)
    assert not any("ccd_cuts" in w for w in made.warnings)
    assert len(build().warnings) == 2


def test_the_dust_step_counts_where_each_value_is_from(monkeypatch):
    exposures = survey()[1]
    first = sum(BAD.values()) + 1
    monkeypatch.setattr("badexp_assets.training.extinction.check_sfd_maps", lambda folder: None)
    monkeypatch.setattr(
        "badexp_assets.training.extinction.sfd_ebv", lambda folder, ra, dec: np.where(ra > 0, ra / 100, np.nan)
    )
    table = ccd_table(exposures[exposures["expnum"] < first + 20]).assign(ra=np.nan, dec=np.nan)
    table.loc[table["expnum"] < first + 10, "ebv"] = 0.01
    table.loc[table["expnum"] >= first + 10, "ra"] = 9.0
    exposures = exposures.assign(ra=np.where(exposures["expnum"] < first + 30, 1.0, np.nan), dec=0.0)
    made = build(TrainingParams(good_exposures=100, sfd_maps="maps"), survey_ccds=table, exposures=exposures)
    step = made.funnel.set_index("step").loc["E(B-V) < 0.04 mag"]
    assert step["exposures"] == 30
    origins = "annotated 10, SFD at survey position 10, SFD at header position 10; 10 without a known one stay"
    assert step["note"] == f"E(B-V) of exposures: {origins}"


def test_only_the_cut_bits_of_luo_et_al_count():
    exposures = survey()[1]
    first = sum(BAD.values()) + 1
    table = ccd_table(exposures, ebv=0.01)
    table.loc[table["expnum"] == first, "ccd_cuts"] = 1 << 18
    table.loc[table["expnum"] == first + 1, "ccd_cuts"] = 1 << 19
    made = build(TrainingParams(good_exposures=100), survey_ccds=table)
    good = set(made.table.loc[made.table["category"] == "good", "expnum"])
    assert good == set(range(first + 1, first + 40))


def test_images_of_failed_and_excluded_exposures_never_enter():
    labels, exposures, _ = survey()
    out = [1, 2, 45, 70]
    exposures.loc[exposures["expnum"].isin(out), "status"] = ["failed", "excluded", "excluded", "failed"]
    made = build(TrainingParams(good_exposures=100), exposures=exposures)
    assert not set(out) & set(made.table["expnum"])
    assert set(made.missing["expnum"]) == {1, 2, 45}
    assert len(made.table) + len(made.missing) == len(labels[labels["category"] != "fringing"]) + 39 * 5


def test_an_exposure_that_another_nights_folder_holds_too_is_used_whatever_the_order():
    exposures = survey()[1]
    twin = exposures[exposures["expnum"].isin([1, 60])].assign(night="2015-04-01", status="excluded")
    for both in ([exposures, twin], [twin, exposures]):
        made = build(exposures=pd.concat(both, ignore_index=True))
        pd.testing.assert_frame_equal(made.table, build().table)
        assert made.missing.empty


@pytest.mark.slow
def test_a_category_that_shares_all_its_exposures_with_a_common_one_is_on_both_sides():
    labels = survey()[0]
    clouds = labels.loc[labels["category"] == "clouds_transparency", "expnum"].unique()
    for seed in range(6):
        shared = labels.copy()
        rows = shared["expnum"].isin(clouds[2 * seed : 2 * seed + 2]) & (shared["ccdnum"] == 3)
        shared.loc[rows, "category"] = "bad_ccd"
        table = build(TrainingParams(good_exposures=20, seed=seed), labels=shared).table
        assert set(table.loc[table["category"] == "bad_ccd", "split"]) == {"train", "test"}


def test_balance_says_what_was_there_and_what_is_used():
    made = build(TrainingParams(good_exposures=20, thin_above=50, max_ccds_per_bad_exposure=4))
    balance = made.balance.set_index("category")
    assert balance.loc["clouds_transparency", ["available_exposures", "available_ccds"]].tolist() == [30, 300]
    assert balance.loc["good", ["available_exposures", "available_ccds"]].tolist() == [40, 400]
    used = made.table.groupby("category").size()
    assert (balance["train_ccds"] + balance["test_ccds"]).to_dict() == used.to_dict()
    assert balance.loc["clouds_transparency", ["capped_ccds", "thinned_ccds"]].tolist() == [120, 48]
    assert balance.loc["clouds_transparency", "weight"] == pytest.approx(2.5)
    assert balance.loc["wonky", ["capped_ccds", "thinned_ccds", "luo2025_ccds"]].tolist() == [8, 8, 667]
    assert balance.loc["good", ["capped_ccds", "luo2025_thinned_ccds"]].isna().all()


def test_the_papers_split_of_rows_puts_exposures_on_both_sides():
    table = build(TrainingParams(good_exposures=20, split_by="row")).table
    assert (table.groupby("expnum")["split"].nunique() > 1).mean() > 0.5
    share = (table["split"] == "test").groupby(table["category"]).mean()
    assert share.drop("noise").between(0.25, 0.35).all()


def test_held_out_nights_are_the_test_split():
    made = build(TrainingParams(good_exposures=20, hold_out_nights=["2015-03-11"]))
    assert set(made.table.loc[made.table["split"] == "test", "night"]) == {"2015-03-11"}
    assert "2015-03-11" not in set(made.table.loc[made.table["split"] == "train", "night"])


def test_a_cap_on_ccds_of_a_bad_exposure_holds():
    table = build(TrainingParams(good_exposures=20, max_ccds_per_bad_exposure=3)).table
    assert (table[table["category"] != "good"].groupby("expnum").size() == 3).all()


def test_no_label_or_no_good_exposure_is_an_error_that_says_what_to_do():
    labels, exposures, _ = survey()
    with pytest.raises(InputError, match="add label files"):
        build(labels=labels.iloc[:0])
    with pytest.raises(InputError, match="no good candidate is left; materialise nights"):
        build(listed=exposures["expnum"])
    with pytest.raises(InputError, match="holds out no image"):
        build(TrainingParams(hold_out_nights=("1999-01-01",)))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("good_exposures", 0),
        ("folds", 1),
        ("test_fraction", 1.0),
        ("max_ebv", 0),
        ("thin", ["clouds=2"]),
        ("thin", ["clouds"]),
        ("thin", ["psf=1/2", "psf = 0.5"]),
        ("thin", ["psf=1/0"]),
        ("max_imbalance", 0.9),
        ("max_imbalance", float("nan")),
        ("max_imbalance", "11.8"),
        ("max_ccds_per_bad_exposure", -1),
        ("hold_out_nights", "2015-03-11"),
        ("seed", -1),
        ("split_by", "rows"),
        ("sfd_maps", " "),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(option, value):
    with pytest.raises(InputError, match=option):
        TrainingParams(**{option: value})


def test_shares_are_given_as_list_or_mapping():
    assert TrainingParams().shares == {}
    assert PARAMS.shares == {"clouds_transparency": 1 / 3, "ghost_scatter": 0.5, "nobjects": 0.75}
    assert TrainingParams(thin={"psf": 0.25}).shares == {"psf": 0.25}


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100])
def test_any_number_of_exposures_can_be_split(n):
    sides = split_groups(pd.Series(["psf"] * n, index=range(n)), 0.3, 3, seed=0)
    assert sorted(sides["group"]) == list(range(n))
    assert (sides["split"] == "test").sum() == (0 if n == 1 else max(1, round(0.3 * n)))
    assert set(sides.loc[sides["split"] == "train", "fold"]) <= {0, 1, 2}


def test_siblings_share_night_split_and_fold_and_have_no_category():
    rows = pd.DataFrame(
        {"expnum": [7, 7], "ccdnum": [3, 1], "night": "2018-05-17", "category": "psf", "split": "train", "fold": 2}
    )
    ccds = pd.DataFrame(
        {"expnum": [7, 7, 7, 7, 8], "ccdnum": [1, 2, 3, 4, 1], "status": ["read"] * 3 + ["failed", "read"]}
    ).assign(drawn=[True, False, True, True, True])
    found = with_other_ccds(rows, ccds)
    assert found[["expnum", "ccdnum"]].to_numpy().tolist() == [[7, 1], [7, 2], [7, 3]]
    assert found["category"].isna().tolist() == [False, True, False]
    assert found["fold"].tolist() == [2, 2, 2]
    assert found["night"].nunique() == 1
    assert found["in_pass"].all()
    assert found["drawn"].tolist() == [True, False, True]
    without = with_other_ccds(rows, ccds[ccds["ccdnum"] != 3])  # CCD 3 was read for its label only
    assert without[["ccdnum", "in_pass", "drawn"]].to_numpy().tolist() == [
        [1, True, True], [2, True, False], [3, False, False]
    ]  # fmt: skip


def _night(keys: list[tuple[int, int]], value: float, dim: int = 3, backbone: str = "b") -> pd.DataFrame:
    table = pd.DataFrame(keys, columns=["expnum", "ccdnum"]).assign(backbone=backbone, recipe="r")
    return table.assign(embedding=[np.full(dim, value + n, np.float32) for n in range(len(keys))])


def test_vectors_are_in_the_order_of_the_rows_and_the_last_of_a_ccd_counts():
    rows = pd.DataFrame({"expnum": [8, 7, 9, 7, 7], "ccdnum": [1, 2, 1, 1, 2], "name": list("abcde")})
    nights = [("n1", _night([(7, 1), (7, 2), (6, 1)], 10)), ("n2", _night([(8, 1), (7, 2)], 20))]
    found = gather_vectors(rows, nights)
    assert found.rows["name"].tolist() == ["a", "b", "d", "e"]
    assert found.values[:, 0].tolist() == [20, 21, 10, 21]
    assert (found.values.dtype, found.missing["name"].tolist()) == (np.float32, ["c"])


def test_rows_without_a_vector_among_rows_that_ascend_are_left_out():
    rows = pd.DataFrame({"expnum": [7, 7, 8, 9], "ccdnum": [1, 2, 1, 1], "name": list("abcd")})
    found = gather_vectors(rows, [("n1", _night([(7, 1), (8, 1), (9, 1)], 10))])
    assert found.rows["name"].tolist() == ["a", "c", "d"]
    assert found.values[:, 0].tolist() == [10, 11, 12]
    assert found.missing["name"].tolist() == ["b"]


def test_nights_of_two_backbones_are_named_and_chosen_ccds_without_a_vector_too():
    rows = pd.DataFrame({"expnum": [7, 8], "ccdnum": [1, 1]})
    nights = [("n1", _night([(7, 1)], 1)), ("n2", _night([(8, 1)], 2, dim=5, backbone="c"))]
    with pytest.raises(InputError, match=r"b with r \(n1\); c with r \(n2\)"):
        gather_vectors(rows, nights)
    with pytest.raises(InputError, match="none of the 2 chosen CCDs"):
        gather_vectors(rows, [("n1", _night([(6, 1)], 1))])
