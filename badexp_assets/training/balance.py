"""Balances the categories of bad images: caps the CCD images of an exposure, then thins the largest categories."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from badexp_assets.config.classifier_options import TrainingParams
from badexp_assets.errors import InputError
from badexp_assets.labels.luo2025_comparison import LUO2025_TABLE_2, LUO2025_THINNED
from badexp_assets.survey.seeded_sampling import priority
from badexp_assets.training.good_candidates import sample_per_exposure
from badexp_assets.training.labelled_images import KEY, trained_labels

TOTAL, IMBALANCE = "total", "imbalance"


@dataclass(frozen=True)
class Balanced:
    """Labelled CCD images after each step of `balance_categories`.

    `listed`, `capped`, `thinned`: expnum, ccdnum, category and the other columns of the input; `thinned` also weight.
    `steps`: name of each step, the images that it leaves, and a note.
    """

    listed: pd.DataFrame
    capped: pd.DataFrame
    thinned: pd.DataFrame
    steps: tuple[tuple[str, pd.DataFrame, str], ...]


def balance_categories(bad: pd.DataFrame, categories: Collection[str], params: TrainingParams) -> Balanced:
    """Cap the CCD images of each exposure at `max_ccds_per_bad_exposure`, then thin the largest categories.

    `bad`: expnum, ccdnum, category, one row per labelled CCD image; `categories`: those that are trained on. Without
    shares in `thin`, a category is thinned to at most `max_imbalance` times the CCD images of the smallest category, or
    `thin_above` if that is more. With shares, those of the categories above `thin_above` apply instead, as in Luo et
    al. 2025 (arXiv:2507.12784). Whole exposures are kept or left out, chosen by a hash of the exposure number; weight
    is the inverse of the share of CCD images that is kept. The order of the rows makes no difference.

    Raises InputError if `thin` names a category that is not in `categories`.
    """
    for name in params.shares:
        if name not in categories:
            raise InputError(f"[training]: thin has {name!r}; any of {', '.join(categories)} is needed")
    steps: list[tuple[str, pd.DataFrame, str]] = []
    bad = bad.assign(category=bad["category"].astype("str"))  # a categorical column would count absent categories
    capped, n = bad, params.max_ccds_per_bad_exposure
    if n:
        capped = bad.merge(sample_per_exposure(bad, n, params.seed), on=KEY)
        steps.append((f"at most {n} CCDs of an exposure", capped, f"max_ccds_per_bad_exposure = {n}"))
    thinned = capped.assign(weight=1.0)
    sizes = capped["category"].value_counts()
    order = list(params.shares) if params.thin else sorted(sizes.index, key=lambda c: (-sizes[c], c))
    for category in order:
        rows = thinned["category"] == category
        expnums = _kept_exposures(thinned.loc[rows, "expnum"], category, sizes, params)
        if expnums is None:
            continue
        kept = rows & thinned["expnum"].isin(expnums)
        weight = int(rows.sum()) / int(kept.sum())
        thinned.loc[kept, "weight"] = weight
        thinned = thinned[~rows | kept].reset_index(drop=True)
        note = f"{int(kept.sum())} of {int(rows.sum())} CCD images kept, weight {weight:.3g}"
        steps.append((f"{category} thinned", thinned, note))
    return Balanced(bad, capped, thinned, tuple(steps))


def _kept_exposures(expnum: pd.Series, category: str, sizes: pd.Series, params: TrainingParams) -> Sequence[int] | None:
    """Return the exposures of a category that are kept; None for all. `expnum`: that of each of its CCD images."""
    if len(expnum) <= params.thin_above:
        return None
    counts = expnum.value_counts()
    order = sorted(counts.index, key=lambda e: priority(params.seed, int(e), "thin"))
    if params.thin:
        share = params.shares[category]
        return None if share == 1 else order[: math.ceil(share * len(order))]
    goal = max(params.max_imbalance * int(sizes.min()), params.thin_above)
    if len(expnum) <= goal:
        return None
    return order[: max(1, int(np.searchsorted(counts[order].cumsum(), goal, side="right")))]


def count_categories(balanced: Balanced, categories: Collection[str]) -> pd.DataFrame:
    """Return the layout of Table 2 of Luo et al. 2025: one row for each of `categories`, with or without images.

    Columns: category, exposures, CCD images as `listed`, `capped` and `thinned`, weight (null without images), and
    `luo2025` and `luo2025_thinned`, the numbers of Luo et al. (null if they do not have the category).
    """
    table = pd.DataFrame({"category": list(categories)})
    table["exposures"] = _column(table, balanced.listed.groupby("category")["expnum"].nunique()).fillna(0)
    for name in ("listed", "capped", "thinned"):
        table[name] = _column(table, getattr(balanced, name)["category"].value_counts()).fillna(0)
    table["weight"] = table["category"].map(balanced.thinned.groupby("category")["weight"].first()).astype("float64")
    table["luo2025"] = _column(table, pd.Series(LUO2025_TABLE_2))
    table["luo2025_thinned"] = _column(table, pd.Series(LUO2025_THINNED))
    return table


def _column(table: pd.DataFrame, numbers: pd.Series) -> pd.Series:
    return table["category"].map(numbers).astype("Int64")


def imbalance(sizes: pd.Series) -> float:
    """Return the ratio of the largest to the smallest category that has images; NaN without any."""
    there = sizes.dropna().astype("int64")
    there = there[there > 0]
    return float(there.max() / there.min()) if len(there) else math.nan


def table_2(labels: pd.DataFrame, categories: Collection[str], params: TrainingParams) -> tuple[pd.DataFrame, str]:
    """Return `count_categories` of the trained labels in `bad_ccd_labels`, with totals and imbalances, and the options.

    The total of the exposures counts each once, the totals of Luo et al. images with two categories twice. Weights have
    two decimals, imbalances one.
    """
    balanced = balance_categories(trained_labels(labels, categories)[[*KEY, "category"]], categories, params)
    how = f"max_imbalance = {params.max_imbalance:g}" if not params.thin else f"thin = {', '.join(params.thin)}"
    options = f"max_ccds_per_bad_exposure = {params.max_ccds_per_bad_exposure}, {how}, thin_above = {params.thin_above}"
    return _with_totals(count_categories(balanced, categories), balanced), options


def _with_totals(counts: pd.DataFrame, balanced: Balanced) -> pd.DataFrame:
    sizes = ["listed", "capped", "thinned", "luo2025", "luo2025_thinned"]
    total: dict[str, object] = {"category": TOTAL, "exposures": int(balanced.listed["expnum"].nunique())}
    total |= {name: int(counts[name].sum()) for name in sizes}
    ratios: dict[str, object] = {"category": IMBALANCE}
    ratios |= {name: round(imbalance(counts[name]), 1) for name in sizes}
    table = counts.assign(weight=counts["weight"].round(2)).astype(object)
    return pd.concat([table, pd.DataFrame([total, ratios], dtype=object)], ignore_index=True)
