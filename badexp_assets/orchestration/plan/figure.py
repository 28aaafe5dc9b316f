"""Hours against the number of devices: where more of them stop to help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from badexp_assets.errors import InputError
from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png
from badexp_assets.io.parquet import atomic_path
from badexp_assets.orchestration.plan.archive import Archive
from badexp_assets.orchestration.plan.estimate import make_plan
from badexp_assets.orchestration.plan.machine import Machine
from badexp_assets.orchestration.plan.rates import Rates

_USUAL = 256  # nodes, up to which something else than the devices often limits


def draw_hours(rates: Rates, archive: Archive, machine: Machine, path: Path) -> None:
    """Write a PNG: wall hours and those of each stage, for 1, 2, 4, ... nodes like those of `machine`.

    Raises InputError for a path that does not end with .png.
    """
    if path.suffix != ".png":
        raise InputError(f"figure {path}: a name that ends with .png is needed")
    nodes = [1]
    while nodes[-1] < max(_USUAL, 4 * machine.nodes):
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
