"""Checks of the training set: split, size, share of good images, and what became of every label."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from badexp_assets.config.operation_options import CheckParams
from badexp_assets.io.check_result import CheckResult
from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.training.labelled_images import KEY, NO_SUCH_CCD, NOT_NEEDED, NOT_READ, trained_labels


def check_split_by_exposure(table: pd.DataFrame) -> CheckResult:
    """No exposure has CCDs in both splits or in two folds. rows: expnum, split, fold of the exposures that have."""
    sides = table.groupby("expnum")[["split", "fold"]]
    rows = sides.agg(_distinct)[sides.nunique().max(axis=1) > 1].reset_index()
    total = table["expnum"].nunique()
    description = f"{len(rows)} of {total} exposures are on both sides" if len(rows) else f"{total} exposures"
    return CheckResult(rows.empty, description, {"exposures": total, "on both sides": len(rows)}, rows)


def check_accounting(
    labels: pd.DataFrame, read: pd.DataFrame, missing: pd.DataFrame, categories: Collection[str]
) -> CheckResult:
    """Every labelled CCD image of the trained `categories` was either read or is listed as missing.

    `labels`: `bad_ccd_labels`; `read`: (expnum, ccdnum) of the images that were read; `missing`: the
    `labels_without_image` table. rows: expnum, ccdnum, category, fault of the images for which this is not so.
    """
    trained = trained_labels(labels, categories)[[*KEY, "category"]]
    found = trained.merge(read[KEY].drop_duplicates().assign(read=True), on=KEY, how="left")
    listed = missing[KEY].drop_duplicates().assign(listed=True)
    merged = found.merge(listed, on=KEY, how="outer")
    is_read, is_listed = merged["read"].notna(), merged["listed"].notna()
    merged["fault"] = None
    merged.loc[is_read & is_listed, "fault"] = "listed as missing, but it was read"
    merged.loc[~is_read & ~is_listed, "fault"] = "neither read nor listed as missing"
    merged.loc[merged["category"].isna(), "fault"] = "listed as missing, but it has no label"
    rows = merged.loc[merged["fault"].notna(), [*KEY, "category", "fault"]].reset_index(drop=True)
    n_read = int(found["read"].notna().sum())
    numbers = {"labelled CCD images": len(trained), "read": n_read, "missing": len(missing), "at fault": len(rows)}
    text = f"{len(trained)} labelled CCD images: {n_read} read, {len(missing)} missing"
    passed = rows.empty and n_read + len(missing) == len(trained)
    if not passed:
        text += f"; {len(rows)} do not add up: materialise training_set again after the nights and the labels"
    return CheckResult(passed, text, numbers, rows)


def check_missing_share(n_labels: int, missing: pd.DataFrame, params: CheckParams) -> CheckResult:
    """At most `max_missing_share` of the labelled CCD images of the nights that were read are `missing`.

    `n_labels`: number of labelled CCD images. Not counted are images of nights that were not read, because label lists
    cover more than one archive; CCDs that the exposure's file does not have; and CCDs that the training set does not
    need, because it has enough of their exposure. rows: reason, ccds.
    """
    beyond = missing["reason"].isin([NOT_READ, NO_SUCH_CCD, NOT_NEEDED])
    lost, expected = missing[~beyond], n_labels - int(beyond.sum())
    share = len(lost) / expected if expected else 0.0
    text = (
        f"{len(lost)} of {expected} labelled CCD images ({share:.0%}) of exposures that were read have no image; "
        f"{int(beyond.sum())} are of other nights, not in their file, or not needed"
    )
    passed = share <= params.max_missing_share
    if not passed:
        text += f". Most of them: {lost['reason'].value_counts().index[0]} (badexp show labels_without_image)"
    reasons = missing["reason"].value_counts().rename_axis("reason").reset_index(name="ccds")
    return CheckResult(passed, text, {"missing share": share, "allowed": params.max_missing_share}, reasons)


def check_good_share(table: pd.DataFrame, params: CheckParams) -> CheckResult:
    """The share of good images in the training set is between `min_good_share` and `max_good_share`."""
    share = float((table["category"] == GOOD).mean())
    limits = f"{params.min_good_share:.0%} to {params.max_good_share:.0%}"
    text = f"{share:.0%} of {len(table)} images are good ({limits} allowed)"
    passed = params.min_good_share <= share <= params.max_good_share
    return CheckResult(passed, text, {"good share": share})


def check_category_sizes(table: pd.DataFrame, folds: int) -> CheckResult:
    """Every category has enough exposures for the test split and each of the `folds`. rows: category, exposures."""
    exposures = table.groupby("category")["expnum"].nunique().rename("exposures")
    rows = exposures[exposures < folds + 1].sort_values().reset_index()
    if rows.empty:
        return CheckResult(True, f"every category has at least {folds + 1} exposures", rows=rows)
    text = ", ".join(f"{row.category} ({row.exposures})" for row in rows.itertuples())
    return CheckResult(False, f"too few exposures for {folds} folds and a test: {text}", rows=rows)


def _distinct(column: pd.Series) -> str:
    return ", ".join(sorted({str(value) for value in column}))
