"""Labelled CCD images that were read from the archive, and the reasons why others were not."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from badexp_assets.survey.exposure_identity import one_row_per_exposure as one_row_per_exposure  # public here, too
from badexp_assets.survey.seeded_sampling import sample_ccds

KEY = ["expnum", "ccdnum"]
NOT_READ = "the exposure is not among the nights that were read"
NO_SUCH_CCD = "the exposure's file has no such CCD"
NOT_NEEDED = "enough labelled CCDs of the exposure are read ([training] max_ccds_per_bad_exposure)"
TO_BE_READ = "not read yet: materialise labelled_ccd_embeddings of the night"


def images_read(exposures: pd.DataFrame, ccds: pd.DataFrame) -> pd.DataFrame:
    """Return (expnum, ccdnum), sorted, of the CCD images of scored exposures that the night pass read.

    Failed and excluded exposures have none.
    """
    scored = exposures.loc[exposures["status"] == "scored", "expnum"]
    read = ccds.loc[(ccds["status"] == "read") & ccds["expnum"].isin(scored), KEY].drop_duplicates()
    return read.astype({"expnum": "int64", "ccdnum": "int16"}).sort_values(KEY).reset_index(drop=True)


def trained_labels(labels: pd.DataFrame, categories: Collection[str]) -> pd.DataFrame:
    """Return the `bad_ccd_labels` of the trained `categories`, one row per CCD image, by (expnum, ccdnum)."""
    trained = labels[labels["category"].isin(list(categories))].astype({"expnum": "int64", "ccdnum": "int16"})
    return trained.sort_values([*KEY, "source", "category"]).drop_duplicates(KEY).reset_index(drop=True)


def labelled_ccds_to_read(
    labels: pd.DataFrame,
    exposures: pd.DataFrame,
    ccds: pd.DataFrame,
    categories: Collection[str],
    n: int,
    seed: int,
    labelled: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return (expnum, ccdnum), sorted, of the labelled CCDs to read besides those that the night pass read.

    `labels`: `bad_ccd_labels`, of which the trained `categories` count; `exposures`, `ccds`: `night_exposures` and
    `night_ccds` of any nights. An exposure is scored and has fewer than `n` labelled CCDs that were read (0: all are
    wanted). Of the CCDs that were not sampled, as many as are missing are chosen in an order that follows from `seed`,
    exposure and CCD alone. `labelled`: what is stored in `labelled_ccd_embeddings`; a CCD that it lists as absent or
    failed stays chosen, and the next one is chosen as well.
    """
    read = images_read(exposures, ccds)
    of_labels = ccds[ccds["expnum"].isin(labels["expnum"])]
    sampled = set(zip(of_labels["expnum"], of_labels["ccdnum"], strict=True))
    useless: set[tuple[int, int]] = set()
    if labelled is not None:
        unread = labelled[labelled["status"] != "read"]
        useless = set(zip(unread["expnum"], unread["ccdnum"], strict=True))
    scored = exposures.loc[exposures["status"] == "scored", "expnum"]
    found = trained_labels(labels, categories)[KEY].merge(read.assign(read=True), on=KEY, how="left")
    found = found[found["expnum"].isin(scored)]
    rows = []
    for expnum, group in found.groupby("expnum"):
        others = [ccdnum for ccdnum in group["ccdnum"].tolist() if (expnum, ccdnum) not in sampled]
        room = len(others) if n == 0 else max(0, n - int(group["read"].notna().sum()))
        for ccdnum in sample_ccds(int(str(expnum)), others, len(others), seed):
            if not room:
                break
            rows.append((expnum, ccdnum))
            room -= (expnum, ccdnum) not in useless
    table = pd.DataFrame(rows, columns=KEY).astype({"expnum": "int64", "ccdnum": "int16"})
    return table.sort_values(KEY, ignore_index=True)


def labels_without_image(
    labels: pd.DataFrame,
    exposures: pd.DataFrame,
    ccds: pd.DataFrame,
    categories: Collection[str],
    to_be_read: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the `labels_without_image` table: labelled CCD images of trained `categories` that were not read.

    `labels`, `exposures`: `bad_ccd_labels`, `night_exposures`. `ccds`: rows of `night_ccds` and of
    `labelled_ccd_embeddings`. `to_be_read`: (expnum, ccdnum) of the labelled CCDs that training needs; None: all. The
    column reason is one of the constants of this module, or says why the exposure failed or was excluded, or why the
    CCD could not be read.
    """
    exposures = one_row_per_exposure(exposures)
    both = trained_labels(labels, categories).merge(images_read(exposures, ccds).assign(read=True), on=KEY, how="left")
    missing = both.loc[both["read"].isna(), [*KEY, "category", "source"]]
    exposure = exposures[["expnum", "status", "status_reason"]]
    ccd = ccds.loc[ccds["status"] != "read", [*KEY, "status", "status_reason"]].drop_duplicates(KEY)
    found = missing.merge(exposure, on="expnum", how="left")
    found = found.merge(ccd, on=KEY, how="left", suffixes=("", "_ccd"))
    needed = np.ones(len(found), bool)
    if to_be_read is not None:
        needed = pd.MultiIndex.from_frame(found[KEY]).isin(pd.MultiIndex.from_frame(to_be_read[KEY]))
    found = found.astype(object)
    detail, ccd_detail = (found[name].fillna("no reason given") for name in ("status_reason", "status_reason_ccd"))
    reason = np.select(
        [
            found["status"].isna(),
            found["status"] != "scored",
            found["status_ccd"] == "absent",
            found["status_ccd"].notna(),
            needed,
        ],
        [
            np.full(len(found), NOT_READ, dtype=object),
            "the exposure was " + found["status"].astype(str) + ": " + detail,
            np.full(len(found), NO_SUCH_CCD, dtype=object),
            "the CCD could not be read: " + ccd_detail,
            np.full(len(found), TO_BE_READ, dtype=object),
        ],
        default=np.array(NOT_NEEDED, dtype=object),
    )
    return missing.reset_index(drop=True).assign(reason=pd.Series(reason, dtype="str"))
