import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from badexp_assets.classify.pipeline import FittedPipeline, fit_pipeline
from badexp_assets.classify.predictions import predict_night
from badexp_assets.config.classifier_options import PipelineParams
from badexp_assets.errors import InputError, ModelError
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS

CENTRES = {"clouds_transparency": -4.0, "good": 0.0, "psf": 4.0}


def planted(n: int = 30, dim: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`n` vectors of each category around its centre, far apart, in a mixed order."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.repeat(list(CENTRES), n))
    noise = rng.normal(size=(len(names), dim))
    return (noise + np.array([CENTRES[c] for c in names])[:, None]).astype(np.float32), names


def line(*positions: float) -> np.ndarray:
    """Vectors on a line, so that neighbours can be told by hand; the second coordinate is constant."""
    return np.array([[x, 1.0] for x in positions], dtype=np.float32)


def fit(vectors: np.ndarray, names, weights=None, **params) -> FittedPipeline:
    return fit_pipeline(vectors, names, PipelineParams(**params), "net-1", "scaled-1-64x32", weights)


def stored(model: FittedPipeline, folder: Path) -> Path:
    model.save(folder)
    return folder


@pytest.fixture(scope="module")
def model() -> FittedPipeline:
    return fit(*planted())


def test_the_defaults_are_the_papers() -> None:
    assert asdict(PipelineParams()) == {
        "scaler": "minmax",
        "n_components": 15,
        "variance_threshold": 0.001,
        "n_neighbors": 7,
        "metric": "manhattan",
        "seed": 0,
    }


@pytest.mark.slow
def test_planted_clusters_are_told_apart_on_new_vectors(model: FittedPipeline) -> None:
    vectors, names = planted(seed=1)
    found = model.predict(vectors)
    assert (found["category"] == names).all()
    assert list(found.columns) == ["category", "probability", "p_bad", "p_clouds_transparency", "p_good", "p_psf"]
    shares = found.filter(regex="^p_(?!bad)")
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found["p_bad"], 1 - found["p_good"], atol=1e-6)
    np.testing.assert_array_equal(found["probability"], shares.max(axis=1))
    assert set(np.round(shares.to_numpy() * 7, 4).ravel()) <= set(range(8))


@pytest.mark.parametrize("scaler", ["minmax", "standard", "maxabs", "robust", "power", "quantile"])
@pytest.mark.parametrize("metric", ["manhattan", "euclidean", "chebyshev", "cosine"])
def test_every_scaler_and_metric_can_be_fitted_and_stored(tmp_path: Path, scaler: str, metric: str) -> None:
    vectors, names = planted(12, 6)
    fitted = fit(vectors, names, scaler=scaler, metric=metric)
    found = fitted.predict(vectors)
    if (scaler, metric) != ("minmax", "cosine"):  # a direction says little of where it lies on a line
        assert (found["category"] == names).mean() > 0.6
    pd.testing.assert_frame_equal(FittedPipeline.load(stored(fitted, tmp_path / "m")).predict(vectors), found)


def test_plain_shares_are_what_a_hand_count_gives() -> None:
    fitted = fit(line(0, 1, 2, 3, 10, 11), ["good", "psf", "good", "noise", "noise", "noise"], n_neighbors=3)
    row = fitted.predict(line(1.1)).iloc[0]
    assert row["category"] == "good"
    assert row["probability"] == np.float32(2 / 3)
    assert row["p_psf"] == np.float32(1 / 3)
    assert row["p_noise"] == 0
    assert row["p_bad"] == pytest.approx(1 / 3)


def test_weighted_votes_count_each_neighbour_with_its_weight() -> None:
    vectors, names = line(0, 1, 2, 3, 10, 11), ["good", "psf", "good", "noise", "noise", "noise"]
    fitted = fit(vectors, names, weights=[1, 6, 2, 1, 1, 1], n_neighbors=3)
    row = fitted.predict(line(1.1)).iloc[0]
    assert row["category"] == "psf"
    assert row["p_psf"] == np.float32(6 / 9)
    assert row["p_good"] == np.float32(3 / 9)
    assert row["p_bad"] == pytest.approx(6 / 9)
    assert fitted.card["weighted"] is True


def test_equal_shares_go_to_the_first_category_by_name() -> None:
    fitted = fit(line(0, 1, 10), ["psf", "noise", "good"], n_neighbors=2)
    assert fitted.predict(line(0.5))["category"].tolist() == ["noise"]


def test_without_weights_the_shares_are_scikit_learns() -> None:
    vectors, names = planted(20, 8, seed=3)
    vectors *= np.float32(0.2)  # so near that categories mix
    new = planted(20, 8, seed=4)[0]
    fitted = fit(vectors, names)
    space = fitted.steps[:-1]
    theirs = KNeighborsClassifier(7, metric="manhattan").fit(space.transform(vectors), names)
    ours = fitted.predict(new)[[f"p_{c}" for c in theirs.classes_]]
    np.testing.assert_allclose(ours, theirs.predict_proba(space.transform(new)), atol=1e-6)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 100), st.integers(0, 1000))
