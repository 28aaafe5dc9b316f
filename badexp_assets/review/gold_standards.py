"""Gold standards: known cases that are mixed into the queues of reviewers, who can't tell them from candidates."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.review.orders import in_order, random_shares
from badexp_assets.review.verdicts import latest_verdict_per_reviewer, own_verdicts

_RESERVED = 0.5  # share of the known cases that may be mixed in; the others are for practice and examples
_GOOD_EVERY = 3  # every third one is good


def n_wanted(n_candidates: int, share: float) -> int:
    """Return how many known cases make up a `share` of a queue with this number of candidates."""
    return round(n_candidates * share / (1 - share))


def is_reserved(cases: pd.DataFrame, seed: int) -> npt.NDArray[np.bool_]:
    """Return which of the known `cases` may be mixed into a queue, now or when it is longer: a random half, by `seed`.

    They are no examples and not practised with, since reviewers would know them again.
    """
    return _draw(cases, seed) < _RESERVED


def choose_gold(cases: pd.DataFrame, n: int, seed: int, has_picture: Callable[[int, str], bool]) -> pd.DataFrame:
    """Return up to `n` of the known `cases` (see `known_cases`) to mix into queues.

    They are reserved ones (see `is_reserved`), in a random order in which every third one is good and the bad
    ones take turns through the categories; the first `n` that can be shown (`has_picture`: of expnum and night) are
    chosen, so that a longer queue keeps those of a shorter one.
    """
    pool = cases.assign(draw=_draw(cases, seed))[is_reserved(cases, seed)].sort_values("draw", kind="stable")
    good, bad = pool[pool["category"] == GOOD], pool[pool["category"] != GOOD]
    turn = bad.groupby("category").cumcount().to_numpy()
    bad = bad.assign(turn=turn).sort_values("turn", kind="stable")
    places = np.concatenate([_GOOD_EVERY * (np.arange(len(good)) + 1.0), np.arange(len(bad)) * 1.5 + 1])
    queue = pd.concat([good, bad]).iloc[np.argsort(places, kind="stable")]
    shown = (
        k
        for k, (expnum, night) in enumerate(zip(queue["expnum"], queue["night"], strict=True))
        if has_picture(int(expnum), str(night))
    )
    return queue.iloc[list(islice(shown, n))][list(cases)].reset_index(drop=True)


def mix_in(
    assigned: pd.DataFrame, gold: pd.DataFrame, answers: pd.DataFrame, reviewer: str, order: str, seed: int
) -> pd.DataFrame:
    """Return the candidates `assigned` to a reviewer (see `assign_candidates`) with `gold` cases among them.

    `gold`: expnum, night, filter, plver, model. `answers`: those to known cases. Each case goes with a candidate that
    is drawn by `seed`: it is open to the reviewer where that candidate is or was, and comes after it, except in the
    orders `night` and `random`, in which it has a place of its own, and `information`, in which it comes after another
    candidate, or else it would be the one that never leaves its candidate. So neither its place nor when it disappears
    tells what it is. Scores, category and rank are missing; they must be hidden of candidates, too.
    """
    company = _company(assigned, f"{seed}:company", len(gold))
    beside = assigned.iloc[company]
    gold = gold.head(len(company))
    held = latest_verdict_per_reviewer(answers)
    own = own_verdicts(held, reviewer)
    mine = gold["expnum"].map(own).astype(object).where(gold["expnum"].isin(own.index), None)
    n_answers = held.drop_duplicates(["expnum", "reviewer"])["expnum"].value_counts()
    was_open = (beside["open"] | beside["mine"].notna()).to_numpy(bool)
    rows = gold[["expnum", "night", "filter", "plver", "model"]].assign(
        why="",
        mine=mine,
        n_wanted=beside["n_wanted"].to_numpy(),
        n_answers=gold["expnum"].map(n_answers).fillna(0).astype("int16"),
        open=mine.isna().to_numpy() & was_open,
    )
    table = pd.concat([assigned.astype({"rank": "Int64"}), rows], ignore_index=True)
    if order == "random":
        return in_order(table, order, seed)
    if order == "information" and not assigned["rank"].is_monotonic_increasing:
        company = _company(assigned, f"{seed}:information", len(gold))
    places = np.concatenate([np.arange(len(assigned), dtype=np.float64), company + 0.5])
    table = table.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)
    return table.sort_values("night", kind="stable", ignore_index=True) if order == "night" else table


def _draw(cases: pd.DataFrame, seed: int) -> npt.NDArray[np.floating]:
    return random_shares(cases["expnum"].to_numpy(np.int64), f"{seed}:gold")


def _company(assigned: pd.DataFrame, seed: str, n: int) -> npt.NDArray[np.int64]:
    """Return the places of the candidates that `n` cases go with, drawn by `seed`."""
    return np.argsort(random_shares(assigned["expnum"].to_numpy(np.int64), seed), kind="stable")[:n]
