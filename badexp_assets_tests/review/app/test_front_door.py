"""The home page and the reports behind it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from badexp_assets.commands.cli import badexp
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError
from badexp_assets.reports.index_page import write_index_page
from badexp_assets.review.accounts import Reviewers
from badexp_assets.review.app.dagster_ui import ui_version
from badexp_assets.review.app.security import safe_next
from badexp_assets.review.app.server import make_app
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.homes import remove
from badexp_assets_tests.repository import PYTHON_PATH
from badexp_assets_tests.waiting import LONGEST_WAIT

HOST = "http://127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_with_ui(settings, port: int, ui: str, output, **more) -> subprocess.Popen:
    """Start `badexp open --ui` at `port`, with the Dagster UI at the address `ui`."""
    with settings.home.settings_file.open("a") as file:
        file.write(f'[alerts]\nui = "{ui}"\n')
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BADEXP_", "DAGSTER_"))}
    words = ["open", "--home", str(settings.home.root), "-p", str(port), "--ui", "--no-browser"]
    return subprocess.Popen(
        [sys.executable, "-m", "badexp_assets.commands.cli", *words],
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=settings.home.root,
        env=clean | {"PYTHONPATH": PYTHON_PATH, "BADEXP_TABLES": str(settings.home.tables)},
        **more,
    )


def log_in(app, settings) -> TestClient:
    client = TestClient(app, base_url=HOST, follow_redirects=False)
    client.post("/login", data={"token": Reviewers(settings.verdicts).add("ann"), "next": "/home"})
    return client


@pytest.fixture
def client(settings):
    settings.home.reports.joinpath("nights").mkdir(parents=True)
    settings.home.report.write_text("<script>1</script><p>the report")
    settings.home.night_report("2018-05-18").write_text("<p>a night")
    settings.home.night_report("2018-05-18", "md").write_text("# Night 2018-05-18\n\n17 exposures: 17 scored.\n")
    with settings.home.settings_file.open("a") as file:
        file.write(f'[alerts]\nui = "http://127.0.0.1:{free_port()}"\n')
    again = load_settings(settings.home.root)
    return log_in(make_app(again), again)


def test_the_home_page_has_the_latest_night_the_queue_and_the_reports(client, settings):
    page = re.sub(r"<[^>]+>|\s+", " ", client.get("/home").text)
    page = re.sub(r" +", " ", page)
    assert "Night 2018-05-18" in page
    assert "17 exposures 17 scored, 0 failed, 0 excluded" in page
    assert "34 open to you 34 candidates, 0 answered, 0 by you" in page
    assert "No reject list yet." in page
    assert "Not measured yet." in page
    assert f"badexp ui --home {settings.home.root}" in page
    assert "2018-05-18 17 exposures: 17 scored." in page


def test_a_home_without_candidates_has_a_home_page(client, settings):
    remove(settings.home.table("review_candidates"))
    assert "No candidates have been listed yet" in client.get("/home").text


def test_every_link_of_the_home_page_and_of_the_index_leads_somewhere_or_says_why_not(client, settings):
    settings.home.export.mkdir()
    (settings.home.export / "bad_expid.txt").write_text("1 1 psf\n")
    write_index_page(settings.home)
    page = client.get("/home").text
    links = [link for link in re.findall(r'href="(/[^"]*)"', page) if not link.startswith("/static")]
    assert {"/", "/home", "/gallery", "/reports/index.html", "/reports/classification_report.html"} <= set(links)
    assert {client.get(link).status_code for link in links} == {200}
    assert "../export/bad_expid.txt" in client.get("/reports/index.html").text
    refused = client.get("/export/bad_expid.txt", headers={"accept": "text/html"})
    assert refused.status_code == 403
    assert "shows answers of others" in refused.text


def test_reports_may_run_their_own_scripts_and_reach_nothing(client):
    answer = client.get("/reports/classification_report.html")
    assert answer.text == "<script>1</script><p>the report"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src 'self'" in client.get("/home").headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    ["none.html", "..%2Fsettings.toml", "../settings.toml", "%2e%2e/settings.toml", "nights", "", "nights/%00.html",
     "%2Fetc%2Fpasswd", "linked.html", "secret.sqlite"],
)  # fmt: skip
def test_nothing_outside_of_the_reports_is_served(client, settings, path):
    (settings.home.root / "outside.html").write_text("secret")
    (settings.home.reports / "linked.html").symlink_to(settings.home.root / "outside.html")
    (settings.home.reports / "secret.sqlite").write_text("secret")
    answer = client.get(f"/reports/{path}")
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.sqlite", "")


def test_without_a_session_there_is_no_home_page_and_no_report(settings):
    client = TestClient(make_app(settings), base_url=HOST, follow_redirects=False)
    for path in ("/home", "/reports/classification_report.html", "/export/bad_expid.txt"):
        assert client.get(path).status_code == 401
    page = client.get("/home", headers={"accept": "text/html"})
    assert page.headers["location"] == "/login?next=/home"


@pytest.mark.parametrize("path", ["/home", "/reports/index.html", "/reports/nights/2018-05-17.html"])
def test_a_login_leads_back_to_the_home_page_and_to_reports(path):
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "path", ["/reports/../x.html", "/reports//evil.html", "/reports/a/b.html", "/export/bad_expid.txt"]
)
def test_a_login_leads_nowhere_else(path):
    assert safe_next(path) == "/"


def test_a_server_that_is_no_dagster_ui_is_none():
    assert ui_version(f"http://127.0.0.1:{free_port()}") is None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert ui_version(f"http://127.0.0.1:{silent.getsockname()[1]}") is None


@pytest.mark.slow
def test_one_command_opens_the_home_page_and_the_dagster_ui_and_ctrl_c_ends_both(settings, browser, tmp_path):
    port, ui = free_port(), f"http://127.0.0.1:{free_port()}"
    token = Reviewers(settings.verdicts).add("ann")
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        process = open_with_ui(settings, port, ui, output, start_new_session=True)
    try:
        deadline = time.monotonic() + LONGEST_WAIT
        while ui_version(ui) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        tab = browser.new_page(base_url=f"{HOST}:{port}", viewport={"width": 375, "height": 700})
        tab.set_default_timeout(LONGEST_WAIT * 1000)
        tab.goto("/home")
        tab.fill("#token", token)
        tab.keyboard.press("Enter")
        tab.wait_for_selector(f"a[href='{ui}']")
        assert "Running, Dagster" in tab.inner_text("main")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375
        tab.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(LONGEST_WAIT)
    assert f"the home page is {HOST}:{port}/home" in log.read_text()
    assert ui_version(ui) is None


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["terminated", "terminal closed"])
def test_however_the_home_page_is_ended_the_dagster_ui_ends_with_it(settings, number):
    process = open_with_ui(settings, free_port(), f"{HOST}:{free_port()}", subprocess.PIPE, text=True)
    parts = []
    try:
        with process.stdout:
            assert any("the home page is" in line for line in process.stdout)
            parts = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(number)
            assert process.wait(LONGEST_WAIT) == 128 + signal.SIGTERM
        assert parts
        assert psutil.wait_procs(parts, LONGEST_WAIT)[1] == []
    finally:
        process.kill()
        for part in parts:
            with contextlib.suppress(psutil.NoSuchProcess):
                part.kill()


def ignores_interrupts(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(re.search(r"SigIgn:\s*(\w+)", status)[1], 16) >> signal.SIGINT - 1 & 1)


@pytest.mark.slow
def test_the_dagster_ui_heeds_interrupts_where_the_shell_that_started_both_ignores_them(settings):
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    address = f"{HOST}:{free_port()}"
    process = open_with_ui(settings, free_port(), address, subprocess.PIPE, text=True, preexec_fn=ignore)
    with process.stdout:
        try:
            assert any("the home page is" in line for line in process.stdout)
            ignoring = [ignores_interrupts(child.pid) for child in psutil.Process(process.pid).children()]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LONGEST_WAIT)
    assert ignoring == [False]  # else the UI is killed after half a minute


@pytest.mark.slow
def test_the_end_of_the_queue_says_what_was_answered_and_how_others_agree(open_page, settings):
    store = VerdictStore(settings.verdicts)
    for name, verdict in (("ann", "bad"), ("bob", "fine")):
        rest = [
            {"expnum": e, "verdict": verdict, "reviewer": name} for e in range(1001 if name == "bob" else 1002, 1034)
        ]
        store.answer(rest, [f"{name}-{row['expnum']}" for row in rest])
    tab = open_page("ann")
    tab.goto("/exposure/1001")
    tab.wait_for_selector("body[data-shown='1001']")
    tab.keyboard.press("s")
    tab.wait_for_selector("body[data-shown='1034']")  # bob has left it open
    for shown in ("1034", "1001"):
        tab.wait_for_selector(f"body[data-shown='{shown}']")
        tab.keyboard.press("f")
    tab.wait_for_selector("dialog.done p:has-text('You gave 34 answers: 32 bad, 2 fine, 0 unsure.')")
    assert "1 of 33 answers of others on the same have the same verdict." in tab.inner_text("dialog.done")
    tab.goto("/home")
    assert "You gave 34 answers" in tab.inner_text("main")


def test_a_ui_on_another_machine_can_not_be_started(settings):
    with settings.home.settings_file.open("a") as file:
        file.write('[alerts]\nui = "https://dagster.example.org"\n')
    result = CliRunner().invoke(badexp, ["open", "--home", str(settings.home.root), "--ui", "--no-browser"])
    assert isinstance(result.exception, InputError)
    assert "[alerts] ui is https://dagster.example.org" in str(result.exception)
