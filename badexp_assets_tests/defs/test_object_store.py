"""The whole graph with its archive and its tables on an object store, beside the same on a disk."""

import pandas as pd
import pytest
from click.testing import CliRunner

from badexp_assets.commands.asset_text import load
from badexp_assets.commands.cli import badexp
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError, TransientError
from badexp_assets.io.schemas import SCHEMAS

ON_REQUEST = {"pipeline_search", "injection_completeness"}
OF_THE_PLACE = ["fingerprint"]  # of names, sizes, times and states of files


def invoke(*words) -> str:
    result = CliRunner().invoke(badexp, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_the_whole_graph_on_an_object_store_gives_the_tables_of_a_disk(
    finished_home, simulated_survey, tables_in_folder, bucket, object_store, tmp_path
):
    object_store.upload(simulated_survey / "images", bucket / "cp")
    (tmp_path / "home").mkdir()
    _, sections = (finished_home / "settings.toml").read_text().split("\n\n", 1)
    (tmp_path / "home" / "settings.toml").write_text(sections)
    words = ("--archive", bucket / "cp", "--tables", bucket / "tables", "--labels", simulated_survey / "labels")
    invoke("run", "--home", tmp_path / "home", *words)
    assert not (tmp_path / "home" / "tables").exists()
    there, here, rows = load_settings(tmp_path / "home").home, Home(finished_home), 0
    assert there.tables == bucket / "tables"
    for asset in sorted(set(SCHEMAS) - ON_REQUEST):
        table = load(here, asset)
        pd.testing.assert_frame_equal(
            load(there, asset).drop(columns=OF_THE_PLACE, errors="ignore"),
            table.drop(columns=OF_THE_PLACE, errors="ignore"),
            obj=asset,
        )
        rows += len(table)
    assert rows > 1000
    shown = invoke("show", "review_candidates", "--home", tmp_path / "home", "--format", "csv")
    assert shown == invoke("show", "review_candidates", "--home", finished_home, "--format", "csv")


@pytest.mark.slow
def test_a_run_says_at_once_what_is_wrong_with_the_place_of_its_tables(
    simulated_survey, bucket, object_store, tmp_path, monkeypatch
):
    words = ["run", "--home", tmp_path / "home", "--archive", simulated_survey / "images", "--tables"]

    def error(tables):
        return CliRunner().invoke(badexp, [str(word) for word in (*words, tables)]).exception

    nowhere = error("s3://no-such-bucket/tables")
    assert isinstance(nowhere, InputError)
    assert str(nowhere) == "s3://no-such-bucket/tables: no such bucket"
    object_store.fail = lambda method, path: "503 SlowDown"
    assert isinstance(error(bucket / "tables"), TransientError)
    object_store.fail = lambda method, path: "403 AccessDenied"
    assert "access denied" in str(error(bucket / "tables"))
    object_store.fail = None
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert "no credentials" in str(error(bucket / "tables"))
