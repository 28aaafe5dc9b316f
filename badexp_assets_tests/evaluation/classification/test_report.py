import io
import weakref

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from badexp_assets.classify.embedding_clusters import cluster_embeddings, cluster_figure
from badexp_assets.config.classifier_options import ClusterParams
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.category_table import LUO_2025_TABLE_3, classification_table
from badexp_assets.evaluation.classification.figures import confusion_figure, confusion_fractions_figure
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS

TRUE = ["good", "good", "psf", "psf", "noise"]
FOUND = pd.DataFrame(
    {"category": ["good", "psf", "psf", "psf", "good"], "probability": np.float32([1, 0.6, 0.9, 0.5, 1])}
)


def picture(png: bytes) -> Image.Image:
    assert len(png) <= 100_000
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def test_the_report_agrees_with_a_hand_count() -> None:
    table = classification_table(TRUE, FOUND).set_index(["subset", "category"])
    assert table.loc[("all", "good"), ["precision", "recall", "f1", "support"]].tolist() == [0.5, 0.5, 0.5, 2]
    assert table.loc[("all", "psf"), ["precision", "recall", "support"]].tolist() == pytest.approx([2 / 3, 1, 2])
    assert np.isnan(table.loc[("all", "noise"), "precision"])  # never predicted
    assert table.loc[("all", "noise"), "recall"] == 0
    assert table.loc[("all", "accuracy"), "f1"] == 0.6
    assert table.loc[("all", "macro avg"), "recall"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert table.loc[("all", "weighted avg"), "recall"] == pytest.approx(0.6)
    assert table.loc[("past_cut", "psf"), ["precision", "recall", "support", "coverage"]].tolist() == [1, 1, 1, 0.5]
    assert table.loc[("past_cut", "good"), ["precision", "recall", "support"]].tolist() == [0.5, 1, 1]
    assert table.loc[("past_cut", "accuracy"), ["support", "coverage"]].tolist() == pytest.approx([3, 0.6])


def test_the_papers_numbers_stand_beside_the_images_past_the_cut() -> None:
    table = classification_table(TRUE, FOUND).set_index(["subset", "category"])
    paper = ["paper_precision", "paper_recall", "paper_f1"]
    assert table.loc[("past_cut", "noise"), paper].tolist() == [0.94, 0.99, 0.96]
    assert table.loc["all", paper].isna().all(axis=None)
    assert len(LUO_2025_TABLE_3) == 12


def test_nothing_past_the_cut_gives_empty_values_not_a_crash() -> None:
    table = classification_table(TRUE, FOUND.assign(probability=0.1))
    past = table[table["subset"] == "past_cut"]
    assert (past["support"] == 0).all()
    assert past[["precision", "recall", "f1"]].isna().all(axis=None)
    assert len(past) == 6


def test_the_report_fits_the_schema() -> None:
    stored = to_arrow(classification_table(TRUE, FOUND), SCHEMAS["classification_report"])
    assert stored.num_rows == 12


def test_a_report_needs_as_many_predictions_as_truths() -> None:
    with pytest.raises(InputError, match="4, 5 rows"):
        classification_table(TRUE[1:], FOUND)
    with pytest.raises(InputError, match="probability missing"):
        classification_table(TRUE, FOUND[["category"]])


def test_the_confusion_matrix_is_a_picture_of_at_most_100_kb() -> None:
    assert picture(confusion_figure(TRUE, FOUND["category"])).width > 200
    ccds = pd.DataFrame({"truth": TRUE, "found": FOUND["category"], "probability": FOUND["probability"]})
    assert picture(confusion_fractions_figure(ccds, 0.9)).width > 400
    assert picture(confusion_fractions_figure(ccds, 1.0)).width > 400  # perhaps none is past the cut
    names = np.repeat(list(LUO_2025_TABLE_3), 12)
    found = np.tile(list(LUO_2025_TABLE_3), 12)
    assert picture(confusion_figure(names, found)).width > 600


def embeddings(n: int, seed: int = 0) -> pd.DataFrame:
    """`n` vectors in three groups far apart; the CCD number tells the group."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 3
    vectors = (rng.normal(size=(n, 20)) + 20 * group[:, None]).astype(np.float32)
    return pd.DataFrame({"expnum": np.arange(n) // 3, "ccdnum": group + 1, "embedding": list(vectors)})


def by_night(rows: pd.DataFrame, n_nights: int = 3) -> list[tuple[str, pd.DataFrame]]:
    """The rows as nights' tables, exposures kept whole."""
    return [(f"2018-05-{17 + i}", rows[rows["expnum"] % n_nights == i]) for i in range(n_nights)]


@pytest.mark.slow
def test_planted_groups_are_found_as_clusters_and_lie_apart_in_the_picture() -> None:
    table = cluster_embeddings(by_night(embeddings(90)))
    pairs = table[["ccdnum", "cluster"]].drop_duplicates()
    assert len(pairs) == 3
    assert sorted(pairs["cluster"]) == [0, 1, 2]
    centres = table.groupby("ccdnum")[["tsne_x", "tsne_y"]].mean()
    spread = table.groupby("ccdnum")[["tsne_x", "tsne_y"]].std().to_numpy().max()
    assert np.linalg.norm(centres.diff().dropna(), axis=1).min() > 2 * spread


@pytest.mark.slow
def test_as_many_images_as_asked_for_have_coordinates_in_3d_and_neighbours_there_are_of_one_group() -> None:
    axes = ["tsne3_x", "tsne3_y", "tsne3_z"]
    table = cluster_embeddings(by_night(embeddings(90)), params=ClusterParams(n_images_3d=60, perplexity=8))
    assert table[axes].notna().all(axis=1).sum() == table[axes].notna().any(axis=1).sum() == 60
    found = table.dropna()
    places, group = found[axes].to_numpy(), found["ccdnum"].to_numpy()
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).mean() > 0.8  # a third by chance; t-SNE of few points strays


