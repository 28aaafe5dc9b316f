"""Builds the training set from labelled bad images and sampled good ones: balanced, split by exposure, counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from badexp_assets.config.classifier_options import TrainingParams
from badexp_assets.errors import InputError
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.taxonomy import GOOD, Taxonomy
from badexp_assets.survey.exposure_identity import one_row_per_exposure
from badexp_assets.training.balance import Balanced, balance_categories, count_categories
from badexp_assets.training.good_candidates import Funnel, choose_good
from badexp_assets.training.labelled_images import (
    KEY,
    images_read,
    labelled_ccds_to_read,
    labels_without_image,
    trained_labels,
)
from badexp_assets.training.split import split_groups, strata

_KEY_FACTOR = 1 << 15  # expnum * _KEY_FACTOR + ccdnum (int16) is one number per CCD image
_STATUS = [*KEY, "status", "status_reason"]
_CANDIDATE, _REVIEWED = "candidate", "review"  # source of a good image: in no list; called fine by reviewers


@dataclass(frozen=True)
class TrainingSet:
    """The `training_set` table and the counts of its selection.

    `funnel`: path, step, exposures, ccds, note (see `Funnel`). `missing`: the `labels_without_image` table. `balance`,
    one row per category: available_exposures and available_ccds (before the limit per exposure, thinning and sampling),
    capped_ccds and thinned_ccds (bad images after the limit and after thinning), train_ccds, test_ccds, mean weight,
    and luo2025_ccds and luo2025_thinned_ccds, the numbers of Luo et al. 2025 (arXiv:2507.12784).
    """

    table: pd.DataFrame
    funnel: pd.DataFrame
    missing: pd.DataFrame
    balance: pd.DataFrame
    warnings: tuple[str, ...] = ()


def build_training_set(
    labels: pd.DataFrame,
    exposures: pd.DataFrame,
    ccds: pd.DataFrame,
    survey_ccds: pd.DataFrame | None,
    taxonomy: Taxonomy,
    params: TrainingParams | None = None,
    listed: Iterable[int] | None = None,
    reviewed_fine: Collection[int] = (),
    labelled_ccds: pd.DataFrame | None = None,
) -> TrainingSet:
    """Build the training set from `bad_ccd_labels`, and from `night_exposures` and `night_ccds` of all nights.

    `labelled_ccds`: `labelled_ccd_embeddings` of all nights, labelled CCDs that were read besides those of the nights.
    Only CCD images that were read, of scored exposures, are used; labelled images that were not read are listed in
    `missing`. Bad images have a label of a trained category. Good images are of exposures without labels that are not
    in `listed` (exposure numbers on any line of a list, including ignored and unmatched lines, and those that reviewers
    call bad) and that pass the cuts of `choose_good`; those in `reviewed_fine` come first. For the limit of CCDs per
    exposure and the thinning of large categories see `balance_categories`, for split and folds `split_groups` and
    `strata`. The same rows in any order and the same seed give the same table.

    Raises InputError if there is no labelled image or no good candidate, if hold_out_nights leave a split empty, or if
    `thin` names a category that is not trained on.
    """
    params = params or TrainingParams()
    funnel = Funnel()
    exposures = one_row_per_exposure(exposures)
    read = images_read(exposures, ccds)
    every = ccds if labelled_ccds is None else pd.concat([ccds[_STATUS], labelled_ccds[_STATUS]], ignore_index=True)
    limit = params.max_ccds_per_bad_exposure
    wanted = labelled_ccds_to_read(labels, exposures, ccds, taxonomy.categories, limit, params.seed, labelled_ccds)
    missing = labels_without_image(labels, exposures, every, taxonomy.categories, wanted)
    available = _labelled(labels, images_read(exposures, every), taxonomy, len(missing), funnel)
    balanced = balance_categories(available, taxonomy.categories, params)
    for step, left, note in balanced.steps:
        funnel.add("bad", step, left, note)
    bad = balanced.thinned
    everywhere = {int(e) for e in labels["expnum"]}
    everywhere |= {int(e) for e in ([] if listed is None else listed) if not pd.isna(e)}
    good = choose_good(exposures, read, everywhere, survey_ccds, params, funnel, reviewed_fine)
    if bad.empty:
        raise InputError(
            "training set: no labelled bad CCD image was read; add label files that name exposures of the archive, or "
            "materialise the nights of the labelled exposures"
        )
    if good.sample.empty:
        cuts = "; ".join(f"{step}: {n} exposures" for path, step, n, *_ in funnel.rows if path == "good")
        raise InputError(
            "training set: no good candidate is left; materialise nights with exposures that are in no label list, or "
            f"relax the cuts ({cuts})"
        )
    # exposures of good images have no label, so no CCD image is both good and bad
    source = np.where(good.sample["expnum"].isin(list(reviewed_fine)), _REVIEWED, _CANDIDATE)
    table = pd.concat([bad, good.sample.assign(category=GOOD, source=source, weight=1.0)], ignore_index=True)
    table = table.merge(exposures[["expnum", "night"]], on="expnum", how="left")
    table = _split(table, params).sort_values(KEY).reset_index(drop=True)
    for side, note in (("train", f"{params.folds} folds"), ("test", _share_note(params))):
        funnel.add("both", side, table[table["split"] == side], note)
    columns = SCHEMAS["training_set"].column_names
    table = table[columns].astype({"expnum": "int64", "ccdnum": "int16", "fold": "int8", "weight": "float32"})
    balance = _balance(balanced, good.candidates.assign(category=GOOD), table, taxonomy)
    return TrainingSet(table, funnel.table(), missing, balance, good.warnings)


def _labelled(
    labels: pd.DataFrame, read: pd.DataFrame, taxonomy: Taxonomy, n_missing: int, funnel: Funnel
) -> pd.DataFrame:
    funnel.add("bad", "labelled CCD images", labels.drop_duplicates(KEY))
    trained = trained_labels(labels, taxonomy.categories)
    funnel.add("bad", "of a trained category", trained, f"{len(taxonomy.categories)} categories")
    found = trained.merge(read, on=KEY)[["expnum", "ccdnum", "category", "source"]]
    funnel.add(
        "bad", "read from the archive", found, f"{n_missing} CCD images are not: badexp show labels_without_image"
    )
    return found


def _split(table: pd.DataFrame, params: TrainingParams) -> pd.DataFrame:
    group = table["expnum"].astype("int64")
    if params.split_by == "row":
        group = group * _KEY_FACTOR + table["ccdnum"].astype("int64")
    held_out: set[int] = set()
    if params.hold_out_nights:
        held_out = {int(g) for g in group[table["night"].isin(params.hold_out_nights)]}
        if not held_out or held_out == {int(g) for g in group}:
            found = "no image" if not held_out else "every image"
            raise InputError(
                f"training: hold_out_nights = {', '.join(params.hold_out_nights)} holds out {found}; "
                "name some, but not all, of the nights that were read"
            )
    sides = split_groups(strata(table, group), params.test_fraction, params.folds, params.seed, held_out)
    return table.assign(group=group).merge(sides, on="group", how="left")


def _balance(balanced: Balanced, candidates: pd.DataFrame, table: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    before = pd.concat([balanced.listed, candidates]).groupby("category")["expnum"].agg(["nunique", "size"])
    before.columns = pd.Index(["available_exposures", "available_ccds"])
    counted = count_categories(balanced, taxonomy.categories).set_index("category")
    counted = counted.drop(columns=["exposures", "listed", "weight"]).add_suffix("_ccds")
    sides = pd.crosstab(table["category"], table["split"]).reindex(columns=["train", "test"], fill_value=0)
    sides.columns = pd.Index(["train_ccds", "test_ccds"])
    weight = table.groupby("category")["weight"].mean()
    balance = before.join(counted[["capped_ccds", "thinned_ccds"]]).join(sides).join(weight)
    balance = balance.join(counted[["luo2025_ccds", "luo2025_thinned_ccds"]])
    balance = balance.sort_values(["available_ccds", "available_exposures"], ascending=False)
    return balance.rename_axis("category").reset_index()


def _share_note(params: TrainingParams) -> str:
    if params.hold_out_nights:
        return f"nights {', '.join(params.hold_out_nights)}"
    of = "exposures" if params.split_by == "exposure" else "CCD images"
    return f"{params.test_fraction:.0%} of the {of} of each category"
