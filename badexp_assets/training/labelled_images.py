"""Labelled CCD images that were read from the archive, and the reasons why others were not."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

KEY = ["expnum", "ccdnum"]
NOT_READ = "the exposure is not among the nights that were read"
NO_SUCH_CCD = "the exposure's file has no such CCD, or the night pass did not select it"


def one_row_per_exposure(exposures: pd.DataFrame) -> pd.DataFrame:
    """Return `night_exposures` with one row per expnum, ordered by expnum.

    An exposure has more rows if one of its files is in the folder of another night. A scored row is preferred, then
    the earlier night.
    """
    order = pd.DataFrame({"expnum": exposures["expnum"], "other": exposures["status"] != "scored"})
    order["night"] = exposures["night"].astype(str)
    chosen = order.sort_values(["expnum", "other", "night"]).drop_duplicates("expnum").index
    return exposures.loc[chosen].reset_index(drop=True)


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


def labels_without_image(
    labels: pd.DataFrame, exposures: pd.DataFrame, ccds: pd.DataFrame, categories: Collection[str]
) -> pd.DataFrame:
    """Return the `labels_without_image` table: labelled CCD images of trained `categories` that were not read.

    `labels`, `exposures`, `ccds`: `bad_ccd_labels`, `night_exposures`, `night_ccds`. The column reason is NOT_READ or
    NO_SUCH_CCD, or says why the exposure failed or was excluded, or why the CCD could not be read.
    """
    exposures = one_row_per_exposure(exposures)
    both = trained_labels(labels, categories).merge(images_read(exposures, ccds).assign(read=True), on=KEY, how="left")
    missing = both.loc[both["read"].isna(), [*KEY, "category", "source"]]
    exposure = exposures[["expnum", "status", "status_reason"]]
    ccd = ccds.loc[ccds["status"] != "read", [*KEY, "status", "status_reason"]].drop_duplicates(KEY)
    found = missing.merge(exposure, on="expnum", how="left")
    found = found.merge(ccd, on=KEY, how="left", suffixes=("", "_ccd")).astype(object)
    detail, ccd_detail = (found[name].fillna("no reason given") for name in ("status_reason", "status_reason_ccd"))
    reason = np.select(
        [found["status"].isna(), found["status"] != "scored", found["status_ccd"].notna()],
        [
            np.full(len(found), NOT_READ, dtype=object),
            "the exposure was " + found["status"].astype(str) + ": " + detail,
            "the CCD could not be read: " + ccd_detail,
        ],
        default=np.array(NO_SUCH_CCD, dtype=object),
    )
    return missing.reset_index(drop=True).assign(reason=pd.Series(reason, dtype="str"))
