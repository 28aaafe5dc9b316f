"""Runs of `steps.py` in processes of their own, as a code server starts them, each in a home of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dagster as dg
import psutil
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._grpc.types import ExecuteRunArgs

from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.jobs import Job, JobName
from badexp_assets.orchestration.slurm.queue_snapshot import Snapshot
from badexp_assets_tests.deployments.survey import NIGHT_ASSETS
from badexp_assets_tests.orchestration.slurm_engine import steps
from badexp_assets_tests.repository import PYTHON_PATH, REPOSITORY

OPTIONS = '[slurm]\npoll_seconds = 1\ngpu_option = ""\n'


class EngineRun:
    """A run in the home `folder`, to whose settings.toml `options` are added; `step` is what its heavy step does.

    With `nights` it is a run of the real code location, which reads and scores them, as a part of a backfill is.
    """

    def __init__(
        self,
        folder: Path,
        step: str = "",
        job: str = "single",
        options: str = OPTIONS,
        variables: Mapping[str, str] | None = None,
        nights: Sequence[str] = (),
    ) -> None:
        self.home = folder
        (self.home / "dagster").mkdir(parents=True)
        with (self.home / "settings.toml").open("a") as file:
            file.write(options)
        self.instance = dg.DagsterInstance.local_temp(str(self.home / "dagster"))
        found = _night_job() if nights else ReconstructableJob.for_file(str(steps.__file__), job)
        self.run_id = self.instance.create_run_for_job(
            found.get_definition(),
            job_code_origin=found.get_python_origin(),
            asset_selection=found.asset_selection,
            tags=dict(zip(_RANGE, (nights[0], nights[-1]), strict=True)) if nights else {},
        ).run_id
        self._arguments = ExecuteRunArgs(found.get_python_origin(), self.run_id, self.instance.get_ref())
        self._environment = os.environ | {
            "BADEXP_HOME": str(self.home),
            "BADEXP_EXECUTOR": "slurm",
            "PYTHONPATH": PYTHON_PATH,
            "STEP": step,
            **(variables or {}),
        }
        self.process = self._start("execute_run")

    def __enter__(self) -> EngineRun:
        return self

    def __exit__(self, *_: object) -> None:
        steps.gate(self.home).touch()
        if self.process.poll() is None:
            self.interrupt()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.instance.dispose()

    def resume(self) -> None:
        """Go on with the run in another process."""
        self.process = self._start("resume_run")

    def interrupt(self) -> None:
        """What a code server does when a run is cancelled."""
        run = self.instance.get_run_by_id(self.run_id)
        assert run is not None
        self.instance.report_run_canceling(run)
        self.process.send_signal(signal.SIGINT)

    def finish(self, seconds: float = 90.0) -> dg.DagsterRunStatus:
        """Wait for the end of the run."""
        self.process.wait(seconds)
        run = self.instance.get_run_by_id(self.run_id)
        assert run is not None
        return run.status

    def begun(self) -> list[tuple[str, int]]:
        """Job and process of each beginning of the heavy step."""
        path = steps.notes(self.home)
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.rsplit(" ", 1)[0], int(line.rsplit(" ", 1)[1])) for line in lines if line.count(" ")]

    def wait_for(self, what: str, true: Callable[[], object], seconds: float = 60.0) -> float:
        """Wait until `true()`, and return the seconds that it took."""
        started = time.monotonic()
        while not true():
            assert time.monotonic() - started < seconds, f"not so after {seconds:.0f} s: {what}\n{self.story()}"
            assert self.process.poll() is None, f"the run ended before {what}\n{self.story()}"
            time.sleep(0.05)
        return time.monotonic() - started

    def wait_until_begun(self, times: int = 1) -> tuple[str, int]:
        """Wait until the heavy step has begun so often; return its latest job and process."""
        self.wait_for(f"the step has begun {times} times", lambda: len(self.begun()) >= times)
        return self.begun()[times - 1]

    def start_at_once(self, times: int) -> None:
        """Have Slurm start the job again, for the `times`-th time, without the two minutes that it lets pass."""

        def begun() -> bool:
            job = self.job()
            if job is not None and job.state == "PENDING":
                time.sleep(1)  # the node may still be cleaning up
                words = ["scontrol", "update", f"jobid={job.number}", "starttime=now"]
                subprocess.run(words, capture_output=True, check=False)
            return len(self.begun()) >= times

        self.wait_for(f"the step has begun {times} times", begun)

    def go(self) -> None:
        """Let a waiting step go on."""
        steps.gate(self.home).touch()

    def job(self, attempt: int = 0, step: str = "night") -> Job | None:
        """The job of an attempt, asked of Slurm now."""
        return Snapshot(0.0, tuple(Slurm().jobs())).find(str(JobName(step, self.run_id, attempt)))

    def events(self, kind: dg.DagsterEventType, step: str = "night") -> list[dg.DagsterEvent]:
        """Events of a step in the log of the run."""
        logs = self.instance.all_logs(self.run_id, of_type=kind)
        return [event for entry in logs if (event := entry.get_dagster_event()).step_key == step]

    def said(self, step: str = "night") -> list[str]:
        """What the engine says of a step."""
        return [event.message or "" for event in self.events(dg.DagsterEventType.ENGINE_EVENT, step)]

    def failure(self, step: str = "night") -> str:
        """Why the step failed."""
        [event] = self.events(dg.DagsterEventType.STEP_FAILURE, step)
        return str(event.step_failure_data.error)

    def story(self) -> str:
        """The log of the run, and what its process printed."""
        lines = [
            f"{entry.timestamp:.2f} {entry.step_key} {entry.message}" for entry in self.instance.all_logs(self.run_id)
        ]
        return "\n".join([*lines, (self.home / "run.out").read_text()[-3000:]])

    def _start(self, how: str) -> subprocess.Popen:
        words = self._arguments.get_command_args()
        with (self.home / "run.out").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "dagster", "api", how, words[-1].replace("ExecuteRunArgs", _ARGUMENTS[how])],
                env=self._environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )


_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def _night_job() -> ReconstructableJob:
    location = ReconstructableRepository.for_module("badexp_assets.definitions", "defs", str(REPOSITORY))
    return location.get_reconstructable_job("__ASSET_JOB").get_subset(
        asset_selection={dg.AssetKey(name) for name in NIGHT_ASSETS}
    )


_ARGUMENTS = {"execute_run": "ExecuteRunArgs", "resume_run": "ResumeRunArgs"}


def kill(pid: int) -> None:
    """kill -9."""
    psutil.Process(pid).kill()


def is_gone(pid: int) -> bool:
    """Whether a process has ended; nobody may have asked for its exit code yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
