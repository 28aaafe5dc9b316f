"""The state of all jobs: one squeue call serves all runs of a machine for a few seconds, through a shared file."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from badexp_assets.errors import SlurmBusyError, StorageError
from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.jobs import Job, sort_jobs


@dataclass(frozen=True)
class Snapshot:
    """All jobs of the user. taken: when squeue was called, seconds since 1970."""

    taken: float
    jobs: tuple[Job, ...]

    def find(self, name: str) -> Job | None:
        """Return the job of that name, or None."""
        found = self._by_name.get(name)
        return found[0] if found else None

    def duplicates(self, name: str) -> list[Job]:
        """Return the active jobs of that name except the oldest: repeated submissions whose first answer was lost."""
        active = [job for job in self._by_name.get(name, ()) if job.is_active]
        return active[:-1]

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Job]]:
        """The sorted jobs of each name, because a run may look up thousands of names."""
        found = defaultdict(list)
        for job in self.jobs:
            found[job.name].append(job)
        return {name: sort_jobs(jobs) for name, jobs in found.items()}


class Queue:
    """Snapshots that are at most `poll_seconds` old, and shared with other runs; so is the failure of a squeue call.

    folder: where the snapshot is stored; by default a folder per user and cluster in the local temporary folder, where
    file locks work.
    """

    def __init__(self, slurm: Slurm, poll_seconds: float, folder: Path | None = None) -> None:
        self._slurm = slurm
        self._poll_seconds = poll_seconds
        self._folder = folder or _shared_folder()
        self._last = Snapshot(0.0, ())

    def snapshot(self, newer_than: float = 0.0) -> Snapshot:
        """Return a snapshot at most `poll_seconds` old and taken after `newer_than` (seconds since 1970).

        Raises SlurmBusyError or SlurmError if squeue fails.
        """
        if self._is_fresh(self._last.taken, newer_than):
            return self._last
        with self._locked():
            found = self._stored()
            if not self._is_fresh(found.get("taken", 0.0), newer_than):
                found = self._ask()
                self._store(found)
        if "error" in found:
            raise SlurmBusyError(found["error"])
        self._last = Snapshot(found["taken"], tuple(Job(*row) for row in found["jobs"]))
        return self._last

    def _is_fresh(self, taken: float, newer_than: float) -> bool:
        return taken > newer_than and 0 <= time.time() - taken < self._poll_seconds

    def _ask(self) -> dict:
        taken = time.time()
        try:
            jobs = self._slurm.jobs()
        except SlurmBusyError as error:
            # stored like an answer, because each call takes seconds while the controller is down
            return {"taken": time.time(), "error": str(error)}
        return {"taken": taken, "jobs": [[job.number, job.state, job.reason, job.name] for job in jobs]}

    @property
    def _file(self) -> Path:
        return self._folder / "jobs.json"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _stored(self) -> dict:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _store(self, found: dict) -> None:
        with contextlib.suppress(OSError):  # on a full disk every run calls squeue itself
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(found), encoding="utf-8")
            os.replace(part, self._file)


def _shared_folder() -> Path:
    cluster = hashlib.sha256(os.environ.get("SLURM_CONF", "").encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"badexp-slurm-{os.getuid()}-{cluster}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.lstat()
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror}") from error
    if owner.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        raise StorageError(f"{folder}: belongs to another user; set TMPDIR to a folder of your own")
    return folder
