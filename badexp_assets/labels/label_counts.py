"""Counts labels by category and source, in the layout of Table 2 of Luo et al. 2025 (arXiv:2507.12784)."""

from __future__ import annotations

import pandas as pd

from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png
from badexp_assets.labels.taxonomy import Taxonomy

TOTAL = "total"
TOTAL_TRAINED = "total, trained categories"


def count_labels(labels: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Return one row per category of `bad_ccd_labels`, trained ones first, then two rows of totals.

    Columns: category; trained (`yes`, `no`); `<source> exposures` and `<source> CCDs` of every source with labels, in
    the taxonomy's order; `all exposures` and `all CCDs`. An exposure with labels of two sources (or categories) counts
    in both, and once in the totals. Trained categories without labels are listed too.
    """
    present = set(labels["category"])
    names = [*taxonomy.categories, *(c for c in taxonomy.extra if c in present)]
    names += sorted(present - set(names))
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


def label_counts_figure(counts: pd.DataFrame, taxonomy: Taxonomy) -> bytes | None:
    """Return a PNG (at most 100 kB) of a `count_labels` table; None if there are no labels.

    Left: number of labelled CCD images per category, on a log scale. Right: shares of the sources. Categories that are
    not trained on are grey.
    """
    counts = counts.set_index("category")
    total = counts.drop(columns="trained").astype("int64").T[TOTAL].to_dict()
    if not total["all CCDs"]:
        return None
    rows = counts.drop(index=[TOTAL, TOTAL_TRAINED])
    sources = [s for s in taxonomy.precedence if f"{s} CCDs" in rows]
    figure = new_figure(8.4, 1.5 + 0.24 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    places = range(len(rows))
    trained = rows["trained"] == "yes"
    left.barh(places, rows["all CCDs"], color=[CYCLE[0] if t else GREY for t in trained], height=0.7)
    for place, ccds, exposures in zip(places, rows["all CCDs"], rows["all exposures"], strict=True):
        text = f" {ccds:,} ({exposures:,})" if ccds else " none"
        left.text(max(ccds, 0.7), place, text, va="center", fontsize=7.5)
    left.set_xscale("log")
    left.set_xlim(0.7, 60 * rows["all CCDs"].max())
    left.set_xlabel("labelled CCD images (exposures)")
    left.set_yticks(places, rows.index, fontsize=8)
    for label, is_trained in zip(left.get_yticklabels(), trained, strict=True):
        label.set_color("black" if is_trained else "#707070")
    left.set_ylim(len(rows) - 0.4, -0.6)
    start = pd.Series(0.0, index=rows.index)
    for i, source in enumerate(sources):
        share = (100 * rows[f"{source} CCDs"] / rows["all CCDs"].where(rows["all CCDs"] > 0)).fillna(0.0)
        label = f"{source}: {total[f'{source} CCDs']:,} ({total[f'{source} exposures']:,})"
        right.barh(places, share, left=start, color=CYCLE[i + 1], height=0.7, label=label)
        start += share
    right.set_xlim(0, 100)
    right.set_xlabel("share of the sources, % of the images")
    right.tick_params(left=False)
    figure.legend(loc="outside lower center", ncols=len(sources), fontsize=8, frameon=False)
    n_trained = int(counts["all CCDs"].to_dict()[TOTAL_TRAINED])
    title = f"{total['all CCDs']:,} labelled CCD images of {total['all exposures']:,} exposures"
    figure.suptitle(f"{title}\n{n_trained:,} in trained categories (blue); grey: kept, not trained on", fontsize=9)
    return to_png(figure)
