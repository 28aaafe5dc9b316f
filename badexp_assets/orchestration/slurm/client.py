"""The programs of Slurm: sbatch, squeue, scancel, sacct."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence

from badexp_assets.config.slurm import SlurmParams
from badexp_assets.errors import SlurmBusyError, SlurmError
from badexp_assets.orchestration.slurm.job_state import (
    SACCT_FORMAT,
    SEPARATOR,
    SQUEUE_FORMAT,
    Job,
    ordered,
    parse_sacct,
    parse_squeue,
)
from badexp_assets.orchestration.slurm.sbatch_script import JobRequest

_TIMEOUT = 90.0  # seconds; sbatch itself repeats for a while what the controller can't take
_AT_ONCE = 500  # jobs in one scancel
_IN_A_JOB = re.compile(r"SLURM_(?!CONF$)|SBATCH_(JOB_NAME|OUTPUT|ERROR|ARRAY_INX|WAIT|OPEN_MODE)$")
"""variables of the job that the run itself may be in: they would be options of the jobs that it submits"""

_BUSY = re.compile(
    r"""Unable \s to \s contact \s slurm | Socket \s timed \s out | Zero \s Bytes
    | [Cc]onnection \s (refused|timed|reset) | Communication \s connection \s failure | Transport \s endpoint
    | (receive|send|connect|shutdown) \s failure | standby \s mode | temporarily | try \s again | retrying
    | job \s queue \s full | I/O \s error \s writing \s script | submissions \s disabled
    | Job \s violates \s accounting/QOS \s policy | SubmitJobLimit | MaxSubmitJobs
    | partition \s (configuration \s )? not \s available | munge | Slurm \s backup \s controller""",
    re.VERBOSE,
)
"""what the programs say where the same may do later: the controller is away or overloaded, or the limit of submitted
jobs is reached (Slurm says the same of a job that is too large for its QOS)"""


class Slurm:
    """Calls the programs. Methods raise SlurmError, in Slurm's words, and SlurmBusyError where waiting may help."""

    def submit(self, request: JobRequest, params: SlurmParams) -> str:
        """Submit a job and return its number.

        After a SlurmBusyError the job may be there all the same: it is to be looked for by its name before a second
        try. Raises StorageError where its script can't be written.
        """
        request.write_script(params)
        answer = self._call("sbatch", request.arguments(params))
        number = answer.strip().splitlines()[-1].partition(";")[0] if answer.strip() else ""
        if not number.isdigit():
            raise SlurmBusyError(f"sbatch: its answer has no number of a job: {answer.strip()!r}")
        return number

    def jobs(self) -> list[Job]:
        """All jobs of this user that Slurm has in its memory: waiting, running, and ended minutes ago."""
        return parse_squeue(self._call("squeue", ["--me", "--noheader", "--states=all", f"--format={SQUEUE_FORMAT}"]))

    def ended(self, name: str) -> Job | None:
        """What the accounting knows of a job that squeue has forgotten; None: nothing, or there is no accounting."""
        words = ["--noheader", "--allocations", "--parsable2", f"--delimiter={SEPARATOR}", f"--format={SACCT_FORMAT}"]
        try:
            jobs = parse_sacct(self._call("sacct", [*words, f"--name={name}", "--starttime=now-7days"]))
        except SlurmError:
            return None
        found = ordered(job for job in jobs if job.name == name)
        return found[0] if found else None

    def cancel(self, numbers: Sequence[str]) -> None:
        """Cancel jobs by their numbers; those that have ended are none."""
        for first in range(0, len(numbers), _AT_ONCE):
            self._call("scancel", ["--quiet", *numbers[first : first + _AT_ONCE]])

    def _call(self, program: str, words: Sequence[str]) -> str:
        environment = {name: value for name, value in os.environ.items() if not _IN_A_JOB.match(name)}
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
                f"{program}: no such program on the PATH ({os.environ.get('PATH', '')}); the machine of the runs must "
                "have Slurm's clients"
            ) from error
        except OSError as error:
            raise SlurmBusyError(f"{program}: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise SlurmBusyError(f"{program}: no answer within {_TIMEOUT:.0f} s") from error
        if done.returncode == 0:
            return done.stdout
        said = " ".join((done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").split())
        said = said if said.startswith(program) else f"{program}: {said}"
        raise (SlurmBusyError if _BUSY.search(said) else SlurmError)(said)
