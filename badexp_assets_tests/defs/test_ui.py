"""What a person sees in the Dagster UI, in a real browser, on a copy of a home in which everything has run."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import Home
from badexp_assets.defs.build import build_definitions
from badexp_assets_tests.browser import chromium
from badexp_assets_tests.homes import copy_home
from badexp_assets_tests.repository import PYTHON_PATH
from badexp_assets_tests.waiting import LONGEST_WAIT

pytestmark = pytest.mark.slow

NIGHT = "2018-03-11"
NEWEST = "2018-03-11"  # the night that was materialised last

ASSETS = """{ assetNodes {
  assetKey { path } description groupName kinds isPartitioned staleStatus
  owners { ... on TeamAssetOwner { team } ... on UserAssetOwner { email } }
  metadataEntries { label ... on TableSchemaMetadataEntry { schema { columns { name } } } }
  assetMaterializations(limit: 1) { partition metadataEntries { label ... on IntMetadataEntry { intValue } } }
} }"""
DEPLOYMENT = """{
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
  workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename } } } }
}"""
RUNS = """{ runsOrError(limit: 1) { ... on Runs { results { runId status assetSelection { path }
  tags { key value } } } } }"""


@dataclass(frozen=True)
class Served:
    """A home that is being served: where, and the log of the services."""

    home: Home
    url: str
    log: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _members(session: int) -> list[psutil.Process]:
    """The processes that belong to a session, those whose parent has gone too."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def _stop(server: subprocess.Popen) -> None:
    """End the daemon, the code server, the web server and what they started, as Ctrl-C in a terminal does."""
    os.killpg(server.pid, signal.SIGINT)
    if not _all_ended(server, 30.0):  # it takes 3 s, and longer only where a run of the UI has not ended
        os.killpg(server.pid, signal.SIGKILL)
        _all_ended(server, LONGEST_WAIT)


def _all_ended(server: subprocess.Popen, seconds: float) -> bool:
    """Wait until no member runs. Not `psutil.wait_procs`: a container may have no process that collects zombies."""
    deadline = time.monotonic() + seconds
    while (server.poll() is None or _members(server.pid)) and time.monotonic() < deadline:
        time.sleep(0.25)
    return not _members(server.pid)


