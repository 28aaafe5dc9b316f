"""Reading and writing files of verdicts: exported files, and spreadsheets of earlier reviews."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.io.check_result import CheckResult
from badexp_assets.io.parquet import atomic_path, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.bad_expid import read_expnum
from badexp_assets.labels.sheets import Sheet, SheetRow, read_sheets, read_times, whole_number
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.verdicts import BLANK, COLUMNS, SAID, text_or_none, tidy_verdicts
from badexp_assets.survey.cameras import Camera, load_camera

_ANSWERS = {
    "bad": ("true", "yes", "y", "1", "1.0", "bad", "reject"),
    "fine": ("false", "no", "n", "0", "0.0", "fine", "good", "ok"),
    "unsure": ("unsure", "maybe", "y?", "n?", "yes?", "no?", "?", "perhaps"),
}
_VERDICT_OF = {word: verdict for verdict, words in _ANSWERS.items() for word in words}
_ALLOWED = "bad / fine / unsure, true / false, yes / no / maybe, 1 / 0, or blank (not looked at)"
_SINGLE = ("is_bad?", "is_bad", "bad?", "badexp")


_COPY_WORDS = "copy|kopie|copie|copia|kopia|cópia"
_COPY = re.compile(
    rf"(?i)^({_COPY_WORDS}) (of|von|van|de) |( ?\(\d+\)|( -)? ({_COPY_WORDS})( \d+| ?\(\d+\))?)+$"
)  # as file managers and browsers name a second copy


@dataclass(frozen=True)
class VerdictFile:
    """Contents of a verdict file: `review_verdicts` rows, and a message for all that is not understood.

    n_rows: rows that are not blank; n_blank: blank answers ("not looked at"); n_lost: answers that are not used,
    because they, or their row, are not understood. Cells for answers = rows of the table + n_blank + n_lost.
    left_out: sheets without answers.
    """

    table: pd.DataFrame
    findings: list[str]
    n_rows: int
    n_blank: int
    n_lost: int = 0
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{len(self.table)} answers in {self.n_rows} rows, {self.n_blank} left blank, "
            f"{self.n_lost} not understood" + "".join(f"; sheet {name!r} has none" for name in self.left_out)
        )


class _Answers:
    """Answers of a sheet, and cells that are not understood."""

    def __init__(self, where: str, taxonomy: Taxonomy, camera: Camera) -> None:
        self._where, self._taxonomy, self._camera = where, taxonomy, camera
        self.rows: list[dict] = []
        self.findings: list[str] = []
        self.blank = self.lost = 0

    def problem(self, line: int, what: str) -> None:
        self.findings.append(f"{self._where}:{line}: {what}")

    def odd_cell(self, line: int, column: str, cell: str, wanted: str) -> None:
        self.problem(line, f"{column} is {cell!r}; {wanted}")

    def add(self, row: SheetRow, answers: Iterable[tuple[str, str, str, str | None]], at: str | None) -> None:
        """Add the answers (reviewer, column, cell, comment) of a row; `at`: its time, "" for one not understood."""
        asked = [(name, column, cell, words) for name, column, cell, words in answers if cell.lower() not in BLANK]
        self.blank += sum(1 for *_, cell, _ in answers if cell.lower() in BLANK)
        if not asked:
            return
        key = self._key(row, at)
        for reviewer, column, cell, comment in asked:
            verdict = _VERDICT_OF.get(cell.lower())
            if verdict is None:
                self.odd_cell(row.line, column, cell, f"{_ALLOWED} is expected")
            elif not reviewer:
                self.odd_cell(row.line, "reviewer", "", "a name is expected")
            if key is None or verdict is None or not reviewer:
                self.lost += 1
                continue
            category = self._category(row, verdict, comment)
            simulated = row.cells.get("simulated", "").lower() in ("true", "1")
            self.rows.append(
                {
                    **key,
                    "reviewer": reviewer,
                    "verdict": verdict,
                    "category": category,
                    "comment": comment,
                    "simulated": simulated,
                }
            )

    def _key(self, row: SheetRow, at: str | None) -> dict | None:
        """Return expnum, ccdnum, plver and time of a row; None if they are invalid (reported)."""
        if row.problem is not None:
            self.problem(row.line, row.problem)
            return None
        cell, ccd = row.cells["expnum"], row.cells.get("ccdnum", "")
        expnum = read_expnum(whole_number(cell))
        if expnum is None:
            self.odd_cell(row.line, "expnum", cell, "an exposure number is expected")
            return None
        ccdnum = None
        if ccd.lower() not in BLANK:
            digits = whole_number(ccd)
            ccdnum = int(digits) if re.fullmatch("[0-9]{1,4}", digits) else None
            if ccdnum not in self._camera.by_number:
                self.odd_cell(row.line, "ccdnum", ccd, f"that of a CCD of {self._camera.name}, or blank, is expected")
                return None
        if at == "":
            wanted = "a time as YYYY-MM-DD HH:MM is expected; of day and month, it must be clear which comes first"
            self.odd_cell(row.line, "at", row.cells["at"], wanted)
            return None
        return {"expnum": expnum, "ccdnum": ccdnum, "plver": text_or_none(row.cells.get("plver")), "at": at}

    def _category(self, row: SheetRow, verdict: str, comment: str | None) -> str | None:
        if "category" not in row.cells or "verdict" not in row.cells:
            match = self._taxonomy.classify("review", comment) if comment and verdict == "bad" else None
            return match.category if match and "verdict" not in row.cells else None
        category = text_or_none(row.cells["category"])
        if category is not None and category not in self._taxonomy.all_categories:
            self.odd_cell(row.line, "category", category, f"allowed: {', '.join(self._taxonomy.all_categories)}")
            return None
        return category


def read_verdict_file(path: str | Path, taxonomy: Taxonomy | None = None, camera: Camera | None = None) -> VerdictFile:
    """Read a spreadsheet of verdicts, CSV or XLSX, into `review_verdicts` rows; source is the file's name.

    camera: whose CCDs may be named, DECam by default.

    All sheets with answers are read. Three layouts are supported: exported files (expnum, reviewer, verdict, ...); a
    pair of columns `<reviewer>_badexp`, `<reviewer>_reason` per reviewer, as in the public DR11 verdicts; and one
    column `Is_bad?`, where the name of the file is the reviewer (without ` (1)` of a second copy). A blank answer means
    "not looked at" and gives no row. In the last two layouts the reason becomes the comment, and the taxonomy derives
    the category from it (null if it does not match).

    A cell that is not understood is ignored and reported in the findings; if it is the answer, the exposure or the
    time, its row is ignored. In the DR11 file, `False` may also mean "not looked at", but it is read as `fine`. Raises
    LabelFileError for other layouts, with the missing columns.
    """
    path = Path(path)
    taxonomy, camera = taxonomy or load_taxonomy(), camera or load_camera()
    sheets = read_sheets(path)
    read: list[_Answers] = []
    left_out = []
    for sheet in sheets:
        where = f"{path.name}[{sheet.name}]" if len(sheets) > 1 else path.name
        columns = _answer_columns(sheet, path.stem)
        if columns is None:
            left_out.append(sheet.name)
            continue
        answers = _Answers(where, taxonomy, camera)
        stated = [row for row in sheet.rows if text_or_none(row.cells.get("at"))]
        times = dict(zip((row.line for row in stated), read_times(row.cells["at"] for row in stated), strict=True))
        for row in sheet.rows:
            at = (times[row.line] or "") if row.line in times else None
            cells = [
                (
                    row.cells["reviewer"] if name is None else name,
                    column,
                    row.cells[column],
                    text_or_none(row.cells.get(words)),
                )
                for name, column, words in columns
            ]
            answers.add(row, cells, at)
        read.append(answers)
    if not read:
        raise LabelFileError(f"{path}: {_missing(sheets[0])}" + (" in the first sheet" if len(sheets) > 1 else ""))
    rows = [row for answers in read for row in answers.rows]
    return VerdictFile(
        table=tidy_verdicts(pd.DataFrame(rows, columns=COLUMNS, dtype=object).assign(source=path.name)),
        findings=[finding for answers in read for finding in answers.findings],
        n_rows=sum(len(sheet.rows) for sheet in sheets if sheet.name not in left_out),
        n_blank=sum(answers.blank for answers in read),
        n_lost=sum(answers.lost for answers in read),
        left_out=tuple(left_out),
    )


def _answer_columns(sheet: Sheet, stem: str) -> list[tuple[str | None, str, str]] | None:
    """Return reviewer (None: in the column of that name), column and column of the reason of each answer of a row.

    None for a sheet without answers.
    """
    columns = [column.lower() for column in sheet.columns]
    if {"expnum", "reviewer", "verdict"} <= set(columns):
        return [(None, "verdict", "comment")]
    pairs = [m for column in sheet.columns if (m := re.fullmatch("(.+)_badexp", column, re.IGNORECASE))]
    single = next((c for c in _SINGLE if c in columns), None)
    if "expnum" in columns and pairs:
        return [(m[1], m[0].lower(), f"{m[1].lower()}_reason") for m in pairs]
    if "expnum" in columns and single:
        words = next((c for c in ("reason", "comment", "comments", "notes") if c in columns), "")
        return [(_COPY.sub("", stem).strip(), single, words)]
    return None


def _missing(sheet: Sheet) -> str:
    columns = [column.lower() for column in sheet.columns]
    missing = "expnum" if "expnum" not in columns else "reviewer and verdict (or <reviewer>_badexp, or Is_bad?)"
    return f"column(s) {missing} missing; found {', '.join(columns) or 'none'}"


def collect_verdicts(
    store: str | Path, files: Iterable[Path] = (), taxonomy: Taxonomy | None = None, camera: Camera | None = None
) -> pd.DataFrame:
    """Return all answers of the verdict store (none if it does not exist) and of verdict files, as `review_verdicts`.

    Answers in files count once, and not if the store `holds` them: an export adds nothing, nor does it bring back
    answers that were retracted since. Files that cannot be read raise an error; findings on single cells are in
    `table.attrs["findings"]`.
    """
    answers = VerdictStore(store)
    tables, findings = [], []
    for path in files:
        found = read_verdict_file(path, taxonomy, camera)
        tables.append(found.table)
        findings += found.findings
    both = answers.read()
    if tables:
        of_files = pd.concat(tables, ignore_index=True)
        both = pd.concat([both, of_files[~answers.holds(of_files)]])
    both = both.drop_duplicates([*SAID, "at"]).reset_index(drop=True)
    both.attrs = {"findings": findings}
    return both


def check_every_answer_understood(verdicts: pd.DataFrame) -> CheckResult:
    """Every cell of the verdict files in the result of `collect_verdicts` is understood. rows: finding."""
    findings = verdicts.attrs["findings"]
    rows = pd.DataFrame({"finding": findings}, dtype="str")
    numbers = {"answers": len(verdicts), "not understood": len(findings)}
    if not findings:
        return CheckResult(True, "all cells of the verdict files are understood", numbers, rows)
    count = f"{len(findings)} cell(s) or row(s) of verdict files are not understood"
    return CheckResult(False, f"{count}, the first: {findings[0]}", numbers, rows)


def export_verdicts(table: pd.DataFrame, path: str | Path) -> None:
    """Write verdicts atomically to `.csv` (for `read_verdict_file`), `.parquet` or `.json` (list of objects)."""
    path, table = Path(path), tidy_verdicts(table)
    if path.suffix == ".parquet":
        write_table(table, path, SCHEMAS["review_verdicts"])
    else:
        write_text_table(table, path, ".csv, .parquet, .json")


def write_text_table(table: pd.DataFrame, path: Path, allowed: str = ".csv, .json") -> None:
    """Write rows atomically to `.csv` or `.json` (list of objects).

    Raises InputError for another ending; `allowed`: those that its message names.
    """
    if path.suffix not in (".csv", ".json"):
        raise InputError(f"{path}: ending {path.suffix!r} is not known; allowed: {allowed}")
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False, lineterminator="\n")
        else:
            table.to_json(temporary, orient="records", indent=1)
