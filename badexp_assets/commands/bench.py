"""`badexp bench`: runs the benchmarks of a checkout, which are not part of the installed package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from badexp_assets.errors import InputError


@click.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Small data: shows that it runs; the figures mean nothing.")
@click.option("--device", default="cpu", show_default=True, help="Where networks run.")
@click.option("--seed", default=0, show_default=True, help="`classifier`: the only survey to simulate; 0: three.")
@click.option("--repeats", default=3, show_default=True, help="Repeats of every timing; the median is reported.")
@click.option("--network-ms", default=26.0, show_default=True, help="`feed`: time of its network for an image, ms.")
@click.option("--train", type=click.Path(path_type=Path), help="`focal-plane`: folder with labelled focal planes.")
@click.option(
    "--test", type=click.Path(path_type=Path), help="`focal-plane`: folder to test on; none: folds of --train."
)
@click.option(
    "--nights",
    type=click.IntRange(1),
    multiple=True,
    default=(50,),
    show_default=True,
    help="`survey`: nights of a home; give it again for further homes and the growth of each step.",
)
@click.option("--backbone", default="efficientnet_lite0", show_default=True, help="`focal-plane`: its network.")
@click.option("--out", type=click.Path(path_type=Path), help="Also append the lines to this file.")
def bench(
    names: tuple[str, ...],
    quick: bool,
    device: str,
    seed: int,
    repeats: int,
    network_ms: float,
    train: Path | None,
    test: Path | None,
    nights: tuple[int, ...],
    backbone: str,
    out: Path | None,
) -> None:
    """Run the benchmarks NAMES, each against a baseline, and print one JSON line per result.

    Without NAMES all benchmarks of speed run. `classifier` and `entropy-trial` measure how good the methods are, on
    simulated surveys; they take a quarter of an hour each. `active-learning` measures how many candidates reviewers
    look at with and without learning from their answers, in an hour and a half. `gold-standards` measures what
    known cases in the queue tell of simulated reviewers, in a quarter of an hour. `focal-plane` measures, on real
    focal planes with marked ghosts, how well bad CCDs are found from the whole plane. `survey` fabricates homes of
    many nights and measures memory and time of each step that reads all of them.
    """
    import json
    import tempfile

    _make_benchmarks_importable()
    from benchmarks.measure import BenchOptions
    from benchmarks.registry import run_benchmarks

    with tempfile.TemporaryDirectory(prefix="badexp-bench-") as folder:
        options = BenchOptions(
            Path(folder),
            quick=quick,
            device=device,
            seed=seed,
            repeats=repeats,
            network_ms=network_ms,
            train=train,
            test=test,
            backbone=backbone,
            nights=nights,
        )
        for record in run_benchmarks(names, options):
            line = json.dumps(record, allow_nan=False)
            click.echo(line)
            if out is not None:
                with out.open("a", encoding="utf-8") as handle:
                    handle.write(line + "\n")


def _make_benchmarks_importable() -> None:
    """Let this process and its children import `benchmarks/` of the checkout that this module is in."""
    checkout = Path(__file__).parents[2]
    if not (checkout / "benchmarks" / "registry.py").is_file():
        raise InputError(f"bench: {checkout} has no benchmarks/; run it from a clone of the repository")
    sys.path.insert(0, str(checkout))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(checkout), os.environ.get("PYTHONPATH"))))
