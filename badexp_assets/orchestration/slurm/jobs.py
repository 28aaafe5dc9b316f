"""Slurm jobs: their names, their states, and the output of squeue and sacct."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

SEPARATOR = "|"
SQUEUE_FORMAT = SEPARATOR.join(["%i", "%T", "%r", "%j"])
SACCT_FORMAT = "JobID,State,ExitCode,JobName"

_ACTIVE = """
COMPLETING CONFIGURING PENDING REQUEUED REQUEUE_FED REQUEUE_HOLD RESIZING RESV_DEL_HOLD RUNNING SIGNALING SPECIAL_EXIT
STAGE_OUT STOPPED SUSPENDED
"""
ACTIVE = frozenset(_ACTIVE.split())
"""states of a job that may still do its work; in any other state it has ended"""

_EXPLANATIONS = {
    "TIMEOUT": "reached its time limit; raise `hours` of [slurm.steps.{step}] in settings.toml",
    "OUT_OF_MEMORY": "used more memory than it had requested; raise `memory_gib` of [slurm.steps.{step}]",
    "DEADLINE": "could not end before its deadline",
    "NODE_FAIL": "lost its node",
    "BOOT_FAIL": "lost its node while that started",
    "PREEMPTED": "was preempted by another job",
    "CANCELLED": "was cancelled",
    "COMPLETED": "ended, but its step reported no result",
    "FAILED": "failed before its step could report why",
}
"""explanation of each final state; `{step}` is the name of the step"""

_NOT_RETRIED = {"TIMEOUT", "OUT_OF_MEMORY", "DEADLINE"}
"""final states that the same job would reach again"""


class JobName(NamedTuple):
    """Step, run and attempt (counted from 0) of a job; its text is the job's name in Slurm."""

    step: str
    run_id: str
    attempt: int

    def __str__(self) -> str:
        return f"badexp.{self.step}.{self.run_id}.{self.attempt}"

    @classmethod
    def parse(cls, name: str) -> JobName | None:
        """Read a job's name; None for a job that this platform did not submit."""
        parts = name.split(".")
        if len(parts) != 4 or parts[0] != "badexp" or not parts[3].isdigit():
            return None
        return cls(parts[1], parts[2], int(parts[3]))


@dataclass(frozen=True)
class Job:
    """A job as squeue or sacct shows it, with Slurm's spelling of state and reason."""

    number: str
    state: str
    reason: str
    name: str

    @property
    def is_active(self) -> bool:
        """Whether the job waits, runs, or will run again."""
        return self.state in ACTIVE

    @property
    def is_retryable(self) -> bool:
        """Whether a new attempt of a job that has ended may succeed."""
        return self.state not in _NOT_RETRIED and self.reason != "BadConstraints"

    def explain_end(self, step: str) -> str:
        """Return a sentence on how the job of `step` ended."""
        return f"Slurm job {self.number} {_EXPLANATIONS.get(self.state, 'ended').format(step=step)} ({self})"

    def __str__(self) -> str:
        reason = "" if self.reason in ("", "None") else f", {self.reason}"
        return f"{self.state}{reason}"


def parse_squeue(text: str) -> list[Job]:
    """Parse output of squeue in SQUEUE_FORMAT; other lines, such as warnings of plugins, are skipped."""
    jobs = []
    for line in text.splitlines():
        parts = line.strip().split(SEPARATOR, 3)
        if len(parts) == 4 and parts[0][:1].isdigit():
            jobs.append(Job(*(part.strip() for part in parts)))
    return jobs


def parse_sacct(text: str) -> list[Job]:
    """Parse output of sacct in SACCT_FORMAT; `reason` is the exit code, or who cancelled the job."""
    jobs = []
    for job in parse_squeue(text):
        state, _, by_whom = job.state.partition(" ")  # CANCELLED by 1000
        reason = by_whom or ("" if job.reason == "0:0" else f"exit code {job.reason}")
        jobs.append(Job(job.number, state, reason, job.name))
    return jobs


def sort_jobs(jobs: Iterable[Job]) -> list[Job]:
    """Sort jobs of one name: active ones first, then by descending number."""
    return sorted(jobs, key=lambda job: (not job.is_active, -_integer(job.number)))


def _integer(number: str) -> int:
    digits = number.partition("_")[0].partition("+")[0]
    return int(digits) if digits.isdigit() else 0
