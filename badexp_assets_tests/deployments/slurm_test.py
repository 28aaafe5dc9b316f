"""A backfill by the Slurm deployment, on a real Slurm of this machine: tables must be those of the undisturbed nights.

python -m badexp_assets_tests.deployments.slurm_test FOLDER --nights 40 --nights-per-run 5 --trouble
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import dagster as dg
import psutil
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from badexp_assets.config.home import Home
from badexp_assets_tests.deployments.kill_test import ENDED, variables
from badexp_assets_tests.deployments.postgres import Postgres
from badexp_assets_tests.deployments.services import QUICK, Services
from badexp_assets_tests.deployments.slurm import DEPLOYMENT, OneMachineSlurm
from badexp_assets_tests.deployments.survey import NIGHT_ASSETS, differences, tiny_archive, undisturbed, without_nights

OPTIONS = """
[slurm]
cpus = 1
memory_gib = 1
gpu_option = "--licenses=gpu:{gpus}"
"""


@dataclass
class Report:
    """What became of the backfills."""

    nights: int
    seconds: float = 0.0
    runs: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    retries: list[str] = field(default_factory=list)
    queries: int = 0
    trouble: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report as text."""
        return [
            f"{self.nights} nights, at rest after {self.seconds:.0f} s; trouble: {', '.join(self.trouble) or 'none'}",
            f"runs: {dict(self.runs)}; jobs of Slurm: {dict(self.jobs)}; Slurm was asked for jobs {self.queries} times",
            *(f"repeated: {words}" for words in self.retries),
            *(self.problems or ["tables are those of the undisturbed nights; no run and no job is left"]),
        ]


class Trouble:
    """What happens to a cluster; each method says what it did, or nothing when there was no victim."""

    def __init__(self, slurm: OneMachineSlurm, postgres: Postgres, away: float) -> None:
        self.slurm, self.postgres, self.away = slurm, postgres, away

    def job_is_cancelled(self) -> str:
        """By its owner, or by an operator."""
        job = self._running()
        return f"scancel {job}" if job and self.slurm.client("scancel", job).returncode == 0 else ""

    def process_is_killed(self) -> str:
        """As by the kernel, for memory."""
        job = self._running()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if (
                    job
                    and process.environ().get("SLURM_JOB_ID") == job
                    and "badexp_assets.defs" in str(process.cmdline())
                ):
                    process.kill()
                    return f"kill -9 of the step of job {job}"
        return ""

    def controller_is_away(self) -> str:
        """A restart of slurmctld."""
        self.slurm.stop_controller()
        time.sleep(self.away)
        self.slurm.start_controller()
        return f"{self.away:.0f} s without slurmctld"

    def database_is_away(self) -> str:
        """A crash of PostgreSQL."""
        self.postgres.kill()
        time.sleep(self.away)
        self.postgres.start()
        return f"{self.away:.0f} s without PostgreSQL"

    def _running(self) -> str:
        found = self.slurm.client("squeue", "--noheader", "--states=RUNNING", "--format=%i").stdout.split()
        return found[-1] if found else ""


