"""Calls of Slurm's programs sbatch, squeue, scancel and sacct."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence

from badexp_assets.config.operation_options import SlurmParams
from badexp_assets.errors import SlurmBusyError, SlurmError
from badexp_assets.orchestration.slurm.job_request import JobRequest
from badexp_assets.orchestration.slurm.jobs import (
    SACCT_FORMAT,
    SEPARATOR,
    SQUEUE_FORMAT,
    Job,
    parse_sacct,
    parse_squeue,
    sort_jobs,
)

_TIMEOUT = 90.0  # seconds; sbatch itself retries for a while if the controller is busy
_BATCH = 500  # jobs in one call of scancel
_JOB_VARIABLES = re.compile(r"SLURM_(?!CONF$)|SBATCH_(JOB_NAME|OUTPUT|ERROR|ARRAY_INX|WAIT|OPEN_MODE)$")
"""variables that a run inside a Slurm job has, and that would become options of the jobs it submits"""

_BUSY = re.compile(
    r"""Unable \s to \s contact \s slurm | Socket \s timed \s out | Zero \s Bytes
    | [Cc]onnection \s (refused|timed|reset) | Communication \s connection \s failure | Transport \s endpoint
    | (receive|send|connect|shutdown) \s failure | standby \s mode | temporarily | try \s again | retrying
    | job \s queue \s full | I/O \s error \s writing \s script | submissions \s disabled
    | Job \s violates \s accounting/QOS \s policy | SubmitJobLimit | MaxSubmitJobs
    | partition \s (configuration \s )? not \s available | munge | Slurm \s backup \s controller""",
    re.VERBOSE,
)
"""messages after which a later call may succeed: the controller is down or overloaded, or the limit of submitted jobs
is reached (Slurm prints the same for a job that is too large for its QOS)"""


class Slurm:
    """Slurm's programs. Methods raise SlurmError with Slurm's message; SlurmBusyError if a later call may succeed."""

    def submit(self, request: JobRequest, params: SlurmParams) -> str:
        """Submit a job and return its number. Raises StorageError if its script can't be written.

        After a SlurmBusyError the job may exist nevertheless: look for its name before submitting it again.
        """
        request.write_script(params)
        answer = self._call("sbatch", request.arguments(params))
        number = answer.strip().splitlines()[-1].partition(";")[0] if answer.strip() else ""
        if not number.isdigit():
            raise SlurmBusyError(f"sbatch: its output has no job number: {answer.strip()!r}")
        return number

    def jobs(self) -> list[Job]:
        """Return all jobs of this user that squeue lists: waiting, running, and ended within the last minutes."""
        return parse_squeue(self._call("squeue", ["--me", "--noheader", "--states=all", f"--format={SQUEUE_FORMAT}"]))

    def find_ended(self, name: str) -> Job | None:
        """Look up a job that squeue no longer lists in the accounting; None if it is unknown or accounting is off."""
        words = ["--noheader", "--allocations", "--parsable2", f"--delimiter={SEPARATOR}", f"--format={SACCT_FORMAT}"]
        try:
            jobs = parse_sacct(self._call("sacct", [*words, f"--name={name}", "--starttime=now-7days"]))
        except SlurmError:
            return None
        found = sort_jobs(job for job in jobs if job.name == name)
        return found[0] if found else None

    def cancel(self, numbers: Sequence[str]) -> None:
        """Cancel jobs by their numbers; numbers of jobs that have ended are ignored."""
        for first in range(0, len(numbers), _BATCH):
            self._call("scancel", ["--quiet", *numbers[first : first + _BATCH]])

    def _call(self, program: str, words: Sequence[str]) -> str:
        environment = {name: value for name, value in os.environ.items() if not _JOB_VARIABLES.match(name)}
        try:
            done = subprocess.run(
                [program, *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT,
                check=False,
            )
        except FileNotFoundError as error:
            raise SlurmError(
                f"{program}: no such program on the PATH ({os.environ.get('PATH', '')}); the machine of the runs "
                "must have Slurm's client programs"
            ) from error
        except OSError as error:
            raise SlurmBusyError(f"{program}: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise SlurmBusyError(f"{program}: no answer within {_TIMEOUT:.0f} s") from error
        if done.returncode == 0:
            return done.stdout
        message = " ".join((done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").split())
        message = message if message.startswith(program) else f"{program}: {message}"
        raise (SlurmBusyError if _BUSY.search(message) else SlurmError)(message)
