import threading
import warnings

import numpy as np
import pandas as pd
import pytest

from badexp_assets.review.exposure_vectors import _in_band, gather_vectors
from badexp_assets.survey.cameras import load_camera

NIGHTS = ("2018-01-01", "2018-01-02")
N = 40  # exposures, half of them in each night
DIMENSIONS = 6


def candidates():
    expnums = np.arange(1, N + 1)
    columns = {"expnum": expnums, "night": [NIGHTS[e % 2] for e in expnums], "filter": "r", "p_bad": expnums / 50}
    return pd.DataFrame(columns)


def tables(kinds=("b",)):
    """Predictions and embeddings of four CCDs; in even exposures one has the highest P(bad) and is unlike others."""
    rng = np.random.default_rng(0)
    predictions, embeddings = [], []
    for e in range(1, N + 1):
        for ccdnum in range(1, 5):
            strange = e % 2 == 0 and ccdnum == 3
            p_bad = 0.9 if strange else 0.1
            about = {"expnum": e, "ccdnum": ccdnum}
            predictions.append(about | {"p_bad": p_bad, "p_good": 1 - p_bad, "p_psf": p_bad})
            vector = rng.normal(0, 0.1, DIMENSIONS) + 3 * strange
            kind = kinds[e % len(kinds)]
            embeddings.append(about | {"backbone": kind, "recipe": "r", "embedding": vector.astype(np.float32)})
    return {"night_predictions": pd.DataFrame(predictions), "night_embeddings": pd.DataFrame(embeddings)}


def reader(found, asked=None):
    def read(asset, night, expnums, columns):
        if asked is not None:
            asked.append((asset, night))
        table = found.get(asset, pd.DataFrame())
        return table if table.empty else table[table["expnum"].isin(expnums)].reset_index(drop=True)

    return read


def test_exposures_with_one_strange_ccd_are_together_and_apart_from_the_others():
    found = gather_vectors(candidates(), reader(tables()), load_camera())
    assert found.expnum.tolist() == list(range(1, N + 1))
    strange = found.expnum % 2 == 0
    for name in ("kinds", "night_embeddings, worst"):
        x = found.blocks[name]
        apart = np.linalg.norm(x[strange].mean(axis=0) - x[~strange].mean(axis=0))
        assert apart > 3 * x[strange].std(axis=0).max(), name
        assert (x**2).sum(axis=1).mean() == pytest.approx(1, abs=0.01)


def test_nights_are_read_one_after_the_other_and_missing_tables_are_left_out():
    asked = []
    found = gather_vectors(candidates(), reader(tables(), asked), load_camera())
    assert [night for asset, night in asked if asset == "night_embeddings"] == list(NIGHTS)
    assert "measurements" not in found.blocks
    alone = gather_vectors(candidates(), reader({}), load_camera())
    assert list(alone.blocks) == ["scores"]
    assert np.isfinite(alone.blocks["scores"]).all()


def test_embeddings_of_another_network_than_most_count_as_missing():
    found = gather_vectors(candidates(), reader(tables(("b", "b", "other"))), load_camera())
    x = found.blocks["night_embeddings, mean"]
    missing = np.isin(found.expnum % 3, [2])
    assert not x[missing].any()
    assert x[~missing].any(axis=1).all()


def test_values_that_are_not_finite_and_exposures_without_rows_leave_zeros():
    found = tables()
    found["night_embeddings"] = found["night_embeddings"][found["night_embeddings"]["expnum"] != 5]
    found["night_embeddings"].loc[found["night_embeddings"]["expnum"] == 7, "embedding"] = None
    table = candidates()
    table.loc[3, "p_bad"] = np.nan
    vectors = gather_vectors(table, reader(found), load_camera())
    assert all(np.isfinite(x).all() for x in vectors.blocks.values())
    assert not vectors.blocks["night_embeddings, mean"][[4, 6]].any()


def test_the_same_tables_give_the_same_vectors():
    first, again = (gather_vectors(candidates(), reader(tables()), load_camera()) for _ in range(2))
    for name, x in first.blocks.items():
        assert x.tobytes() == again.blocks[name].tobytes()


def test_a_measurement_without_values_is_missing_whatever_another_thread_does_to_warnings():
    values = pd.DataFrame({"none": np.nan, "some": [np.nan, *range(N - 1)]})
    ended = threading.Event()

    def change():
        while not ended.is_set():
            with warnings.catch_warnings():
                ended.wait(1e-4)

    other = threading.Thread(target=change)
    other.start()
    try:
        found = [_in_band(values, np.full(N, "r", object)) for _ in range(300)]
    finally:
        ended.set()
        other.join()
    z = (np.arange(N - 1) - 19) / (1.4826 * 10)
    for each in found:
        assert np.isnan(each[:, 0]).all()
        assert np.isnan(each[0, 1])
        assert each[1:, 1] == pytest.approx(z)
