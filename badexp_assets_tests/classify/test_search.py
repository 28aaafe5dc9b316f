import gc
import sqlite3
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from badexp_assets.classify.pipeline import fit_pipeline
from badexp_assets.classify.search.figures import score_figure
from badexp_assets.classify.search.folds import FoldScorer, macro_f1
from badexp_assets.classify.search.study import SearchResult, best_parameters, rows_fingerprint, search_pipeline
from badexp_assets.config.classifier_options import METRICS, SCALERS, PipelineParams, SearchParams
from badexp_assets.errors import InputError, StorageError
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS

NAMES = np.array(["clouds_transparency", "good", "psf"])
SPACE = """
scaler = ["minmax", "standard"]
metric = ["manhattan", "euclidean"]
n_components = { low = 2, high = 8 }
variance_threshold = [0.0, 0.001, 1000.0]
n_neighbors = [1, 3, 7]
"""


def planted(
    n_exposures: int = 45, dim: int = 12, spread: float = 1.5, seed: int = 0
) -> tuple[np.ndarray, pd.DataFrame]:
    """Vectors of 4 CCDs an exposure around the centre of its category, and their rows in three folds."""
    rng = np.random.default_rng(seed)
    expnum = np.repeat(np.arange(n_exposures), 4)
    codes = expnum % 3
    vectors = rng.normal(size=(len(expnum), dim)) * spread + rng.normal(size=(3, dim))[codes]
    rows = pd.DataFrame({"expnum": expnum, "ccdnum": np.tile([1, 2, 3, 4], n_exposures), "category": NAMES[codes]})
    rows["fold"] = expnum // 3 % 3
    rows["weight"] = np.where(codes == 0, 3.0, 1.0)
    return vectors.astype(np.float32), rows


def slow_scores(vectors: np.ndarray, rows: pd.DataFrame, params: PipelineParams) -> list[float]:
    """F1 of every fold from a pipeline that scikit-learn fits for it alone and whose own kNN finds the neighbours."""
    scores = []
    for fold in sorted(rows["fold"].unique()):
        train, query = (rows["fold"] != fold).to_numpy(), (rows["fold"] == fold).to_numpy()
        votes = rows.loc[train, "weight"].to_numpy()
        model = fit_pipeline(vectors[train], rows.loc[train, "category"], params, "b", "r", votes)
        near = model.steps[-1].kneighbors(model.steps[:-1].transform(vectors[query]), return_distance=False)
        shares = np.stack([np.where(model.codes[near] == c, votes[near], 0).sum(axis=1) for c in range(3)], axis=1)
        truth = rows.loc[query, "category"]
        found = np.array(model.categories)[shares.argmax(axis=1)]
        scores.append(f1_score(truth, found, average="macro", labels=sorted(set(truth)), zero_division=0))
    return scores


def search(folder: Path, progress=None, data=None, space: str = SPACE, **params) -> SearchResult:
    (folder / "space.toml").write_text(space)
    given = SearchParams(**({"n_trials": 12, "batch": 4, "space": str(folder / "space.toml")} | params))
    return search_pipeline(*(data or planted()), given, folder / "search" / "study.sqlite", progress)


@pytest.mark.slow
def test_shared_work_gives_the_scores_of_pipelines_that_are_fitted_one_by_one() -> None:
    vectors, rows = planted()
    pipelines = [
        PipelineParams(scaler, n_components, threshold, k, metric)
        for i, scaler in enumerate(SCALERS)
        for j, metric in enumerate(METRICS)
        for n_components, threshold, k in [((3, 8, 12)[(i + j) % 3], (0.0, 0.01)[j % 2], 5), (5, 0.001, (1, 9)[i % 2])]
    ]
    found = FoldScorer(vectors, rows, max_components=12).score(pipelines)
    for pipeline, scores in zip(pipelines, found, strict=True):
        np.testing.assert_allclose(
            scores.folds, slow_scores(vectors, rows, pipeline), atol=1e-12, err_msg=str(pipeline)
        )
    assert len({s.folds for s in found}) > 20  # they differ, so equality says something


def test_a_pipeline_has_the_same_score_whatever_others_are_scored_with_it() -> None:
    vectors, rows = planted()
    pipelines = [PipelineParams(n_components=n, n_neighbors=k) for n in (2, 6, 50) for k in (1, 4, 500)]
    together = FoldScorer(vectors, rows, max_components=60).score(pipelines, share=0.5)
    alone = [FoldScorer(vectors, rows, max_components=60).score([p], share=0.5)[0] for p in pipelines]
    assert together == alone


def test_a_share_of_the_rows_has_every_category_and_fold_and_lies_in_the_larger_ones() -> None:
    vectors, rows = planted()
    scorer = FoldScorer(vectors, rows, 4)
    small, large = scorer._chosen(0.1), scorer._chosen(0.4)
    assert (large | ~small).all()
    assert rows[small].groupby(["category", "fold"]).size().tolist() == [2] * 9
    assert (scorer.rows_at(0.1), scorer.rows_at(1.0)) == (18, len(rows))


