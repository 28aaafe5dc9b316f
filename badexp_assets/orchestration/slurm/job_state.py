"""What Slurm says of a job, and what that means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SEPARATOR = "|"
SQUEUE_FORMAT = SEPARATOR.join(["%i", "%T", "%r", "%j"])
SACCT_FORMAT = "JobID,State,ExitCode,JobName"

ACTIVE = frozenset(
    {
        "COMPLETING",
        "CONFIGURING",
        "PENDING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESIZING",
        "RESV_DEL_HOLD",
        "RUNNING",
        "SIGNALING",
        "SPECIAL_EXIT",
        "STAGE_OUT",
        "STOPPED",
        "SUSPENDED",
    }
)
"""states of a job that may still do its work; after any other one it will not"""

_WORDS = {
    "TIMEOUT": "reached its time limit; `hours` of [slurm.steps.{step}] in settings.toml raises it",
    "OUT_OF_MEMORY": "used more memory than it had asked for; `memory_gib` of [slurm.steps.{step}] raises it",
    "DEADLINE": "could not end before its deadline",
    "NODE_FAIL": "lost its node",
    "BOOT_FAIL": "lost its node while that started",
    "PREEMPTED": "had to make room for another job",
    "CANCELLED": "was cancelled",
    "COMPLETED": "ended without saying what became of the step",
    "FAILED": "failed before the step could say why",
}
"""how a job ended, for people; `{step}` is the name of its step"""

_FOR_PEOPLE = {"TIMEOUT", "OUT_OF_MEMORY", "DEADLINE"}
"""ends that the same job would come to again"""


@dataclass(frozen=True)
class Job:
    """A job as squeue or sacct show it: state and reason in Slurm's words."""

    number: str
    state: str
    reason: str
    name: str

    @property
    def is_active(self) -> bool:
        """Whether it waits, runs, or is about to run again."""
        return self.state in ACTIVE

    @property
    def may_be_repeated(self) -> bool:
        """Whether another try of an ended job may end otherwise."""
        return self.state not in _FOR_PEOPLE and self.reason != "BadConstraints"

    def ended(self, step: str) -> str:
        """How it ended, for people."""
        words = _WORDS.get(self.state, "ended").format(step=step)
        return f"Slurm job {self.number} {words} ({self})"

    def __str__(self) -> str:
        reason = "" if self.reason in ("", "None") else f", {self.reason}"
        return f"{self.state}{reason}"


def parse_squeue(text: str) -> list[Job]:
    """Jobs of squeue's answer in SQUEUE_FORMAT; lines that are no job (warnings of plugins) are left out."""
    jobs = []
    for line in text.splitlines():
        parts = line.strip().split(SEPARATOR, 3)
        if len(parts) == 4 and parts[0][:1].isdigit():
            jobs.append(Job(*(part.strip() for part in parts)))
    return jobs


def parse_sacct(text: str) -> list[Job]:
    """Jobs of sacct's answer in SACCT_FORMAT; the exit code stands in the place of the reason."""
    jobs = []
    for job in parse_squeue(text):
        state, _, by_whom = job.state.partition(" ")  # CANCELLED by 1000
        reason = by_whom or ("" if job.reason == "0:0" else f"exit code {job.reason}")
        jobs.append(Job(job.number, state, reason, job.name))
    return jobs


def ordered(jobs: Iterable[Job]) -> list[Job]:
    """Jobs of one name: active ones first, of equal ones the latest; an active second one is a submission too many."""
    return sorted(jobs, key=lambda job: (not job.is_active, -_integer(job.number)))


def _integer(number: str) -> int:
    digits = number.partition("_")[0].partition("+")[0]
    return int(digits) if digits.isdigit() else 0
