"""The sensor and the schedules by direct call: what they ask for, what they say, and what they leave behind."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from badexp_assets.config.home import Home
from badexp_assets.defs.archive_events import CP_IMAGES, arrival, arrived_nights
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.archive import list_night_files
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.night_range import NightRange, load_night_range, record_night_range
from badexp_assets_tests.homes import remove

TIMEZONE = load_camera().timezone
NIGHT, NEXT = "2018-05-17", "2018-05-18"
OLD = 1_600_000_000
SCORES = ("night_entropy_scores",)


@dataclass
class Platform:
    """A home, its archive and its instance; the sensor's cursor is kept as the daemon keeps it."""

    home: Home
    archive: Path
    instance: dg.DagsterInstance
    cursor: str | None = None
    definitions: dg.Definitions = field(default_factory=build_definitions)

    @property
    def resources(self) -> dict:
        return {"survey": SurveyResource(home=str(self.home.root), archive=str(self.archive))}

    def tick(self):
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources=self.resources,
            definitions=self.definitions,
        )
        result = self.definitions.resolve_sensor_def("arrivals").evaluate_tick(context)
        self.cursor = result.cursor
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        return result

    def write(self, night: str, number: int = 0, mtime: int = OLD) -> Path:
        folder = self.archive / "CP" / f"CP{night.replace('-', '')}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"c4d_180518_0000{number:02d}_ooi_r_ls9.fits.fz"
        path.write_bytes(b"x" * 2880)
        os.utime(path, (mtime, mtime))
        return path

    def scored(self, night: str, fingerprint: str | None = None) -> None:
        """Store tables of the night, as a run leaves them."""
        files = fingerprint or list_night_files(self.archive, night, load_camera()).fingerprint
        for name in ("night_exposures", *SCORES):
            write_table(empty_table(SCHEMAS[name]), self.home.table(name, night), SCHEMAS[name], {"fingerprint": files})

    def arrived(self, night: str, fingerprint: str = "abc") -> None:
        """Report the files of a night."""
        self.instance.report_runless_asset_event(arrival(self.instance, self.archive, night, fingerprint, 1))

    def schedule(self, name: str, hour: int = 13, minute: int = 0) -> list[dg.RunRequest] | str:
        """Run requests of a schedule at a local time, or why it skips."""
        when = datetime(2018, 5, 20, hour, minute, tzinfo=ZoneInfo(TIMEZONE))
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=when,
            resources=self.resources,
            repository_def=self.definitions.get_repository_def(),
        ) as context:
            found = self.definitions.resolve_schedule_def(name).evaluate_tick(context)
        return list(found.run_requests) or found.skip_message

    def runs_of(self, job: str, night: str, status=dg.DagsterRunStatus.STARTED, **tags: str) -> None:
        tags = {"dagster/partition": night} | {name.replace("_", "/"): value for name, value in tags.items()}
        run = self.instance.create_run_for_job(self.definitions.resolve_job_def(job), tags=tags)
        self.instance.add_run_tags(run.run_id, {})
        self.instance.report_engine_event("", run)
        events = {dg.DagsterRunStatus.STARTED: dg.DagsterEventType.RUN_START}
        if status in events:
            self.instance.report_dagster_event(dg.DagsterEvent(events[status].value, job), run.run_id)


@pytest.fixture
def platform(tmp_path) -> Iterator[Platform]:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    write_table(
        empty_table(SCHEMAS["entropy_reference"]), home.table("entropy_reference"), SCHEMAS["entropy_reference"]
    )
    (tmp_path / "archive").mkdir()
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield Platform(home, tmp_path / "archive", instance)


@pytest.mark.slow
def test_a_night_that_arrives_is_requested_once_and_its_arrival_is_an_event_of_the_exposures(platform):
    assert "no night is due" in platform.tick().skip_message
    platform.write(NIGHT)
    platform.tick()
    result = platform.tick()
    [request] = result.run_requests
    files = list_night_files(platform.archive, NIGHT, load_camera()).fingerprint
    assert request.run_key == f"{NIGHT}/{files}"
    assert request.partition_key == NIGHT
    names = {key.to_user_string() for key in request.asset_selection}
    assert names == {*PASS_TABLES, *SCORES, "night_report"}  # no model: no prediction is asked for
    assert arrived_nights(platform.instance) == {NIGHT: files}
    assert platform.tick().run_requests == []
    records = platform.instance.fetch_materializations(CP_IMAGES, limit=10).records
    assert len(records) == 1
    assert records[0].asset_materialization.metadata["dagster/row_count"].value == 1


@pytest.mark.slow
def test_the_same_files_are_an_event_once_whoever_sees_them(platform):
    first = arrival(platform.instance, platform.archive, NIGHT, "abc", 3)
    platform.instance.report_runless_asset_event(first)
    assert arrival(platform.instance, platform.archive, NIGHT, "abc", 3) is None
    assert arrival(platform.instance, platform.archive, NIGHT, "abd", 3) is not None
    assert arrival(platform.instance, platform.archive, NEXT, "abc", 3) is not None