def slurm_test(
    folder: Path,
    n_nights: int,
    nights_per_run: int,
    trouble: bool,
    seconds: float,
    seed: int = 0,
    gpus: int = 2,
    away: float = 0.0,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Backfill `n_nights`, some empty, in runs of `nights_per_run`; wait at most `seconds` until all is at rest.

    With `trouble`, slurmctld and PostgreSQL are away for `away` seconds, one after the other.
    """
    report = Report(n_nights)
    archive, nights = tiny_archive(folder / "survey", n_nights, seed)
    expected = undisturbed(folder / "undisturbed", archive, nights)
    home = without_nights(folder / "home", expected)
    with home.settings_file.open("a") as file:
        file.write(OPTIONS)
    with contextlib.ExitStack() as stack:
        slurm = stack.enter_context(OneMachineSlurm(nodes=2, gpus=gpus))
        postgres = stack.enter_context(Postgres())
        stack.enter_context(variables(postgres.environment | slurm.environment | {"TMPDIR": str(slurm.folder)}))
        given = {"BADEXP_EXECUTOR": "slurm", "TMPDIR": str(slurm.folder), **slurm.environment}
        services = Services(home.root, archive, postgres, QUICK, DEPLOYMENT / "dagster.yaml", given)
        stack.enter_context(services)
        services.wait_until_loaded()
        started = time.monotonic()
        parts = [nights[first : first + nights_per_run] for first in range(0, len(nights), nights_per_run)]
        backfills = [services.launch_backfill(NIGHT_ASSETS, part) for part in parts]
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(home.dagster)))
        if trouble:
            _make_trouble(Trouble(slurm, postgres, away), report, say)
        while not _at_rest(instance, backfills, nights) and time.monotonic() - started < seconds:
            time.sleep(1)
        report.seconds = time.monotonic() - started
        _look(report, instance, slurm, home, expected, nights)
        if report.problems:
            report.problems.append(services.log())
    return report


def _make_trouble(trouble: Trouble, report: Report, say: Callable[[str], None]) -> None:
    """One after the other; what finds no victim waits for one."""
    kinds = [
        trouble.job_is_cancelled,
        trouble.process_is_killed,
        trouble.controller_is_away,
        trouble.database_is_away,
    ]
    for kind in kinds:
        deadline = time.monotonic() + 90
        while not (done := kind()) and time.monotonic() < deadline:
            time.sleep(0.2)
        report.trouble.append(done or f"nothing for {kind.__name__}")
        say(report.trouble[-1])


def _at_rest(instance: dg.DagsterInstance, backfills: list[str], nights: list[str]) -> bool:
    found = [instance.get_backfill(backfill) for backfill in backfills]
    if not all(backfill is not None and backfill.status in ENDED for backfill in found):
        return False
    if instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES), limit=1):
        return False
    return all(set(nights) <= instance.get_materialized_partitions(dg.AssetKey(asset)) for asset in NIGHT_ASSETS)


def _look(
    report: Report,
    instance: dg.DagsterInstance,
    slurm: OneMachineSlurm,
    home: Home,
    expected: Home,
    nights: list[str],
) -> None:
    report.problems += differences(home, expected, nights)[:20]
    runs = instance.get_runs()
    report.runs = Counter(run.status.value for run in runs)
    left = [run for run in runs if not run.is_finished]
    report.problems += [f"run {run.run_id} is {run.status.value}" for run in left]
    for run in runs:
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY):
            error = str(entry.get_dagster_event().step_retry_data.error)
            report.retries.append(" ".join(error.split())[:200])
    jobs = slurm.client("squeue", "--noheader", "--states=all", "--format=%T").stdout.split()
    report.jobs = Counter(jobs)
    if set(jobs) & {"PENDING", "RUNNING"}:
        report.problems.append(f"jobs are left: {dict(report.jobs)}")
    report.queries = asked_for_jobs(slurm)


def asked_for_jobs(slurm: OneMachineSlurm) -> int:
    """How often slurmctld was asked for jobs since it was started."""
    text = slurm.client("sdiag").stdout
    return sum(int(n) for n in re.findall(r"REQUEST_JOB_(?:USER_)?INFO\w*\s+\(.*?\) count:(\d+)", text))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--nights", default=40, show_default=True)
@click.option("--nights-per-run", default=5, show_default=True)
@click.option("--trouble", is_flag=True, help="Kill and cancel jobs, restart slurmctld and PostgreSQL on the way.")
@click.option("--away", default=60.0, show_default=True, help="Seconds without slurmctld, then without PostgreSQL.")
@click.option("--limit", default=1800.0, show_default=True, help="Seconds after which it counts as stuck.")
@click.option("--seed", default=0, show_default=True)
def main(folder: Path, nights: int, nights_per_run: int, trouble: bool, away: float, limit: float, seed: int) -> None:
    """Run the test in the new FOLDER; exit code 1 when anything is not as it should be."""
    folder.mkdir(parents=True)
    report = slurm_test(folder, nights, nights_per_run, trouble, limit, seed, away=away, say=click.echo)
    for line in report.lines():
        click.echo(line)
    raise SystemExit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
