"""Reader of a survey's CCD tables (survey-ccds, ccds-annotated), of any release, of ten million rows if need be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.errors import BadExpError
from badexp_assets.io.parquet import empty_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.fits_table_chunks import categorical, find_table
from badexp_assets.labels.survey_columns import COUNTS, OPTIONAL, REQUIRED, Columns, survey_columns
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.labels.label_files import LabelFiles

_CCDNUM_BITS = 10
_GROUP = 32  # chunks


def read_survey(files: LabelFiles, camera: Camera) -> pd.DataFrame:
    """All CCD tables as one `survey_ccds` table, each (expnum, ccdnum) once, in this order; text is categorical.

    Of several rows of a CCD image the first one with an E(B-V) is kept, else the first. `table.attrs["problems"]`
    lists files and columns that can't be used, one line each; `table.attrs["counts"]` has by file the rows, those kept,
    and those left out by reason (`duplicate`: another row of the CCD image was kept).
    """
    tables: list[Columns] = []
    names, counts, problems = [], [], []
    for path in files.survey:
        try:
            columns, found, left_out = _read(path, camera)
        except BadExpError as error:
            problems.append(str(error))
            continue
        problems += left_out
        names.append(files.relative(path))
        counts.append(found)
        tables.append(columns)
    sizes = [found["kept"] for found in counts]
    if not tables:
        tables = [{str(name): values for name, values in empty_table(SCHEMAS["survey_ccds"]).items()}]
    both = _concatenated(tables)
    both["file"] = pd.Series(categorical(np.repeat(np.arange(len(names), dtype="int16"), sizes), names))
    rows = _first_of_each(both)
    if rows is not None:
        for name in list(both):
            both[name] = both[name].take(rows).reset_index(drop=True)
    kept = both["file"].value_counts()
    for name, found in zip(names, counts, strict=True):
        found["duplicate"], found["kept"] = found["kept"] - int(kept[name]), int(kept[name])
    table = _frame(both, SCHEMAS["survey_ccds"].column_names)
    table.attrs = {"problems": problems, "counts": dict(zip(names, counts, strict=True))}
    return table


def read_survey_ccds(path: str | Path, camera: Camera) -> pd.DataFrame:
    """Read a survey-ccds or ccds-annotated FITS table into the columns of the `survey_ccds` schema, without `file`.

    ccdnum follows from ccdname; night from mjd_obs (local noon to local noon); filter is its first word; fwhm (px)
    is that of `seeing` where the release has this column; ccdzpt falls back on zpt; ra and dec (deg) on those of the
    boresight. ebv is null where the table is not annotated; ccd_cuts, plver and others where the release has no such
    column; numbers that are not finite are null. Text columns are categorical.

    Rows of other cameras, CCD names the camera does not have, and rows without a time or an expnum from 1 to MAX_EXPNUM
    are left out and counted in `table.attrs["counts"]`; `table.attrs["problems"]` names columns that can't be used.
    Raises LabelFileError for a file that can't be read to its end or misses a column that every release has.
    """
    columns, counts, problems = _read(path, camera)
    table = _frame(columns, [c for c in SCHEMAS["survey_ccds"].column_names if c != "file"])
    table.attrs = {"counts": counts, "problems": problems}
    return table


def _read(path: str | Path, camera: Camera) -> tuple[Columns, dict[str, int], list[str]]:
    """Columns of the rows that can be used, the counts of rows, and what could not be used."""
    found = find_table(path, REQUIRED, OPTIONAL)
    counts = dict.fromkeys(COUNTS, 0)
    groups: list[Columns] = []
    pieces: list[Columns] = []
    for chunk in found.chunks():
        pieces.append(survey_columns(chunk, camera, counts))
        if len(pieces) == _GROUP:  # many small arrays that stay leave holes in memory
            groups.append(_concatenated(pieces))
            pieces = []
    return _concatenated([*groups, *pieces]), counts, list(found.left_out)


def _concatenated(pieces: Sequence[Columns]) -> Columns:
    """One table of several, column by column; the pieces are used up, so that memory holds the rows once."""
    whole: Columns = {}
    for name in list(pieces[0]):
        parts = [piece.pop(name) for piece in pieces]
        if parts[0].dtype == "category":
            whole[name] = pd.Series(pd.api.types.union_categoricals(parts), copy=False)
        else:
            whole[name] = pd.concat(parts, ignore_index=True)
    return whole


def _first_of_each(columns: Mapping[str, pd.Series]) -> NDArray[np.int64] | None:
    """Rows to keep: each CCD image once, in order, one with an E(B-V) before others; None: the table is so already."""
    key = columns["expnum"].to_numpy(dtype="int64") << _CCDNUM_BITS
    key |= columns["ccdnum"].to_numpy(dtype="int64")
    if (key[1:] > key[:-1]).all():
        return None
    order = np.argsort(key * 2 + columns["ebv"].isna().to_numpy(), kind="stable")
    key = key[order]
    first = np.ones(len(key), dtype=bool)
    first[1:] = key[1:] != key[:-1]
    return order[first]


def _frame(columns: Columns, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: columns[name] for name in names}, copy=False)
