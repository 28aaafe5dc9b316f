"""Which runs and which nights are told, on an instance in memory; the message goes to a program that keeps it."""

import datetime as dt
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import dagster as dg
import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.defs.sensors import alerts
from badexp_assets.defs.sensors.alerts import VERDICTS, alert_bad_nights, alert_failed_runs
from badexp_assets.io.parquet import write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.orchestration.command_line_runs import COMMAND_LINE_TAGS

TODAY = dt.datetime.now(dt.UTC).date()
RECENT = [str(TODAY - dt.timedelta(days=days)) for days in (3, 2, 1)]


@pytest.fixture
def home(tmp_path) -> Home:
    """A home whose alerts are lines of a file."""
    code = f"import sys, json; open({str(tmp_path / 'alerts')!r}, 'a').write(json.dumps(sys.stdin.read()) + '\\n')"
    words = json.dumps([sys.executable, "-c", code])
    (tmp_path / "settings.toml").write_text(f"[alerts]\ncommand = {words}\ntimeout = 20\n")
    return Home(tmp_path)


def told(home: Home) -> list[str]:
    file = home.root / "alerts"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def http_server() -> Iterator[SimpleNamespace]:
    """A server that answers 200: `url`, and the `bodies` that were posted to it."""
    bodies: list[bytes] = []

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Keep) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/", bodies=bodies)
        server.shutdown()


def survey(home: Home) -> SurveyResource:
    return SurveyResource(home=str(home.root))


def fail(instance: dg.DagsterInstance, home: Home, **tags: str) -> None:
    """Fail a run with these tags, and let the sensor see it."""

    @dg.op
    def read() -> None:
        raise ValueError("the file server is away")

    @dg.job(name="new_night")
    def job() -> None:
        read()

    result = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    run = instance.get_run_by_id(result.run_id)
    failure = next(event for event in result.all_events if event.event_type == dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        "alert_failed_runs", failure, instance, run, partition_key=tags.get("dagster/partition")
    ).for_run_failure()
    alert_failed_runs(context, survey=survey(home))


def test_a_run_that_failed_for_good_is_told_with_its_night_and_its_error(home):
    with dg.DagsterInstance.ephemeral() as instance:
        fail(instance, home, **{"dagster/partition": "2018-03-05"})
    [text] = told(home)
    assert "(new_night) of night 2018-03-05 failed: read: ValueError: the file server is away" in text


def test_a_run_that_will_be_repeated_and_one_of_the_command_line_are_not_told(home):
    with dg.DagsterInstance.ephemeral() as instance:
        fail(instance, home, **{"dagster/will_retry": "true"})
        fail(instance, home, **COMMAND_LINE_TAGS)
    assert told(home) == []


