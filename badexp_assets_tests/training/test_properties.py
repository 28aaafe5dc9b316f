"""What holds of every training set, whatever labels and exposures it is built from."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from badexp_assets.config.classifier_options import TrainingParams
from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.training.labelled_images import trained_labels
from badexp_assets.training.split import strata
from badexp_assets.training.training_set import build_training_set

TAXONOMY = load_taxonomy()
CATEGORIES = ["clouds_transparency", "ghost_scatter", "psf", "bad_ccd", "noise", "fringing"]
NIGHTS = ["2015-03-10", "2015-03-11", "2015-03-12"]
N_CCDS = 6


@st.composite
def surveys(draw):
    """Labels, exposures and CCDs with every fault: failed, excluded and absent exposures, unread CCDs, two reasons."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(8, 40))
    expnum = np.arange(100, 100 + n)
    status = rng.choice(["scored", "scored", "scored", "scored", "failed", "excluded"], n)
    exposures = pd.DataFrame({"expnum": expnum, "night": rng.choice(NIGHTS, n), "status": status})
    exposures = exposures.assign(status_reason=np.where(status == "scored", None, "a reason"))
    pairs = pd.DataFrame([(e, c) for e in expnum for c in range(1, N_CCDS + 1)], columns=["expnum", "ccdnum"])
    ccds = pairs.assign(status=np.where(rng.random(len(pairs)) < 0.9, "read", "failed"), status_reason=None)
    bad = rng.choice(np.append(expnum, [7, 8]), rng.integers(2, n), replace=False)  # 7 and 8 are not in the archive
    labels = pd.DataFrame([(e, c) for e in bad for c in range(1, N_CCDS + 1)], columns=["expnum", "ccdnum"])
    of = dict(zip(bad, rng.choice(CATEGORIES, len(bad)), strict=True))
    category = np.where(rng.random(len(labels)) < 0.8, labels["expnum"].map(of), rng.choice(CATEGORIES, len(labels)))
    labels = labels.assign(category=category, source="decals")
    twice = labels.sample(frac=0.3, random_state=1).assign(source="des", category="psf")
    seed, held_out = draw(st.integers(0, 1000)), draw(st.sampled_from([(), (), (NIGHTS[0],)]))
    params = TrainingParams(
        good_exposures=draw(st.integers(1, 20)),
        ccds_per_exposure=draw(st.integers(1, 6)),
        folds=draw(st.integers(2, 4)),
        test_fraction=draw(st.sampled_from([0.1, 0.3, 0.5])),
        thin_above=draw(st.sampled_from([0, 20])),
        max_ccds_per_bad_exposure=draw(st.sampled_from([0, 2])),
        max_imbalance=draw(st.sampled_from([1.0, 3.0, 11.8, float("inf")])),
        thin=draw(st.sampled_from([(), (), ("psf=1/2", "noise=1/3")])),
        hold_out_nights=held_out,
        seed=seed,
    )
    return pd.concat([labels, twice], ignore_index=True), exposures, ccds, params


def build(labels, exposures, ccds, params):
    try:
        return build_training_set(labels, exposures, ccds, None, TAXONOMY, params)
    except InputError:
        assume(False)


def shuffled(table, seed):
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(surveys())
def test_every_training_set_keeps_its_invariants(given_survey):
    labels, exposures, ccds, params = given_survey
    made = build(*given_survey)
    table = made.table
    assert not table.duplicated(["expnum", "ccdnum"]).any()
    assert (table.groupby("expnum")[["split", "fold"]].nunique() == 1).all(axis=None)
    assert set(table["expnum"]) <= set(exposures.loc[exposures["status"] == "scored", "expnum"])
    assert not set(table.loc[table["category"] == "good", "expnum"]) & set(labels["expnum"])
    pd.testing.assert_frame_equal(
        table, build(*(shuffled(t, i) for i, t in enumerate((labels, exposures, ccds))), params).table
    )

    trained = trained_labels(labels, TAXONOMY.categories)
    funnel = made.funnel.set_index("step")
    last = made.funnel.drop_duplicates("path", keep="last").set_index("path")
    for column in ("exposures", "ccds"):
        both = last.loc["bad", column] + last.loc["good", column]
        assert both == funnel.loc["train", column] + funnel.loc["test", column]
    assert funnel.loc["read from the archive", "ccds"] + len(made.missing) == len(trained)
    for _, steps in made.funnel[made.funnel["path"] != "both"].groupby("path"):
        assert steps["ccds"].is_monotonic_decreasing

    dealt = table.assign(stratum=table["expnum"].map(strata(table, table["expnum"]))).drop_duplicates("expnum")
    for _, members in dealt.groupby("stratum"):
        train = members[members["split"] == "train"]
        n_test = len(members) - len(train)
        if params.hold_out_nights:
            assert set(train["night"]).isdisjoint(params.hold_out_nights)
            assert set(members.loc[members["split"] == "test", "night"]) <= set(params.hold_out_nights)
        else:
            assert abs(n_test - params.test_fraction * len(members)) <= 1
            assert 1 <= n_test < len(members) or len(members) == 1
        folds = train["fold"].value_counts().reindex(range(params.folds), fill_value=0)
        assert folds.max() - folds.min() <= 1


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(surveys())
def test_another_seed_gives_another_sample(given_survey):
    labels, exposures, ccds, params = given_survey
    assume(not params.hold_out_nights)
    made = [build(labels, exposures, ccds, TrainingParams(good_exposures=20, seed=seed)).table for seed in range(4)]
    assume(made[0]["expnum"].nunique() > 8)
    drawn = {tuple(zip(t["expnum"], t["ccdnum"], t["split"], strict=True)) for t in made}
    assert len(drawn) > 1
