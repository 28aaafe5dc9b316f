"""Assignment of candidates to reviewers: their order, and how many reviewers each one needs."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.config.review_options import ORDERS, ReviewParams
from badexp_assets.errors import InputError
from badexp_assets.review.verdicts import latest_verdict_per_reviewer

_COUNTS = ["n_bad", "n_fine", "n_unsure"]


def assign_candidates(
    candidates: pd.DataFrame, verdicts: pd.DataFrame, reviewer: str, params: ReviewParams, order: str | None = None
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
    answers = _answers(table, verdicts)
    own = answers[answers["reviewer"] == reviewer].drop_duplicates("expnum", keep="last").set_index("expnum")["verdict"]
    counts = answers.drop_duplicates(["expnum", "reviewer"], keep="last").groupby("expnum")["verdict"].value_counts()
    tally = counts.unstack(fill_value=0).rename(columns="n_{}".format).reindex(columns=_COUNTS, fill_value=0)
    tally = tally.reindex(table["expnum"], fill_value=0).reset_index(drop=True)
    tie = params.third_on_tie & (tally["n_bad"] > 0) & (tally["n_bad"] == tally["n_fine"])
    wanted = 1 + _second(table["expnum"].to_numpy(), params)
    answered = tally[_COUNTS].sum(axis=1).to_numpy()
    table["mine"] = table["expnum"].map(own).astype(object).where(table["expnum"].isin(own.index), None)
    table["n_wanted"] = np.maximum(wanted, np.where(tie, answered + 1, 0)).astype("int8")
    table["n_answers"] = answered.astype("int16")
    table["open"] = table["mine"].isna() & (answered < table["n_wanted"])
    return _ordered(table, order)


def visible_answers(verdicts: pd.DataFrame, reviewer: str) -> pd.DataFrame:
    """Return the answers that `reviewer` may see: their own, and others' on exposures that they have answered."""
    own = verdicts.loc[verdicts["reviewer"] == reviewer, "expnum"]
    return verdicts[verdicts["expnum"].isin(own)]


def _answers(candidates: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    held = latest_verdict_per_reviewer(verdicts)
    held = held[~held["simulated"]]
    now = held["expnum"].map(candidates.set_index("expnum")["plver"])
    return held[
        held["expnum"].isin(candidates["expnum"]) & (held["plver"].isna() | now.isna() | (held["plver"] == now))
    ]


def _second(expnums: NDArray[np.int64], params: ReviewParams) -> NDArray[np.bool_]:
    """Return which exposures get a second reviewer, a random choice that is independent for each exposure."""
    digests = (hashlib.blake2b(f"{params.seed}:{int(e)}".encode(), digest_size=8).digest() for e in expnums)
    shares = np.array([int.from_bytes(digest, "big") / 2**64 for digest in digests])
    return shares < params.second_share


def _ordered(table: pd.DataFrame, order: str) -> pd.DataFrame:
    if order == "night":
        return table.sort_values(["night", "rank"], kind="stable").reset_index(drop=True)
    if order == "information":
        p = table["p_bad"].astype("float64").fillna(0.5).clip(1e-9, 1 - 1e-9)
        bits: pd.Series = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
        return (
            table.assign(_bits=-bits)
            .sort_values(["_bits", "rank"], kind="stable", ignore_index=True)
            .drop(columns="_bits")
        )
    return table.sort_values("rank", kind="stable").reset_index(drop=True)
