"""Simulated reviewers for demonstrations and tests, who know the truth and err at given rates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.review.verdicts import tidy_verdicts


def simulate_reviewers(
    candidates: pd.DataFrame,
    truth: pd.DataFrame,
    n: int = 3,
    miss_rate: float = 0.1,
    false_alarm_rate: float = 0.05,
    unsure_rate: float = 0.05,
    seed: int = 0,
) -> pd.DataFrame:
    """Return `review_verdicts` of `n` reviewers named simulated-1, simulated-2, ... on every candidate exposure.

    `truth`: expnum and category, a row per exposure or per CCD. An exposure is bad if any of its rows is not `good`,
    and has the most frequent category of these rows; exposures that are missing are fine. A bad exposure is called fine
    with probability miss_rate, a fine one bad (in the candidate's category) with false_alarm_rate, and either unsure
    with unsure_rate, independently for each reviewer and exposure. An answer depends only on (seed, reviewer, expnum).
    The comment states the rates, and `simulated` is true.
    """
    rates = {"miss_rate": miss_rate, "false_alarm_rate": false_alarm_rate, "unsure_rate": unsure_rate}
    for name, rate in rates.items():
        if not 0 <= rate <= 1:
            raise InputError(f"simulated reviewers: {name} is {rate!r}; a probability from 0 to 1 is needed")
    if n < 1:
        raise InputError(f"simulated reviewers: n is {n!r}; at least 1 is needed")
    kinds = truth.loc[truth["category"].notna() & (truth["category"] != GOOD), ["expnum", "category"]]
    most = kinds.groupby(["expnum", "category"]).size().reset_index(name="n")
    most = most.sort_values(["expnum", "n", "category"], ascending=[True, False, True]).drop_duplicates("expnum")
    is_bad = {int(e): str(c) for e, c in zip(most["expnum"], most["category"], strict=True)}
    words = ", ".join(f"{name.removesuffix('_rate').replace('_', ' ')} {rate:g}" for name, rate in rates.items())
    rows = []
    for candidate in candidates.drop_duplicates("expnum").to_dict("records"):
        expnum = int(candidate["expnum"])
        for reviewer in range(1, n + 1):
            unsure, wrong = np.random.default_rng([seed, reviewer, expnum]).random(2)
            category = is_bad.get(expnum)
            bad = category is not None
            if wrong < (miss_rate if bad else false_alarm_rate):
                bad, category = not bad, candidate.get("category")
            verdict = "unsure" if unsure < unsure_rate else "bad" if bad else "fine"
            rows.append(
                {
                    "expnum": expnum,
                    "reviewer": f"simulated-{reviewer}",
                    "verdict": verdict,
                    "category": category if verdict == "bad" and category not in (GOOD, "unknown") else None,
                    "plver": candidate.get("plver"),
                }
            )
    table = pd.DataFrame(rows, columns=["expnum", "reviewer", "verdict", "category", "plver"], dtype=object)
    comment = f"simulated reviewer; error rates: {words}"
    return tidy_verdicts(table.assign(comment=comment, source=f"simulated, seed {seed}", simulated=True))
