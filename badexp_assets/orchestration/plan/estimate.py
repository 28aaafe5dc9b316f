"""Hours and jobs that reading an archive takes, from costs per exposure, number of exposures and machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from badexp_assets.errors import InputError
from badexp_assets.orchestration.plan.inputs import Archive, Machine, Rates

USUAL_NIGHTS = 25
"""nights per job, unless start-up time or time limit require another number"""
MAX_STARTUP_SHARE = 0.05
_GOOD_EFFICIENCY = 0.7
_HOUR = 3600.0


@dataclass(frozen=True)
class Stage:
    """A stage that every exposure passes. hours: with all devices; relief: what would make it faster."""

    name: str
    hours: float
    relief: str


@dataclass(frozen=True)
class Interval:
    """An estimate with its lower and upper bound."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Plan:
    """Time, jobs and storage that reading an archive takes.

    The `stages` run in parallel, so the longest (`bottleneck`) determines the time; gain: speed-up if it took no time.
    gpu_hours, core_hours: allocated; core_hours_used: busy. bytes_stored: by table. startup_share: of a job's time.
    memory_gib: per node. findings: sentences about problems of the plan.
    """

    stages: tuple[Stage, ...]
    hours: Interval
    gain: float
    nights_per_job: int
    jobs: int
    nodes: int
    job_hours: Interval
    startup_share: float
    gpu_hours: float
    core_hours: float
    core_hours_used: float
    images: int
    bytes_read: float
    bytes_stored: Mapping[str, float]
    memory_gib: float
    findings: tuple[str, ...]

    @property
    def bottleneck(self) -> Stage:
        """The longest stage."""
        return max(self.stages, key=lambda stage: stage.hours)


def make_plan(rates: Rates, archive: Archive, machine: Machine) -> Plan:
    """Estimate reading `archive` on `machine` at `rates`. Raises InputError if rates and machine do not match.

    A job is a night pass over `nights_per_job` nights on one node: 25 nights; more if start-up would exceed 5 % of the
    job; fewer if the job would exceed its time limit, or if nodes would have no job. A night is never split.
    """
    if (rates.device == "gpu") != (machine.gpus > 0):
        there, wanted = ("GPU", "at least 1") if rates.device == "gpu" else ("processor core", "0")
        raise InputError(
            f"gpus-per-node: {machine.gpus}; the rates are of a {there}, so {wanted} is needed (or give "
            "images-per-gpu-hour)"
        )
    nodes = min(machine.nodes, archive.nights)
    stages = _stages(rates, archive, machine, nodes)
    busy = max(stage.hours for stage in stages)
    night_seconds = busy / rates.efficiency * _HOUR * nodes / archive.nights
    per_job = _nights_per_job(rates, archive, machine, nodes, night_seconds)
    jobs = math.ceil(archive.nights / per_job)
    startup = math.ceil(jobs / nodes) * rates.startup_seconds / _HOUR
    job_seconds = rates.startup_seconds + per_job * night_seconds
    longest = math.ceil(jobs / nodes) * job_seconds / _HOUR
    middle = busy / rates.efficiency + startup
    hours = Interval(
        busy * (1 - rates.uncertainty) + startup,
        middle,
        max(middle, longest) * (1 + rates.uncertainty),
    )
    core_seconds = archive.images * _core_seconds(rates, archive)
    readers = max(0, machine.cores - machine.gpus) if machine.gpus else 0
    memory = max(1, machine.gpus) * rates.process_gib + readers * rates.reader_gib
    without = sorted(stage.hours for stage in stages)[-2]
    share = rates.startup_seconds / job_seconds
    return Plan(
        stages=stages,
        hours=hours,
        gain=busy / without if without else math.inf,
        nights_per_job=per_job,
        jobs=jobs,
        nodes=nodes,
        job_hours=Interval(
            job_seconds * (1 - rates.uncertainty) / _HOUR,
            job_seconds / _HOUR,
            job_seconds * (1 + rates.uncertainty) / _HOUR,
        ),
        startup_share=share,
        gpu_hours=middle * nodes * machine.gpus,
        core_hours=middle * nodes * machine.cores,
        core_hours_used=(core_seconds + _network_core_seconds(rates, archive)) / _HOUR,
        images=archive.images,
        bytes_read=archive.bytes_read,
        bytes_stored=_bytes_stored(rates, archive),
        memory_gib=memory,
        findings=tuple(_findings(rates, archive, machine, nodes, share, job_seconds, memory)),
    )


