"""Writes and extends `decam-bad_expid.txt`, the list of bad exposures that legacypipe reads.

legacypipe splits a line at white space and reads the first word as EXPNUM or EXPNUM-CCDNAME. CCD names such as N04, n4
or 31, ranges, and the line after a byte-order mark never match an image there. None of these is written here, because
the names come from the camera description.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.export.reject_rows import category_text, validated_rejects
from badexp_assets.io.parquet import atomic_path
from badexp_assets.survey.cameras import Camera, load_camera

_FLAGS = {"saturated": 1, "clouds_transparency": 2}
_OTHER_FLAG = 3
_BOM = b"\xef\xbb\xbf"


def write_bad_expid(
    table: pd.DataFrame, path: str | Path, camera: Camera | None = None, date: str | None = None
) -> None:
    """Write a reject list as bad_expid lines, atomically.

    `table`: expnum, ccdnum (or ccdname; null: the whole exposure), category. If present, n_bad, n_fine, n_unsure,
    plver, rule and simulated are added to the lines and the header. A line is `EXPNUM FLAG text` (flags: 1 saturated,
    2 clouds, 3 other) or `EXPNUM-CCDNAME text`; `read_bad_expid` gives the same categories back. `date`, as it should
    stand in the header, is omitted by default, so the same list gives the same bytes. `camera`: by default DECam.
    Raises InputError for an exposure number or CCD that does not exist.
    """
    camera = camera or load_camera()
    lines = _lines(validated_rejects(table, camera), camera, date)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii", errors="replace", newline="\n")


def append_bad_expid(
    table: pd.DataFrame, existing: str | Path, path: str | Path, camera: Camera | None = None, date: str | None = None
) -> tuple[int, int]:
    """Write the list `existing`, followed by the rows of a reject list that it does not contain, to `path`, atomically.

    Returns the number of rows added and of rows that the list already contains. It contains a row if legacypipe finds
    there the whole exposure, or that CCD of it. `table` and `date`: as for `write_bad_expid`; `path` may be `existing`.
    The existing bytes are kept, including comments, order and line ends; only a missing end of the last line is added.
    Comment lines before the new lines say where they come from. Raises InputError as `write_bad_expid` does, and for a
    list with a byte-order mark, because legacypipe would skip its first line.
    """
    existing, path = Path(existing), Path(path)
    camera = camera or load_camera()
    rows = validated_rejects(table, camera)
    old = _read_bytes(existing)
    if old.startswith(_BOM):
        raise InputError(f"{existing}: begins with a byte-order mark, so legacypipe skips its first line; remove it")
    listed = read_as_legacypipe(existing)
    names = {ccd.ccdnum: ccd.ccdname for ccd in camera.ccds}
    known = [
        (expnum, None) in listed or (expnum, names.get(ccdnum)) in listed
        for expnum, ccdnum in zip(rows["expnum"].tolist(), rows["ccdnum"].tolist(), strict=True)
    ]
    new = rows[~pd.Series(known, index=rows.index, dtype=bool)]
    if len(new):
        end = b"\r\n" if old.count(b"\r\n") * 2 > old.count(b"\n") else b"\n"
        between = end if old and not old.endswith(b"\n") else b""
        old += between + b"".join(line.encode("ascii", "replace") + end for line in _lines(new, camera, date))
    if path != existing or len(new):
        with atomic_path(path) as temporary:
            temporary.write_bytes(old)
    return len(new), len(rows) - len(new)


def read_as_legacypipe(path: str | Path) -> dict[tuple[int, str | None], str]:
    """Read a bad_expid list by the rule of legacypipe's reader; return {(expnum, CCD name or None): rest of the line}.

    Lines that begin with `#` are comments. Lines whose first word is not EXPNUM or EXPNUM-CCDNAME are skipped. If
    several lines have the same key, the last one counts. CCD names are not checked. Raises InputError for a file that
    can't be read.
    """
    found: dict[tuple[int, str | None], str] = {}
    for line in _read_bytes(Path(path)).decode("utf-8", errors="replace").split("\n"):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        number, _, ccdname = words[0].partition("-")
        try:
            found[int(number), ccdname or None] = " ".join(words[1:])
        except ValueError:
            continue
    return found


def _lines(rows: pd.DataFrame, camera: Camera, date: str | None) -> list[str]:
    """Return header and lines of `validated_rejects` rows, without line ends."""
    whole = int(rows["ccdnum"].isna().sum())
    header = ["EXPID  Flag  comments", "Flags: 1=possibly saturated; 2=clouds; 3=other source"]
    header.append(f"written by badexp_assets{f' on {date}' if date else ''}")
    header.append(f"{whole} exposures, {len(rows) - whole} single CCDs")
    if "rule" in rows:
        header += [f"rule: {rule}" for rule in sorted(set(rows["rule"].dropna().astype(str)))]
    n = int(rows["simulated"].fillna(False).astype(bool).sum()) if "simulated" in rows else 0
    if n:
        header.append(f"SIMULATED: {n} of {len(rows)} rows come from simulated reviewers; not for use on a survey")
    return [*(f"# {_one_line(text)}" for text in header), *(_line(row, camera) for row in rows.to_dict("records"))]


def _line(row: dict, camera: Camera) -> str:
    text = category_text(str(row["category"]))
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


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: bad_expid list can't be read ({error.strerror})") from error
