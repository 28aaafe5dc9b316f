"""What answers say about exposures, as targets of a model that learns from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from badexp_assets.review.reliability import estimate_reliability


def answered_exposures(answers: pd.DataFrame) -> pd.Series:
    """Return P(bad) of answered exposures by expnum: 1 if all say bad, 0 if all say fine.

    `answers`: expnum, ccdnum, plver, reviewer, verdict, the latest answer of a reviewer on each, oldest first. A
    reviewer who calls a CCD bad calls its exposure bad. If reviewers contradict each other, their answers are weighted
    by their reliability (`estimate_reliability`), at even odds before them. Unsure answers are left out, and exposures
    with no others. So are CCDs that are fine: they say nothing about the rest.
    """
    bad = answers["verdict"] == "bad"
    kept = answers[bad | ((answers["verdict"] == "fine") & answers["ccdnum"].isna())]
    said = kept.assign(bad=kept["verdict"] == "bad").groupby(["expnum", "reviewer"], sort=True)["bad"].any()
    share = said.groupby("expnum").mean().astype("float64")
    contradicted = share.index[(share > 0) & (share < 1)]
    if len(contradicted):
        reliability = replace(estimate_reliability(answers), share_bad=0.5)
        for expnum in contradicted:
            of_reviewer = said.loc[expnum]
            words = [(str(name), "bad" if bad else "fine") for name, bad in of_reviewer.items()]
            share[expnum] = reliability.p_bad(words)
    return share if len(share) else pd.Series(dtype="float64", index=pd.Index([], dtype=np.int64, name="expnum"))