def test_macro_f1_is_scikit_learns_over_the_categories_in_the_truth() -> None:
    rng = np.random.default_rng(0)
    true, found = rng.integers(0, 3, 50), rng.integers(0, 5, 50)
    assert macro_f1(true, found, 5) == pytest.approx(f1_score(true, found, average="macro", labels=[0, 1, 2]))


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_every_trial_ends_finished_pruned_or_failed_and_the_best_finished_one_is_taken(tmp_path, sampler) -> None:
    found = search(tmp_path, sampler=sampler, n_trials=24, batch=8)
    table = found.table
    assert to_arrow(table, SCHEMAS["pipeline_search"]).num_rows == 24
    assert set(table["state"]) == {"finished", "pruned", "failed"}
    assert (table.loc[table["state"] == "failed", "variance_threshold"] == 1000).all()
    assert table.loc[table["state"] == "failed", "reason"].str.contains("no component varies by more than 1000").all()
    finished = table[table["state"] == "finished"]
    assert (finished["n_rows"] == 180).all()
    assert found.best_row["score"] == finished["score"].max()
    expected = slow_scores(*planted(), found.best)
    assert found.best_row["score"] == pytest.approx(np.mean(expected))
    assert (found.best_row["score_lowest"], found.best_row["score_highest"]) == (min(expected), max(expected))
    assert score_figure(table, found.importance, 0.5).startswith(b"\x89PNG")


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours handles it."""


def dies(rung: str, what: str, done: int, total: int) -> None:
    """Progress that ends the process in the middle of `rung`, or at its end."""
    if rung in what and done in (2, total):
        raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_killed_search_goes_on_to_the_same_result(tmp_path: Path, sampler: str) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = search(tmp_path / "whole", sampler=sampler)
    for rung in ("rung 1", "rung 1", "rung 2", "rung 3"):
        with pytest.raises(Killed):
            search(tmp_path / "killed", partial(dies, rung), sampler=sampler)
    resumed = search(tmp_path / "killed", sampler=sampler)
    columns = [c for c in whole.table.columns if c != "study"]
    pd.testing.assert_frame_equal(resumed.table[columns], whole.table[columns])


@pytest.mark.slow
def test_a_finished_search_is_not_computed_again(tmp_path: Path) -> None:
    first = search(tmp_path)

    def never(what: str, done: int, total: int) -> None:
        raise AssertionError(what)

    pd.testing.assert_frame_equal(search(tmp_path, never).table, first.table)


@pytest.mark.slow
def test_other_rows_or_options_have_a_study_of_their_own(tmp_path: Path) -> None:
    first = search(tmp_path)
    vectors, rows = planted()
    vectors[0, 0] += 1
    others = [search(tmp_path, data=(vectors, rows)), search(tmp_path, seed=1), search(tmp_path, n_trials=13)]
    assert len({first.table["study"][0], *(o.table["study"][0] for o in others)}) == 4
    assert others[0].table["data"][0] != first.table["data"][0]


def test_stored_parameters_are_taken_for_the_same_rows_only(tmp_path: Path) -> None:
    vectors, rows = planted()
    found = search(tmp_path)
    order = np.random.default_rng(0).permutation(len(rows))
    data = rows_fingerprint(vectors[order], rows.iloc[order])
    assert best_parameters(found.table, data, seed=0) == found.best
    changed = rows_fingerprint(vectors, rows.assign(weight=1.0))
    with pytest.raises(InputError, match=f"trials are of training rows {data}, the present ones are {changed}"):
        best_parameters(found.table, changed, seed=0)


def test_constant_columns_are_no_obstacle() -> None:
    vectors, rows = planted()
    vectors[:, [0, 5]] = 1.0
    for scores in FoldScorer(vectors, rows, 12).score([PipelineParams(scaler=s, n_components=12) for s in SCALERS]):
        assert min(scores.folds) > 0.3


def test_categories_that_folds_lack_are_findings() -> None:
    vectors, rows = planted()
    names = rows["category"].to_numpy(dtype=object).copy()
    names[0] = "wonky"
    names[(rows["fold"] == 2).to_numpy() & (names == "psf")] = "good"
    scorer = FoldScorer(vectors, rows.assign(category=names), 4)
    assert scorer.findings == [
        "psf: no image in fold(s) 2, so the scores of these folds leave it out",
        "wonky: all 1 image(s) are in fold 0, so no pipeline can learn it; label more exposures, or remove it from the "
        "taxonomy",
    ]
    (scores,) = scorer.score([PipelineParams()])
    assert len(scores.folds) == 3


def test_rows_that_can_not_be_searched_on_are_refused(tmp_path: Path) -> None:
    vectors, rows = planted()
    broken = vectors.copy()
    broken[3, 1] = np.nan
    bad = rows["category"] != "good"
    only_there = rows.assign(fold=np.where(bad, rows["fold"], 0))
    cases = [
        (broken, rows, "1 of 180 have non-finite values, the first in row 3"),
        (vectors[bad], rows[bad].reset_index(drop=True), "0 of 120 training images are 'good'"),
        (vectors, rows.assign(fold=0), r"fold\(s\) \[0\] found; at least two"),
        (vectors, rows.assign(fold=np.arange(180) % 2), "45 exposure.* in several folds, e.g. 0"),
        (vectors, only_there, "training rows without fold 0: categories: 0 of"),
        (vectors, rows.drop(columns="weight"), r"column\(s\) weight missing"),
    ]
    for wrong_vectors, wrong_rows, reason in cases:
        with pytest.raises(InputError, match=reason):
            search(tmp_path, data=(wrong_vectors, wrong_rows))


def test_a_space_in_which_nothing_can_be_fitted_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of 12 pipelines could be scored \(no component varies by more than 99"):
        search(tmp_path, space="variance_threshold = [99.0]")


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")  # of Optuna, from Python 3.13 on
def test_a_study_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "search" / "study.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match=r"study\.sqlite: the study can't be read or written"):
        search(tmp_path)
    gc.collect()


def test_the_study_is_an_ordinary_sqlite_file(tmp_path: Path) -> None:
    search(tmp_path)
    with sqlite3.connect(tmp_path / "search" / "study.sqlite") as database:
        (n,) = database.execute("select count(*) from trials").fetchone()
    database.close()
    assert n == 12
