"""Reads tables that people fill in, CSV or XLSX, as sheets of text cells: all such tables go through this module.

A CSV file may be separated by commas, semicolons, tabs or bars, with or without Excel's line `sep=;`. What can't be
used costs its own row, which keeps a `problem`: a cell too many, or a quote that is not closed. A quote within a cell
(`seeing 2.4"`) is text.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.labels.text_lines import quote, read_bytes, read_label_text, strip_invisible

_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_MAX_LINES = 50  # of a cell with line breaks
_EXCEL_EPOCH = dt.datetime(1899, 12, 30)
_EXCEL_DAYS = (20_000.0, 80_000.0)  # 1954 to 2119
_SERIAL = re.compile(r"\d{5}([.,]\d+)?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]|$)")
_DAY = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?")


@dataclass(frozen=True)
class SheetRow:
    """A row that is not blank: its line from 1, its cells by column (in lower case), and what is wrong with it."""

    line: int
    cells: dict[str, str]
    problem: str | None = None


@dataclass(frozen=True)
class Sheet:
    """A sheet of a file, `name` is "" for CSV. columns: as they are written; rows: those below them.

    Of columns whose names differ in case at most, the first is in `columns`. A row has the cell that is not blank; with
    two that differ it has a problem.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]


def read_sheets(path: str | Path, comments: bool = False) -> list[Sheet]:
    """Return the sheets of a table that have any cell; the first row with one names the columns.

    `comments`: lines of a CSV file that start with `#` are skipped, except a header that does. A formula without a
    stored value is returned as its text. Raises LabelFileError for a file that is no table, and InputError for one
    that can't be read.
    """
    path = Path(path)
    try:
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            found = [_sheet(name, rows) for name, rows in _workbook(path)]
        else:
            found = [_csv_sheet(read_label_text(path), comments)]
    except (InputError, LabelFileError):
        raise
    except Exception as error:  # openpyxl raises many kinds for a damaged file
        raise LabelFileError(f"{path}: not a readable table ({' '.join(str(error).split())})") from error
    sheets = [sheet for sheet in found if sheet is not None]
    if not sheets:
        raise LabelFileError(f"{path}: not a readable table (it has no header line)")
    return sheets


def whole_number(cell: str) -> str:
    """Return the digits of a whole number as spreadsheets write it (`12`, `12.0`); other cells as they are.

    Scientific notation (`7.46E+05`) stays as it is, because the number has been rounded, and so does `746.000`, which
    is 746,000 in much of Europe.
    """
    match = re.fullmatch(r"(\d+)\.0*", cell.strip())
    ambiguous = re.fullmatch(r"\d{1,3}\.000", cell.strip())
    return match[1] if match and not ambiguous else cell.strip()


def read_times(cells: Iterable[str]) -> list[str | None]:
    """Return times of one column as `datetime.isoformat` writes them; None for a cell that is not understood.

    Times with an offset are converted to UTC. ISO 8601 (date, `T` or a blank, time), numbers of days as Excel stores
    them, and dates with the year last are understood. Whether day or month comes first follows from dots (the day),
    `AM` or `PM` (the month), or the cells of the column in which only one is possible.
    """
    cells = [cell.strip() for cell in cells]
    days = [match for cell in cells if (match := _DAY.fullmatch(cell))]
    day_first = any(int(match[1]) > 12 or match[2] == "." for match in days)
    month_first = any(int(match[3]) > 12 or match[8] for match in days)
    order = None if day_first == month_first else day_first
    return [_time(cell, order) for cell in cells]


def _time(cell: str, day_first: bool | None) -> str | None:
    try:
        if match := _DAY.fullmatch(cell):
            first, second, year = int(match[1]), int(match[3]), int(match[4])
            if first != second and max(first, second) <= 12 and day_first is None:
                return None
            day, month = (first, second) if first > 12 or (second <= 12 and day_first) else (second, first)
            hour = int(match[5] or 0)
            if match[8]:
                hour = hour % 12 + 12 * (match[8].lower() == "pm")
            moment = dt.datetime(year + 2000 * (year < 100), month, day, hour, int(match[6] or 0), int(match[7] or 0))
            return moment.isoformat()
        if _SERIAL.fullmatch(cell) and _EXCEL_DAYS[0] <= (days := float(cell.replace(",", "."))) <= _EXCEL_DAYS[1]:
            return (_EXCEL_EPOCH + dt.timedelta(seconds=round(days * 86400))).isoformat()
        if not _ISO.match(cell):
            return None
        moment = dt.datetime.fromisoformat(cell)
        return (moment if moment.tzinfo is None else moment.astimezone(dt.UTC)).isoformat()
    except (ValueError, OverflowError):
        return None


