"""A backfill by the services deployment while its processes are killed: all must end as if nothing had happened.

python -m badexp_assets_tests.deployments.kill_test FOLDER --nights 300 --kills 20 --seed 0
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click
import dagster as dg
import psutil
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from badexp_assets.config.home import Home
from badexp_assets.defs.sensors.lost_runs import REPEATS_TAG
from badexp_assets_tests.deployments.postgres import Postgres
from badexp_assets_tests.deployments.services import QUICK, Services
from badexp_assets_tests.deployments.survey import NIGHT_ASSETS, differences, tiny_archive, undisturbed, without_nights

VICTIMS = ("run", "daemon", "postgres", "machine")
ENDED = (BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.FAILED)
LONGEST_PAUSE = 12.0  # seconds between kills
LONGEST_OUTAGE = 12.0  # seconds without database; Dagster itself bridges about six


@dataclass
class Report:
    """What was killed, and what became of the backfill."""

    nights: int
    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    status: str = ""
    runs: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    seconds_undisturbed: float = 0.0
    taken_up: int = 0
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report as text."""
        killed = ", ".join(f"{n} x {what}" for what, n in sorted(self.kills.items()))
        runs = ", ".join(f"{n} {status}" for status, n in sorted(self.runs.items()))
        return [
            f"{self.nights} nights; killed: {killed or 'nothing'}; {self.missed} time(s) no run was there to be killed",
            f"all at rest after {self.seconds:.0f} s, the backfill {self.status}",
            f"runs: {runs}; {self.taken_up} of them took up a lost one",
            f"the same nights without services: {self.seconds_undisturbed:.0f} s",
            *(self.problems or ["tables are those of the undisturbed nights; no run, slot or pending step is left"]),
        ]


class Chaos:
    """Kills what belongs to `services` and `postgres`, chosen and timed by a seed."""

    def __init__(self, services: Services, postgres: Postgres, instance: dg.DagsterInstance, seed: int) -> None:
        self.services, self.postgres, self.instance = services, postgres, instance
        self.random = random.Random(seed)

    def strike(self, victim: str) -> bool:
        """Kill `victim`, and do what a service manager does for the database; False when it was not there."""
        if victim == "run":
            return _kill(self._run_process())
        if victim == "daemon":
            return _kill(self.services.pid("daemon"))
        if victim == "machine":  # all but supervisord, which stands for the service manager of the next boot
            for process in self.services.processes():
                if "supervisord" not in " ".join(process.cmdline()):
                    _kill(process.pid)
        self.postgres.kill()
        time.sleep(self.random.uniform(0, LONGEST_OUTAGE))
        self.postgres.start()
        return True

    def _run_process(self) -> int:
        """Process of a run that is being executed; 0 when there is none."""
        for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            found = self.instance.run_launcher._find_process(run.run_id)
            if found is not None:
                return found[0]
        return 0


def _kill(pid: int) -> bool:
    try:
        if not pid:
            return False
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return False
    return True


def kill_test(
    folder: Path,
    n_nights: int,
    victims: list[str],
    seed: int,
    seconds: float,
    say: Callable[[str], None] = lambda _: None,
    timings: Mapping = QUICK,
    nights_per_run: int = 25,
) -> Report:
    """Backfill `n_nights`, some empty, while `victims` are killed one after the other; wait at most `seconds`."""
    report = Report(n_nights)
    archive, nights = tiny_archive(folder / "survey", n_nights, seed)
    started = time.monotonic()
    expected = undisturbed(folder / "undisturbed", archive, nights)
    report.seconds_undisturbed = time.monotonic() - started
    home = without_nights(folder / "home", expected)
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        stack.enter_context(variables(postgres.environment))
        more = {"BADEXP_NIGHTS_PER_JOB": str(nights_per_run)}
        services = stack.enter_context(Services(home.root, archive, postgres, timings, variables=more))
        services.wait_until_loaded()
        started = time.monotonic()
        backfill = services.launch_backfill(NIGHT_ASSETS, nights)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(home.dagster)))
        chaos = Chaos(services, postgres, instance, seed)
        while not instance.get_runs(limit=1) and time.monotonic() - started < seconds:
            time.sleep(0.5)
        for victim in victims:
            time.sleep(chaos.random.uniform(0, LONGEST_PAUSE))
            hit = _patiently(partial(chaos.strike, victim), partial(_ended, instance, backfill))
            report.kills[victim] += hit
            report.missed += not hit
            say(f"{time.monotonic() - started:6.0f} s  {victim}{'' if hit else ': not there'}")
        while not _settled(instance, backfill, nights) and time.monotonic() - started < seconds:
            time.sleep(1)
        report.seconds = time.monotonic() - started
        _look(report, instance, backfill, home, expected, nights)
        if report.problems:
            report.problems.append(services.log())
    return report


def _patiently(strike: Callable[[], bool], over: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Strike; when the victim is not there wait until it is, unless all is over."""
    deadline = time.monotonic() + seconds
    while not (hit := strike()) and not over() and time.monotonic() < deadline:
        time.sleep(0.5)
    return hit


def _ended(instance: dg.DagsterInstance, backfill: str) -> bool:
    found = instance.get_backfill(backfill)
    return found is not None and found.status in ENDED


def _settled(instance: dg.DagsterInstance, backfill: str, nights: list[str]) -> bool:
    """Whether the backfill has ended, nothing runs, and all nights are there: lost runs are taken up after its end."""
    if not _ended(instance, backfill) or instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES), limit=1):
        return False
    return all(set(nights) <= instance.get_materialized_partitions(dg.AssetKey(asset)) for asset in NIGHT_ASSETS)


def _look(
    report: Report, instance: dg.DagsterInstance, backfill: str, home: Home, expected: Home, nights: list[str]
) -> None:
    found = instance.get_backfill(backfill)
    report.status = found.status.value if found else "lost"
    report.runs = Counter(run.status.value for run in instance.get_runs())
    report.taken_up = sum(REPEATS_TAG in run.tags for run in instance.get_runs())
    report.problems += differences(home, expected, nights)[:20]
    for asset in NIGHT_ASSETS:
        missing = set(nights) - instance.get_materialized_partitions(dg.AssetKey(asset))
        if missing:
            report.problems.append(f"{asset}: not known to be materialised: {sorted(missing)[:5]}")
    left = instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    report.problems += [f"run {run.run_id} is {run.status.value}" for run in left]
    storage = instance.event_log_storage
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(_held(storage, key) for key in storage.get_concurrency_keys()):
        time.sleep(1)
    report.problems += [
        f"pool {key}: {_held(storage, key)} slots held or awaited"
        for key in storage.get_concurrency_keys()
        if _held(storage, key)
    ]


def _held(storage, key: str) -> int:
    info = storage.get_concurrency_info(key)
    return info.active_slot_count + info.pending_step_count + info.assigned_step_count


@contextlib.contextmanager
def variables(given: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the block."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--nights", default=300, show_default=True)
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--limit", default=3600.0, show_default=True, help="Seconds after which the backfill counts as stuck.")
def main(folder: Path, nights: int, kills: int, seed: int, limit: float) -> None:
    """Run the kill test in the new FOLDER; exit code 1 when anything is not as it should be."""
    folder.mkdir(parents=True)
    drawn = random.Random(seed).choices(VICTIMS, weights=(4, 2, 3, 1), k=kills)
    report = kill_test(folder, nights, drawn, seed, limit, click.echo)
    for line in report.lines():
        click.echo(line)
    raise SystemExit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
