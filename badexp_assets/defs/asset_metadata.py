"""Arguments and metadata that present assets in the UI: descriptions, column schemas, pictures and tables."""

import base64
import io
import math
from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets.io.schemas import SCHEMAS

OWNERS = ["team:survey-data-quality"]
MAX_PICTURE_BYTES = 100_000  # metadata are stored in the event log
_PREVIEW_ROWS = 20


def column_schema(asset: str) -> dict[str, Any]:
    """Return the definition metadata that shows the columns of a table in the UI."""
    columns = [
        dg.TableColumn(c.name, c.type, c.description, constraints=dg.TableColumnConstraints(nullable=c.nullable))
        for c in SCHEMAS[asset].columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def parts(*columns: tuple[str, str, str]) -> dict[str, Any]:
    """Like `column_schema` for a model or a file: (name, type, description) of each part."""
    return {"dagster/column_schema": dg.TableSchema(columns=[dg.TableColumn(*column) for column in columns])}


def row_count(rows: int) -> dict[str, int]:
    """Return the metadata of a night's materialization that hold its number of rows."""
    return {"dagster/row_count": rows, "dagster/partition_row_count": rows}


def _asset(description: str, group: str, kinds: set[str], metadata: dict[str, Any], **more: Any) -> dict[str, Any]:
    arguments = {"description": description, "group_name": group, "kinds": kinds, "metadata": metadata}
    return arguments | {"owners": OWNERS, "code_version": "1"} | more


def table_asset(name: str, about: str, group: str, kinds: set[str]) -> dict[str, Any]:
    """Return arguments of `dg.asset` or `dg.AssetSpec` for a table; about: its description, without what a row is."""
    return _asset(f"{about} One row is {SCHEMAS[name].row}.", group, kinds, column_schema(name))


def file_asset(description: str, group: str, metadata: dict[str, Any], kind: str = "file") -> dict[str, Any]:
    """Return arguments of `dg.asset` for a file or page that people or other programs read; metadata: its `parts`."""
    return _asset(description, group, {kind}, metadata)


def model_asset(
    description: str, kind: str, *columns: tuple[str, str, str], promoted_by_check: bool = False
) -> dict[str, Any]:
    """Return arguments of `dg.asset` for a stored model with its `parts`.

    A new version becomes the current one, unless `promoted_by_check`: then a check of the asset decides.
    """
    metadata = parts(*columns) | {"promoted_by_check": promoted_by_check}
    return _asset(description, "models", {kind}, metadata, io_manager_key="models")


def picture(png: bytes | None, alt: str) -> dict[str, dg.MetadataValue]:
    """Return a metadata entry with a PNG, shrunk to MAX_PICTURE_BYTES; an empty dictionary without a PNG."""
    if png is None:
        return {}
    while len(png) > MAX_PICTURE_BYTES:
        png = _smaller(png)
    return {alt: dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")}


def preview(table: pd.DataFrame, rows: int = _PREVIEW_ROWS) -> dg.MetadataValue:
    """Return the first rows as a Markdown table, or `none`."""
    if table.empty:
        return dg.MetadataValue.md("none")
    head = table.head(rows)
    lines = ["| " + " | ".join(map(str, head.columns)) + " |", "|" + " --- |" * len(head.columns)]
    lines += ["| " + " | ".join(_cell(v) for v in row) + " |" for row in head.itertuples(index=False)]
    if len(table) > rows:
        lines.append(f"\n… and {len(table) - rows} more rows")
    return dg.MetadataValue.md("\n".join(lines))


def counts(values: pd.Series) -> dg.MetadataValue:
    """Return how often each value occurs, as a Markdown table."""
    found = values.value_counts(dropna=False)
    return preview(pd.DataFrame({values.name: found.index.astype(str), "count": found.to_numpy()}), rows=50)


def _smaller(png: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        scale = min(0.85, math.sqrt(MAX_PICTURE_BYTES / len(png)))
        size = (max(1, round(scale * image.width)), max(1, round(scale * image.height)))
        shrunk = image.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(128)
    buffer = io.BytesIO()
    shrunk.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
