"""How many processor cores there are for this process: those that it was allocated, not those of the machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from badexp_assets.errors import InputError

VARIABLE = "BADEXP_CPUS"
_SLURM = "SLURM_CPUS_PER_TASK"
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def processors() -> int:
    """Return what BADEXP_CPUS says, for a pod sees all cores of its machine, whatever share of them it asked for.

    Without it: the least of the cores that the operating system may put this process on (affinity, which Slurm and
    `taskset` set), the quota of its control group (which containers may have, rounded down), and SLURM_CPUS_PER_TASK,
    but at least 1. Raises InputError for a word that is not a whole number of at least 1.
    """
    word = os.environ.get(VARIABLE, "").strip()
    if word:
        if not word.isdecimal() or int(word) < 1:
            raise InputError(f"{VARIABLE} is {word!r}; a whole number of at least 1 is needed")
        return int(word)
    found = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    of_task = os.environ.get(_SLURM, "")
    if of_task.isdecimal():
        found.append(int(of_task))
    quota = cgroup_cores(_CGROUPS, _MEMBERSHIP)
    if quota is not None:
        found.append(int(quota))
    return max(1, min(found))


def cgroup_cores(root: Path, membership: Path) -> float | None:
    """Return the cores that the control groups of this process allow together; None: no limit, or none is known.

    root: where control groups are mounted; membership: lines `number:controllers:/path`, as in /proc/self/cgroup.
    Version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us`); the limit of a group holds for all below it.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    limits: list[float] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        folder = top / group.lstrip("/")
        for place in (folder, *folder.parents):
            limits += _limit(place)
            if place == top:
                break
    return min(limits, default=None)


def _limit(folder: Path) -> list[float]:
    """The limit of one group, if it has one."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        return [int(quota) / int(period)] if quota not in ("max", "-1") else []
    except (OSError, ValueError):
        return []


def machine_name() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            return next(line.split(":", 1)[1].strip() for line in handle if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
