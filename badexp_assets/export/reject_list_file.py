"""A reject list as a file, in the format that its ending names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.export.append_bad_expid import append_bad_expid
from badexp_assets.export.bad_expid import write_bad_expid
from badexp_assets.export.exclude_table import write_exclude_table
from badexp_assets.io.parquet import atomic_path, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.cameras import Camera

FORMATS = {".txt": "bad_expid lines", ".fits": "exclude table", ".csv": "the table", ".parquet": "the table"}


@dataclass(frozen=True)
class Written:
    """What was written: rows of ours in the file (CCD images in an exclude table), and rows that `base` had already."""

    path: Path
    n_rows: int
    n_held: int = 0

    def __str__(self) -> str:
        unit = "CCD images" if self.path.suffix == ".fits" else "rows"
        return f"{self.path}: {self.n_rows} {unit} written{f', {self.n_held} were there' if self.n_held else ''}"


def write_rejects(table: pd.DataFrame, path: str | Path, camera: Camera, base: str | Path | None = None) -> Written:
    """Write the `reviewed_reject_list` to `path`, atomically.

    `.txt`: lines that legacypipe reads, behind those of the list `base` where one is given (`append_bad_expid`);
    `.fits`: the exclude table, a row per CCD; `.csv` and `.parquet`: the table as it is. Raises InputError for another
    ending, and for `base` with another format than `.txt`.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        allowed = ", ".join(f"{ending} ({what})" for ending, what in FORMATS.items())
        raise InputError(f"{path}: ending {path.suffix!r} is not known; allowed: {allowed}")
    if base is not None and path.suffix != ".txt":
        raise InputError(f"{path}: only bad_expid lists (.txt) can be added to")
    if base is not None:
        done = append_bad_expid(table, base, path, camera)
        return Written(path, done.n_added, done.n_held)
    if path.suffix == ".txt":
        write_bad_expid(table, path, camera)
    elif path.suffix == ".fits":
        return Written(path, write_exclude_table(table, path, camera))
    elif path.suffix == ".parquet":
        write_table(table, path, SCHEMAS["reviewed_reject_list"])
    else:
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
    return Written(path, len(table))
