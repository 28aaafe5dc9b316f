"""Who is asked about which candidate, and in which order: blind, and twice where the options say so."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.config.review import ORDERS, ReviewParams
from badexp_assets.errors import InputError
from badexp_assets.review.latest_verdicts import holding_answers

_COUNTS = ["n_bad", "n_fine", "n_unsure"]


def assign(
    candidates: pd.DataFrame, verdicts: pd.DataFrame, reviewer: str, params: ReviewParams, order: str | None = None
) -> pd.DataFrame:
    """Return `candidates` in the order in which `reviewer` should see them, with four more columns.

    `mine`: the reviewer's own answer that holds, None without one. `n_wanted`: reviewers that the exposure needs: one,
    two for the drawn share, one more while as many say bad as fine. `n_answers`: how many have answered. `open`: the
    reviewer has not, and fewer than n_wanted have. Answers are those on the whole exposure or any of its CCDs, on the
    CP version (plver) that the candidate has or on one that is not known: a new reduction is looked at again. Simulated
    reviewers do not count. What others answered does not show in the order.

    order: `rank` (of the candidates), `night` (then rank) or `information`: most doubtful first, by the entropy of
    p_bad in bits, one bit where there is none; None: that of `params`. Raises InputError for another word.
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
    """The answers that `reviewer` may see: their own, and those of others on exposures that they have answered."""
    own = verdicts.loc[verdicts["reviewer"] == reviewer, "expnum"]
    return verdicts[verdicts["expnum"].isin(own)]


def _answers(candidates: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    held = holding_answers(verdicts)
    held = held[~held["simulated"]]  # they are no people
    now = held["expnum"].map(candidates.set_index("expnum")["plver"])
    return held[
        held["expnum"].isin(candidates["expnum"]) & (held["plver"].isna() | now.isna() | (held["plver"] == now))
    ]


def _second(expnums: NDArray[np.int64], params: ReviewParams) -> NDArray[np.bool_]:
    """Which exposures are drawn for a second reviewer; the draw of one does not depend on the others."""
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
