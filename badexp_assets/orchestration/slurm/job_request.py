"""The Slurm job of one step: arguments of sbatch, script, and log file."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from badexp_assets.config.home import Home
from badexp_assets.config.operation_options import SlurmParams
from badexp_assets.errors import StorageError
from badexp_assets.orchestration.slurm.jobs import JobName
from badexp_assets.orchestration.step_resources import StepResources

_TAIL_BYTES = 4000

_SCRIPT = """\
#!/bin/bash
# {name}
# Slurm may restart a job that has ended (requeue); then the step must not run again.
[ -e {done} ] && exit 0
export BADEXP_CPUS=${{SLURM_CPUS_PER_TASK:-{cpus}}}
{setup}
{command}
code=$?
[ $code -eq 0 ] && touch {done}
exit $code
"""


@dataclass(frozen=True)
class JobRequest:
    """A job to submit. `name` identifies it; its files are `<log>`, `<log>.sh` (script) and `<log>.done` (end marker).

    command: program and arguments. folder: working folder. resources: of the step; options of the site replace them.
    """

    name: str
    command: Sequence[str]
    log: Path
    folder: Path
    resources: StepResources

    @classmethod
    def of_step(cls, home: Home, name: JobName, resources: StepResources, execute_step_args: Any) -> JobRequest:
        """Return the job of an attempt, run by this process's Python, which all machines must share."""
        arguments = execute_step_args.get_command_args()[-2:]  # of `dagster api execute_step`
        command = [sys.executable, "-m", "badexp_assets.orchestration.slurm.job_main", *arguments]
        return cls(str(name), command, log_file(home, name), home.root, resources)

    @property
    def script(self) -> Path:
        """Path of the script that sbatch gets; the file is kept for inspection."""
        return self.log.with_name(f"{self.log.name}.sh")

    def write_script(self, params: SlurmParams) -> None:
        """Write the script of the job. Raises StorageError if the folder is not writable."""
        text = _SCRIPT.format(
            name=self.name,
            done=shlex.quote(str(self.log.with_name(f"{self.log.name}.done"))),
            cpus=self._option(params, "cpus"),
            setup="\n".join(params.setup),
            command=shlex.join(self.command),
        )
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.script.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{self.script}: {error.strerror}; the job was not submitted") from error

    def arguments(self, params: SlurmParams) -> list[str]:
        """Return the arguments of sbatch; options in `params` take precedence over the step's resources."""
        memory, gpus = self._option(params, "memory_gib"), self._option(params, "gpus")
        words = [
            "--parsable",
            f"--job-name={self.name}",
            f"--output={str(self.log).replace('%', '%%')}",  # % starts a pattern of sbatch
            "--open-mode=append",
            f"--chdir={self.folder}",
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={self._option(params, 'cpus')}",
            f"--mem={memory}G" if memory else "--mem=0",
            f"--time={max(1, math.ceil(self._option(params, 'hours') * 60))}",
        ]
        for name in ("partition", "account", "qos", "constraint"):
            if getattr(params, name):
                words.append(f"--{name}={getattr(params, name)}")
        if gpus and params.gpu_option:
            words.append(params.gpu_option.format(gpus=gpus))
        return [*words, *params.extra, str(self.script)]

    def _option(self, params: SlurmParams, name: str) -> Any:
        value = getattr(params, name)
        return getattr(self.resources, name) if value is None else value


def log_file(home: Home, name: JobName) -> Path:
    """Return the path of a job's output."""
    return home.slurm / name.run_id / f"{name.step}.{name.attempt}.out"


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a job's output, or the error if the file can't be read."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError as error:
        return f"({log}: {error.strerror})"
    return "\n".join(text.splitlines()[-lines:])
