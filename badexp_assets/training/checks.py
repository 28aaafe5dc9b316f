"""Whether a training set can be trained on, and whether every label ended in it or is accounted for."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from badexp_assets.io.check_result import CheckParams, CheckResult
from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.training.labelled_images import KEY, NO_SUCH_CCD, NOT_READ, trained_labels


def check_sides(table: pd.DataFrame) -> CheckResult:
    """No exposure has CCDs in both splits or in two folds. rows: expnum, splits, folds of those that have."""
    sides = table.groupby("expnum")[["split", "fold"]].agg(_values)
    n = table.groupby("expnum")[["split", "fold"]].nunique().max(axis=1)
    rows = sides[n > 1].reset_index()
    total = table["expnum"].nunique()
    description = f"{len(rows)} of {total} exposures are on both sides" if len(rows) else f"{total} exposures"
    return CheckResult(rows.empty, description, {"exposures": total, "on both sides": len(rows)}, rows)


def check_accounting(
    labels: pd.DataFrame, read: pd.DataFrame, missing: pd.DataFrame, categories: Collection[str]
) -> CheckResult:
    """Every labelled CCD image of the trained `categories` was read or is listed as missing, and none is both.

    `labels`: `bad_ccd_labels`; `read`: (expnum, ccdnum) of the images that were read; `missing`:
    `labels_without_image`. rows: expnum, ccdnum, category, fault of those at fault.
    """
    trained = trained_labels(labels, categories)[[*KEY, "category"]]
    found = trained.merge(read[KEY].drop_duplicates().assign(read=True), on=KEY, how="left")
    listed = missing[KEY].drop_duplicates().assign(listed=True)
    both = found.merge(listed, on=KEY, how="outer")
    is_read, is_listed = both["read"].notna(), both["listed"].notna()
    both["fault"] = None
    both.loc[is_read & is_listed, "fault"] = "listed as missing, and it was read"
    both.loc[~is_read & ~is_listed, "fault"] = "neither read nor listed as missing"
    both.loc[both["category"].isna(), "fault"] = "listed as missing, and it has no label"
    rows = both.loc[both["fault"].notna(), [*KEY, "category", "fault"]].reset_index(drop=True)
    n_read = int(found["read"].notna().sum())
    numbers = {"labelled CCD images": len(trained), "read": n_read, "missing": len(missing), "at fault": len(rows)}
    words = f"{len(trained)} labelled CCD images: {n_read} read, {len(missing)} missing"
    passed = rows.empty and n_read + len(missing) == len(trained)
    if not passed:
        words += f"; {len(rows)} do not add up: materialise training_set again after the nights and the labels"
    return CheckResult(passed, words, numbers, rows)


def check_missing_share(n_labels: int, missing: pd.DataFrame, params: CheckParams) -> CheckResult:
    """At most `max_missing_share` of the labelled CCD images that should be there are `missing`. rows: reason, ccds.

    Of `n_labels` labelled CCD images those do not count that are of nights that were not read, or of CCDs that the
    exposure's file does not have: lists reach beyond every archive, and a label of a whole exposure beyond its file.
    """
    beyond = missing["reason"].isin([NOT_READ, NO_SUCH_CCD])
    lost, expected = missing[~beyond], n_labels - int(beyond.sum())
    share = len(lost) / expected if expected else 0.0
    words = (
        f"{len(lost)} of {expected} labelled CCD images ({share:.0%}) of exposures that were read have no image; "
        f"{int(beyond.sum())} are of other nights or of CCDs that the file does not have"
    )
    passed = share <= params.max_missing_share
    if not passed:
        words += f". Most of them: {lost['reason'].value_counts().index[0]} (badexp show labels_without_image)"
    reasons = missing["reason"].value_counts().rename_axis("reason").reset_index(name="ccds")
    return CheckResult(passed, words, {"missing share": share, "allowed": params.max_missing_share}, reasons)


def check_good_share(table: pd.DataFrame, params: CheckParams) -> CheckResult:
    """The share of good images in the training set lies between `min_good_share` and `max_good_share`."""
    share = float((table["category"] == GOOD).mean())
    limits = f"{params.min_good_share:.0%} to {params.max_good_share:.0%}"
    words = f"{share:.0%} of {len(table)} images are good ({limits} allowed)"
    passed = params.min_good_share <= share <= params.max_good_share
    return CheckResult(passed, words, {"good share": share})


def check_category_sizes(table: pd.DataFrame, folds: int) -> CheckResult:
    """Every category has an exposure for the test split and for each of the `folds`. rows: category, exposures."""
    exposures = table.groupby("category")["expnum"].nunique().rename("exposures")
    rows = exposures[exposures < folds + 1].sort_values().reset_index()
    if rows.empty:
        return CheckResult(True, f"every category has at least {folds + 1} exposures", rows=rows)
    words = ", ".join(f"{row.category} ({row.exposures})" for row in rows.itertuples())
    return CheckResult(False, f"too few exposures for {folds} folds and a test: {words}", rows=rows)


def _values(column: pd.Series) -> str:
    return ", ".join(sorted({str(value) for value in column}))
