"""Tables go to and come from the home: one night, several nights, all nights, and a writer that dies."""

import dagster as dg
import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.defs.io_managers import NightTables, ParquetIOManager
from badexp_assets.defs.partitions import NIGHTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import InputError
from badexp_assets.io.parquet_reading import read_metadata, read_table
from badexp_assets.orchestration.step_resources import backfill_policy
from badexp_assets_tests.homes import read_bytes


def errors_table(night: str, n: int = 2) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "expnum": range(n),
            "night": [night] * n,
            "filter": ["g"] * n,
            "n_stamps": [5] * n,
            "mean_mse": [0.5] * n,
            "model": ["m"] * n,
        }
    )


@dg.asset(partitions_def=NIGHTS, backfill_policy=backfill_policy())
def night_reconstruction_errors(context: dg.AssetExecutionContext) -> dict[str, pd.DataFrame]:
    return {night: errors_table(night) for night in context.partition_keys}


@dg.asset
def classification_report(night_reconstruction_errors: NightTables) -> pd.DataFrame:
    everything = night_reconstruction_errors.concatenated()
    numbers = {name: [1.0] for name in ("precision", "recall", "f1")}
    papers = {f"paper_{name}": [None] for name in numbers}
    support = {"category": ["good"], "support": [len(everything)], "subset": ["all"]}
    return pd.DataFrame(numbers | papers | support)


@pytest.fixture(params=["folder", "object store"])
def home(tmp_path, request) -> Home:
    if request.param == "folder":
        return Home(tmp_path)
    return Home(tmp_path, request.getfixturevalue("bucket") / "tables")


def materialise(home: Home, assets: list, night: str | None = None, **tags: str) -> dg.ExecuteInProcessResult:
    survey = SurveyResource(home=str(home.root), tables=str(home.tables))
    definitions = dg.Definitions(
        [night_reconstruction_errors, classification_report],
        resources={"io_manager": ParquetIOManager(survey=survey), "survey": survey},
        jobs=[dg.define_asset_job("job", assets)],
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def("job").execute_in_process(instance=instance, partition_key=night, tags=tags)


def test_one_night_is_one_file_with_the_run_in_its_metadata(home):
    result = materialise(home, [night_reconstruction_errors], "2018-03-04")
    path = home.table("night_reconstruction_errors", "2018-03-04")
    assert read_table(path)["night"].tolist() == ["2018-03-04"] * 2
    assert read_metadata(path)["run_id"] == result.run_id


@pytest.mark.slow
def test_several_nights_of_one_run_are_a_file_each(home):
    ends = {"dagster/asset_partition_range_start": "2018-03-04", "dagster/asset_partition_range_end": "2018-03-06"}
    result = materialise(home, [night_reconstruction_errors], **ends)
    found = home.nights("night_reconstruction_errors")
    assert found == ["2018-03-04", "2018-03-05", "2018-03-06"]
    counts = {
        event.partition: event.step_materialization_data.materialization.metadata["dagster/partition_row_count"].value
        for event in result.get_asset_materialization_events()
    }
    assert counts == dict.fromkeys(found, 2)


@pytest.mark.slow
def test_an_asset_of_all_nights_reads_those_that_are_stored(home):
    for night in ("2018-03-04", "2018-03-09"):
        materialise(home, [night_reconstruction_errors], night)
    materialise(home, [classification_report])
    assert read_table(home.table("classification_report"))["support"].tolist() == [4]


def test_without_any_night_the_tables_together_are_an_empty_table(home):
    nights = NightTables("night_stamps", home.tables / "night_stamps", ["2018-03-04"])
    assert len(nights) == 0
    assert list(nights.concatenated().columns)[:2] == ["expnum", "ccdnum"]


def test_a_night_that_is_not_stored_is_named_when_it_is_asked_for(home):
    nights = NightTables("night_stamps", home.tables / "night_stamps", ["2018-03-04"])
    with pytest.raises(InputError, match=r"night_stamps/2018-03-04\.parquet: no such table"):
        nights["2018-03-04"]


def test_a_writer_that_dies_leaves_the_stored_night_whole(home, monkeypatch):
    materialise(home, [night_reconstruction_errors], "2018-03-04")
    path = home.table("night_reconstruction_errors", "2018-03-04")
    before = read_bytes(path)

    def die(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("badexp_assets.io.parquet.os.replace", die)
    monkeypatch.setattr("badexp_assets.io.place.Url.put", die)
    with pytest.raises(InputError, match=r"2018-03-04\.parquet: could not be written \(No space left on device\)"):
        materialise(home, [night_reconstruction_errors], "2018-03-04")
    assert read_bytes(path) == before
    assert list((home.tables / "night_reconstruction_errors").glob("*")) == [path]


@pytest.mark.slow
def test_a_reader_gets_only_the_columns_that_it_asks_for(home):
    seen: dict[str, list[str]] = {}

    @dg.asset
    def label_files() -> pd.DataFrame:
        return pd.DataFrame({"file": ["a"], "kind": ["survey"], "bytes": [1], "sha256": ["0"]})

    @dg.asset(ins={"label_files": dg.AssetIn(metadata={"columns": ["bytes", "file"]})})
    def some(label_files: pd.DataFrame) -> dg.MaterializeResult:
        seen["some"] = list(label_files)
        return dg.MaterializeResult()

    @dg.asset
    def every(label_files: pd.DataFrame) -> dg.MaterializeResult:
        seen["every"] = list(label_files)
        return dg.MaterializeResult()

    survey = SurveyResource(home=str(home.root), tables=str(home.tables))
    resources = {"io_manager": ParquetIOManager(survey=survey), "survey": survey}
    assert dg.materialize([label_files, some, every], resources=resources).success
    assert set(seen["some"]) == {"bytes", "file"}
    assert seen["every"] == ["file", "kind", "bytes", "sha256"]
