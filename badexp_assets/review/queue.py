"""Assignment of candidates to reviewers: their order, and how many reviewers each one needs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.config.review_options import ORDERS, ReviewParams
from badexp_assets.errors import InputError
from badexp_assets.review.learned_ranking import Learned
from badexp_assets.review.orders import in_order, random_shares
from badexp_assets.review.verdicts import is_reviewer, latest_verdict_per_reviewer, own_verdicts

_COUNTS = ["n_bad", "n_fine", "n_unsure"]


def assign_candidates(
    candidates: pd.DataFrame,
    verdicts: pd.DataFrame,
    reviewer: str,
    params: ReviewParams,
    order: str | None = None,
    learned: Learned | None = None,
) -> pd.DataFrame:
    """Return `candidates` in the order in which `reviewer` should see them, with four additional columns.

    - `mine`: the reviewer's own latest answer, or None.
    - `n_wanted`: number of reviewers needed: one, two for a random share of the exposures, and one more while as many
      say bad as fine. `n_answers`: number of reviewers who have answered.
    - `open`: the reviewer has not answered, and fewer than n_wanted have.

    Answers on the whole exposure and on any of its CCDs count if they are on the CP version (plver) of the candidate or
    on an unknown version, so a new reduction is reviewed again. Simulated reviewers do not count. The order does not
    reveal the answers of others.

    `order`: `rank` (of the candidates), `night` (then rank) or `information` (most uncertain first, by the binary
    entropy of p_bad; 1 bit without p_bad); None: that of `params`. Raises InputError for other values.
    """
    order = order or params.order
    if order not in ORDERS:
        raise InputError(f"review: order is {order!r}; allowed: {', '.join(ORDERS)}")
    table = candidates.reset_index(drop=True)
    answers = answers_on_candidates(table, verdicts)
    own = own_verdicts(answers, reviewer)
    counts = answers.drop_duplicates(["expnum", "reviewer"], keep="last").groupby("expnum")["verdict"].value_counts()
    tally = counts.unstack(fill_value=0).rename(columns="n_{}".format).reindex(columns=_COUNTS, fill_value=0)
    tally = tally.reindex(table["expnum"], fill_value=0).reset_index(drop=True)
    tie = params.third_on_tie & (tally["n_bad"] > 0) & (tally["n_bad"] == tally["n_fine"])
    # a random choice that is independent for each exposure
    wanted = 1 + (random_shares(table["expnum"].to_numpy(), f"{params.seed}") < params.second_share)
    answered = tally[_COUNTS].sum(axis=1).to_numpy()
    table["mine"] = table["expnum"].map(own).astype(object).where(table["expnum"].isin(own.index), None)
    table["n_wanted"] = np.maximum(wanted, np.where(tie, answered + 1, 0)).astype("int8")
    table["n_answers"] = answered.astype("int16")
    table["open"] = table["mine"].isna() & (answered < table["n_wanted"])
    return in_order(table, order, params.seed, learned)


def visible_answers(verdicts: pd.DataFrame, reviewer: str) -> pd.DataFrame:
    """Return the answers that `reviewer` may see: their own, and others' on exposures that they have answered."""
    own = verdicts.loc[is_reviewer(verdicts["reviewer"], reviewer), "expnum"]
    return verdicts[verdicts["expnum"].isin(own)]


def answers_on_candidates(candidates: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the latest answers of people, oldest first, that count for the CP versions of the candidates."""
    held = latest_verdict_per_reviewer(verdicts)
    held = held[~held["simulated"]]
    now = held["expnum"].map(candidates.set_index("expnum")["plver"])
    return held[
        held["expnum"].isin(candidates["expnum"]) & (held["plver"].isna() | now.isna() | (held["plver"] == now))
    ]
