"""Stored assets as text: tables, model cards, files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.errors import InputError
from badexp_assets.io.models import current_folder
from badexp_assets.io.parquet_reading import read_table, scan_nights
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.nights import parse_night

MODELS = ("fitted_pipeline", "fitted_classifier", "stamp_autoencoder")
REPORT = "night_report"  # one text per night; by default that of the newest night
FILES = {"bad_expid_file": "bad_expid.txt", "exclude_table": "exclude.fits"}


def render(home: Home, asset: str, night: str | None, form: str) -> str:
    """Return the stored `asset` as text in `form` (table, csv or json), for all nights or for `night`.

    Raises InputError for an asset that is unknown or not yet materialized, and for a night that is not stored.
    """
    night = parse_night(night) if night is not None else None
    if asset in MODELS:
        return (current_folder(home.models / asset) / "model_card.json").read_text(encoding="utf-8")
    if asset in FILES:
        return _file(home.export / FILES[asset], form)
    if asset == REPORT:
        reports = sorted(path.stem for path in (home.reports / "nights").glob("*.md"))
        return _file(home.night_report(night or (reports or ["newest"])[-1], "md"), form)
    if asset not in SCHEMAS:
        known = sorted([*SCHEMAS, *MODELS, *FILES, REPORT])
        similar = get_close_matches(asset, known, n=3)
        hint = f"did you mean {' or '.join(similar)}? " if similar else ""
        raise InputError(f"asset {asset!r} is not known; {hint}known: {', '.join(known)}")
    return as_text(load(home, asset, night), form)


def load(home: Home, asset: str, night: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the table of an asset, or `columns` of it; for a nightly asset, one night or all stored nights."""
    if night is not None:
        stored = home.nights(asset)
        if night not in stored:
            what = f"stored: {stored[0]} to {stored[-1]} ({len(stored)} nights)" if stored else "it has no nights"
            raise InputError(f"{asset} of night {night}: not stored; {what}")
        return read_table(home.table(asset, night), columns)
    if home.table(asset).exists():
        return read_table(home.table(asset), columns)
    tables = [table for _, table in scan_nights(home.tables / asset, columns)]
    if not tables:
        raise InputError(f"{home.tables / asset}: nothing stored; has the asset been materialized in this home?")
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def as_text(table: pd.DataFrame, form: str) -> str:
    """Return a table as text. Lists are written as JSON, in form `table` as their length; bytes as their size."""
    table = table.copy()
    for name in table.columns:
        if table[name].dtype == object:
            table[name] = [_plain(value, brief=form == "table") for value in table[name]]
    if form == "json":
        return str(table.to_json(orient="records", indent=1))
    if form == "csv":
        lists = [name for name in table.columns if table[name].map(lambda value: isinstance(value, list)).any()]
        table[lists] = table[lists].map(json.dumps)
        return str(table.to_csv(index=False)).rstrip("\n")
    if table.empty:
        return f"no rows; columns: {', '.join(map(str, table.columns))}"
    return str(table.to_string(index=False, na_rep="-", float_format=lambda v: f"{v:.4g}", max_colwidth=60))


def _plain(value: Any, brief: bool) -> Any:
    if isinstance(value, np.ndarray):
        return f"<{len(value)} values>" if brief else value.tolist()
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return value


def _file(path: Path, form: str) -> str:
    if not path.exists():
        raise InputError(f"{path}: no such file; has its asset been materialized?")
    if path.suffix != ".fits":
        return path.read_text(encoding="utf-8").rstrip("\n")
    from astropy.table import Table

    table = Table.read(path)
    table.convert_bytestring_to_unicode()
    return as_text(table.to_pandas(), form)
