"""Tokens of CCDs in the classifier: used where they help in the folds, and verdicts of CCDs that were not read."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from badexp_assets.classify.focal_plane_predictions import by_image, predict_unread, with_tokens
from badexp_assets.classify.focal_plane_tokens import FocalPlanes
from badexp_assets.classify.pooled_decision import decide_pooled
from badexp_assets.classify.predictions import predict_night
from badexp_assets.classify.skops_folder import write_content
from badexp_assets.classify.two_step import TwoStepClassifier
from badexp_assets.classify.two_step_fit import fit_two_step
from badexp_assets.config.classifier_options import DecisionParams, VoteRule
from badexp_assets.errors import InputError, ModelError
from badexp_assets.evaluation.classification.baseline_comparison import view_table
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets_tests.classify.planted_models import CAMERA, QUICK, said
from badexp_assets_tests.planted_classifiers import part_of, planted_survey

DEPTHS = 16
NUMBERS = [ccd.ccdnum for ccd in CAMERA.ccds]
FLAWED = (40, 41, 46, 47)
"""neighbours that the night pass did not read: it reads CCDs 1 to 6"""


def token_table(survey, helps, seed=5, flawed=(), lost=()):
    """`night_focal_planes` of all CCDs: a number of each rendering tells noise, another psf, by `helps` sigma.

    Exposures in `flawed` have the flaw only in FLAWED; CCDs in `lost` have no row.
    """
    rng = np.random.default_rng(seed)
    kinds, rows = survey.categories, []
    for expnum, kind in kinds.items():
        for ccdnum in NUMBERS:
            token = rng.normal(size=DEPTHS)
            if expnum in flawed:
                token[[0, 8]] += helps * (ccdnum in FLAWED)
            elif kind != "good":
                token[[0, 8] if kind == "noise" else [1, 9]] += helps
            if ccdnum not in lost:
                rows.append((expnum, ccdnum, "net-1", "plane-1", token.astype(np.float16)))
    return pd.DataFrame(rows, columns=["expnum", "ccdnum", "backbone", "recipe", "token"])


@pytest.fixture(scope="module")
def survey():
    """CCDs whose images hardly tell the bad from the good, and whose tokens do."""
    found = planted_survey(n_nights=12, distance=0.7)
    return replace(found, planes=FocalPlanes.of_table(token_table(found, 6.0), CAMERA))


@pytest.fixture(scope="module")
def test_part(survey):
    return part_of(survey, "test")


def fit(survey, planes):
    part = part_of(survey, "train")
    return fit_two_step(part.vectors, part.rows, part.features, QUICK, "net-1", "scaled-1", planes=planes)


@pytest.fixture(scope="module")
def model(survey):
    return fit(survey, survey.planes)


@pytest.fixture(scope="module")
def plain(survey):
    return fit(survey, None)


def night_of(part):
    """`night_embeddings`, `night_ccds` and features of a part."""
    keys = part.rows[["expnum", "ccdnum"]]
    embeddings = keys.assign(backbone="net-1", recipe="scaled-1", embedding=list(part.vectors))
    return embeddings, keys.assign(drawn=True), part.features


def test_tokens_find_what_the_images_do_not_show_and_the_table_says_what_each_adds(model, plain, test_part):
    assert model.card["focal_plane"]["used_for_ccds"]
    assert model.card["focal_plane"]["used_for_exposures"]
    table = view_table(said(model, test_part), said(plain, test_part), 50)
    table = table.set_index(["of", "category", "view"]).sort_index()
    assert set(table.index.get_level_values("category")) == {"all", "noise", "psf"}
    for kind in ("all", "noise", "psf"):
        ccds, exposures = table.loc[("CCDs", kind)], table.loc[("exposures", kind)]
        assert ccds.loc["image of the CCD", "average_precision"] < 0.9
        assert ccds.loc["image and token, as used", "average_precision"] > 0.97
        assert ccds.loc["image and token, as used", "difference_low"] > 0
        assert exposures.loc["all CCDs of the focal plane, pooled", "average_precision"] > 0.95
    assert "mosaic alone" not in table.index.get_level_values("view")


@pytest.mark.slow
def test_tokens_that_say_nothing_are_not_used_and_nothing_else_changes():
    told = planted_survey(n_nights=12, distance=3.0)
    planes = FocalPlanes.of_table(token_table(told, 0.0), CAMERA)
    model, plain = fit(told, planes), fit(told, None)
    card = model.card["focal_plane"]
    assert not card["used_for_ccds"]
    assert not card["used_for_exposures"]
    assert "log-loss" in card["why"]
    json.dumps(model.card)
    part = part_of(told, "test")
    with_them, without = (said(m, replace(part, planes=planes)) for m in (model, plain))
    for name in ("score", "is_bad"):
        pd.testing.assert_series_equal(with_them.exposures[name], without.exposures[name])
    unread = with_them.everything[with_them.everything["seen"] == "focal plane"]
    assert len(unread) == part.n_exposures * (len(NUMBERS) - 6)
    assert unread["p_bad"].max() < 0.9  # chance, at a training rate of two thirds


def test_a_flaw_of_four_neighbours_that_were_not_read_is_found_by_their_tokens_alone(model, survey):
    part = part_of(survey, "test")
    good = part.only((part.rows["category"] != "noise").to_numpy() & (part.rows["category"] != "psf").to_numpy())
    good = good.only(good.rows["expnum"].isin(part.categories.index[part.categories == "good"]).to_numpy())
    some = good.rows["expnum"].unique()[:5]
    planes = FocalPlanes.of_table(token_table(part, 8.0, seed=9, flawed=some), CAMERA)
    embeddings, ccds, features = night_of(good)
    found = predict_night(model, embeddings, ccds, features, planes)
    flawed = found[found["expnum"].isin(some) & found["ccdnum"].isin(FLAWED)]
    assert set(flawed["seen"]) == {"focal plane"}
    assert flawed["image_p_bad"].isna().all()
    usual = found.loc[~found["ccdnum"].isin(FLAWED) & ~found["expnum"].isin(some), "focal_plane_difference"]
    assert 0.8 < usual.quantile(0.95) < 1.3
    assert (flawed["focal_plane_difference"] > usual.quantile(0.99)).mean() > 0.9
    assert (flawed["p_bad"] > 0.5).mean() > 0.8
    assert (flawed["category"] == "noise").mean() > 0.8
    others = found[~found["expnum"].isin(some)]
    assert (others["p_bad"] > 0.5).mean() < 0.1
    decided = decide_pooled(found, good.exposures, model, CAMERA, DecisionParams(), VoteRule()).set_index("expnum")
    named = decided.loc[some, "bad_ccds"].str.split(",").map(lambda numbers: len(set(map(int, numbers)) & set(FLAWED)))
    assert (named >= 3).all()
    assert (decided["n_scored"] == len(NUMBERS)).all()
    assert (decided["n_bad"] <= decided["n_scored"]).all()
    assert decided["rule"].str.contains("all CCDs of the focal plane").all()
    before = predict_night(model, embeddings, ccds, features, None)
    assert not before["ccdnum"].isin(FLAWED).any()


def test_rows_are_complete_and_of_the_tables_schema_and_shares_add_up(model, test_part):
    embeddings, ccds, features = night_of(test_part)
    planes = FocalPlanes.of_table(token_table(test_part, 6.0, lost=(3, 50)), CAMERA)
    found = predict_night(model, embeddings, ccds, features, planes)
    assert len(found) == test_part.n_exposures * (len(NUMBERS) - 1)  # CCD 3 was read, CCD 50 was not
    assert not found.duplicated(["expnum", "ccdnum"]).any()
    third = found[found["ccdnum"] == 3]
    assert third["focal_plane_p_bad"].isna().all()
    assert third["p_bad"].equals(third["image_p_bad"])
    np.testing.assert_allclose(found[[f"p_{c}" for c in model.categories]].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found["p_bad"], 1 - found["p_good"], atol=1e-6)
    read = by_image(found)
    assert set(zip(read["expnum"], read["ccdnum"], strict=True)) == set(map(tuple, ccds[["expnum", "ccdnum"]].values))
    assert not found.loc[found["seen"] == "focal plane", ["drawn", "abstain"]].any().any()
    assert to_arrow(found, SCHEMAS["night_predictions"]).num_rows == len(found)


def test_exposures_without_tokens_are_scored_by_their_images_as_before(model, test_part):
    embeddings, ccds, features = night_of(test_part)
    alone = predict_night(model, embeddings, ccds, features, None)
    assert alone["p_bad"].equals(alone["image_p_bad"])
    expected = model.predict(test_part.vectors, test_part.features)["p_bad"]
    np.testing.assert_allclose(alone["p_bad"], expected, atol=1e-7)
    decided = decide_pooled(alone, test_part.exposures, model, CAMERA, DecisionParams(), VoteRule())
    assert decided["rule"].str.contains("all CCDs that were read").all()


def test_tokens_of_another_kind_are_refused_with_what_to_do(model, survey, test_part):
    found, keys = model.predict(test_part.vectors, test_part.features), test_part.rows[["expnum", "ccdnum"]]
    for wrong, words in (
        ({"backbone": "net-2"}, "backbone net-1; net-2 found"),
        ({"recipe": "plane-2"}, "recipe plane-1; plane-2 found"),
    ):
        other = replace(survey.planes, **wrong)
        with pytest.raises(ModelError, match=f"{words}.*badexp run"):
            with_tokens(model, found, keys, other)
        with pytest.raises(ModelError, match=f"{words}.*badexp run"):
            predict_unread(model, keys, other)


@pytest.mark.slow
def test_a_model_is_stored_with_its_view_and_one_of_before_loads_and_scores(model, plain, test_part, tmp_path):
    model.save(tmp_path / "with")
    loaded = TwoStepClassifier.load(tmp_path / "with")
    pd.testing.assert_frame_equal(said(loaded, test_part).everything, said(model, test_part).everything)
    plain.save(tmp_path / "without")
    old = TwoStepClassifier.load(tmp_path / "without")
    assert old.focal_plane is None
    assert set(said(old, test_part).everything["seen"]) == {"image"}


def test_ccds_of_training_exposures_are_compared_with_other_exposures(model, survey):
    train = part_of(survey, "train")
    good = train.rows.groupby("expnum")["category"].agg(lambda found: set(found.dropna()) == {"good"})
    planes = survey.planes.of_exposures(good.index[good].to_numpy())
    bands = pd.Series("r", train.rows["expnum"].unique())
    assert np.mean(model.focal_plane.differences(planes, bands) > 1) == pytest.approx(0.05, abs=0.01)


def test_a_model_with_one_reference_for_all_exposures_loads_and_compares_as_before(model, survey, tmp_path):
    content = model._content()
    difference = content["focal_plane"]["difference"]
    before = difference["references"][0] | {"typical": difference["typical"]}
    content["focal_plane"] |= {"difference": before}
    write_content(content, model.card | {"categories": list(model.categories)}, tmp_path)
    loaded = TwoStepClassifier.load(tmp_path)
    bands = pd.Series("r", survey.rows["expnum"].unique())
    reference, planes = model.focal_plane.difference.references[0], survey.planes
    distances = [reference.distances(v, np.full(len(v), "r")) for _, v in planes.chunks()]
    np.testing.assert_allclose(
        loaded.focal_plane.differences(planes, bands), np.concatenate(distances) / difference["typical"]["r"], rtol=1e-5
    )


def test_without_enough_tokens_the_view_is_none_and_the_card_says_why(survey, plain):
    few = survey.planes.of_exposures(survey.rows["expnum"].unique()[:1])
    model = fit(survey, few)
    assert model.focal_plane is None
    assert "too few" in model.card["focal_plane"]["why"]
    assert "no tokens" in plain.card["focal_plane"]["why"]
    assert model.pool == plain.pool


@pytest.mark.slow
def test_the_version_tells_tokens_apart_and_the_fit_is_repeatable(model, plain, survey):
    again = fit(survey, survey.planes)
    assert again.version == model.version != plain.version
    assert again.card["focal_plane"] == model.card["focal_plane"]
    other = FocalPlanes.of_table(token_table(survey, 6.0, seed=6), CAMERA)
    assert fit(survey, other).version != model.version


def test_tables_of_tokens_with_holes_of_every_kind_keep_what_is_there():
    expnums = planted_survey(n_nights=1, per_night=3)
    table = token_table(expnums, 1.0)
    table.at[0, "token"] = np.full(DEPTHS, np.nan, np.float16)  # planted
    table.at[1, "token"] = None
    unknown = table.iloc[[5]].assign(ccdnum=99)
    found = FocalPlanes.of_table(pd.concat([table, unknown], ignore_index=True), CAMERA)
    assert len(found.keys) == len(table) - 2
    assert found.vectors.shape == (len(table) - 2, 3 * DEPTHS)
    assert np.isfinite(found.vectors).all()
    assert found.places(pd.DataFrame({"expnum": [100, 100], "ccdnum": [NUMBERS[0], NUMBERS[2]]})).tolist() == [-1, 0]
    one = FocalPlanes.of_table(table.iloc[[3]], CAMERA)
    assert one.vectors[0, :DEPTHS].tolist() == one.vectors[0, -DEPTHS:].tolist()  # its own surroundings and plane
    assert FocalPlanes.of_table(table.head(0), CAMERA) is None
    assert FocalPlanes.of_table(table.iloc[[1]], CAMERA) is None
    mixed = table.assign(backbone=["net-1"] * (len(table) - 1) + ["net-2"])
    with pytest.raises(InputError, match="net-1 with plane-1; net-2 with plane-1"):
        FocalPlanes.of_table(mixed, CAMERA)


@pytest.mark.slow
def test_a_survey_of_one_kind_of_bad_and_one_of_dead_ccds_is_fitted(survey):
    one = survey.only((survey.rows["category"] != "psf").to_numpy())
    model = fit(one, survey.planes)
    assert model.focal_plane.kinds is None
    assert model.focal_plane.only_kind == "noise"
    dead = FocalPlanes.of_table(token_table(survey, 6.0, lost=tuple(range(1, 7))), CAMERA)  # those that were read
    without = fit(survey, dead)
    assert without.focal_plane is None
    assert without.card["focal_plane"]["n_without"] > 0
