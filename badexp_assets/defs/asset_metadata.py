"""How assets are presented: schema of their columns, pictures and tables in the metadata."""

import base64
import io
import math
from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets.io.schemas import SCHEMAS

OWNERS = ["team:survey-data-quality"]
MAX_PICTURE_BYTES = 100_000  # metadata live in the event log
_PREVIEW_ROWS = 20


def column_schema(asset: str) -> dict[str, Any]:
    """Definition metadata that shows the columns of a table in the UI."""
    columns = [
        dg.TableColumn(c.name, c.type, c.description, constraints=dg.TableColumnConstraints(nullable=c.nullable))
        for c in SCHEMAS[asset].columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def parts(*columns: tuple[str, str, str]) -> dict[str, Any]:
    """Like `column_schema`, for what is not a table of ours: (name, type, description) of a model or a file."""
    return {"dagster/column_schema": dg.TableSchema(columns=[dg.TableColumn(*column) for column in columns])}


def row_count(rows: int) -> dict[str, int]:
    """Metadata of a night's materialisation: the UI shows `row_count` beside it, whatever the other nights hold."""
    return {"dagster/row_count": rows, "dagster/partition_row_count": rows}


def table_asset(name: str, about: str, group: str, kinds: set[str]) -> dict[str, Any]:
    """Arguments of `dg.asset` or `dg.AssetSpec` that present a table: what it is about, and what one row is."""
    return {
        "description": f"{about} One row is {SCHEMAS[name].row}.",
        "group_name": group,
        "kinds": kinds,
        "owners": OWNERS,
        "code_version": "1",
        "metadata": column_schema(name),
    }


def file_asset(description: str, group: str, metadata: dict[str, Any], kind: str = "file") -> dict[str, Any]:
    """Arguments of `dg.asset` that present a file, or a page, for other programs or people; metadata: its `parts`."""
    return {
        "description": description,
        "group_name": group,
        "kinds": {kind},
        "owners": OWNERS,
        "code_version": "1",
        "metadata": metadata,
    }


def model_asset(
    description: str, kind: str, *columns: tuple[str, str, str], promoted_by_check: bool = False
) -> dict[str, Any]:
    """Arguments of `dg.asset` that present a fitted model and store it, with its `parts`.

    It is the current one from then on, unless a check of the asset decides on that.
    """
    return {
        "description": description,
        "group_name": "models",
        "kinds": {kind},
        "owners": OWNERS,
        "code_version": "1",
        "metadata": parts(*columns) | {"promoted_by_check": promoted_by_check},
        "io_manager_key": "models",
    }


def picture(png: bytes | None, alt: str) -> dict[str, dg.MetadataValue]:
    """Metadata entry with a PNG, made smaller until it is small enough for the event log; empty when there is none."""
    if png is None:
        return {}
    while len(png) > MAX_PICTURE_BYTES:
        png = _smaller(png)
    return {alt: dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")}


def preview(table: pd.DataFrame, rows: int = _PREVIEW_ROWS) -> dg.MetadataValue:
    """The first rows as a Markdown table, or `none`."""
    if table.empty:
        return dg.MetadataValue.md("none")
    head = table.head(rows)
    lines = ["| " + " | ".join(map(str, head.columns)) + " |", "|" + " --- |" * len(head.columns)]
    lines += ["| " + " | ".join(_cell(v) for v in row) + " |" for row in head.itertuples(index=False)]
    if len(table) > rows:
        lines.append(f"\n… and {len(table) - rows} more rows")
    return dg.MetadataValue.md("\n".join(lines))


def counts(values: pd.Series) -> dg.MetadataValue:
    """How often each value occurs, as a Markdown table."""
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
