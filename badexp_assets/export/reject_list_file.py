"""Writes the reject list to a file; the file name extension gives the format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.export.bad_expid import append_bad_expid, write_bad_expid
from badexp_assets.export.exclude_table import write_exclude_table
from badexp_assets.io.parquet import atomic_path, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.cameras import Camera

FORMATS = {".txt": "bad_expid lines", ".fits": "exclude table", ".csv": "the table", ".parquet": "the table"}


@dataclass(frozen=True)
class WrittenFile:
    """A written file: number of rows (CCD images in an exclude table), and of rows that `base` already contained."""

    path: Path
    n_rows: int
    n_in_base: int = 0

    def __str__(self) -> str:
        unit = "CCD images" if self.path.suffix == ".fits" else "rows"
        known = f", {self.n_in_base} were already in the list" if self.n_in_base else ""
        return f"{self.path}: {self.n_rows} {unit} written{known}"


def write_rejects(table: pd.DataFrame, path: str | Path, camera: Camera, base: str | Path | None = None) -> WrittenFile:
    """Write the `reviewed_reject_list` to `path`, atomically.

    `.txt`: bad_expid lines for legacypipe, after those of the list `base` if given (see `append_bad_expid`); `.fits`:
    an exclude table, one row per CCD image; `.csv`, `.parquet`: the table unchanged. Raises InputError for another
    extension, and for `base` with a format other than `.txt`.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        allowed = ", ".join(f"{ending} ({what})" for ending, what in FORMATS.items())
        raise InputError(f"{path}: ending {path.suffix!r} is not known; allowed: {allowed}")
    if base is not None and path.suffix != ".txt":
        raise InputError(f"{path}: only bad_expid lists (.txt) can be added to")
    if base is not None:
        return WrittenFile(path, *append_bad_expid(table, base, path, camera))
    if path.suffix == ".txt":
        write_bad_expid(table, path, camera)
    elif path.suffix == ".fits":
        return WrittenFile(path, write_exclude_table(table, path, camera))
    elif path.suffix == ".parquet":
        write_table(table, path, SCHEMAS["reviewed_reject_list"])
    else:
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
    return WrittenFile(path, len(table))
