"""A plan as text, and as a figure of hours against devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from badexp_assets.errors import InputError
from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png
from badexp_assets.io.parquet import atomic_path
from badexp_assets.orchestration.plan.estimate import Interval, Plan, make_plan
from badexp_assets.orchestration.plan.inputs import Archive, Machine, Rates

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_MIN_NODES = 256  # drawn at least; up to there something other than the devices often limits


def plan_lines(plan: Plan, rates: Rates, archive: Archive, machine: Machine) -> Iterator[str]:
    """Yield the lines of the plan that `badexp plan` prints."""
    how = "whole files" if archive.whole_files else "only the CCDs that are needed"
    gpus = f"{machine.gpus} GPUs, " if machine.gpus else ""
    nodes = f"{plan.nodes} node{'s' if plan.nodes > 1 else ''}"
    ccds = f"{archive.images_per_exposure} of {archive.ccds_in_file} CCDs each"
    images = f"{plan.images:,} images of {archive.megapixels:g} Mpx"
    yield f"archive    {archive.exposures:,} exposures of {archive.nights:,} nights; {ccds}: {images}"
    node = f"{gpus}{machine.cores} cores, {machine.memory_gib:g} GiB"
    yield f"machine    {nodes} of {node}; storage {machine.bandwidth:g} GB/s"
    yield f"rates of   {rates.source}"
    yield ""
    width = max(len(stage.name) for stage in plan.stages)
    yield "side by side:"
    for stage in sorted(plan.stages, key=lambda stage: -stage.hours):
        yield f"  {stage.name:{width}} {_time(stage.hours):>10}"
    yield ""
    yield f"wall       {_interval(plan.hours)}"
    yield f"limited by {plan.bottleneck.name}: {plan.bottleneck.relief}"
    if plan.gain < 100:
        yield f"           (without that limit {plan.gain:.2g} times as fast)"
    nights = f"{plan.nights_per_job} night{'s' if plan.nights_per_job > 1 else ''}"
    share = f"start-up {plan.startup_share:.2%} of a job"
    yield f"jobs       {plan.jobs} of {nights}, {_interval(plan.job_hours)} each; {share}"
    if machine.gpus:
        yield f"GPU-hours  {plan.gpu_hours:,.0f}"
    yield f"core-hours {plan.core_hours:,.0f} allocated, {plan.core_hours_used:,.0f} used"
    yield f"read       {_size(plan.bytes_read)} ({how})"
    total = sum(plan.bytes_stored.values())
    yield f"stored     {_size(total)}, {_size(total / archive.exposures)} an exposure"
    for name, size in sorted(plan.bytes_stored.items(), key=lambda item: -item[1]):
        yield f"             {name:24} {_size(size):>9}"
    yield f"memory     {plan.memory_gib:.1f} GiB a node"
    for finding in plan.findings:
        yield f"note       {finding}"
    yield ""
    yield "to run it so, in the environment of the code location:"
    hours = max(1, round(machine.job_hours))
    words = f"BADEXP_NIGHTS_PER_JOB={plan.nights_per_job} BADEXP_GPUS_PER_JOB={machine.gpus}"
    yield f"  {words} BADEXP_HOURS_PER_JOB={hours}"


def _interval(found: Interval) -> str:
    return f"{_time(found.middle)} ({_time(found.low)} to {_time(found.high)})"


def _time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{hours * 60:.1f} min" if hours >= 1 / 60 else f"{hours * 3600:.1f} s"


def _size(number: float) -> str:
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            break
        number /= 1000
    return f"{number:.3g} {unit}"


def draw_hours(rates: Rates, archive: Archive, machine: Machine, path: Path) -> None:
    """Write a PNG of the wall time and the time of each stage (hours) for 1, 2, 4, ... nodes like those of `machine`.

    Raises InputError for a path that does not end with .png.
    """
    if path.suffix != ".png":
        raise InputError(f"figure {path}: a name that ends with .png is needed")
    nodes = [1]
    while nodes[-1] < max(_MIN_NODES, 4 * machine.nodes):
        nodes.append(2 * nodes[-1])
    plans = [make_plan(rates, archive, replace(machine, nodes=n)) for n in nodes]
    each, what = (machine.gpus, "GPUs") if machine.gpus else (machine.cores, "cores")
    counts = [n * each for n in nodes]
    figure = new_figure(7, 4.2)
    axes = figure.add_subplot()
    axes.fill_between(counts, [p.hours.low for p in plans], [p.hours.high for p in plans], color=GREY, alpha=0.4, lw=0)
    axes.plot(counts, [p.hours.middle for p in plans], color="black", lw=2.2, label="wall")
    for number, stage in enumerate(plans[0].stages):
        hours = [p.stages[number].hours for p in plans]
        if min(hours) > 0:
            axes.plot(counts, hours, color=CYCLE[number], lw=1.4, ls="--", label=stage.name)
    here = make_plan(rates, archive, machine)
    axes.plot([machine.nodes * each], [here.hours.middle], "o", color="black", ms=7, label="the plan")
    axes.set(xscale="log", yscale="log", xlabel=f"{what} ({each} a node)", ylabel="hours")
    axes.set_xticks(counts, [f"{count:,}" for count in counts], rotation=45 if len(counts) > 9 else 0)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_title(f"{archive.images:,} images, storage {machine.bandwidth:g} GB/s", fontsize=10)
    axes.grid(color=GREY, alpha=0.4, lw=0.6)
    axes.legend(frameon=False, fontsize=8)
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(figure))
