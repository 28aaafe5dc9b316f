"""Checks of the label tables: lines that are not understood, and labels lost since the last run."""

from __future__ import annotations

import pandas as pd

from badexp_assets.config.operation_options import CheckParams
from badexp_assets.io.check_result import CheckResult

_ALL = "all together"


def check_every_line_understood(source: pd.DataFrame, name: str) -> CheckResult:
    """Every line of the label table `name` is a label or ignored for a reason.

    rows: file, line, text (expnum, ccdnum and reason of the line, if they could be read) and expected.
    """
    unmatched = source[source["status"] == "unmatched"].reset_index(drop=True)
    rows = unmatched[["file", "line"]].assign(text=_text(unmatched), expected=unmatched["status_reason"])
    numbers = {"lines": len(source), "unmatched": len(rows)}
    if rows.empty:
        return CheckResult(True, f"all {len(source)} lines are understood", numbers, rows)
    first = rows.iloc[0]
    where = first["file"] if first["line"] == 0 else f"{first['file']} line {first['line']}"
    count = f"{len(rows)} of {len(source)} lines are not understood"
    return CheckResult(False, f"{count} (badexp show {name}), the first: {where}: {first['expected']}", numbers, rows)


def check_no_labels_lost(before: pd.Series | None, now: pd.Series, params: CheckParams) -> CheckResult:
    """The total number of labels did not fall since the last run, and no category lost more than `max_label_loss`.

    `before`, `now`: the category of every label; `before` None: this is the first run. rows: category, before, now,
    lost (share) of the categories that lost too many.
    """
    if before is None:
        return CheckResult(True, f"{len(now)} labels; the first run in this home, nothing to compare with")
    table = pd.DataFrame({"before": before.value_counts(), "now": now.value_counts()}).fillna(0).astype("int64")
    table.loc[_ALL] = [len(before), len(now)]
    table = table.rename_axis("category").reset_index()
    table["lost"] = (1 - table["now"] / table["before"].where(table["before"] > 0)).clip(lower=0).fillna(0.0)
    gone = (table["now"] == 0) & (table["before"] > 0)
    fewer = (table["category"] == _ALL) & (table["lost"] > 0)
    rows = table[gone | fewer | (table["lost"] > params.max_label_loss)].reset_index(drop=True)
    numbers = {"labels before": len(before), "labels now": len(now)}
    if rows.empty:
        return CheckResult(True, f"{len(now)} labels, {len(before)} in the last run", numbers, rows)
    text = ", ".join(f"{row.category} {row.before} to {row.now}" for row in rows.itertuples())
    return CheckResult(False, f"labels lost since the last run: {text}", numbers, rows)


def _text(lines: pd.DataFrame) -> pd.Series:
    parts = [lines[name].astype("str").where(lines[name].notna(), "") for name in ("expnum", "ccdnum", "reason")]
    return (parts[0] + " " + parts[1] + " " + parts[2]).str.split().str.join(" ")
