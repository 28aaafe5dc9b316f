"""Orders in which a reviewer sees candidates."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.config.review_options import LEARNED_ORDERS
from badexp_assets.review.learned_ranking import Learned, bits

Array = npt.NDArray[np.floating]
_N_DIVERSE = 100  # candidates that are chosen to differ; the others follow by what was learned
_PROBABLE = 0.25  # share of the open candidates, the most probable ones, that they are chosen from


def in_order(table: pd.DataFrame, order: str, seed: int = 0, learned: Learned | None = None) -> pd.DataFrame:
    """Return the rows of `table` (candidates with the columns of `assign_candidates`), each once, in an order.

    `rank`; `night`, then rank; `information`: most uncertain first, by the binary entropy of p_bad (1 bit without
    p_bad); `random`: by `seed` and expnum alone. By what was `learned`, which leaves the answers on the candidate
    itself out (without it, and for candidates that it does not know: by rank, these last): `learned`: most probable
    first; `uncertain`: those whose answer is expected to teach most; `diverse`: probable candidates that are open, each
    as far as possible from those before it and from those that the reviewer has answered, then the rest as `learned`.
    Ties are in the order of ranks.
    """
    by_rank = table.sort_values("rank", kind="stable", ignore_index=True)
    if order == "night":
        return by_rank.sort_values("night", kind="stable", ignore_index=True)
    if order == "information":
        return _descending(by_rank, bits(by_rank["p_bad"].astype("float64").fillna(0.5).to_numpy()))
    if order == "random":
        return _descending(by_rank, random_shares(by_rank["expnum"].to_numpy(), f"{seed}:order"))
    if order not in LEARNED_ORDERS or learned is None:
        return by_rank
    places = learned.places_of(by_rank["expnum"].to_numpy())
    known, log_odds = places >= 0, np.full(len(places), -np.inf)
    if order == "uncertain":
        log_odds[known] = learned.information()[places[known]]
        return _descending(by_rank, log_odds)
    log_odds[known] = learned.log_odds[places[known]]
    found = _descending(by_rank, log_odds)
    return found if order == "learned" else _diverse(found, learned)


def random_shares(expnums: npt.NDArray[np.int64], seed: str) -> Array:
    """Return a random number from 0 to 1 for each exposure, (n,), which depends on the seed and the exposure alone."""
    digests = (hashlib.blake2b(f"{seed}:{int(e)}".encode(), digest_size=8).digest() for e in expnums)
    return np.array([int.from_bytes(digest, "big") / 2**64 for digest in digests])


def _descending(table: pd.DataFrame, values: Array) -> pd.DataFrame:
    return table.iloc[np.argsort(-values, kind="stable")].reset_index(drop=True)


def _diverse(table: pd.DataFrame, learned: Learned) -> pd.DataFrame:
    """Farthest-first traversal (Gonzalez 1985) of the most probable open candidates of `table`, which is in order."""
    places = learned.places_of(table["expnum"].to_numpy())
    pool = np.flatnonzero(table["open"].to_numpy(bool) & (places >= 0))
    pool = pool[: max(_N_DIVERSE, round(_PROBABLE * len(pool)))]
    vectors = learned.vectors[places[pool]]
    answered = learned.vectors[places[(table["mine"].notna() & (places >= 0)).to_numpy()]]
    distance = np.full(len(pool), np.inf)
    for vector in answered:
        distance = np.minimum(distance, ((vectors - vector) ** 2).sum(axis=1))
    chosen: list[int] = []
    for _ in range(min(_N_DIVERSE, len(pool))):
        best = int(np.argmax(distance))  # the most probable of those that are equally far
        chosen.append(best)
        distance = np.minimum(distance, ((vectors - vectors[best]) ** 2).sum(axis=1))
        distance[chosen] = -np.inf
    first = pool[chosen]
    rest = np.setdiff1d(np.arange(len(table)), first)
    return table.iloc[np.concatenate([first, rest])].reset_index(drop=True)
