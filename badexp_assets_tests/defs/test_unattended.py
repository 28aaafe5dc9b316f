"""A real daemon on a real home: an exposure that is written slowly is scored without a hand; nothing is done twice."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest

from badexp_assets.commands.dagster_home import prepare_instance
from badexp_assets.config.home import Home
from badexp_assets.config.settings_file import update_settings_file
from badexp_assets.defs.archive_events import arrived_nights
from badexp_assets.defs.jobs import NEW_NIGHT
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.survey.archive import list_night_files
from badexp_assets.survey.arrivals.table_sources import is_scored, possible_scores
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.repository import PYTHON_PATH
from badexp_assets_tests.waiting import LONGEST_WAIT

pytestmark = pytest.mark.slow

NIGHT = "2018-03-11"
SECONDS = 150  # that any one thing may take on a busy machine
CODE = """
from badexp_assets.defs.build import build_definitions

defs = build_definitions(tick_seconds=2)
"""


@dataclass
class Unattended:
    """A home that a daemon looks after, and the survey that its files come from."""

    home: Home
    survey: Path
    archive: Path
    instance: dg.DagsterInstance
    daemon: subprocess.Popen
    log: Path

    def runs(self) -> list[dg.DagsterRun]:
        """Of nights; close_of_night comes by as well, where this runs in the afternoon of the telescope."""
        return self.instance.get_runs(dg.RunsFilter(job_name=NEW_NIGHT.name))

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not until():
            failed = [run for run in self.runs() if run.status == dg.DagsterRunStatus.FAILURE]
            assert self.daemon.poll() is None, self.log.read_text(errors="replace")[-6000:]
            assert not failed, self.log.read_text(errors="replace")[-6000:]
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")[-6000:]
            time.sleep(0.5)

    def ticks(self) -> int:
        [state] = [s for s in self.instance.all_instigator_state() if s.instigator_name == "arrivals"] or [None]
        return len(self.instance.get_ticks(state.instigator_origin_id, state.selector_id)) if state else 0

    def scored(self) -> bool:
        """Whether the night's last scores are those of its files as they are now."""
        files = list_night_files(self.archive, NIGHT, load_camera())
        return is_scored(self.home, NIGHT, files.fingerprint, possible_scores(self.home)) and all(
            run.is_success for run in self.runs()
        )


@pytest.fixture
def unattended(finished_home, simulated_survey, tmp_path) -> Iterator[Unattended]:
    """A daemon on a copy of a home with fitted models and an empty archive."""
    home, archive, log = Home(tmp_path / "home"), tmp_path / "archive", tmp_path / "log.txt"
    shutil.copytree(finished_home, home.root, ignore=shutil.ignore_patterns("dagster"))
    for table in home.tables.iterdir():
        if table.is_dir():
            shutil.rmtree(table)
    update_settings_file(home.settings_file, {}, {"arrivals": {"settle_seconds": 4}})
    archive.mkdir()
    prepare_instance(home)
    (tmp_path / "watched.py").write_text(CODE)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BADEXP_", "DAGSTER_"))}
    given = {"DAGSTER_HOME": str(home.dagster), "BADEXP_HOME": str(home.root), "BADEXP_ARCHIVE": str(archive)}
    command = [sys.executable, "-m", "dagster._daemon", "run", "-f", str(tmp_path / "watched.py")]
    with dg.DagsterInstance.from_config(
        str(home.dagster)
    ) as instance:  # makes its databases before others look for them
        with log.open("wb") as output:
            daemon = subprocess.Popen(
                command,
                cwd=tmp_path,
                env=clean | given | {"BADEXP_AUTOMATION": "on", "PYTHONPATH": PYTHON_PATH},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            yield Unattended(home, simulated_survey, archive, instance, daemon, log)
        finally:
            _stop(daemon)


def _stop(daemon: subprocess.Popen) -> None:
    """End the daemon and what it started: all of them are in its session."""
    own = [process for process in psutil.process_iter() if _session(process) == daemon.pid]
    daemon.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(own, timeout=LONGEST_WAIT)
    for process in alive:
        process.kill()
    daemon.wait(timeout=LONGEST_WAIT)


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def write_slowly(source: Path, target: Path, seconds: float, pieces: int = 6) -> None:
    """Write `target` piece by piece, as a transfer over a network does."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    size = -(-len(content) // pieces)
    with target.open("wb", buffering=0) as file:
        for n in range(pieces):
            file.write(content[n * size : (n + 1) * size])
            time.sleep(seconds / pieces)


def test_an_exposure_that_arrives_slowly_is_scored_without_a_hand_and_again_once_it_is_changed(unattended):
    images = unattended.survey / "images"
    files = sorted(path for path in images.rglob("*") if path.is_file() and f"CP{NIGHT.replace('-', '')}" in str(path))
    times = sorted({path.name.split("_")[2] for path in files})[:2]
    first, second = ([path for path in files if f"_{time}_" in path.name] for time in times)
    unattended.wait(lambda: unattended.ticks() > 0)
    assert unattended.runs() == []

    for path in first:
        write_slowly(path, unattended.archive / path.relative_to(images), 6 if "_ooi_" in path.name else 0)
    assert unattended.runs() == []  # nothing is read while it is written
    unattended.wait(unattended.scored)
    exposures = read_table(unattended.home.table("night_exposures", NIGHT))
    assert exposures["status"].tolist() == ["scored"]
    assert unattended.home.night_report(NIGHT).exists()

    for path in second:  # the night changes: another exposure, and the first one is written again
        shutil.copy(path, unattended.archive / path.relative_to(images))
    (unattended.archive / first[0].relative_to(images)).touch()
    unattended.wait(unattended.scored)
    seen = unattended.ticks()
    unattended.wait(lambda: unattended.ticks() >= seen + 2)

    runs = unattended.runs()
    keys = Counter(run.tags["dagster/run_key"] for run in runs)
    assert len(runs) == len(keys) == 2
    assert all(key.startswith(f"{NIGHT}/") for key in keys)
    for table in ("night_exposures", "night_exposure_predictions", "night_entropy_scores"):
        rows = read_table(unattended.home.table(table, NIGHT))
        assert rows["expnum"].is_unique
        assert len(rows) == 2, table
    fingerprint = list_night_files(unattended.archive, NIGHT, load_camera()).fingerprint
    assert arrived_nights(unattended.instance) == {NIGHT: fingerprint}
    events = unattended.instance.fetch_materializations(dg.AssetKey("cp_images"), limit=10).records
    assert len(events) == 2
