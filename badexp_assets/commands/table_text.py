"""Tables as text: aligned columns, CSV or JSON, in pieces, so that a table of thousands of nights fits in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

_ROWS = 1000  # rows that are turned into text at once


def as_text(table: pd.DataFrame, form: str) -> str:
    """Return a table as text, see `table_lines`."""
    return "\n".join(table_lines([table], form))


def table_lines(tables: Iterable[pd.DataFrame], form: str) -> Iterator[str]:
    """Yield tables with the same columns as one text in `form`: table, csv or json; a piece is some whole lines.

    Lists are written as JSON, in form `table` as their length; bytes as their size. In form `table`, `tables` is
    iterated over twice, because the widths of columns depend on all rows.
    """
    write = {"table": _aligned_lines, "csv": _csv_lines, "json": _json_lines}[form]
    yield from write(tables)


def _csv_lines(tables: Iterable[pd.DataFrame]) -> Iterator[str]:
    for number, piece in enumerate(_pieces(tables, brief=False)):
        objects = [name for name in piece.columns if piece[name].dtype == object]
        piece[objects] = piece[objects].map(lambda value: json.dumps(value) if isinstance(value, list) else value)
        if text := piece.to_csv(index=False, header=number == 0).rstrip("\n"):
            yield text


def _json_lines(tables: Iterable[pd.DataFrame]) -> Iterator[str]:
    before = "["
    for piece in _pieces(tables, brief=False):
        names = [json.dumps(str(name)) for name in piece.columns]
        rows = [
            " {\n"
            + ",\n".join(f"  {name}:{json.dumps(value)}" for name, value in zip(names, row, strict=True))
            + "\n }"
            for row in zip(*(_json_values(piece[name]) for name in piece.columns), strict=True)
        ]
        if rows:
            yield f"{before}\n" + ",\n".join(rows)
            before = " ,"
    yield "[]" if before == "[" else "]"


def _json_values(column: pd.Series) -> list[Any]:
    """Return the values of a column for JSON: numbers as they are stored (pandas rounds them), None if missing."""
    if pd.api.types.is_float_dtype(column.dtype):
        return [_json_value(float(str(value))) for value in column.to_numpy(na_value=np.nan)]
    if column.dtype == object:
        return [_json_value(value) for value in column]
    return list(json.loads(column.to_json(orient="records")))


def _json_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_value(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return json.loads(pd.Series([value], dtype=object).to_json(orient="records"))[0]


def _aligned_lines(tables: Iterable[pd.DataFrame]) -> Iterator[str]:
    widths: dict[Hashable, int] = {}
    columns = ""
    for piece in _pieces(tables, brief=True):
        columns = columns or ", ".join(map(str, piece.columns))
        for name in piece.columns if len(piece) else ():
            widths[name] = max(len(_aligned(piece[[name]]).partition("\n")[0]), widths.get(name, 0))
    if not widths:
        yield f"no rows; columns: {columns}"
        return
    header = True
    for piece in _pieces(tables, brief=True):
        if len(piece):
            yield _aligned(piece, widths, header)
            header = False


def _aligned(piece: pd.DataFrame, widths: dict[Hashable, int] | None = None, header: bool = True) -> str:
    return str(
        piece.to_string(
            index=False,
            na_rep="-",
            float_format=lambda v: f"{v:.4g}",
            max_colwidth=60,
            col_space=widths,
            header=header,
        )
    )


def _pieces(tables: Iterable[pd.DataFrame], brief: bool) -> Iterator[pd.DataFrame]:
    """Yield up to _ROWS rows at a time, with plain values; of a table without rows its columns."""
    for table in tables:
        for start in range(0, max(len(table), 1), _ROWS):
            piece = table.iloc[start : start + _ROWS].copy()
            for name in piece.columns:
                if piece[name].dtype == object:
                    piece[name] = pd.Series([_plain(v, brief) for v in piece[name]], piece.index, object)
            yield piece


def _plain(value: Any, brief: bool) -> Any:
    if isinstance(value, np.ndarray):
        return f"<{len(value)} values>" if brief else value.tolist()
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return value
