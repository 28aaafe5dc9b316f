"""How many labels there are, by category and source: the layout of the paper's Table 2."""

from __future__ import annotations

import pandas as pd

from badexp_assets.labels.taxonomy import Taxonomy

TOTAL = "total"
TOTAL_TRAINED = "total, trained categories"


def count_labels(labels: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Return a row per category of `bad_ccd_labels`, trained ones first, then two rows of totals.

    Columns: category; trained (`yes`, `no`); `<source> exposures` and `<source> CCDs` of every source that there is, in
    the taxonomy's order; `all exposures` and `all CCDs`. An exposure with labels of two sources (or categories) counts
    in both, and once in the totals. Trained categories without a label are listed, others not.
    """
    there = set(labels["category"])
    names = [*taxonomy.categories, *(c for c in taxonomy.extra if c in there)]
    names += sorted(there - set(names))
    rows = [_row(name, name in taxonomy.categories, labels[labels["category"] == name], labels) for name in names]
    trained = labels[labels["category"].isin(taxonomy.categories)]
    rows += [_row(TOTAL_TRAINED, True, trained, labels), _row(TOTAL, False, labels, labels)]
    rows[-1]["trained"] = ""
    sources = [s for s in taxonomy.precedence if (labels["source"] == s).any()]
    columns = [f"{source} {unit}" for source in [*sources, "all"] for unit in ("exposures", "CCDs")]
    return pd.DataFrame(rows, columns=["category", "trained", *columns])


def _row(name: str, trained: bool, chosen: pd.DataFrame, labels: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"category": name, "trained": "yes" if trained else "no"}
    for source in [*labels["source"].unique(), "all"]:
        part = chosen if source == "all" else chosen[chosen["source"] == source]
        row |= {f"{source} exposures": int(part["expnum"].nunique()), f"{source} CCDs": len(part)}
    return row
