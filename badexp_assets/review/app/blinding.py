"""Which answers a reviewer gets to see: blind until they have answered themselves."""

from __future__ import annotations

from typing import Any

import pandas as pd

from badexp_assets.review.app.home_tables import records
from badexp_assets.review.queue import visible_answers
from badexp_assets.review.store import VerdictStore

_OWN = ("id", "expnum", "ccdnum", "verdict", "category", "comment", "at")
_OF_OTHERS = ("reviewer", "ccdnum", "verdict", "category", "comment", "at", "simulated")


def answers_on(store: VerdictStore, reviewer: str, expnum: int) -> dict[str, Any]:
    """Return `mine`, the reviewer's answers on an exposure, and `others`, which is empty as long as `mine` is."""
    visible = visible_answers(store.read_with_ids(expnum=expnum), reviewer)
    mine = visible["reviewer"] == reviewer
    return {"mine": _rows(visible[mine], _OWN), "others": _rows(visible[~mine], _OF_OTHERS)}


def latest_answers(store: VerdictStore, reviewer: str, n: int) -> list[dict[str, Any]]:
    """Return the reviewer's `n` latest answers that were not taken back, the last first."""
    return _rows(store.read_with_ids(reviewer=reviewer).tail(n).iloc[::-1], _OWN)


def _rows(answers: pd.DataFrame, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    return records(answers[list(columns)])
