"""What the tests of the command line share: small homes, parts of surveys, processes."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from badexp_assets_tests.homes import FEWER_FITS


def new_home(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "settings.toml").write_text(FEWER_FITS)
    return folder


def part_of_survey(survey: Path, out: Path, nights: int, exposures: int) -> list[Path]:
    """Copy the first exposures of the first nights, and the labels; returns the folders of the nights."""
    shutil.copytree(survey / "labels", out / "labels")
    folders = []
    for night in sorted((survey / "images").glob("decam/CP/*/CP*"))[:nights]:
        place = out / night.relative_to(survey)
        place.mkdir(parents=True)
        for name in sorted({file.name[:17] for file in night.iterdir()})[:exposures]:
            for file in night.glob(f"{name}*"):
                shutil.copy(file, place)
        folders.append(place)
    return folders


def whole_tables(home: Path) -> list[Path]:
    """All tables under their final names; reading one that is not whole raises."""
    tables = sorted((home / "tables").rglob("[!.]*.parquet"))
    for table in tables:
        pq.ParquetFile(table).read()
    return tables


def start(words: list, in_process: Callable[[], None] = lambda: None) -> subprocess.Popen:
    """Start ``badexp`` with ``words``; ``in_process`` runs in the new process before it."""
    command = [sys.executable, "-c", "from badexp_assets.commands.cli import main; main()", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, preexec_fn=in_process, start_new_session=True, **pipes)
