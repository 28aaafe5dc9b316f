"""An audit of label files as text."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd

from badexp_assets.labels.audit import Audit


def render_audit(audit: Audit, form: str) -> str:
    """All findings as text: `json`, or `table` for people, where sections without any are left out."""
    if form == "json":
        return json.dumps(audit.as_dict(), indent=1, allow_nan=False)
    return "\n".join(_lines(audit))


def _lines(audit: Audit) -> Iterator[str]:
    files = audit.files
    yield f"taxonomy: {audit.taxonomy}"
    yield f"{len(files)} label files" + (", lines by what became of them:" if len(files) else " found")
    for kind, group in files.groupby("kind", sort=False):
        yield f"\n{kind}"
        yield _table(group.drop(columns="kind"))
    if audit.unused:
        yield f"\n{len(audit.unused)} files have no name of a label file and are not read:"
        yield from (f"  {name}" for name in audit.unused)
    if len(audit.ignored):
        yield "\nignored lines, by reason:"
        yield _table(audit.ignored)
    if len(audit.contradictions):
        yield "\ncontradictions: lines that name different categories for one CCD image"
        yield _table(audit.contradictions)
    if len(audit.categories):
        yield "\nlabels after merging: exposures / CCD images by category and source"
        yield _table(_by_source(audit.categories))
    if len(audit.paper):
        yield "\nbad_expid lists and the number of bad exposures in the ViT + kNN paper (DR10.2):"
        yield _table(audit.paper)
    if audit.understood:
        yield "\nevery line is understood"
        return
    yield f"\n{len(audit.unmatched)} lines are not understood:"
    for name, line, text, expected in audit.unmatched.itertuples(index=False):
        yield f"{name}:{line}: {text}\n    {expected}" if line else f"{name}: {expected}"


def _by_source(categories: pd.DataFrame) -> pd.DataFrame:
    cells = categories["exposures"].astype(str) + " / " + categories["ccds"].astype(str)
    table = categories.assign(cell=cells).pivot(index="category", columns="source", values="cell")
    return table.rename_axis(columns=None).reset_index()


def _table(table: pd.DataFrame) -> str:
    """Words to the left, numbers to the right; what there is no number of is a dash."""
    numbers = [name for name in table.columns if table[name].dtype.kind in "iu"]
    cells = table.astype(object).where(table.notna(), "-").astype(str)
    rows = [[str(name) for name in cells.columns], *cells.to_numpy().tolist()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = [name in numbers for name in table.columns]
    lines = (
        "  ".join(f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in zip(row, widths, right, strict=True)) for row in rows
    )
    return "\n".join(f"  {line.rstrip()}" for line in lines)