def _stages(rates: Rates, archive: Archive, machine: Machine, nodes: int) -> tuple[Stage, ...]:
    cores = nodes * machine.cores
    reading = archive.images * _core_seconds(rates, archive) / _HOUR / cores
    storage = archive.bytes_read / (machine.bandwidth * 1e9) / _HOUR
    database = archive.nights * rates.database_seconds_per_night / _HOUR
    last = (
        Stage("storage", storage, "more bandwidth; fewer CCDs an exposure; storage that gives parts of files"),
        Stage("run database", database, "PostgreSQL in place of SQLite, on a disk of its own"),
    )
    if rates.device == "core":
        network = _network_core_seconds(rates, archive) / _HOUR / cores
        return (Stage("cores: network and reading", network + reading, "more cores; a GPU; a smaller network"), *last)
    network = _network_images(rates, archive) / rates.images_per_hour / (nodes * machine.gpus)
    return (
        Stage("GPUs: network", network, "more or faster GPUs; fewer CCDs an exposure; smaller images"),
        Stage("cores: reading and measuring", reading, "more cores for each GPU; fewer CCDs an exposure"),
        *last,
    )


def _core_seconds(rates: Rates, archive: Archive) -> float:
    return rates.core_seconds_per_image * archive.megapixels / rates.megapixels


def _network_images(rates: Rates, archive: Archive) -> float:
    return archive.images + (archive.exposures * rates.images_per_exposure if archive.mosaics else 0)


def _network_core_seconds(rates: Rates, archive: Archive) -> float:
    return _network_images(rates, archive) * _HOUR / rates.images_per_hour if rates.device == "core" else 0.0


def _nights_per_job(rates: Rates, archive: Archive, machine: Machine, nodes: int, night_seconds: float) -> int:
    startup = rates.startup_seconds
    enough = math.ceil(startup * (1 - MAX_STARTUP_SHARE) / MAX_STARTUP_SHARE / night_seconds)
    limit = machine.job_hours * _HOUR / (1 + rates.uncertainty) - startup
    allowed = max(1, math.floor(limit / night_seconds))
    return min(max(USUAL_NIGHTS, enough), math.ceil(archive.nights / nodes), allowed)


def _bytes_stored(rates: Rates, archive: Archive) -> dict[str, float]:
    tables = [*rates.image_bytes, *(name for name in rates.exposure_bytes if name not in rates.image_bytes)]
    return {
        name: archive.images * rates.image_bytes.get(name, 0.0)
        + archive.exposures * rates.exposure_bytes.get(name, 0.0)
        for name in tables
    }


def _findings(
    rates: Rates,
    archive: Archive,
    machine: Machine,
    nodes: int,
    share: float,
    job_seconds: float,
    memory: float,
) -> list[str]:
    found = []
    if nodes < machine.nodes:
        found.append(f"{machine.nodes - nodes} of {machine.nodes} nodes have no night: a night is one job's")
    if share > MAX_STARTUP_SHARE:
        found.append(
            f"start-up is {share:.0%} of a job: with fewer nodes or a longer job-hours a job has more nights; of an "
            "archive that is read in minutes it hardly matters"
        )
    most = job_seconds * (1 + rates.uncertainty) / _HOUR
    if most > machine.job_hours:
        found.append(
            f"one night may take {most:.1f} h, and job-hours is {machine.job_hours:g}: a job that was ended goes on "
            "where it was, but a longer limit, or more GPUs or cores a node, are better"
        )
    if rates.efficiency < _GOOD_EFFICIENCY:
        found.append(
            f"what limits was at work for {rates.efficiency:.0%} of the measured night: more readers (workers under "
            "[night_pass]) where cores are idle, or a measurement on a quiet machine"
        )
    if memory > machine.memory_gib:
        found.append(f"a node needs {memory:.0f} GiB, and memory is {machine.memory_gib:g}: fewer workers need less")
    return found
