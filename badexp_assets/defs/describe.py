"""How assets are presented: schema of their columns, pictures and tables in the metadata."""

import base64
from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets.tables import SCHEMAS

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


def what_a_row_is(asset: str) -> str:
    """First sentence of the description of a table."""
    return f"One row is {SCHEMAS[asset].row}."


def picture(png: bytes | None, alt: str) -> dict[str, dg.MetadataValue]:
    """Metadata entry with a PNG, left out when there is none or it is too large for the event log."""
    if png is None or len(png) > MAX_PICTURE_BYTES:
        return {}
    return {alt: dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")}


def preview(table: pd.DataFrame, rows: int = _PREVIEW_ROWS) -> dg.MetadataValue:
    """The first rows as a Markdown table."""
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


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
