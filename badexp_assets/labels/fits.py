"""Chosen columns of a FITS table, whatever the case of their names and the HDU they are in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError, LabelFileError


def read_columns(path: str | Path, required: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Return columns of the first table HDU that has all `required` ones, named in lower case.

    Strings lose their padding; optional columns that are not there are left out. Reads `.fits`, `.fits.gz` and
    `.kd.fits` (where tree HDUs follow the table). Raises InputError for a missing file, LabelFileError for one that
    is not FITS or has no such table, naming the missing columns.
    """
    import fitsio

    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    needed = [name.lower() for name in required]
    best: list[str] = []
    try:
        with fitsio.FITS(str(path)) as hdus:
            for hdu in hdus:
                if not isinstance(hdu, fitsio.hdu.TableHDU):
                    continue
                names = {name.lower(): name for name in hdu.get_colnames()}
                if set(needed) <= set(names):
                    wanted = [n for n in (*needed, *(o.lower() for o in optional)) if n in names]
                    return _frame(hdu, [names[n] for n in wanted], wanted)
                best = best or list(names)
    except (OSError, ValueError, RuntimeError) as error:
        raise LabelFileError(f"{path}: not a readable FITS table ({str(error).splitlines()[0]})") from error
    missing = [name for name in needed if name not in best]
    found = f"found {', '.join(best)}" if best else "the file has no table"
    raise LabelFileError(f"{path}: column(s) {', '.join(missing)} missing; {found}")


def _frame(hdu: object, names: list[str], lower: list[str]) -> pd.DataFrame:
    rows = hdu.get_nrows()  # type: ignore[attr-defined]
    data = hdu.read(columns=names) if rows else None  # type: ignore[attr-defined]
    table = {}
    for name, key in zip(names, lower, strict=True):
        values = np.empty(0) if data is None else data[name]
        if values.dtype.kind in "SU":
            # few different strings in many rows: strip each once
            unique, inverse = np.unique(values, return_inverse=True)
            text = [v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in unique]
            table[key] = pd.Series(np.array([t.strip() for t in text], dtype=object)[inverse], dtype=object)
        else:
            table[key] = pd.Series(values.astype(values.dtype.newbyteorder("=")))
    return pd.DataFrame(table)
