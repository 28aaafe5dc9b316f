"""Partitions are the nights of a home, from noon to noon at the telescope, and follow its archive."""

from dataclasses import replace
from datetime import UTC, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.graph_run import Runner
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings, save_settings
from badexp_assets.defs import jobs
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.partitions import NIGHTS, night_partitions
from badexp_assets.defs.resources import Progress
from badexp_assets.survey.cameras import Camera, load_camera
from badexp_assets.survey.night_range import NightRange, record_night_range
from badexp_assets.survey.nights import night_of_utc, tonight
from badexp_assets_tests.commands.homes import new_home

DECAM, MEGACAM, NINETY_PRIME = load_camera(), load_camera("megacam"), load_camera("90prime")
CALAR_ALTO = replace(load_camera("single"), timezone="Europe/Madrid")  # its clocks change in March and October
CAMERAS = {camera.timezone: camera for camera in (DECAM, MEGACAM, NINETY_PRIME, CALAR_ALTO)}


def hours(camera: Camera, night: str) -> float:
    window = night_partitions(camera, NightRange(night, night)).time_window_for_partition_key(night)
    return (window.end.timestamp() - window.start.timestamp()) / 3600


def nightly(definitions: dg.Definitions) -> set[dg.PartitionsDefinition]:
    graph = definitions.resolve_asset_graph()
    return {node.partitions_def for node in map(graph.get, graph.get_all_asset_keys()) if node.partitions_def}


@pytest.mark.parametrize(
    ("camera", "night", "expected"),
    [
        (DECAM, "2018-05-12", 25),  # the clock of Chile goes back on Saturday at midnight
        (DECAM, "2018-08-11", 23),
        (DECAM, "2018-08-12", 24),
        (MEGACAM, "2006-04-01", 24),  # Hawaii and Arizona never change their clocks
        (NINETY_PRIME, "2016-03-12", 24),
        (CALAR_ALTO, "2016-03-26", 23),
        (CALAR_ALTO, "2016-10-29", 25),
    ],
)
def test_a_night_lasts_from_noon_to_noon_also_where_the_clock_changes(camera, night, expected):
    assert hours(camera, night) == expected


@pytest.mark.parametrize("zone", CAMERAS)
@pytest.mark.parametrize("month", ["03", "05", "08", "10", "11"])
def test_a_partition_is_the_night_that_its_times_belong_to(zone, month):
    camera = CAMERAS[zone]
    nights = night_partitions(camera, NightRange(f"2016-{month}-01", f"2016-{month}-30"))
    keys = nights.get_partition_keys()
    assert (len(keys), keys[0], keys[-1]) == (30, f"2016-{month}-01", f"2016-{month}-30")
    for night in keys:
        window = nights.time_window_for_partition_key(night)
        for moment in (window.start, window.end - timedelta(seconds=1)):
            utc = moment.astimezone(UTC)
            assert night_of_utc(f"{utc:%Y-%m-%d}", f"{utc:%H:%M:%S}", camera) == night


def test_an_open_range_ends_with_tonight_at_the_telescope():
    for camera in (DECAM, MEGACAM):
        nights = night_partitions(camera, NightRange(camera.first_night))
        assert nights.get_partition_keys()[0] == camera.first_night
        assert nights.get_partition_keys()[-1] == nights.get_last_partition_key() == tonight(camera)


def test_keys_are_listed_anew_once_another_night_is_the_last():
    nights = night_partitions(DECAM, NightRange("2026-01-01"))
    before = nights.get_partition_keys()
    with partition_loading_context(nights.time_window_for_partition_key("2026-03-04").start + timedelta(hours=1)):
        assert nights.get_partition_keys()[-1] == "2026-03-04"
    assert nights.get_partition_keys() == before


def test_all_nightly_assets_have_the_nights_of_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))
    assert nightly(build_definitions()) == {NIGHTS}
    record_night_range(Home(tmp_path), MEGACAM, ["2006-05-03", "2006-05-05"])
    (tmp_path / "settings.toml").write_text('camera = "megacam"\n')
    [nights] = nightly(build_definitions())
    assert nights.get_partition_keys() == ["2006-05-03", "2006-05-04", "2006-05-05"]
    assert nights.timezone == "Pacific/Honolulu"
    assert {s.execution_timezone for s in build_definitions().schedules} == {"Pacific/Honolulu"}


def test_the_ui_loads_although_settings_or_stored_nights_are_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))
    Home(tmp_path).night_range.write_text("{")
    assert nightly(build_definitions()) == {NIGHTS}
    (tmp_path / "settings.toml").write_text("camera = \n")
    assert nightly(build_definitions()) == {NIGHTS}


def test_nights_stay_materialised_when_the_range_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))
    night = "2018-03-11"
    key = dg.AssetKey("night_exposures")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=night))
        for first, last in ((None, None), ("2018-03-10", "2018-03-17"), ("2017-01-01", "2018-03-11")):
            if first:
                record_night_range(Home(tmp_path), DECAM, [first, last])
            [nights] = nightly(build_definitions())
            status = instance.get_status_by_partition(key, nights.get_partition_keys(), nights)
            assert [n for n, found in status.items() if found is not None] == [night]


@pytest.mark.slow
def test_a_night_without_exposures_has_empty_tables_and_says_so(tmp_path, monkeypatch):
    home = new_home(tmp_path / "home")
    (tmp_path / "archive" / "CP20180312").mkdir(parents=True)
    monkeypatch.setenv("BADEXP_HOME", str(home))
    settings = load_settings(home, archive=tmp_path / "archive")
    with environment(settings):
        save_settings(settings)
        [warning] = Runner(settings, print, Progress(), ["2018-03-12"]).execute(jobs.READ_NIGHT, "2018-03-12")
    assert warning == f"night_exposures: no exposure of 1 of 1 nights in {tmp_path / 'archive'}: 2018-03-12"
    assert Home(home).nights("night_exposures") == ["2018-03-12"]
