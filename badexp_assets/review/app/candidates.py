"""The list of candidates as one reviewer sees it."""

from __future__ import annotations

import threading
from typing import Any

import pandas as pd

from badexp_assets.config.review import ReviewParams
from badexp_assets.errors import InputError
from badexp_assets.review.app.home_tables import HomeTables, records
from badexp_assets.review.queue import assign
from badexp_assets.review.store import VerdictStore

_SHOWN = ("expnum", "rank", "night", "filter", "category", "p_bad", "z_source", "z_background", "z_mse", "why")
_STATE = ("plver", "model", "mine", "open")


class Candidates:
    """Lists candidates; answers are read again only when there are new ones. May be used by many threads."""

    def __init__(self, tables: HomeTables, store: VerdictStore, params: ReviewParams) -> None:
        self._tables, self._store, self._params = tables, store, params
        self._answers: tuple[tuple[int, int], pd.DataFrame] | None = None
        self._lock = threading.Lock()

    def of_reviewer(self, reviewer: str, order: str | None = None) -> dict[str, Any]:
        """Return `candidates` in the reviewer's order (see `assign`), and `progress`: candidates, those that the
        reviewer has answered, that anybody has, that need no more answers, and that are open to the reviewer.

        Raises InputError for another order, or a home without candidates.
        """
        table = self._tables.read("review_candidates")
        if table is None:
            path = self._tables.home.table("review_candidates")
            raise InputError(f"{path}: no candidates in this home yet; `badexp run` makes them")
        given = assign(table, self._read(), reviewer, self._params, order)
        progress = {
            "candidates": len(given),
            "mine": int(given["mine"].notna().sum()),
            "answered": int((given["n_answers"] > 0).sum()),
            "complete": int((given["n_answers"] >= given["n_wanted"]).sum()),
            "open": int(given["open"].sum()),
        }
        columns = [name for name in (*_SHOWN, *_STATE) if name in given]
        return {"candidates": records(given[columns]), "progress": progress, "order": order or self._params.order}

    def _read(self) -> pd.DataFrame:
        state = self._store.state()
        with self._lock:
            if self._answers is None or self._answers[0] != state:
                self._answers = (state, self._store.read())
            return self._answers[1]
