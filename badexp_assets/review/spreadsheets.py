"""Reading and writing files of verdicts: exported files, and spreadsheets of earlier reviews."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.io.parquet import atomic_path, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.bad_expid import read_expnum
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.labels.text_lines import read_bytes, read_label_text
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.verdicts import COLUMNS, tidy_verdicts
from badexp_assets.survey.cameras import load_camera

_ANSWERS = {
    "bad": ("true", "yes", "y", "1", "1.0", "bad", "reject"),
    "fine": ("false", "no", "n", "0", "0.0", "fine", "good", "ok"),
    "unsure": ("unsure", "maybe", "y?", "n?", "yes?", "no?", "?", "perhaps"),
}
_VERDICT_OF = {word: verdict for verdict, words in _ANSWERS.items() for word in words}
_BLANK = ("", "nan", "none", "null", "<na>")
_ALLOWED = "bad / fine / unsure, true / false, yes / no / maybe, 1 / 0, or blank (not looked at)"
_SINGLE = ("is_bad?", "is_bad", "bad?", "badexp")


@dataclass(frozen=True)
class VerdictFile:
    """Contents of a verdict file: `review_verdicts` rows, and a message for every cell that is not understood.

    n_rows: rows of the sheet; n_blank: blank answers ("not looked at").
    """

    table: pd.DataFrame
    findings: list[str]
    n_rows: int
    n_blank: int


class _Sheet:
    """Rows of answers, and cells that are not understood."""

    def __init__(self) -> None:
        self.rows: list[dict] = []
        self.problems: list[tuple[int, str, str, str]] = []
        self.blank = 0

    def answer(self, line: int, column: str, cell: str) -> str | None:
        """Return the verdict in a cell; None for a blank cell (counted) or one that is not understood (reported)."""
        word = cell.strip().lower()
        if word in _BLANK:
            self.blank += 1
            return None
        if word not in _VERDICT_OF:
            self.problems.append((line, column, cell, f"{_ALLOWED} is expected"))
        return _VERDICT_OF.get(word)


def read_verdict_file(path: str | Path, taxonomy: Taxonomy | None = None) -> VerdictFile:
    """Read a spreadsheet of verdicts, CSV or XLSX, into `review_verdicts` rows; source is the file's name.

    Three layouts are supported: exported files (expnum, reviewer, verdict, ...); a pair of columns
    `<reviewer>_badexp`, `<reviewer>_reason` per reviewer, as in the public DR11 verdicts; and one column `Is_bad?`,
    where the name of the file is the reviewer. A blank answer means "not looked at" and gives no row. In the last two
    layouts the reason becomes the comment, and the taxonomy derives the category from it (null if it does not match).

    A cell that is not understood is ignored and reported in the findings; if it is the answer or the exposure, its row
    is ignored. In the DR11 file, `False` may also mean "not looked at", but it is read as `fine`. Raises LabelFileError
    for other layouts, with the missing columns.
    """
    path = Path(path)
    taxonomy = taxonomy or load_taxonomy()
    cells = _cells(path)
    names = {str(c).strip().lower(): c for c in cells.columns}
    cells = cells.rename(columns={old: new for new, old in names.items()})
    pairs = [m for c in cells.columns if (m := re.fullmatch("(.+)_badexp", c))]
    single = next((c for c in _SINGLE if c in cells), None)
    sheet = _Sheet()
    if {"expnum", "reviewer", "verdict"} <= set(cells.columns):
        _own(cells, sheet, taxonomy)
    elif "expnum" in cells and pairs:
        columns = [(m[1], m[0], f"{m[1]}_reason") for m in pairs]
        _wide(cells, sheet, columns, taxonomy)
    elif "expnum" in cells and single:
        words = next((c for c in ("reason", "comment", "comments", "notes") if c in cells), "")
        _wide(cells, sheet, [(path.stem, single, words)], taxonomy)
    else:
        missing = "expnum" if "expnum" not in cells else "reviewer and verdict (or <reviewer>_badexp, or Is_bad?)"
        found = ", ".join(map(str, cells.columns)) or "none"
        raise LabelFileError(f"{path}: column(s) {missing} missing; found {found}")
    table = tidy_verdicts(pd.DataFrame(sheet.rows, columns=COLUMNS, dtype=object).assign(source=path.name))
    findings = [f"{path.name}:{line}: {column} is {cell!r}; {wanted}" for line, column, cell, wanted in sheet.problems]
    return VerdictFile(table, findings, len(cells), sheet.blank)


def collect_verdicts(store: str | Path, files: Iterable[Path] = (), taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Return all answers of the verdict store (none if it does not exist) and of verdict files, as `review_verdicts`.

    Identical answers from several sources, such as the store and an exported file, count once. Files that cannot be
    read raise an error; findings on single cells are in `table.attrs["findings"]`.
    """
    tables, findings = [VerdictStore(store).read()], []
    for path in files:
        found = read_verdict_file(path, taxonomy)
        tables.append(found.table)
        findings += found.findings
    both = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
    both = both.drop_duplicates([c for c in COLUMNS if c != "source"]).reset_index(drop=True)
    both.attrs = {"findings": findings}
    return both


