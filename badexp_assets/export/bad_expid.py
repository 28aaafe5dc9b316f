"""Writing `decam-bad_expid.txt`, the list that legacypipe reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from badexp_assets.export.category_words import checked_rejects, words_of
from badexp_assets.io.parquet import atomic_path
from badexp_assets.survey.cameras import Camera, load_camera

_FLAGS = {"saturated": 1, "clouds_transparency": 2}
_OTHER_FLAG = 3


def write_bad_expid(
    table: pd.DataFrame, path: str | Path, camera: Camera | None = None, date: str | None = None
) -> None:
    """Write a reject list as bad_expid lines, atomically.

    `table`: expnum, ccdnum (or ccdname; null: whole exposure), category; where there are also n_bad, n_fine, n_unsure,
    plver, rule and simulated, they go into the text and the header. A line is `EXPNUM FLAG words` (flags: 1 saturated,
    2 clouds, 3 other) or `EXPNUM-CCDNAME words`; `read_bad_expid` gives the same categories back.

    legacypipe splits a line on white space, takes the first word as EXPNUM or EXPNUM-CCDNAME, and never matches names
    such as N04, n4 or 31, ranges, or what follows a byte-order mark; none of these is ever written, for names come
    from the camera. `date` (as it should stand in the header) is left out by default, so that the same list gives the
    same bytes. Raises InputError for an exposure number or CCD that could not be matched.
    """
    camera = camera or load_camera()
    rows = checked_rejects(table, camera)
    lines = [*header_lines(rows, date), *(reject_line(row, camera) for row in rows.to_dict("records"))]
    with atomic_path(Path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii", errors="replace", newline="\n")


def header_lines(rows: pd.DataFrame, date: str | None) -> list[str]:
    """Comment lines above `rows` (of `checked_rejects`): what the columns are, whence they come, by which rule."""
    whole = int(rows["ccdnum"].isna().sum())
    header = ["EXPID  Flag  comments", "Flags: 1=possibly saturated; 2=clouds; 3=other source"]
    header.append(f"written by badexp_assets{f' on {date}' if date else ''}")
    header.append(f"{whole} exposures, {len(rows) - whole} single CCDs")
    if "rule" in rows:
        header += [f"rule: {rule}" for rule in sorted(set(rows["rule"].dropna().astype(str)))]
    if "simulated" in rows and rows["simulated"].fillna(False).astype(bool).any():
        n = int(rows["simulated"].fillna(False).astype(bool).sum())
        header.append(
            f"SIMULATED: {n} of {len(rows)} rows rest on answers of simulated reviewers; not for use on a survey"
        )
    return [f"# {_one_line(text)}" for text in header]


def reject_line(row: dict, camera: Camera) -> str:
    """The line of one row of `checked_rejects`."""
    text = words_of(str(row["category"]))
    if pd.isna(row["ccdnum"]):
        start = f"{row['expnum']}  {_FLAGS.get(row['category'], _OTHER_FLAG)}"
    else:
        start = f"{row['expnum']}-{camera.by_number[int(row['ccdnum'])].ccdname}"
    answers = [row.get(name) for name in ("n_bad", "n_fine", "n_unsure")]
    if not any(a is None or pd.isna(a) for a in answers):
        text += f" ({answers[0]} of {sum(int(a) for a in answers if a is not None)} reviewers)"
    plver = row.get("plver")
    if isinstance(plver, str) and plver:
        text += f" CP {plver}"
    return f"{start}  {_one_line(text)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