def _sheet(name: str, rows: Iterable[tuple[int, list[str], str | None]]) -> Sheet | None:
    header: list[str] | None = None
    found = []
    for line, cells, problem in rows:
        if not any(cells):
            continue
        if header is None:
            header = cells
            while header and not header[-1]:
                header = header[:-1]
            lower = [column.lower() for column in header]
            continue
        if problem is None and any(cells[len(header) :]):
            problem = f"{len(cells)} cells; {len(header)} are expected, and a cell with a separator needs quotes"
        values = dict.fromkeys(lower, "")
        for column, cell in zip(lower, cells, strict=False):
            if column and cell and values[column] not in ("", cell) and problem is None:
                problem = f"column {column} occurs twice, with {quote(values[column])} and {quote(cell)}"
            values[column] = values[column] or cell
        found.append(SheetRow(line, values, problem))
    if header is None:
        return None
    columns = {column.lower(): column for column in reversed(header)}
    return Sheet(name, tuple(columns[column] for column in dict.fromkeys(lower)), tuple(found))


def _csv_sheet(text: str, comments: bool) -> Sheet | None:
    lines = [strip_invisible(line) if line.startswith("\ufeff") else line for line in text.split("\n")]
    if comments:
        lines = _without_comments(lines)
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    named = _SEPARATOR_LINE.fullmatch(lines[first])
    if named:
        first += 1
    header = next((line for line in lines[first:] if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", header)
    separator = named[1] if named else max(_SEPARATORS, key=bare.count)
    return _sheet("", _records(lines, first, separator))


def _without_comments(lines: list[str]) -> list[str]:
    header = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))
    commented = [i for i, line in enumerate(lines[:header]) if any(mark in line for mark in _SEPARATORS)]
    header = commented[0] if commented else header
    return ["" if line.lstrip().startswith("#") and i != header else line for i, line in enumerate(lines)]


def _records(lines: list[str], start: int, separator: str) -> Iterator[tuple[int, list[str], str | None]]:
    """Yield line, cells and problem of each row.

    A quote opens a cell only where the cell starts. If it is not closed, or the cell would hold lines that are rows
    themselves (`"` as a ditto mark in two rows), it takes its own line only.
    """
    width: int | None = None
    i = start
    while i < len(lines):
        cells, n_lines = _first_record(lines[i : i + _MAX_LINES], separator, strict=True)
        problem = None
        if n_lines != 1 and (len(cells) != width or _holds_a_row(lines[i : i + n_lines], separator, len(cells))):
            cells, n_lines = _first_record([lines[i], ""], separator, strict=False)
            if n_lines != 1:  # the quote is open at the end of the line
                cells, n_lines = lines[i].split(separator), 1
                if len(cells) != width:
                    problem = f"a quote is not closed in {quote(lines[i])}"
        if width is None and any(cells):
            width = len(cells)
        yield i + 1, [strip_invisible(cell) for cell in cells], problem
        i += n_lines


def _first_record(lines: list[str], separator: str, strict: bool) -> tuple[list[str], int]:
    """Return the cells of the first record and its number of lines; none and 0 for one that `strict` refuses."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, skipinitialspace=True, strict=strict)
    try:
        return next(reader), reader.line_num
    except csv.Error:  # also, without `strict`, for a cell above the size limit of csv
        return ([], 0) if strict else (lines[0].split(separator), 1)


def _holds_a_row(lines: list[str], separator: str, width: int) -> bool:
    """Whether a line below the first has all cells of a row, and numbers where the first has them before its quote."""
    first, *below = ([whole_number(cell) for cell in line.split(separator)] for line in lines)
    known = list(takewhile(lambda cell: '"' not in cell, first))
    for cells in below:
        numbers = {(a.isdecimal(), b.isdecimal()) for a, b in zip(known, cells, strict=False) if a and b}
        if len(cells) >= width and (True, True) in numbers and numbers <= {(True, True), (False, False)}:
            return True
    return False


def _workbook(path: Path) -> Iterator[tuple[str, list[tuple[int, list[str], str | None]]]]:
    import openpyxl

    content = read_bytes(path)
    values = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    formulas = openpyxl.load_workbook(io.BytesIO(content))
    for sheet in values.worksheets:
        texts = formulas[sheet.title]
        rows: list[tuple[int, list[str], str | None]] = [
            (line, [_text(cell, formula) for cell, formula in zip(cells, written, strict=True)], None)
            for line, (cells, written) in enumerate(
                zip(sheet.iter_rows(values_only=True), texts.iter_rows(values_only=True), strict=True), start=1
            )
        ]
        yield sheet.title, rows


def _text(value: Any, written: Any) -> str:
    if value is None:
        return "" if written is None else str(written).strip()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value.isoformat() if isinstance(value, dt.datetime | dt.date) else str(value).strip()