@pytest.mark.slow
def test_files_that_go_and_come_back_as_they_were_are_requested_again_under_a_key_of_their_own(platform):
    platform.tick()
    kept = platform.write(NIGHT, 1)
    path, keys = platform.write(NIGHT), []
    for there in (True, False, True):
        if there:
            platform.write(NIGHT)
        else:
            path.unlink()
        platform.tick()
        [request] = platform.tick().run_requests
        keys.append(request.run_key)
        run = platform.instance.create_run_for_job(
            platform.definitions.resolve_job_def("new_night"),
            tags={**request.tags, "dagster/partition": NIGHT},
        )
        platform.instance.report_run_failed(run)
    assert kept.exists()
    assert keys[2] == f"{keys[0]}/2"
    assert len(set(keys)) == 3


def test_a_request_is_one_that_its_job_takes(platform):
    platform.tick()
    platform.write(NIGHT)
    platform.tick()
    [request] = platform.tick().run_requests
    job = platform.definitions.resolve_job_def("new_night")
    subset = job.get_subset(asset_selection=set(request.asset_selection))
    dg.validate_run_config(subset, request.run_config)


def test_a_night_outside_the_partitions_is_a_problem_and_never_a_request(platform):
    platform.tick()
    for night in ("2011-01-01", "2093-01-01", NIGHT):
        platform.write(night)
    platform.tick()
    result = platform.tick()
    assert [request.partition_key for request in result.run_requests] == [NIGHT]
    message = platform.tick().skip_message
    assert "night 2011-01-01: not a night that can be requested" in message
    assert "night 2093-01-01: not a night that can be requested" in message


@pytest.mark.slow
def test_a_night_outside_the_partitions_that_the_ui_shows_is_requested_and_widens_them(tmp_path, platform, monkeypatch):
    monkeypatch.setenv("BADEXP_HOME", str(platform.home.root))
    record_night_range(platform.home, load_camera(), ["2018-05-01", "2018-05-10"])
    platform.definitions = build_definitions()
    platform.tick()
    platform.write(NIGHT)
    platform.tick()
    result = platform.tick()
    [request] = result.run_requests
    assert request.partition_key == request.tags["dagster/partition"] == NIGHT
    assert load_night_range(platform.home, load_camera()) == NightRange("2018-05-01", NIGHT)
    assert "1 night(s) outside 2018-05-01 to 2018-05-10 are run" in platform.tick().skip_message
    platform.scored(NIGHT)
    assert [r.partition_key for r in platform.schedule("close_of_night")] == [NIGHT]
    platform.definitions = build_definitions()  # as the run itself does, and a reload
    [request] = platform.schedule("close_of_night")
    assert "outside" not in platform.tick().skip_message


@pytest.mark.slow
def test_a_home_without_an_archive_or_without_models_says_so(platform, tmp_path):
    remove(platform.home.table("entropy_reference"))
    assert "no model is fitted" in platform.tick().skip_message
    platform.archive = ""
    assert "no archive given" in platform.tick().skip_message


@pytest.mark.slow
def test_an_archive_that_cannot_be_read_fails_the_tick(platform):
    platform.archive.rmdir()
    with pytest.raises(Exception, match="no such folder") as raised:
        platform.tick()
    assert isinstance(raised.value.__cause__ or raised.value, InputError | Exception)


@pytest.mark.slow
def test_an_unknown_option_fails_the_tick_and_names_the_file(platform):
    platform.home.settings_file.write_text("[arrivals]\nsettle = 3\n")
    with pytest.raises(Exception, match="unknown name"):
        platform.tick()


@pytest.mark.slow
def test_a_cursor_of_another_version_is_told_and_nights_with_other_files_are_due(platform):
    platform.write(NIGHT)
    platform.write(NEXT)
    platform.scored(NIGHT)
    platform.scored(NEXT, "of other files")
    platform.cursor = '{"version": 0}'
    assert "starting with a new one" in platform.tick().skip_message
    assert [request.partition_key for request in platform.tick().run_requests] == [NEXT]


@pytest.mark.slow
def test_every_night_that_arrived_and_is_not_scored_is_asked_for_after_noon(platform):
    platform.tick()
    for night in (NIGHT, NEXT, "2018-05-19"):
        platform.write(night)
    platform.tick()
    assert len(platform.tick().run_requests) == 3
    platform.scored(NIGHT)
    platform.runs_of("new_night", "2018-05-19")
    [request] = platform.schedule("missed_nights", 12, 30)
    assert request.partition_key == NEXT
    files = list_night_files(platform.archive, NEXT, load_camera()).fingerprint
    assert request.tags["badexp/files"] == files
    platform.scored(NEXT)
    platform.scored("2018-05-19")
    assert "all 3 nights that have arrived are scored" in platform.schedule("missed_nights", 12, 30)


@pytest.mark.slow
def test_a_night_that_was_read_and_not_scored_is_missed(platform):
    platform.tick()
    platform.write(NIGHT)
    platform.tick(), platform.tick()
    platform.scored(NIGHT)
    remove(platform.home.table("night_entropy_scores", NIGHT))
    assert [r.partition_key for r in platform.schedule("missed_nights", 12, 30)] == [NIGHT]


