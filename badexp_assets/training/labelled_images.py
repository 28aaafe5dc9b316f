"""Which labelled CCD images were read from the archive, and why the others were not."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

KEY = ["expnum", "ccdnum"]
NOT_READ = "the exposure is not among the nights that were read"
NO_SUCH_CCD = "the exposure's file has no such CCD, or the night pass did not want it"


def one_row_each(exposures: pd.DataFrame) -> pd.DataFrame:
    """Return `night_exposures` with every expnum once, by expnum: the scored row before others, then by night.

    A file in the folder of another night gives its exposure a second, excluded row there.
    """
    order = pd.DataFrame({"expnum": exposures["expnum"], "other": exposures["status"] != "scored"})
    order["night"] = exposures["night"].astype(str)
    chosen = order.sort_values(["expnum", "other", "night"]).drop_duplicates("expnum").index
    return exposures.loc[chosen].reset_index(drop=True)


def images_read(exposures: pd.DataFrame, ccds: pd.DataFrame) -> pd.DataFrame:
    """Return (expnum, ccdnum), sorted, of the images of scored exposures that the night pass read (status `read`).

    Failed and excluded exposures (not usable CP products) have none.
    """
    scored = exposures.loc[exposures["status"] == "scored", "expnum"]
    read = ccds.loc[(ccds["status"] == "read") & ccds["expnum"].isin(scored), KEY].drop_duplicates()
    return read.astype({"expnum": "int64", "ccdnum": "int16"}).sort_values(KEY).reset_index(drop=True)


def trained_labels(labels: pd.DataFrame, categories: Collection[str]) -> pd.DataFrame:
    """Return the rows of `bad_ccd_labels` of the trained `categories`, each CCD image once, by (expnum, ccdnum)."""
    trained = labels[labels["category"].isin(list(categories))].astype({"expnum": "int64", "ccdnum": "int16"})
    return trained.sort_values([*KEY, "source", "category"]).drop_duplicates(KEY).reset_index(drop=True)


def without_image(
    labels: pd.DataFrame, exposures: pd.DataFrame, ccds: pd.DataFrame, categories: Collection[str]
) -> pd.DataFrame:
    """Return the labelled CCD images of trained `categories` that were not read: the `labels_without_image` table.

    `labels`, `exposures`, `ccds`: `bad_ccd_labels`, `night_exposures`, `night_ccds`. The reason is one of: the
    exposure is not among the nights that were read; it failed or was excluded, and why; the CCD could not be read, and
    why; its file has no such CCD.
    """
    exposures = one_row_each(exposures)
    both = trained_labels(labels, categories).merge(images_read(exposures, ccds).assign(read=True), on=KEY, how="left")
    missing = both.loc[both["read"].isna(), [*KEY, "category", "source"]]
    exposure = exposures[["expnum", "status", "status_reason"]].rename(
        columns={"status": "e_status", "status_reason": "e_reason"}
    )
    ccd = ccds.loc[ccds["status"] != "read", [*KEY, "status", "status_reason"]].drop_duplicates(KEY)
    found = missing.merge(exposure, on="expnum", how="left").merge(ccd, on=KEY, how="left")
    detail = found["e_reason"].astype(object).where(found["e_reason"].notna(), "no reason given")
    ccd_detail = found["status_reason"].astype(object).where(found["status_reason"].notna(), "no reason given")
    reason = np.select(
        [
            found["e_status"].isna().to_numpy(dtype=bool),
            (found["e_status"] != "scored").to_numpy(dtype=bool, na_value=False),
            found["status"].notna().to_numpy(dtype=bool),
        ],
        [
            np.full(len(found), NOT_READ, dtype=object),
            ("the exposure was " + found["e_status"].astype(object).astype(str) + ": " + detail).to_numpy(dtype=object),
            ("the CCD could not be read: " + ccd_detail).to_numpy(dtype=object),
        ],
        default=np.array(NO_SUCH_CCD, dtype=object),
    )
    found = found[[*KEY, "category", "source"]].assign(reason=pd.Series(reason, dtype="str"))
    return found.reset_index(drop=True)