def test_nothing_is_told_without_settings(tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        fail(instance, Home(tmp_path))
    assert list(tmp_path.iterdir()) == []


class Nights:
    """Scores nights, and lets the sensor look."""

    def __init__(self, home: Home, instance: dg.DagsterInstance) -> None:
        self.home, self.instance, self.cursor = home, instance, None

    def score(self, night: str, n_bad: int, n: int = 10) -> None:
        columns = SCHEMAS[VERDICTS].column_names
        given = {"is_bad": [True] * n_bad + [False] * (n - n_bad), "category": ["psf"] * n_bad + ["good"] * (n - n_bad)}
        table = pd.DataFrame({name: given.get(name, _filler(SCHEMAS[VERDICTS], name, night, n)) for name in columns})
        write_table(table, self.home.table(VERDICTS, night), SCHEMAS[VERDICTS])
        event = dg.AssetMaterialization(VERDICTS, partition=night)
        self.instance.report_runless_asset_event(event)

    def look(self) -> str:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        said = alert_bad_nights(context, survey=survey(self.home))
        self.cursor = said.cursor
        return said.skip_reason.skip_message


def _filler(schema, name: str, night: str, n: int) -> list:
    kind = {column.name: column.type for column in schema.columns}[name]
    if name == "expnum":
        return list(range(n))
    return {"string": [night] * n, "dictionary": [night] * n, "bool": [False] * n}.get(kind, [0] * n)


@pytest.fixture
def nights(home):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Nights(home, instance)


def test_bad_nights_are_told_together_and_once(home, nights):
    nights.score(RECENT[0], 10)  # before the sensor was first looked at
    assert "from now on" in nights.look()
    assert nights.look() == "no night was scored"
    nights.score(RECENT[1], 9)
    nights.score(RECENT[2], 5)
    nights.score("2018-03-05", 10)  # a backfill
    assert nights.look() == "3 nights were scored, 2 bad ones reported"
    [text] = told(home)
    assert text.splitlines()[:2] == [
        "badexp: 2 bad nights",
        f"{RECENT[1]}: 9 of 10 exposures are bad (90%): 9 psf",
    ]
    nights.score(RECENT[1], 9)  # scored again with the same result
    assert nights.look() == "1 nights were scored, 0 bad ones reported"
    nights.score(RECENT[1], 10)
    assert nights.look() == "1 nights were scored, 1 bad ones reported"
    assert len(told(home)) == 2


def test_a_night_that_could_not_be_told_is_tried_again(home, nights):
    nights.look()
    works = home.settings_file.read_text()
    home.settings_file.write_text('[alerts]\ncommand = ["/no/such/program"]\n')
    nights.score(RECENT[1], 9)
    assert "tries again" in nights.look()
    home.settings_file.write_text(works)
    assert "1 bad ones reported" in nights.look()
    assert len(told(home)) == 1


@pytest.fixture
def with_broken_program(home, http_server):
    """The home has a URL that works, too, and for now a program that is not there; returns the working settings."""
    works = f'{home.settings_file.read_text()}url = "{http_server.url}"\n'
    home.settings_file.write_text(f'[alerts]\ncommand = ["/no/such/program"]\nurl = "{http_server.url}"\n')
    return works


def test_a_destination_that_fails_neither_repeats_nor_holds_up_the_alerts_of_another(
    home, nights, http_server, with_broken_program, monkeypatch
):
    monkeypatch.setattr(alerts, "_MAX_EVENTS", 1)
    nights.look()
    for night in RECENT:
        nights.score(night, 9)
    said = [nights.look() for _ in range(5)]
    assert len(http_server.bodies) == 3
    failed = "command: 1 bad nights could not be reported; the next tick tries again"
    assert said[0] == f"url: 1 nights were scored, 1 bad ones reported; {failed}"
    assert said[-1] == f"url: no night was scored; {failed}"
    home.settings_file.write_text(with_broken_program)
    for _ in range(4):
        nights.look()
    assert len(http_server.bodies) == len(told(home)) == 3


def test_a_cursor_of_an_earlier_version_holds_for_all_destinations(home, nights, http_server, with_broken_program):
    home.settings_file.write_text(with_broken_program)
    nights.look()
    nights.score(RECENT[1], 9)
    nights.look()
    earlier = json.loads(nights.cursor)["url"]
    nights.score(RECENT[2], 9)
    nights.cursor = json.dumps({"after": 0, "told": earlier["told"]})
    assert nights.look() == "2 nights were scored, 1 bad ones reported"
    assert len(http_server.bodies) == len(told(home)) == 2


def test_the_cursor_forgets_nights_that_are_no_longer_recent(home, nights):
    nights.look()
    nights.cursor = json.dumps({"after": 0, "told": {"2018-03-05": "x"}})
    nights.score(RECENT[1], 9)
    nights.look()
    assert set(json.loads(nights.cursor)["command"]["told"]) == {RECENT[1]}


def test_sensors_are_on_and_find_their_settings(tmp_path: Path):
    for sensor in (alert_failed_runs, alert_bad_nights):
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        assert sensor.description