def export_verdicts(table: pd.DataFrame, path: str | Path) -> None:
    """Write verdicts atomically to `.csv` (for `read_verdict_file`), `.parquet` or `.json` (list of objects)."""
    path, table = Path(path), tidy_verdicts(table)
    if path.suffix == ".parquet":
        write_table(table, path, SCHEMAS["review_verdicts"])
    elif path.suffix in (".csv", ".json"):
        with atomic_path(path) as temporary:
            if path.suffix == ".csv":
                table.to_csv(temporary, index=False, lineterminator="\n")
            else:
                table.to_json(temporary, orient="records", indent=1)
    else:
        raise InputError(f"{path}: ending {path.suffix!r} is not known; allowed: .csv, .parquet, .json")


def _cells(path: Path) -> pd.DataFrame:
    """Return the sheet as text, with "" for blank cells."""
    try:
        if path.suffix.lower() == ".xlsx":
            return pd.read_excel(io.BytesIO(read_bytes(path)), dtype=str, keep_default_na=False).fillna("")
        return pd.read_csv(io.StringIO(read_label_text(path)), dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (InputError, LabelFileError):
        raise
    except Exception as error:  # pandas and openpyxl raise many kinds for a damaged file
        raise LabelFileError(f"{path}: not a readable table ({' '.join(str(error).split())})") from error


def _key(row: dict, line: int, sheet: _Sheet) -> dict | None:
    """Return expnum, ccdnum and plver of a row; None if they are invalid (reported)."""
    camera = load_camera()
    cell = str(row["expnum"]).strip()
    expnum = read_expnum(cell.removesuffix(".0"))
    if expnum is None:
        sheet.problems.append((line, "expnum", cell, "an exposure number is expected"))
        return None
    ccd = str(row.get("ccdnum", "")).strip()
    ccdnum = None
    if ccd.lower() not in _BLANK:
        digits = ccd.removesuffix(".0")
        ccdnum = int(digits) if re.fullmatch("[0-9]{1,4}", digits) else None
        if ccdnum not in camera.by_number:
            sheet.problems.append((line, "ccdnum", ccd, f"1 to {len(camera.ccds)}, or blank, is expected"))
            return None
    return {"expnum": expnum, "ccdnum": ccdnum, "plver": _text(row.get("plver"))}


def _own(cells: pd.DataFrame, sheet: _Sheet, taxonomy: Taxonomy) -> None:
    for line, row in enumerate(cells.to_dict("records"), start=2):
        verdict = sheet.answer(line, "verdict", str(row["verdict"]))
        if verdict is None:
            continue
        key, reviewer = _key(row, line, sheet), _text(row["reviewer"])
        if reviewer is None:
            sheet.problems.append((line, "reviewer", "", "a name is expected"))
        if key is None or reviewer is None:
            continue
        category = _text(row.get("category"))
        if category is not None and category not in taxonomy.all_categories:
            allowed = ", ".join(taxonomy.all_categories)
            sheet.problems.append((line, "category", category, f"allowed: {allowed}"))
            category = None
        simulated = str(row.get("simulated", "")).strip().lower() in ("true", "1", "1.0")
        texts = {name: _text(row.get(name)) for name in ("comment", "at")}
        sheet.rows.append(
            {**key, **texts, "reviewer": reviewer, "verdict": verdict, "category": category, "simulated": simulated}
        )


def _wide(cells: pd.DataFrame, sheet: _Sheet, columns: list[tuple[str, str, str]], taxonomy: Taxonomy) -> None:
    for line, row in enumerate(cells.to_dict("records"), start=2):
        key = _key(row, line, sheet)
        if key is None:
            continue
        for reviewer, answer, words in columns:
            verdict = sheet.answer(line, answer, str(row[answer]))
            if verdict is None:
                continue
            comment = _text(row.get(words))
            match = taxonomy.classify("review", comment) if comment and verdict == "bad" else None
            sheet.rows.append(
                {
                    **key,
                    "reviewer": reviewer,
                    "verdict": verdict,
                    "category": match.category if match else None,
                    "comment": comment,
                    "simulated": False,
                }
            )


def _text(cell: object) -> str | None:
    text = "" if cell is None else str(cell).strip()
    return None if text.lower() in _BLANK else text
