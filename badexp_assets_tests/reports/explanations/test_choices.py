"""What is chosen: good images, the worst CCDs, the nearest labelled examples."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from badexp_assets.classify.pipeline import FittedPipeline, fit_pipeline
from badexp_assets.config.classifier_options import PipelineParams
from badexp_assets.config.night_options import EntropyParams
from badexp_assets.config.review_options import ExplanationParams
from badexp_assets.errors import InputError
from badexp_assets.reports.explanations.candidate_explanations import nearest_examples
from badexp_assets.reports.explanations.choose_images import background_divergences, choose_good_images, worst_ccds

NO_SCORES = pd.DataFrame({"expnum": [], "z_source": [], "z_background": []})
NO_LABELS = pd.DataFrame({"expnum": []})


def ccds(n_exposures: int = 6, n_ccds: int = 4) -> pd.DataFrame:
    keys = [(e, c) for e in range(1, n_exposures + 1) for c in range(1, n_ccds + 1)]
    return pd.DataFrame(keys, columns=["expnum", "ccdnum"]).assign(status="read")


def training() -> pd.DataFrame:
    table = ccds().drop(columns="status")
    return table.assign(category=np.where(table["expnum"] == 6, "noise", "good"), split="train")


def test_good_images_are_of_the_train_split_without_suspects_and_of_as_many_exposures_as_possible() -> None:
    table = training()
    table.loc[table["expnum"] == 5, "split"] = "test"
    chosen = choose_good_images(table, ccds(), [2], NO_LABELS, NO_SCORES, ExplanationParams(n_good=4))
    assert set(chosen["expnum"]) == {1, 3, 4}
    assert chosen["expnum"].value_counts().max() == 2


def test_the_choice_of_good_images_does_not_depend_on_the_order_of_the_rows_but_on_the_seed() -> None:
    params = ExplanationParams(n_good=5)
    chosen = choose_good_images(training(), ccds(), [], NO_LABELS, NO_SCORES, params)
    mixed = choose_good_images(training().sample(frac=1, random_state=1), ccds(), [], NO_LABELS, NO_SCORES, params)
    pd.testing.assert_frame_equal(chosen, mixed)
    other = choose_good_images(training(), ccds(), [], NO_LABELS, NO_SCORES, ExplanationParams(n_good=5, seed=1))
    assert not chosen.equals(other)


def test_without_a_training_set_good_is_what_nobody_names_and_the_entropy_method_does_not_flag() -> None:
    labels = pd.DataFrame({"expnum": [1]})
    scores = pd.DataFrame({"expnum": [2, 3], "z_source": [9.0, np.nan], "z_background": [0.0, 1.0]})
    unread = ccds()
    unread.loc[unread["expnum"] == 4, "status"] = "failed"
    chosen = choose_good_images(None, unread, [], labels, scores, ExplanationParams())
    assert set(chosen["expnum"]) == {3, 5, 6}


def test_too_few_good_exposures_are_an_error_that_says_how_many() -> None:
    with pytest.raises(InputError, match="4 good CCDs of the train split found"):
        choose_good_images(training().query("expnum in (1, 6)"), ccds(), [], NO_LABELS, NO_SCORES, ExplanationParams())


def test_the_worst_ccds_come_by_p_bad_or_where_nothing_was_predicted_by_their_background() -> None:
    candidates = pd.DataFrame({"rank": [1, 2, 3], "expnum": [10, 11, 12], "night": "2018-03-10"})
    predictions = pd.DataFrame(
        {"expnum": 10, "ccdnum": [1, 2, 3, 4], "category": "psf", "p_bad": np.float32([0.2, 0.9, 0.9, 0.5])}
    )
    divergences = pd.DataFrame({"expnum": [10, 11, 11], "ccdnum": [1, 5, 6], "kl": [99.0, 0.1, 0.4]})
    table, without = worst_ccds(candidates, predictions, divergences, 2)
    assert table[["expnum", "ccdnum", "place"]].to_numpy().tolist() == [[10, 2, 1], [10, 3, 2], [11, 6, 1], [11, 5, 2]]
    assert table["kl"].isna().tolist() == [True, True, False, False]
    assert without["expnum"].tolist() == [12]


def test_background_divergences_are_those_of_each_ccd_from_its_band() -> None:
    params = EntropyParams(bins=4, gradient_points=100)
    even, odd = np.array([25, 25, 25, 25]), np.array([97, 1, 1, 1])
    orientations = pd.DataFrame(
        {
            "expnum": 1,
            "ccdnum": [1, 2, 3, 4],
            "filter": ["g", "g", "g", "i"],
            "n_points": [100, 100, 4, 100],
            "gradient_counts": [even, odd, np.ones(4, int), odd],
        }
    )
    reference = pd.DataFrame({"filter": ["g"], "kind": "background", "p": [np.full(4, 0.25)]})
    reference["p_trimmed"] = reference["p"]
    found = background_divergences(orientations, reference, params)
    assert found["ccdnum"].tolist() == [1, 2]
    assert_allclose(found["kl"], [0.0, (0.97 * np.log(3.88) + 0.03 * np.log(0.04))], atol=1e-12)


@pytest.fixture(scope="module")
def model() -> tuple[FittedPipeline, pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 8)).astype(np.float32)
    vectors[30:] += 6
    rows = pd.DataFrame({"expnum": np.repeat(np.arange(1, 21), 3), "ccdnum": np.tile([1, 2, 3], 20)})
    rows["category"] = np.where(np.arange(60) < 30, "good", "noise")
    params = PipelineParams(n_components=4, variance_threshold=0.0)
    return fit_pipeline(vectors, rows["category"], params, "b", "r"), rows, vectors


def test_the_nearest_examples_are_those_of_the_whole_list_but_never_of_the_same_exposure(model) -> None:
    pipeline, rows, vectors = model
    asked = [0, 40]
    found = nearest_examples(pipeline, vectors[asked], rows["expnum"].to_numpy()[asked], rows, vectors, 5)
    places = pipeline.positions(vectors)
    for i, examples in zip(asked, found, strict=True):
        distances = np.abs(places - places[i]).sum(axis=1)  # manhattan, as the pipeline
        distances[rows["expnum"] == rows["expnum"][i]] = np.inf
        nearest = np.argsort(distances)[:5]
        assert [(e.expnum, e.ccdnum) for e in examples] == [
            tuple(k) for k in rows.loc[nearest, ["expnum", "ccdnum"]].to_numpy().tolist()
        ]
        assert_allclose([e.distance for e in examples], distances[nearest], rtol=1e-5)
        assert {e.category for e in examples} == {rows["category"][i]}


def test_there_are_fewer_examples_where_there_are_not_so_many(model) -> None:
    pipeline, rows, vectors = model
    found = nearest_examples(pipeline, vectors[:1], np.array([1]), rows[:4], vectors[:4], 5)
    assert [(e.expnum, e.ccdnum) for e in found[0]] == [(2, 1)]
    assert nearest_examples(pipeline, vectors[:1], np.array([1]), rows[:3], vectors[:3], 5) == [[]]
    assert nearest_examples(pipeline, vectors[:1], np.array([1]), rows[:0], vectors[:0], 5) == [[]]


@pytest.mark.parametrize("name", ["max_candidates", "n_ccds", "n_good", "bank_size"])
def test_options_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"^\[explanations\]: {name} is -1"):
        ExplanationParams(**{name: -1})
