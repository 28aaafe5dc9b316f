"""Skill of reviewers, measured by their answers to known cases that were mixed into their queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.review.verdicts import VERDICTS, in_one_spelling

BAD = "bad"
"""value of `known` in the rows of all bad cases together"""
OVERALL = (BAD, GOOD)
"""values of `known` that all cases together have"""
_INTERVAL = (0.025, 0.975)


def reviewer_skill(answers: pd.DataFrame) -> pd.DataFrame:
    """Return `review_skill`: how often each reviewer is right, by what is known of the cases.

    `answers`: expnum, ccdnum, reviewer, verdict, category and known (a category, or `good`), oldest first, as
    `VerdictStore.read_known` returns them with retracted ones. The first answer of a reviewer on a case counts, even if
    it was retracted, because the page tells after it that the case is none of the candidates. Who calls a CCD bad calls
    the exposure bad; other answers on single CCDs say nothing of the exposure, and a case that begins with one is left
    out. `unsure` is not right.

    skill is the mean of the posterior of the share of right verdicts, with a uniform prior, and low and high are its
    2.5 and 97.5 % quantiles (beta distribution). An empty table without answers.
    """
    from scipy.stats import beta

    answers = answers.assign(reviewer=in_one_spelling(answers["reviewer"]))
    first = answers.drop_duplicates(["reviewer", "expnum"])
    first = first[first["ccdnum"].isna() | (first["verdict"] == "bad")]
    first = first.assign(named=(first["verdict"] == "bad") & (first["category"] == first["known"]))
    cases = pd.concat([first, first[first["known"] != GOOD].assign(known=BAD)], ignore_index=True)
    counts = pd.DataFrame({f"n_{verdict}": cases["verdict"] == verdict for verdict in VERDICTS}).assign(
        n_named=cases["named"]
    )
    table = counts.groupby([cases["reviewer"], cases["known"]], sort=True).sum().reset_index()
    table["n"] = table[[f"n_{verdict}" for verdict in VERDICTS]].sum(axis=1)
    right = np.where(table["known"] == GOOD, table["n_fine"], table["n_bad"])
    table["skill"] = (right + 1) / (table["n"] + 2)
    for name, share in zip(("low", "high"), _INTERVAL, strict=True):
        table[name] = beta.ppf(share, right + 1, table["n"] - right + 1)
    types = dict.fromkeys(["n", "n_named", *(f"n_{verdict}" for verdict in VERDICTS)], "int32")
    types |= dict.fromkeys(["skill", "low", "high"], "float64") | dict.fromkeys(["reviewer", "known"], "str")
    return table[SCHEMAS["review_skill"].column_names].astype(types)


def skill_words(row: Mapping[str, Any]) -> str:
    """Return a row of `review_skill` in words, such as `8 of 10 right, 0.75 (0.48 to 0.94)`."""
    right = row["n_fine"] if row["known"] == GOOD else row["n_bad"]
    return f"{right} of {row['n']} right, {row['skill']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
