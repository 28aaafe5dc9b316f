"""Adding to a bad_expid list that is in use: its lines stay as they are, and only what is new is added."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.export.bad_expid import header_lines, reject_line
from badexp_assets.export.category_words import checked_rejects
from badexp_assets.io.parquet import atomic_path
from badexp_assets.survey.cameras import Camera, load_camera

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Appended:
    """Rows that were added, and rows that the list held already: n_added + n_held = rows of the reject list."""

    n_added: int
    n_held: int


def read_as_legacypipe(path: str | Path) -> dict[tuple[int, str | None], str]:
    """Read a bad_expid list by the rule of legacypipe's reader: {(expnum, CCD name or None): the words after it}.

    A line that begins with `#` is a comment. The first word, as white space splits a line, is EXPNUM or EXPNUM-CCDNAME;
    other lines are skipped, and the last of several lines on the same counts. A byte-order mark costs the first line.
    A CCD name that no camera has is kept: it matches nothing. Raises InputError for a file that can't be read.
    """
    found: dict[tuple[int, str | None], str] = {}
    for line in _bytes(Path(path)).decode("utf-8", errors="replace").split("\n"):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        number, _, ccdname = words[0].partition("-")
        try:
            found[int(number), ccdname or None] = " ".join(words[1:])
        except ValueError:
            continue
    return found


def append_bad_expid(
    table: pd.DataFrame,
    existing: str | Path,
    path: str | Path,
    camera: Camera | None = None,
    date: str | None = None,
) -> Appended:
    """Write to `path`, atomically, the list `existing` and behind it the rows of a reject list that it does not hold.

    `path` may be `existing` itself. `table` as for `write_bad_expid`. The list's own bytes stay, comments, order and
    line ends too; only a missing line end of its last line is added. It holds a row when legacypipe reads it there: the
    exposure as a whole, or that CCD of it. What is added begins with comment lines that say whence it comes (`date` as
    it should stand there). With nothing to add, `path` gets the same bytes. Raises InputError as `write_bad_expid`
    does, and for a list with a byte-order mark, the first line of which legacypipe does not see.
    """
    existing, path = Path(existing), Path(path)
    camera = camera or load_camera()
    rows = checked_rejects(table, camera)
    old = _bytes(existing)
    if old.startswith(_BOM):
        raise InputError(f"{existing}: begins with a byte-order mark, and legacypipe loses its first line; remove it")
    held = read_as_legacypipe(existing)
    names = rows["ccdnum"].map(lambda n: None if pd.isna(n) else camera.by_number[int(n)].ccdname).astype(object)
    known = [
        (int(expnum), None) in held or (name is not None and (int(expnum), name) in held)
        for expnum, name in zip(rows["expnum"], names.where(names.notna(), None), strict=True)
    ]
    new = rows[~pd.Series(known, index=rows.index, dtype=bool)]
    text = old
    if len(new):
        end = b"\r\n" if old.count(b"\r\n") * 2 > old.count(b"\n") else b"\n"
        if old and not old.endswith(b"\n"):
            text += end
        lines = [*header_lines(new, date), *(reject_line(row, camera) for row in new.to_dict("records"))]
        text += b"".join(line.encode("ascii", "replace") + end for line in lines)
    if path != existing or len(new):
        with atomic_path(path) as temporary:
            temporary.write_bytes(text)
    return Appended(len(new), len(rows) - len(new))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: bad_expid list can't be read ({error.strerror})") from error
