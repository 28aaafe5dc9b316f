"""`badexp plan`: time, jobs and storage that reading an archive takes."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import Settings, load_settings
from badexp_assets.errors import InputError
from badexp_assets.io.place import Url

if TYPE_CHECKING:
    from badexp_assets.orchestration.plan.inputs import Archive, Machine, Rates

FILE = click.Path(path_type=Path)


@click.command()
@HOME
@click.option("--archive", help="Size of this CP tree [BADEXP_ARCHIVE]; or the next three options.")
@click.option("--exposures", type=int, help="Exposures.")
@click.option("--nights", type=int, help="Nights of these exposures.")
@click.option("--file-size", type=float, help="Size of an exposure's image and mask files, MB.")
@click.option(
    "--ccds-per-exposure", type=int, help="CCDs read per exposure [all with all_ccds, else n_draw of [night_pass]]."
)
@click.option("--ccds-in-file", type=int, default=60, show_default=True, help="CCDs of an exposure.")
@click.option("--ccd-megapixels", type=float, default=8.4, show_default=True, help="Pixels of a CCD, 10^6.")
@click.option("--whole-files", is_flag=True, help="Storage gives whole files only, not the CCDs that are read.")
@click.option("--mosaics/--no-mosaics", default=True, show_default=True, help="Embed whole focal planes, too.")
@click.option("--nodes", type=int, default=1, show_default=True, help="Nodes that work in parallel, one job each.")
@click.option("--gpus-per-node", type=int, help="GPUs of a node; 0: the network runs on cores [those of the rates].")
@click.option("--cores-per-node", type=int, help="Processor cores of a node [those allocated here].")
@click.option("--memory", type=float, help="Memory of a node, GiB [that of this machine].")
@click.option("--bandwidth", type=float, default=1.0, show_default=True, help="Storage to all nodes, GB/s.")
@click.option("--job-hours", type=float, default=4.0, show_default=True, help="Time limit of a job.")
@click.option("--rates", "rates_file", type=FILE, help="Read the rates from this file instead of measuring them now.")
@click.option("--save-rates", type=FILE, help="Write the rates to this file.")
@click.option("--images-per-gpu-hour", type=float, help="Rate of the network on a GPU that this machine lacks.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--figure", type=FILE, help="Draw hours against nodes to this .png.")
def plan(
    home: Path | None,
    archive: str | None,
    rates_file: Path | None,
    save_rates: Path | None,
    images_per_gpu_hour: float | None,
    form: str,
    figure: Path | None,
    **given: Any,
) -> None:
    """Estimate what reading an archive takes: hours, jobs, bytes, and the limiting stage.

    The cost of an exposure is measured here on a night (two minutes), or read from a file that --save-rates wrote
    earlier. See docs/scale.md for examples.
    """
    import json

    from badexp_assets.orchestration.plan.estimate import make_plan
    from badexp_assets.orchestration.plan.inputs import read_rates, write_rates
    from badexp_assets.orchestration.plan.report import draw_hours, plan_lines

    settings = load_settings(home, archive=archive)
    size = _archive(settings, given)
    rates = read_rates(rates_file) if rates_file is not None else _measured(settings, given["exposures"] is None)
    if images_per_gpu_hour is not None:
        source = f"{rates.source}; {images_per_gpu_hour:g} images an hour and GPU as given"
        rates = replace(rates, device="gpu", images_per_hour=images_per_gpu_hour, efficiency=1.0, source=source)
    if save_rates is not None:
        write_rates(rates, save_rates)
    machine = _machine(rates, given)
    found = make_plan(rates, size, machine)
    if figure is not None:
        draw_hours(rates, size, machine, figure)
    if form == "json":
        used = {"rates": asdict(rates), "archive": asdict(size), "machine": asdict(machine)}
        click.echo(json.dumps({"plan": asdict(found), **used}, indent=1))
        return
    for line in plan_lines(found, rates, size, machine):
        click.echo(line)


def _archive(settings: Settings, given: dict[str, Any]) -> Archive:
    from badexp_assets.orchestration.plan.archive_scan import list_left_out, scan_archive
    from badexp_assets.orchestration.plan.inputs import Archive
    from badexp_assets.survey.cameras import load_camera
    from badexp_assets.survey.file_account import other_file_lines

    params = settings.options.night_pass
    n_read = given["ccds_per_exposure"] or (None if params.all_ccds else params.n_draw)
    needed = {name: given[name] for name in ("exposures", "nights", "file_size")}
    if any(value is not None for value in needed.values()):
        missing = [f"--{name.replace('_', '-')}" for name, value in needed.items() if value is None]
        if missing:
            raise InputError(f"{', '.join(missing)} missing: give --exposures, --nights and --file-size, or --archive")
        return Archive(
            exposures=given["exposures"],
            nights=given["nights"],
            images_per_exposure=n_read or given["ccds_in_file"],
            ccds_in_file=given["ccds_in_file"],
            exposure_bytes=given["file_size"] * 1e6,
            megapixels=given["ccd_megapixels"],
            whole_files=given["whole_files"],
            mosaics=given["mosaics"],
            focal_plane_step=params.focal_plane_step,
            whole_ccds=isinstance(settings.archive, Url),
        )
    if settings.archive is None:
        raise InputError("no archive given: use --archive, or --exposures, --nights and --file-size")
    click.echo(f"  scanning {settings.archive}", err=True)
    found = scan_archive(settings.archive, camera := load_camera(settings.camera), n_read)
    left_out = list_left_out(settings.archive, camera)
    if left_out:
        click.echo(f"  {len(left_out)} files are left out:", err=True)
        for line in other_file_lines(left_out):
            click.echo(f"  {line}", err=True)
    return replace(
        found,
        whole_files=given["whole_files"],
        mosaics=given["mosaics"],
        focal_plane_step=params.focal_plane_step,
        whole_ccds=isinstance(settings.archive, Url),
    )


def _measured(settings: Settings, on_archive: bool) -> Rates:
    import tempfile

    from badexp_assets.orchestration.plan.measure import measure_rates

    with tempfile.TemporaryDirectory(prefix="badexp-plan-") as folder:
        archive = settings.archive if on_archive else None
        if isinstance(archive, Url):  # measuring would have to copy its exposures
            raise InputError(f"{archive}: reading can only be measured on an archive in a folder")
        return measure_rates(settings, Path(folder), archive, say=lambda what: click.echo(f"  {what}", err=True))


def _machine(rates: Rates, given: dict[str, Any]) -> Machine:
    import psutil

    from badexp_assets.config.cpu_count import processors
    from badexp_assets.orchestration.plan.inputs import Machine

    gpus = given["gpus_per_node"]
    return Machine(
        nodes=given["nodes"],
        gpus=gpus if gpus is not None else int(rates.device == "gpu"),
        cores=given["cores_per_node"] or processors(),
        memory_gib=given["memory"] or round(psutil.virtual_memory().total / 2**30, 1),
        bandwidth=given["bandwidth"],
        job_hours=given["job_hours"],
    )
