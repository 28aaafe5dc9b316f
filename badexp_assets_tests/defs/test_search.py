"""The search as an asset: what it stores, and that the pipeline is fitted with its result when that is asked for."""

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from badexp_assets.commands.asset_text import render
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings
from badexp_assets.defs.build import build_definitions
from badexp_assets.errors import InputError
from badexp_assets.io.models import load_current
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS

NIGHT = "2018-03-10"
OPTIONS = """
[search]
n_trials = 6
space = "{space}"
use_best = {use_best}
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    """A home with a training set of one night, its embeddings, and a small search space."""
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))
    home = load_settings().home
    rng = np.random.default_rng(0)
    expnum = np.repeat(np.arange(40), 3)
    names = np.array(["good", "psf"])[expnum % 2]
    rows = pd.DataFrame({"expnum": expnum, "ccdnum": np.tile([1, 2, 3], 40), "night": NIGHT, "category": names})
    split = np.where(expnum < 30, "train", "test")
    fold = np.where(expnum < 30, expnum // 2 % 3, -1)
    rows = rows.assign(split=split, fold=fold, weight=1.0, source="list")
    vectors = (rng.normal(size=(120, 8)) + 2 * (expnum % 2)[:, None]).astype(np.float32)
    embeddings = rows[["expnum", "ccdnum"]].assign(backbone="net", recipe="scaled", embedding=list(vectors))
    for column in SCHEMAS["night_embeddings"].columns:
        if column.name not in embeddings:
            embeddings[column.name] = "0" if column.type == "string" else 0
    write_table(rows, home.table("training_set"), SCHEMAS["training_set"])
    write_table(embeddings, home.table("night_embeddings", NIGHT), SCHEMAS["night_embeddings"])
    (tmp_path / "space.toml").write_text('scaler = ["standard"]\nn_components = [2, 3]\nn_neighbors = [3]\n')
    return home


def materialise(home: Home, asset: str, use_best: bool) -> dg.ExecuteInProcessResult:
    text = OPTIONS.format(space=home.root / "space.toml", use_best=str(use_best).lower())
    home.settings_file.write_text(text)
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions().resolve_job_def("fit_classifier" if asset == "fitted_pipeline" else "search_pipeline")
        return job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(asset)])


@pytest.mark.slow
def test_the_search_is_stored_shown_and_used_when_the_settings_say_so(home: Home) -> None:
    result = materialise(home, "pipeline_search", use_best=True)
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    table = read_table(home.table("pipeline_search"))
    assert len(table) == 6
    assert table["is_best"].sum() == 1
    assert metadata["best score"].value == table.loc[table["is_best"], "score"].item()
    assert metadata["best parameters"].value["scaler"] == "standard"
    assert "data:image/png;base64" in metadata["scores"].value
    assert "standard" in "".join(render(home, "pipeline_search", None, "table"))
    assert home.search.is_file()

    materialise(home, "fitted_pipeline", use_best=True)
    model = load_current(home.models / "fitted_pipeline")
    assert model.card["params"] == metadata["best parameters"].value
    materialise(home, "fitted_pipeline", use_best=False)
    assert load_current(home.models / "fitted_pipeline").card["params"]["scaler"] == "minmax"


@pytest.mark.slow
def test_a_pipeline_that_should_use_a_search_says_when_there_is_none_or_one_of_other_rows(home: Home) -> None:
    with pytest.raises(InputError, match=r"pipeline_search\.parquet: no such table; has its asset been materialised"):
        materialise(home, "fitted_pipeline", use_best=True)
    materialise(home, "pipeline_search", use_best=True)
    rows = read_table(home.table("training_set")).assign(weight=2.0)
    write_table(rows, home.table("training_set"), SCHEMAS["training_set"])
    with pytest.raises(InputError, match="materialise pipeline_search again, or set use_best = false"):
        materialise(home, "fitted_pipeline", use_best=True)
