"""Which files are reductions of one exposure, and which exposures have a number that is another one's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from badexp_assets.survey.cp_files import process_key, version_key

_SAME_TIME = 10 / 86400  # d; reductions of one exposure agree on MJD-OBS, and two exposures are further apart
_Row = Mapping[str, Any]


def exposures_of_number(rows: Sequence[_Row], versions: bool = True) -> list[dict[str, Any]]:
    """Return one row per exposure of `rows` (of `list_exposures`), which have one EXPNUM: the newest reduction of each.

    The first exposure that can be used keeps the number; see `without_number` for the others. Without `versions`, files
    with neither PLVER nor PLPROCID are no reductions of each other, since nothing says which is newer, or is a mask.
    """
    exposures: list[list[_Row]] = []
    for row in sorted(rows, key=lambda row: (row["mjd_obs"] is None, row["mjd_obs"], row["ooi"])):
        comparable = versions or row["plver"] or row["plprocid"]
        same = next((known for known in exposures if comparable and is_same_exposure(known[0], row)), None)
        if same is None:
            exposures.append([row])
        else:
            same.append(row)
    newest = []
    for reductions in exposures:
        *older, row = sorted(reductions, key=_age)
        previous = older[-1]["path"] if older else None
        newest.append({**row, "n_superseded": len(older), "previous_path": previous})
    newest.sort(key=lambda row: row["status"] != "ready")
    return [newest[0], *(without_number(row, newest[0]) for row in newest[1:])]


def is_same_exposure(one: _Row, other: _Row) -> bool:
    """Whether two rows with one EXPNUM can be reductions of one exposure; a value that is missing fits to any."""
    times, bands = (one["mjd_obs"], other["mjd_obs"]), (one["filter"], other["filter"])
    same_time = any(map(_is_missing, times)) or abs(times[0] - times[1]) <= _SAME_TIME
    return bool(same_time) and (any(map(_is_missing, bands)) or bands[0] == bands[1])


def without_number(row: _Row, owner: _Row, where: str = "") -> dict[str, Any]:
    """Return `row` as an excluded exposure, because its EXPNUM belongs to `owner`, the row of another file.

    where: the place of `owner`, such as its night, if it is elsewhere.
    """
    other = f"{owner['ooi']}{f' ({where})' if where else ''}"
    if is_same_exposure(row, owner):
        reason = f"EXPNUM {row['expnum']}: the same exposure, by time and band, is {other}"
    else:
        reason = (
            f"EXPNUM {row['expnum']} is also that of another exposure, {other}, with {_identity(owner)}; "
            f"this one has {_identity(row)}"
        )
    return {**row, "expnum": surrogate_expnum(row["ooi"]), "status": "excluded", "status_reason": reason}


def one_row_per_exposure(exposures: pd.DataFrame) -> pd.DataFrame:
    """Return `night_exposures` of several nights (any index without repeats) with one row per expnum, ordered by it.

    A number has more rows if an unusable file of another night has it, or a file of the exposure is in the folder of
    another night. A scored row is preferred, then the earlier night. Columns expnum, status and night are needed.
    """
    order = pd.DataFrame({"expnum": exposures["expnum"], "other": exposures["status"] != "scored"})
    order["night"] = exposures["night"].astype(str)
    chosen = order.sort_values(["expnum", "other", "night"]).drop_duplicates("expnum").index
    return exposures.loc[chosen].reset_index(drop=True)


def surrogate_expnum(relative: str) -> int:
    """Return a negative number that replaces the exposure number of a file that has none."""
    return -1 - int.from_bytes(hashlib.blake2b(relative.encode(), digest_size=6).digest(), "big")


def _age(row: _Row) -> tuple[Any, ...]:
    return version_key(row["plver"]), process_key(row["plprocid"]), row["ooi"]


def _identity(row: _Row) -> str:
    return (
        f"band {row['filter']}, MJD-OBS {'unknown' if _is_missing(row['mjd_obs']) else format(row['mjd_obs'], '.5f')}"
    )


def _is_missing(value: Any) -> bool:
    return bool(pd.isna(value))
