"""Practice: rounds of exposures whose answer is known, with feedback. Nothing of it is stored or counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Literal

import numpy as np
import pandas as pd

from badexp_assets.labels.taxonomy import GOOD

CASE = ("expnum", "night", "category", "source", "reason")
REVIEW = "review"
"""source of labels that are answers of reviewers, which are no truth for other reviewers"""
Judgement = Literal["right", "other category", "wrong", "unsure"]
_HIGHEST_P_BAD = 0.2  # of a good exposure
_SHARE_GOOD = 1 / 3  # of a round


def known_cases(
    labels: pd.DataFrame, exposures: pd.DataFrame, candidates: Collection[int], called_bad: Collection[int] = ()
) -> pd.DataFrame:
    """Return the exposures whose answer is known, with the columns of CASE; category `good` means fine.

    Bad are exposures to which a label list gives one category as a whole. Good are those that were read, that no list
    names and no reviewer calls bad, and that the classifier, if there is one, does not call bad and gives P(bad) below
    0.2. Candidates, on which reviewers are blind, and exposures that reviewers have labelled are left out.

    `labels`: bad_ccd_labels; `exposures`: expnum, night, status, is_bad and p_bad of the exposures of the home;
    `called_bad`: see `exposures_called_bad`.
    """
    free = exposures[~exposures["expnum"].isin(candidates)]
    reviewed = set(labels.loc[labels["source"] == REVIEW, "expnum"])
    whole = labels[labels["whole_exposure"].astype(bool) & ~labels["expnum"].isin(reviewed)]
    whole = whole.drop_duplicates(["expnum", "category"])
    bad = whole[~whole["expnum"].duplicated(keep=False)].merge(free[["expnum", "night"]], on="expnum")
    low = free["p_bad"].isna() | (free["p_bad"] < _HIGHEST_P_BAD)
    named = {*labels["expnum"], *called_bad}
    good = free[(free["status"] == "scored") & ~free["is_bad"] & low & ~free["expnum"].isin(named)]
    good = good[["expnum", "night"]].assign(category=GOOD, source="", reason="no list names it and no method flags it")
    cases = pd.concat([bad[list(CASE)], good[list(CASE)]], ignore_index=True)
    return cases.assign(reason=cases["reason"].fillna("")).sort_values("expnum", ignore_index=True)


def choose_round(
    cases: pd.DataFrame, reviewer: str, number: int, n: int, has_picture: Callable[[int, str], bool]
) -> list[int]:
    """Return the expnums of up to `n` cases for a round (from 1) of a reviewer, in random order, always the same ones.

    About a third is good. The bad ones take turns through the categories, so that rare ones come as often as others.
    `has_picture`: whether an exposure (expnum, night) can be shown.
    """
    seed = int.from_bytes(hashlib.blake2b(f"{reviewer}:{number}".encode(), digest_size=4).digest(), "big")
    shuffled = cases.sample(frac=1, random_state=seed)

    def take(rows: pd.DataFrame, most: int) -> list[int]:
        shown: Iterator[int] = (
            int(e) for e, night in zip(rows["expnum"], rows["night"], strict=True) if has_picture(int(e), str(night))
        )
        return list(islice(shown, most))

    good, bad = shuffled[shuffled["category"] == GOOD], shuffled[shuffled["category"] != GOOD]
    turn = bad.groupby("category").cumcount()
    found_bad = take(bad.loc[turn.sort_values(kind="stable").index], n)
    found_good = take(good, max(round(n * _SHARE_GOOD), n - len(found_bad)))
    chosen = np.array([*found_good, *found_bad[: n - len(found_good)]], dtype=np.int64)
    return [int(e) for e in np.random.default_rng(seed).permutation(chosen)]


def judge(known: str, verdict: str, category: str | None) -> Judgement:
    """Return how an answer (bad, fine or unsure, and perhaps a category) compares with the known category."""
    if verdict == "unsure":
        return "unsure"
    if (verdict == "bad") != (known != GOOD):
        return "wrong"
    return "other category" if verdict == "bad" and category not in (None, known) else "right"