@pytest.mark.slow
def test_the_map_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    rows = embeddings(60)
    params = ClusterParams(n_images=40)
    table = cluster_embeddings(by_night(rows), params=params)
    turned = [(night, rows.sample(frac=1, random_state=1)) for night, rows in reversed(by_night(rows))]
    pd.testing.assert_frame_equal(cluster_embeddings(turned, params=params), table)
    assert len(table) == 40
    other = cluster_embeddings(by_night(rows), params=ClusterParams(n_images=40, seed=1))
    assert not other[["expnum", "ccdnum"]].equals(table[["expnum", "ccdnum"]])


def test_the_vectors_of_a_night_do_not_stay_in_memory_because_some_are_sampled() -> None:
    buffers: list[weakref.ref] = []

    def nights():
        for night in range(4):
            buffer = np.random.default_rng(night).normal(size=(30, 20)).astype(np.float32)
            rows = {"expnum": range(30), "ccdnum": night, "embedding": list(buffer), "backbone": "b", "recipe": "r"}
            buffers.append(weakref.ref(buffer))
            yield str(night), pd.DataFrame(rows)

    def alive():
        for night, rows in nights():
            yield night, rows
            held.append(sum(buffer() is not None for buffer in buffers[:-1]))

    held: list[int] = []
    assert len(cluster_embeddings(alive(), params=ClusterParams(n_images=40))) == 40
    assert max(held) <= 1


@pytest.mark.slow
def test_labels_name_their_images_and_the_rest_is_unlabelled() -> None:
    labels = pd.DataFrame({"expnum": [0, 99], "ccdnum": [2, 1], "category": ["psf", "noise"]})
    table = cluster_embeddings(by_night(embeddings(30)), labels).set_index(["expnum", "ccdnum"])
    assert table.loc[(0, 2), "category"] == "psf"
    assert (table["category"] == "unlabelled").sum() == 29
    picture(cluster_figure(table.reset_index()))


@pytest.mark.parametrize("n", [0, 1, 2, 4, 5, 9, 11])
def test_few_images_have_finite_coordinates_and_fit_the_schema(n: int) -> None:
    table = cluster_embeddings(by_night(embeddings(n)))
    assert to_arrow(table, SCHEMAS["embedding_clusters"]).num_rows == n
    assert np.isfinite(table[["tsne_x", "tsne_y", "tsne3_x", "tsne3_y", "tsne3_z"]]).all(axis=None)
    if n < 10:
        assert (table["cluster"] == -1).all()
    picture(cluster_figure(table))


def test_identical_vectors_are_no_crash() -> None:
    rows = embeddings(15)
    rows["embedding"] = [np.ones(20, np.float32)] * 15
    assert np.isfinite(cluster_embeddings(by_night(rows))[["tsne_x", "tsne_y"]]).all(axis=None)


def test_embeddings_that_can_not_be_compared_are_refused() -> None:
    rows = embeddings(12)
    with pytest.raises(InputError, match="backbone a and b found; use vectors of one backbone"):
        cluster_embeddings(by_night(rows.assign(backbone=["a"] * 11 + ["b"])))
    broken = rows.copy()
    broken.at[3, "embedding"] = np.full(20, np.nan, np.float32)
    with pytest.raises(InputError, match="1 of 12 have non-finite"):
        cluster_embeddings(by_night(broken))
    with pytest.raises(InputError, match="occurs twice"):
        cluster_embeddings([("2018-05-17", rows), ("2018-05-18", rows)])
    with pytest.raises(InputError, match=r"2018-05-17: column\(s\) expnum missing"):
        cluster_embeddings([("2018-05-17", rows.drop(columns="expnum"))])


@pytest.mark.parametrize("wrong", [{"n_images": 0}, {"min_cluster_size": 1}, {"n_components": 1}, {"perplexity": 0.5}])
def test_cluster_parameters_out_of_range_are_refused_by_name(wrong: dict) -> None:
    with pytest.raises(InputError, match=rf"^\[clusters\]: {next(iter(wrong))} is "):
        ClusterParams(**wrong)
