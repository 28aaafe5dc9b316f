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
from badexp_assets.survey.seeded_sampling import priority
from badexp_assets.training.good_candidates import Funnel, choose_good, sample_per_exposure
from badexp_assets.training.labelled_images import (
    KEY,
    images_read,
    labels_without_image,
    one_row_per_exposure,
    trained_labels,
)
from badexp_assets.training.split import split_groups, strata

_KEY_FACTOR = 1 << 15  # expnum * _KEY_FACTOR + ccdnum (int16) is one number per CCD image
_CANDIDATE, _REVIEWED = "candidate", "review"  # source of a good image: in no list; called fine by reviewers


@dataclass(frozen=True)
class TrainingSet:
    """The `training_set` table and the counts of its selection.

    `funnel`: path, step, exposures, ccds, note (see `Funnel`). `missing`: the `labels_without_image` table. `balance`,
    one row per category: available_exposures and available_ccds (before the limit per exposure, thinning and sampling),
    train_ccds, test_ccds, and mean weight.
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
) -> TrainingSet:
    """Build the training set from `bad_ccd_labels`, and from `night_exposures` and `night_ccds` of all nights.

    Only CCD images that were read, of scored exposures, are used; labelled images that were not read are listed in
    `missing`. Bad images have a label of a trained category. Good images are of exposures without labels that are not
    in `listed` (exposure numbers on any line of a list, including ignored and unmatched lines) and that pass the cuts
    of `choose_good`; those in `reviewed_fine` come first. Large categories are thinned: a share of their exposures is
    kept, chosen by a hash of the exposure number, and weight is 1 / share of CCD images kept, as in Luo et al. 2025
    (arXiv:2507.12784). For split and folds see `split_groups` and `strata`. The same rows in any order and the same
    seed give the same table.

    Raises InputError if there is no labelled image or no good candidate, or if hold_out_nights leave a split empty.
    """
    params = params or TrainingParams()
    funnel = Funnel()
    exposures = one_row_per_exposure(exposures)
    read = images_read(exposures, ccds)
    missing = labels_without_image(labels, exposures, ccds, taxonomy.categories)
    available = _labelled(labels, read, taxonomy, len(missing), funnel)
    bad = _thinned(available, params, funnel)
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
    balance = _balance(pd.concat([available, good.candidates.assign(category=GOOD)]), table)
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


def _thinned(bad: pd.DataFrame, params: TrainingParams, funnel: Funnel) -> pd.DataFrame:
    if params.max_ccds_per_bad_exposure:
        n = params.max_ccds_per_bad_exposure
        bad = bad.merge(sample_per_exposure(bad, n, params.seed), on=KEY)
        funnel.add("bad", f"at most {n} CCDs of an exposure", bad, f"max_ccds_per_bad_exposure = {n}")
    bad = bad.assign(weight=1.0)
    for category, share in params.shares.items():
        rows = bad["category"] == category
        n_before = int(rows.sum())
        if share == 1 or n_before <= params.thin_above:
            continue
        expnums = sorted(bad.loc[rows, "expnum"].unique(), key=lambda e: priority(params.seed, int(e), "thin"))
        kept = rows & bad["expnum"].isin(expnums[: int(np.ceil(share * len(expnums)))])
        weight = n_before / int(kept.sum())
        bad.loc[kept, "weight"] = weight
        bad = bad[~rows | kept].reset_index(drop=True)
        note = f"{int(kept.sum())} of {n_before} CCD images kept, weight {weight:.3g}"
        funnel.add("bad", f"{category} thinned", bad, note)
    return bad


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


def _balance(available: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    before = available.groupby("category")["expnum"].agg(["nunique", "size"])
    before.columns = pd.Index(["available_exposures", "available_ccds"])
    sides = pd.crosstab(table["category"], table["split"]).reindex(columns=["train", "test"], fill_value=0)
    sides.columns = pd.Index(["train_ccds", "test_ccds"])
    weight = table.groupby("category")["weight"].mean()
    balance = before.join(sides).join(weight).sort_values(["available_ccds", "available_exposures"], ascending=False)
    return balance.rename_axis("category").reset_index()


def _share_note(params: TrainingParams) -> str:
    if params.hold_out_nights:
        return f"nights {', '.join(params.hold_out_nights)}"
    of = "exposures" if params.split_by == "exposure" else "CCD images"
    return f"{params.test_fraction:.0%} of the {of} of each category"
