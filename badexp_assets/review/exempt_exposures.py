"""What is never rejected, whatever reviewers answer."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.labels.bad_expid import read_expnum
from badexp_assets.survey.cameras import Camera


def read_exempt(path: str | Path, camera: Camera) -> dict[tuple[int, int | None], str]:
    """Return (expnum, ccdnum or None for the whole exposure) with the reason, from a CSV file.

    Columns: expnum, and perhaps ccdnum (blank: the whole exposure) and reason. Raises InputError that names the file
    and the line for a missing column or a cell that is no exposure or CCD: a typing error must not reject what was
    meant to be spared.
    """
    path = Path(path)
    try:
        cells = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: exempt list can't be read ({' '.join(str(error).split())})") from error
    if "expnum" not in cells:
        raise InputError(f"{path}: column expnum missing; found {', '.join(cells.columns) or 'none'}")
    found: dict[tuple[int, int | None], str] = {}
    for line, row in enumerate(cells.to_dict("records"), start=2):
        expnum, ccd = read_expnum(str(row["expnum"]).strip()), str(row.get("ccdnum", "")).strip()
        if expnum is None:
            raise InputError(f"{path}:{line}: expnum is {row['expnum']!r}; an exposure number is needed")
        if ccd and not (ccd.isascii() and ccd.isdigit() and int(ccd) in camera.by_number):
            raise InputError(f"{path}:{line}: ccdnum is {ccd!r}; 1 to {len(camera.ccds)}, or blank, is needed")
        found[expnum, int(ccd) if ccd else None] = str(row.get("reason", "")).strip()
    return found
