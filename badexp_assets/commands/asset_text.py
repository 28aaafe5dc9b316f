"""Stored assets as text: tables, model cards, files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from badexp_assets.commands.table_text import as_text, table_lines
from badexp_assets.config.home import REJECT_FILES, Home
from badexp_assets.errors import InputError
from badexp_assets.io.models import current_folder
from badexp_assets.io.parquet_reading import column_names, read_table, stored_nights
from badexp_assets.io.place import Place
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.nights import parse_night

MODELS = ("fitted_pipeline", "fitted_classifier", "stamp_autoencoder")
REPORT = "night_report"  # one text per night; by default that of the newest night


def render(home: Home, asset: str, night: str | None, form: str) -> Iterator[str]:
    """Yield the stored `asset` as text in `form` (table, csv or json), for all nights or for `night`, piece by piece.

    Each piece is some lines, without the last line end. Of a nightly table one night is in memory at a time. Raises
    InputError for an asset that is unknown or not yet materialized, and for a night that is not stored.
    """
    night = parse_night(night) if night is not None else None
    if asset in MODELS:
        yield (current_folder(home.models / asset) / "model_card.json").read_text(encoding="utf-8")
    elif asset in REJECT_FILES:
        yield _file(home.export / REJECT_FILES[asset], form)
    elif asset == REPORT:
        reports = sorted(path.stem for path in (home.reports / "nights").glob("*.md"))
        yield _file(home.night_report(night or (reports or ["newest"])[-1], "md"), form)
    elif asset not in SCHEMAS:
        known = sorted([*SCHEMAS, *MODELS, *REJECT_FILES, REPORT])
        similar = get_close_matches(asset, known, n=3)
        hint = f"did you mean {' or '.join(similar)}? " if similar else ""
        raise InputError(f"asset {asset!r} is not known; {hint}known: {', '.join(known)}")
    else:
        yield from table_lines(_Files(asset, _stored(home, asset, night)), form)


def load(home: Home, asset: str, night: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the table of an asset, or `columns` of it; for a nightly asset, one night or all stored nights."""
    tables = [read_table(place, columns) for place in _stored(home, asset, night)]
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _stored(home: Home, asset: str, night: str | None) -> list[Place]:
    """Return the file of an asset or of its night, or the files of all its nights, at least one."""
    if night is not None:
        stored = home.nights(asset)
        if night not in stored:
            what = f"stored: {stored[0]} to {stored[-1]} ({len(stored)} nights)" if stored else "it has no nights"
            raise InputError(f"{asset} of night {night}: not stored; {what}")
        return [home.table(asset, night)]
    if home.table(asset).exists():
        return [home.table(asset)]
    if found := stored_nights(home.tables / asset):
        return found
    raise InputError(f"{home.tables / asset}: nothing stored; has the asset been materialized in this home?")


def _file(path: Path, form: str) -> str:
    if not path.exists():
        raise InputError(f"{path}: no such file; has its asset been materialized?")
    if path.suffix != ".fits":
        return path.read_text(encoding="utf-8").rstrip("\n")
    from astropy.table import Table

    table = Table.read(path)
    table.convert_bytestring_to_unicode()
    return as_text(table.to_pandas(), form)


class _Files:
    """The tables of files of one asset, read whenever they are iterated over, all with the same columns and types."""

    def __init__(self, asset: str, places: Sequence[Place]) -> None:
        self._places = places
        self._names = list(dict.fromkeys(name for place in places for name in column_names(place)))
        # otherwise a night without a null prints 3, and one with a null 3.0
        whole = (column.name for column in SCHEMAS[asset].columns if column.nullable and column.type.startswith("int"))
        self._whole = dict.fromkeys(set(whole) & set(self._names), "Int64")

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return (read_table(place).reindex(columns=self._names).astype(self._whole) for place in self._places)