@pytest.fixture(scope="module")
def served(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("ui")
    home, log, port = folder / "home", folder / "log.txt", _free_port()
    copy_home(Home(finished_home), home)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BADEXP_", "DAGSTER_"))}
    command = [
        sys.executable,
        "-m",
        "badexp_assets.commands.cli",
        "ui",
        "--home",
        home,
        "--host",
        "127.0.0.1",
        "-p",
        port,
    ]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(word) for word in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=clean | {"PYTHONPATH": PYTHON_PATH},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + LONGEST_WAIT
        while True:
            try:
                urllib.request.urlopen(f"{url}/server_info", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < deadline, log.read_text(errors="replace")
                time.sleep(0.25)
        yield Served(Home(home), url, log)
    finally:
        _stop(server)
    assert not _members(server.pid)


@pytest.fixture(scope="module")
def page(served):
    """A tab of a headless Chromium on the UI."""
    with chromium() as browser:
        tab = browser.new_page(base_url=served.url, viewport={"width": 1400, "height": 1400})
        tab.set_default_timeout(LONGEST_WAIT * 1000)
        tab.goto("/assets")
        yield tab


def ask(page, query: str) -> dict:
    """Send a GraphQL query from the page, as the UI does."""
    answer = page.evaluate(
        """async query => (await fetch('/graphql', {method: 'POST', headers: {'content-type': 'application/json'},
                                                   body: JSON.stringify({query})})).json()""",
        query,
    )
    assert "errors" not in answer, json.dumps(answer["errors"])[:2000]
    return answer["data"]


ON_REQUEST = {"pipeline_search", "injection_completeness"}  # not made by a run unless the settings ask for it


def test_every_asset_has_description_group_kind_owner_columns_and_a_last_materialisation_with_a_row_count(page):
    nodes = ask(page, ASSETS)["assetNodes"]
    expected = {key.to_user_string() for key in build_definitions().resolve_asset_graph().get_all_asset_keys()}
    assert {"/".join(node["assetKey"]["path"]) for node in nodes} == expected
    for node in nodes:
        name = node["assetKey"]["path"][-1]
        for field in ("description", "groupName", "kinds", "owners"):
            assert node[field], (name, field)
        schema = [entry["schema"]["columns"] for entry in node["metadataEntries"] if entry.get("schema")]
        assert len(schema) == 1, name
        assert schema[0], name
        if name in ON_REQUEST:
            continue
        assert node["assetMaterializations"], name
        counts = {
            e["label"]: e["intValue"] for e in node["assetMaterializations"][0]["metadataEntries"] if "intValue" in e
        }
        assert counts["dagster/row_count"] >= 0, name
        if node["isPartitioned"]:
            assert counts["dagster/partition_row_count"] == counts["dagster/row_count"], name


FILLED = """{ assetNodes { assetKey { path } isPartitioned partitionKeys
  partitionStats { numPartitions numMaterialized numFailed } } }"""


def test_every_night_of_the_archive_is_filled_and_no_other_night_is_offered(page, served):
    from playwright.sync_api import expect

    nights = served.home.nights("night_exposures")
    nightly = [node for node in ask(page, FILLED)["assetNodes"] if node["isPartitioned"]]
    assert len(nightly) > 10
    for node in nightly:
        assert node["partitionKeys"] == nights, node
        stats = {"numPartitions": len(nights), "numMaterialized": len(nights), "numFailed": 0}
        assert node["partitionStats"] == stats, node
    page.goto("/assets/night_exposures?view=partitions")
    for night in nights:
        expect(page.get_by_text(night, exact=True).first).to_be_visible(timeout=60_000)
    words = " ".join(page.locator("body").inner_text().split())
    assert f"Materialized ({len(nights)})" in words, words
    assert "Missing (0)" in words, words


def test_nothing_is_out_of_date_after_the_whole_graph_has_run(page):
    stale = {n["assetKey"]["path"][-1]: n["staleStatus"] for n in ask(page, ASSETS)["assetNodes"]}
    assert {name for name, status in stale.items() if status != "FRESH"} == ON_REQUEST, stale


def test_the_code_location_is_loaded_and_all_daemons_are_healthy(page, served):
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        answer = ask(page, DEPLOYMENT)
        daemons = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
        ill = [daemon["daemonType"] for daemon in daemons if daemon["required"] and not daemon["healthy"]]
        if not ill or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert not ill
    [location] = answer["workspaceOrError"]["locationEntries"]
    assert location == {
        "name": "badexp_assets",
        "loadStatus": "LOADED",
        "locationOrLoadError": {"__typename": "RepositoryLocation"},
    }
    log = served.log.read_text(errors="replace")
    assert not re.search(r"ERROR|Traceback|SupersessionWarning", log), log


@pytest.mark.parametrize(
    ("asset", "night"),
    [
        ("bad_ccd_labels", None),
        ("night_exposures", NEWEST),
        ("night_entropy_scores", NEWEST),
        ("fitted_pipeline", None),
    ],
)
def test_the_page_of_an_asset_shows_description_row_count_last_materialisation_and_columns(page, served, asset, night):
    from playwright.sync_api import expect

    page.goto(f"/assets/{asset}")
    expect(page.get_by_text("Latest materialization", exact=True).first).to_be_visible(
        timeout=60_000
    )  # on a busy machine
    for heading in ("Latest materialization", "Row count", "Description", "Columns", "Metadata"):
        expect(page.get_by_text(heading, exact=True).first).to_be_visible()
    node = build_definitions().resolve_asset_graph().get(_key(asset))
    expect(page.get_by_text(node.description.replace("`", ""))).to_be_visible()
    for column in node.metadata["dagster/column_schema"].columns:
        expect(page.get_by_text(column.name, exact=True).first).to_be_visible()
    when = re.compile(r"Latest materialization\s+(\d+ \w+|a \w+|an \w+|just now|now)")
    expect(page.locator("body")).to_contain_text(when, use_inner_text=True)  # it comes after the heading
    words = page.locator("body").inner_text()
    shown = int(re.search(r"Row count\s+([\d,]+)", words)[1].replace(",", ""))
    stored = "training_set" if asset == "fitted_pipeline" else asset
    table = load(served.home, stored, night)
    assert shown == (len(table[table["split"] == "train"]) if asset == "fitted_pipeline" else len(table))
    if night:
        expect(page.get_by_text(night, exact=True).first).to_be_visible()


def test_a_picture_in_the_metadata_is_shown_to_a_person(page):
    from playwright.sync_api import expect

    page.goto("/assets/night_previews")
    page.get_by_text("Show Markdown").first.click()
    picture = page.get_by_role("img", name="an exposure")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 100


def test_the_graph_page_shows_the_groups_and_the_assets_of_a_group(page):
    from playwright.sync_api import expect

    graph = build_definitions().resolve_asset_graph()
    page.goto("/asset-groups")
    for group in {graph.get(key).group_name for key in graph.get_all_asset_keys()}:
        expect(page.locator("svg").get_by_text(group, exact=True).first).to_be_visible()
    page.set_viewport_size({"width": 3000, "height": 2000})  # the UI draws only what is in sight
    page.goto("/locations/badexp_assets/asset-groups/scores/lineage")
    for key in graph.get_all_asset_keys():
        if graph.get(key).group_name == "scores":
            expect(page.locator("svg").get_by_text(key.to_user_string(), exact=True).first).to_be_visible()


def test_the_jobs_page_shows_what_the_command_line_has_run(page):
    from playwright.sync_api import expect

    page.goto("/jobs")
    for job in ("fit_classifier", "read_night", "publish_rejects"):
        row = page.get_by_role("link", name=re.compile(rf"\b{job}\b"))
        expect(row).to_be_visible()
    runs = ask(
        page,
        '{ pipelineRunsOrError(filter: {tags: {key: ".dagster/repository", value: '
        '"__repository__@badexp_assets"}}) { ... on Runs { results { pipelineName } } } }',
    )
    assert {run["pipelineName"] for run in runs["pipelineRunsOrError"]["results"]} >= {"read_night", "fit_classifier"}


COMMAND_LINE_RUNS = """{ runsOrError { ... on Runs { results { runId jobName status
  repositoryOrigin { repositoryName repositoryLocationName } tags { key value } } } } }"""


def test_the_overview_shows_the_runs_of_the_command_line(page):
    from playwright.sync_api import expect

    runs = [
        run
        for run in ask(page, COMMAND_LINE_RUNS)["runsOrError"]["results"]
        if {"key": "badexp/command_line", "value": "true"} in run["tags"]
    ]
    assert {run["jobName"] for run in runs} >= {"read_night", "fit_classifier", "publish_rejects"}
    for run in runs:
        origin = {"repositoryName": "__repository__", "repositoryLocationName": "badexp_assets"}
        assert run["repositoryOrigin"] == origin, run
    page.set_viewport_size({"width": 1400, "height": 1400})
    page.goto("/overview")
    for job in ("fit_classifier", "read_night", "publish_rejects"):
        expect(page.locator(f"a[href='/locations/badexp_assets/jobs/{job}']")).to_be_visible()
    expect(page.get_by_text("No runs")).to_have_count(0)
    page.goto("/locations/badexp_assets/jobs/publish_rejects/runs")
    run_id = next(run["runId"] for run in runs if run["jobName"] == "publish_rejects")
    expect(page.get_by_text(run_id[:8]).first).to_be_visible()


AGAIN = """mutation { launchRunReexecution(reexecutionParams: {parentRunId: "%s", strategy: ALL_STEPS}) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


def test_a_run_of_the_command_line_is_repeated_in_the_ui(page, served):
    runs = ask(page, COMMAND_LINE_RUNS)["runsOrError"]["results"]
    first = next(run for run in runs if run["jobName"] == "read_labels")
    answer = ask(page, AGAIN % first["runId"])["launchRunReexecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    status = f'{{ runOrError(runId: "{answer["run"]["runId"]}") {{ ... on Run {{ status parentRunId }} }} }}'
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        run = ask(page, status)["runOrError"]
        if run["status"] == "SUCCESS":
            break
        assert run["status"] not in ("FAILURE", "CANCELED"), served.log.read_text(errors="replace")
        assert time.monotonic() < deadline, f"{run}\n{served.log.read_text(errors='replace')}"
        time.sleep(0.5)
    assert run["parentRunId"] == first["runId"]


def test_a_night_is_materialised_by_clicking(page, served):
    table = served.home.table("night_entropy_scores", NIGHT)
    before = load(served.home, "night_entropy_scores", NIGHT)
    table.unlink()
    page.goto("/assets/night_entropy_scores")
    page.get_by_role("button", name="Materialize").first.click()
    nights = page.get_by_role("dialog").locator("input[type=text]").first
    nights.fill(NIGHT)
    nights.press("Enter")
    page.get_by_role("button", name=re.compile("^Launch")).click()
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        run = ask(page, RUNS)["runsOrError"]["results"][0]
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        if tags.get("dagster/partition") == NIGHT and "dagster/from_ui" in tags and run["status"] == "SUCCESS":
            break
        assert run["status"] not in ("FAILURE", "CANCELED"), served.log.read_text(errors="replace")
        assert time.monotonic() < deadline, f"{run}\n{served.log.read_text(errors='replace')}"
        time.sleep(0.5)
    assert run["assetSelection"] == [{"path": ["night_entropy_scores"]}]
    assert load(served.home, "night_entropy_scores", NIGHT).equals(before)


def _key(asset: str):
    import dagster as dg

    return dg.AssetKey(asset)
