"""Alerts against real servers on this machine: one that listens, one that is slow, one that fails, and none."""

import datetime as dt
import json
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest

from badexp_assets.config.operation_options import AlertParams
from badexp_assets.errors import InputError
from badexp_assets.orchestration.alerts.messages import Alert, bad_nights_alert, failed_run_alert, find_bad_nights
from badexp_assets.orchestration.alerts.send import send
from badexp_assets_tests.waiting import LONGEST_WAIT

SECRET = "T0-SECRET-B1"
ALERT = Alert("failed_run", "badexp: run 1 failed", {"run_id": "1"})


@dataclass
class Server:
    """A web server whose answers are planted: status codes one after the other, the last one from then on."""

    statuses: list[int] = field(default_factory=lambda: [200])
    seconds: float = 0.0
    got: list[dict] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    planted = Server()
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            planted.got.append(body | {"path": self.path, "type": self.headers["content-type"]})
            stop.wait(planted.seconds)
            self.send_response(planted.statuses[min(len(planted.got), len(planted.statuses)) - 1])
            self.send_header("location", "http://127.0.0.1:9/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """The client has hung up."""

    with Quiet(("127.0.0.1", 0), Handler) as http:
        planted.url = f"http://127.0.0.1:{http.server_port}/services/{SECRET}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield planted
        stop.set()
        http.shutdown()
        thread.join()


def no_wait(_: float) -> None: ...


def test_an_alert_is_posted_as_json_that_slack_understands(server):
    assert send(ALERT, AlertParams(url=server.url)) == []
    assert server.got == [
        {
            "text": "badexp: run 1 failed",
            "kind": "failed_run",
            "run_id": "1",
            "path": f"/services/{SECRET}",
            "type": "application/json",
        }
    ]


def test_a_server_that_fails_is_asked_again_and_then_given_up(server):
    server.statuses = [500, 503, 200]
    assert send(ALERT, AlertParams(url=server.url), no_wait) == []
    assert len(server.got) == 3
    server.statuses = [500]
    [problem] = send(ALERT, AlertParams(url=server.url), no_wait)
    assert problem == "alert not sent to 127.0.0.1 in 3 attempt(s): the server answers 500"


@pytest.mark.parametrize("status", [404, 403, 302])
def test_a_server_that_refuses_or_points_elsewhere_is_asked_once(server, status):
    server.statuses = [status]
    [problem] = send(ALERT, AlertParams(url=server.url), no_wait)
    assert str(status) in problem
    assert len(server.got) == 1


def test_a_server_that_does_not_answer_costs_no_more_than_the_given_time(server):
    server.seconds = 30
    started = time.monotonic()
    [problem] = send(ALERT, AlertParams(url=server.url, timeout=0.2, attempts=2), no_wait)
    assert time.monotonic() - started < server.seconds
    assert "in 2 attempt(s): TimeoutError" in problem
    while len(server.got) < 2 and time.monotonic() - started < LONGEST_WAIT:  # a busy server reads later
        time.sleep(0.01)
    assert len(server.got) == 2


def test_a_closed_port_is_a_sentence_and_no_error():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/{SECRET}"
    [problem] = send(ALERT, AlertParams(url=url), no_wait)
    assert "ConnectionRefusedError" in problem


def test_pauses_between_attempts_double():
    pauses = []
    send(ALERT, AlertParams(url="http://127.0.0.1:1/", attempts=4), pauses.append)
    assert pauses == [1.0, 2.0, 4.0]


def test_no_problem_ever_holds_the_secret_part_of_the_url(server, monkeypatch):
    monkeypatch.setenv("HOOK", f"http://[{SECRET}/x")
    found = send(ALERT, AlertParams(url_env="HOOK"), no_wait)
    for status in (500, 404, 302):
        server.statuses = [status]
        found += send(ALERT, AlertParams(url=server.url), no_wait)
    assert len(found) == 4
    assert not [problem for problem in found if SECRET in problem]
    with pytest.raises(InputError, match="no http") as error:
        AlertParams(url=f"ftp://x/{SECRET}")
    assert SECRET not in "".join(traceback.format_exception(error.value.__cause__))
    assert SECRET not in str(error.value)


def test_the_url_can_be_in_the_environment_and_is_missed_when_it_is_not(server, monkeypatch):
    params = AlertParams(url_env="BADEXP_ALERT_URL")
    [problem] = send(ALERT, params, no_wait)
    assert "BADEXP_ALERT_URL ([alerts] url_env) is not set" in problem
    monkeypatch.setenv("BADEXP_ALERT_URL", server.url)
    assert send(ALERT, params, no_wait) == []
    assert len(server.got) == 1


def test_a_command_gets_the_text_on_its_input(tmp_path):
    code = f"import sys; open({str(tmp_path / 'mail')!r}, 'w').write(sys.stdin.read())"
    assert send(ALERT, AlertParams(command=(sys.executable, "-c", code), timeout=20)) == []
    assert (tmp_path / "mail").read_text() == "badexp: run 1 failed\n"


@pytest.mark.parametrize(
    ("words", "timeout", "said"),
    [
        (["import sys; sys.exit('no route')"], 20, "exit code 1, no route"),
        (["import time; time.sleep(30)"], 1, "more than 1 s"),
    ],
)
def test_a_command_that_fails_or_hangs_is_a_sentence(words, timeout, said):
    [problem] = send(ALERT, AlertParams(command=(sys.executable, "-c", *words), timeout=timeout, attempts=1), no_wait)
    assert said in problem


def test_a_command_that_is_not_there_is_tried_once():
    [problem] = send(ALERT, AlertParams(command=("/no/such/mailer",)), no_wait)
    assert problem == "alert not sent to /no/such/mailer: No such file or directory"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"url": "http://a", "url_env": "B"}, "both"),
        ({"command": "mail -s x"}, "list of texts"),
        ({"min_bad_share": 1.5}, "min_bad_share"),
        ({"min_exposures": 0}, "min_exposures"),
        ({"timeout": 60}, "timeout"),
        ({"attempts": 0}, "attempts"),
        ({"max_age_days": 0}, "max_age_days"),
    ],
)
def test_an_option_that_is_out_of_range_is_named(options, word):
    with pytest.raises(InputError, match=word):
        AlertParams(**options)


def test_nothing_is_sent_by_default():
    assert not AlertParams().on
    assert send(ALERT, AlertParams()) == []


def night(n_bad: int, n_good: int, n_unknown: int = 0) -> pd.DataFrame:
    bad = [True] * n_bad + [False] * n_good + [None] * n_unknown
    categories = ["psf"] + ["clouds_transparency"] * (n_bad - 1) if n_bad else []
    return pd.DataFrame({"is_bad": bad, "category": categories + ["good"] * (n_good + n_unknown)})


TODAY = dt.date(2018, 3, 20)


def test_a_night_is_bad_from_the_share_on_that_is_asked_for():
    tables = {"2018-03-19": night(5, 5), "2018-03-18": night(4, 6), "2018-03-17": night(9, 1)}
    found = find_bad_nights(tables.items(), AlertParams(min_bad_share=0.5), TODAY)
    assert [(n.night, n.n_bad, n.n_scored) for n in found] == [("2018-03-17", 9, 10), ("2018-03-19", 5, 10)]
    assert found[1].categories == {"clouds_transparency": 4, "psf": 1}
    assert find_bad_nights(tables.items(), AlertParams(min_bad_share=0), TODAY) == []


def test_exposures_without_a_verdict_do_not_count():
    params = AlertParams(min_bad_share=0.5, min_exposures=4)
    assert len(find_bad_nights([("2018-03-19", night(2, 2, 20))], params, TODAY)) == 1
    assert find_bad_nights([("2018-03-19", night(2, 1, 20))], params, TODAY) == []
    assert find_bad_nights([("2018-03-19", night(0, 0))], AlertParams(), TODAY) == []


def test_an_old_night_is_quiet_so_that_a_backfill_is():
    tables = [("2018-03-05", night(9, 1)), ("2018-03-07", night(9, 1))]
    assert [n.night for n in find_bad_nights(tables, AlertParams(max_age_days=14), TODAY)] == ["2018-03-07"]


def test_the_alert_of_bad_nights_says_how_many_and_which():
    tables = [(f"2018-03-{day:02}", night(9, 1)) for day in range(1, 26)]
    alert = bad_nights_alert(find_bad_nights(tables, AlertParams(max_age_days=40), TODAY), "http://127.0.0.1:3000/")
    lines = alert.text.splitlines()
    assert lines[0] == "badexp: 25 bad nights"
    assert lines[1] == "2018-03-01: 9 of 10 exposures are bad (90%): 8 clouds_transparency, 1 psf"
    assert lines[-2:] == ["and 5 more", "http://127.0.0.1:3000/assets/night_exposure_predictions"]
    assert len(alert.payload()["nights"]) == 25
    json.dumps(alert.payload())


def test_the_alert_of_a_failed_run_is_short_and_has_a_link():
    alert = failed_run_alert("0123456789", "new_night", ["2018-03-05"], "x" * 10_000, "http://ui")
    assert alert.text.startswith("badexp: run 01234567 (new_night) of night 2018-03-05 failed: xxx")
    assert alert.text.endswith("\nhttp://ui/runs/0123456789")
    assert len(alert.text) < 2100
    several = failed_run_alert("1", "a", ["2018-03-05", "2018-03-06"], "")
    assert several.text == "badexp: run 1 (a) of 2 nights, 2018-03-05 to 2018-03-06 failed: no reason is known"