@pytest.mark.slow
def test_candidates_are_listed_once_a_day_after_the_last_night_is_read(platform):
    assert platform.schedule("close_of_night") == "no night has been read yet"
    platform.write(NIGHT)
    platform.scored(NIGHT)
    platform.runs_of("new_night", NEXT)
    assert NEXT in platform.schedule("close_of_night")
    [request] = platform.schedule("close_of_night", 23, 50)  # the day is over
    assert request.partition_key == NIGHT
    for run in platform.instance.get_runs():
        platform.instance.report_run_failed(run)
    [request] = platform.schedule("close_of_night", 13, 20)
    platform.runs_of("close_night", NIGHT, badexp_day=request.tags["badexp/day"])
    assert platform.schedule("close_of_night", 13, 30) == "done for 2018-05-20"


def test_of_many_missed_nights_the_newest_are_requested_and_the_others_on_the_following_days(platform, capsys):
    nights = [f"2018-04-{day:02}" for day in range(1, 31)]
    for night in nights:
        platform.arrived(night)
    first = [request.partition_key for request in platform.schedule("missed_nights", 12, 30)]
    assert first == nights[:-21:-1]  # the default of max_requests
    assert "30 of 30 nights that have arrived are not scored; the newest 20 are requested" in capsys.readouterr().err
    platform.home.settings_file.write_text("[arrivals]\nmax_requests = 3\n")
    for night in first:
        platform.scored(night, "abc")
    assert [request.partition_key for request in platform.schedule("missed_nights", 12, 30)] == nights[9:6:-1]


RANGE = {"dagster/asset_partition_range_start": "2018-05-17", "dagster/asset_partition_range_end": "2018-05-19"}


@pytest.mark.parametrize(
    ("job", "assets", "are_seen"),
    [
        ("new_night", None, True),
        ("score_night", None, True),
        ("__ASSET_JOB", {"night_exposures", "night_ccds"}, True),
        ("__ASSET_JOB", {"night_entropy_scores"}, True),
        ("__ASSET_JOB", {"night_report"}, False),
        ("close_night", None, False),
    ],
)
def test_schedules_see_the_nights_of_a_backfill_with_several_nights_per_run(platform, job, assets, are_seen):
    for night in (NIGHT, NEXT, "2018-05-19", "2018-05-20"):
        platform.arrived(night)
    platform.scored(NIGHT, "of other files")
    chosen = assets and frozenset(map(dg.AssetKey, assets))
    create_run_for_test(
        platform.instance, job_name=job, status=dg.DagsterRunStatus.STARTED, tags=RANGE, asset_selection=chosen
    )
    requested = {request.partition_key for request in platform.schedule("missed_nights", 12, 30)}
    assert requested == ({"2018-05-20"} if are_seen else {NIGHT, NEXT, "2018-05-19", "2018-05-20"})
    waits = platform.schedule("close_of_night") == f"waits for nights that are being read: {NIGHT}, {NEXT}, 2018-05-19"
    assert waits == are_seen


def test_candidates_are_listed_again_after_a_failed_run_at_most_five_times_a_day(platform):
    platform.scored(NIGHT)
    for minute in (0, 10, 20, 30, 40):
        [request] = platform.schedule("close_of_night", 13, minute)
        run = platform.instance.create_run_for_job(
            platform.definitions.resolve_job_def("close_night"), tags=dict(request.tags)
        )
        if minute == 0:
            assert platform.schedule("close_of_night", 13, 5) == "done for 2018-05-20"  # it is queued
            platform.instance.report_run_canceled(run)
        else:
            platform.instance.report_run_failed(run)
    assert platform.schedule("close_of_night", 13, 50) == "failed 5 times on 2018-05-20"


@pytest.mark.parametrize(("word", "runs"), [("on", True), ("ON", True), ("off", False), ("", False)])
def test_automation_runs_by_itself_only_where_the_environment_says_on(monkeypatch, word, runs):
    monkeypatch.setenv("BADEXP_AUTOMATION", word)
    definitions = build_definitions()
    always = {
        "repeat_lost_runs",
        "alert_failed_runs",
        "alert_bad_nights",
    }  # do nothing unless something is lost or asked for
    switched = [d for d in (*definitions.sensors, *definitions.schedules) if d.name not in always]
    assert len(switched) == 4
    assert {d.default_status.value for d in switched} == {"RUNNING" if runs else "STOPPED"}


def test_another_word_for_automation_is_refused(monkeypatch):
    monkeypatch.setenv("BADEXP_AUTOMATION", "yes please")
    with pytest.raises(InputError, match="on or off"):
        build_definitions()


def test_every_sensor_and_schedule_says_what_it_does():
    definitions = build_definitions()
    for automatic in (*definitions.sensors, *definitions.schedules):
        assert len(automatic.description or "") > 60, automatic.name
    assert {s.execution_timezone for s in definitions.schedules} == {TIMEZONE}