def test_only_the_ratio_of_weights_matters(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(20, 3)).astype(np.float32)
    names = ["good", "psf"] * 10
    weights = rng.uniform(0.5, 2, 20)
    a, b = fit(vectors, names, weights), fit(vectors, names, weights * scale)
    columns = ["probability", "p_bad", "p_good", "p_psf"]
    np.testing.assert_allclose(a.predict(vectors)[columns], b.predict(vectors)[columns], atol=1e-6)


def test_classifying_in_pieces_changes_nothing(model: FittedPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = planted(seed=5)[0]
    whole = model.predict(vectors)
    monkeypatch.setattr("badexp_assets.classify.pipeline._CHUNK", 7)
    pd.testing.assert_frame_equal(model.predict(vectors), whole)
    empty = model.predict(vectors[:0])
    assert empty.empty
    assert list(empty.columns) == list(whole.columns)
    assert (empty.dtypes == whole.dtypes).all()


def test_the_version_follows_data_weights_parameters_backbone_and_recipe() -> None:
    vectors, names = planted(10, 5)
    base = fit(vectors, names).version
    assert fit(vectors.copy(), list(names)).version == base
    changed = vectors.copy()
    changed[0, 0] += 1
    params = PipelineParams()
    others = [
        fit(changed, names),
        fit(vectors, np.roll(names, 1)),
        fit(vectors, names, weights=np.full(len(names), 2.0)),
        fit(vectors, names, n_neighbors=5),
        fit_pipeline(vectors, names, params, "net-2", "scaled-1-64x32"),
        fit_pipeline(vectors, names, params, "net-1", "paper-1-64x32"),
    ]
    assert len({base, *(m.version for m in others)}) == 7


def test_few_data_lower_components_and_neighbours_and_say_so() -> None:
    fitted = fit(line(0, 1, 2, 3), ["good", "good", "good", "psf"])
    assert fitted.card["n_components"] == 2
    assert fitted.card["n_components_kept"] == 1
    assert fitted.card["n_neighbors"] == 4
    assert fitted.card["n_per_category"] == {"good": 3, "psf": 1}
    text = " | ".join(fitted.findings)
    assert "n_components lowered from 15 to 2" in text
    assert "n_neighbors lowered from 7 to 4" in text
    assert "too few images to win a vote of 4: psf (1)" in text
    assert fitted.predict(line(3))["p_psf"].tolist() == [0.25]


def test_plentiful_data_give_no_finding(model: FittedPipeline) -> None:
    assert model.findings == []


def nan_in(vectors: np.ndarray, row: int) -> np.ndarray:
    vectors = vectors.copy()
    vectors[row, 1] = np.nan
    return vectors


@pytest.mark.parametrize(
    ("vectors", "names", "weights", "reason"),
    [
        (nan_in(line(0, 1, 2), 1), ["good", "psf", "psf"], None, r"1 of 3 have non-finite values, the first in row 1"),
        (line(0, 1), ["psf", "noise"], None, r"0 of 2 training images are 'good'"),
        (line(0, 1), ["good", "good"], None, r"2 of 2 training images are 'good'"),
        (line(0, 1), ["good"], None, r"2, 1, 1 found"),
        (line(0, 1), ["good", None], None, r"1 missing"),
        (line(0, 1), ["good", "psf"], [1, 0], r"weights: 0\.0 to 1\.0"),
        (line(0, 1), ["good", "psf"], [1, np.nan], r"weights"),
        (line(5, 5), ["good", "psf"], None, r"all 2 are the same"),
        (np.empty((0, 3)), [], None, r"at least one row"),
        (line(0, 1).ravel(), ["good", "psf"] * 2, None, r"shape \(4,\)"),
    ],
)
def test_training_data_that_can_not_work_are_refused_with_the_reason(vectors, names, weights, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        fit(vectors, names, weights)


def test_a_variance_threshold_that_drops_everything_is_named() -> None:
    with pytest.raises(InputError, match=r"^variance_threshold: 9"):
        fit(*planted(5), variance_threshold=9.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scaler": "none"},
        {"metric": "hamming"},
        {"n_components": 0},
        {"n_neighbors": 0},
        {"variance_threshold": -1},
        {"variance_threshold": float("nan")},
        {"seed": -1},
    ],
)
def test_parameters_out_of_range_are_refused_by_name(wrong: dict) -> None:
    with pytest.raises(InputError, match=rf"^\[pipeline\]: {next(iter(wrong))} is "):
        PipelineParams(**wrong)


def test_vectors_of_another_backbone_recipe_or_length_are_refused_with_what_to_do(model: FittedPipeline) -> None:
    vectors = planted(2)[0]
    model.check_fits("net-1", "scaled-1-64x32")
    with pytest.raises(ModelError, match=r"backbone net-1; net-2 found: embed .* or fit a model"):
        model.check_fits("net-2", "scaled-1-64x32")
    with pytest.raises(ModelError, match=r"recipe scaled-1-64x32; paper-1-2x2 found"):
        model.check_fits("net-1", "paper-1-2x2")
    with pytest.raises(ModelError, match=r"takes vectors \(n, 24\); \(6, 23\) found"):
        model.predict(vectors[:, 1:])
    with pytest.raises(InputError, match="1 of 6 have non-finite"):
        model.predict(nan_in(vectors, 3))


def test_a_stored_model_predicts_the_same_and_is_written_once(model: FittedPipeline, tmp_path: Path) -> None:
    folder = stored(model, tmp_path / "models" / model.version)
    vectors = planted(seed=7)[0]
    loaded = FittedPipeline.load(folder)
    pd.testing.assert_frame_equal(loaded.predict(vectors), model.predict(vectors))
    assert loaded.card == model.card
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    loaded.save(folder)
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == [model.version]


def test_a_model_is_never_written_over_another_one_or_over_other_files(model: FittedPipeline, tmp_path: Path) -> None:
    folder = stored(model, tmp_path / "m")
    other = fit(*planted(seed=9))
    with pytest.raises(ModelError, match=f"holds model {model.version}; model {other.version}"):
        other.save(folder)
    assert FittedPipeline.load(folder).version == model.version
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ModelError, match="no model_card"):
        model.save(tmp_path / "mine")
    with pytest.raises(ModelError, match="a file is there"):
        model.save(tmp_path / "mine" / "notes.txt")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_damaged_models_are_refused_with_the_reason(model: FittedPipeline, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model_card"):
        FittedPipeline.load(tmp_path / "nowhere")
    truncated = stored(model, tmp_path / "truncated") / "pipeline.skops"
    truncated.write_bytes(truncated.read_bytes()[:500])
    with pytest.raises(ModelError, match="damaged"):
        FittedPipeline.load(truncated.parent)
    for text in ("{", "[]", "{}"):
        (truncated.parent / "model_card.json").write_text(text)
        with pytest.raises(ModelError, match="damaged model card"):
            FittedPipeline.load(truncated.parent)


def test_a_model_file_with_foreign_types_is_not_loaded(model: FittedPipeline, tmp_path: Path) -> None:
    import hashlib
    from fractions import Fraction

    folder = stored(model, tmp_path / "m")
    skops.io.dump({"steps": Fraction(1, 2)}, folder / "pipeline.skops")
    card = json.loads((folder / "model_card.json").read_text())
    card["sha256"] = hashlib.sha256((folder / "pipeline.skops").read_bytes()).hexdigest()
    (folder / "model_card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"holds type.*Fraction"):
        FittedPipeline.load(folder)


def night(n: int = 6, backbone: str = "net-1") -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Embeddings of one exposure, in reverse order, the table of its CCDs, and the true categories by CCD."""
    vectors, names = planted(n // 3)
    ccds = pd.DataFrame({"expnum": 7, "ccdnum": np.arange(1, n + 2), "drawn": np.arange(n + 1) % 2 == 0})
    table = pd.DataFrame({"expnum": 7, "ccdnum": np.arange(1, n + 1), "backbone": backbone, "recipe": "scaled-1-64x32"})
    table["embedding"] = list(vectors)
    return table.iloc[::-1], ccds, names


def test_a_nights_ccds_are_classified_in_order_with_what_was_drawn(model: FittedPipeline) -> None:
    table, ccds, names = night()
    found = predict_night(model, table, ccds)
    assert found["ccdnum"].tolist() == [1, 2, 3, 4, 5, 6]
    assert (found["category"] == names).all()
    assert found["drawn"].tolist() == [True, False] * 3
    assert set(found["model"]) == {model.version}
    assert "p_clouds_transparency" in found
    for rows in (found, predict_night(model, table.head(0), ccds)):
        assert to_arrow(rows, SCHEMAS["night_predictions"]).num_rows == len(rows)


def test_a_nights_vectors_of_another_backbone_are_passed_over_but_never_stand_in(model: FittedPipeline) -> None:
    table, ccds, _ = night()
    other = night(backbone="net-2")[0]
    both = pd.concat([table, other], ignore_index=True)
    pd.testing.assert_frame_equal(predict_night(model, both, ccds), predict_night(model, table, ccds))
    with pytest.raises(ModelError, match="backbone net-1; net-2 found"):
        predict_night(model, other, ccds)
    with pytest.raises(ModelError, match="2 of 6 CCDs have no vector of backbone net-1"):
        predict_night(model, pd.concat([table.head(4), other], ignore_index=True), ccds)
    with pytest.raises(InputError, match=r"1 embedded CCD.*exposure 7 CCD 1"):
        predict_night(model, table, ccds[ccds["ccdnum"] > 1])
