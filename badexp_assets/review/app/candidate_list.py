"""Candidates and answers as one reviewer may see them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pandas as pd

from badexp_assets.config.review_options import LEARNED_ORDERS, ConsensusRule, ReviewParams
from badexp_assets.errors import InputError
from badexp_assets.review.app.hidden_scores import without_scores_of_row
from badexp_assets.review.app.home_tables import HomeTables, records
from badexp_assets.review.app.known_exposures import KnownExposures
from badexp_assets.review.app.reranking import Reranking
from badexp_assets.review.app.survey_numbers import RANKED, SurveyNumbers
from badexp_assets.review.app.tag_list import TagList, no_tags
from badexp_assets.review.gold_standards import mix_in
from badexp_assets.review.learned_ranking import Learned
from badexp_assets.review.queue import answers_on_candidates, assign_candidates, visible_answers
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.verdicts import is_reviewer, own_verdicts

_SHOWN = (
    "expnum",
    "rank",
    "night",
    "filter",
    "category",
    "p_bad",
    "z_source",
    "z_background",
    "z_mse",
    "n_methods",
    "score",
    "why",
)
_STATE = ("plver", "model", "mine", "open")
_EXPOSURE = ("expnum", "filter", "plver")
_PREDICTED = ("expnum", "category", "p_bad", "model")
_NOT_MEASURED = dict.fromkeys(RANKED)
_OWN = ("id", "expnum", "ccdnum", "verdict", "category", "comment", "at")
_OF_OTHERS = ("reviewer", "ccdnum", "verdict", "category", "comment", "at", "simulated")


class CandidateList:
    """Lists candidates, and known cases among them; answers are read again only if there are new ones.

    It is thread-safe.
    """

    def __init__(
        self,
        tables: HomeTables,
        store: VerdictStore,
        params: ReviewParams,
        rule: ConsensusRule,
        reranking: Reranking,
        known: KnownExposures,
        tags: TagList,
        numbers: SurveyNumbers,
    ) -> None:
        self._tables, self._store, self._params, self._rule = tables, store, params, rule
        self.reranking = reranking
        self._known, self.tags, self._numbers = known, tags, numbers
        self._answers: tuple[tuple[int, int], pd.DataFrame, pd.DataFrame] | None = None
        self._lock = threading.Lock()

    def of_reviewer(
        self,
        reviewer: str,
        order: str | None = None,
        hidden: bool = False,
        now: bool = False,
        also: Sequence[int] = (),
    ) -> dict[str, Any]:
        """Return `candidates` in the reviewer's order (see `assign_candidates`), `progress`, `learning` and `tags`.

        Known cases among them count like candidates. Progress counts all candidates, and those answered by the
        reviewer, answered by anybody, complete (no more answers needed) and open to the reviewer. `learning`: see
        `Reranking.status`; None if the order is not learned. `tags`: visible ones, most frequent first. Rows have the
        numbers of RANKED, which are None while they are `collecting`. `hidden`: leave out the scores of candidates that
        the reviewer has not answered. `now`: learn from the latest answers, too. `also`: exposures of the home that
        come after the candidates, marked as `beside`, if they are none. Raises InputError for an unknown order or a
        home without candidates.
        """
        order = order or self._params.order
        given, learned, verdicts = self._given(reviewer, order, now)
        columns = [name for name in (*_SHOWN, *_STATE) if name in given]
        rows = records(given[columns])
        listed = set(given["expnum"].tolist())
        rows += self._beside([e for e in also if e not in listed], columns, reviewer, verdicts)
        if hidden:
            rows = [row if row["mine"] is not None else without_scores_of_row(row) for row in rows]
        measured = self._measured([row["expnum"] for row in rows])
        rows = [row | (measured or {}).get(row["expnum"], _NOT_MEASURED) for row in rows]
        tags, in_use = self.tags.of_exposures(reviewer, self.answered_by(reviewer))
        rows = [row | tags.get(row["expnum"], no_tags()) for row in rows]
        learning = self.reranking.status(learned) if order in LEARNED_ORDERS else None
        found = {"candidates": rows, "progress": _progress(given), "order": order, "learning": learning}
        return found | {"tags": in_use, "collecting": measured is None}

    def _measured(self, expnums: Sequence[int]) -> dict[int, dict[str, Any]] | None:
        """Return seeing, sky and the other numbers of RANKED of exposures; None while they are collected."""
        survey = self._numbers.of_survey()
        if survey is None:
            return None
        here = survey[survey["expnum"].isin(expnums)].drop_duplicates("expnum")
        return dict(zip(here["expnum"].tolist(), records(here[list(RANKED)]), strict=True))

    def progress(self, reviewer: str) -> dict[str, int]:
        """Return `progress` of `of_reviewer`, which is the same in all orders."""
        return _progress(self._given(reviewer, "rank")[0])

    def _given(self, reviewer: str, order: str, now: bool = False) -> tuple[pd.DataFrame, Learned | None, pd.DataFrame]:
        """Return what the reviewer gets in this order, known cases among it, what it has learned, and all answers."""
        table = self._tables.read("review_candidates")
        if table is None:
            path = self._tables.home.table("review_candidates")
            raise InputError(f"{path}: no candidates in this home yet; `badexp run` makes them")
        state, verdicts, known = self._read()
        learned = self.reranking.learn(table, verdicts, state, now) if order in LEARNED_ORDERS else None
        skill = self._tables.read("review_skill") if self._params.skill_weights else None
        given = assign_candidates(table, verdicts, reviewer, self._params, order, learned, self._rule, skill)
        if self._params.gold_share:
            given = mix_in(given, self._known.gold(), known, reviewer, order, self._params.seed)
        return given, learned, verdicts

    def _beside(
        self, expnums: Sequence[int], columns: Sequence[str], reviewer: str, verdicts: pd.DataFrame
    ) -> list[dict[str, Any]]:
        """Return rows of exposures that are no candidates; those that the home does not have are left out."""
        mine = own_verdicts(verdicts, reviewer).to_dict()
        rows = []
        for expnum in dict.fromkeys(expnums):
            night = self._tables.night_of(expnum)
            exposure = self._tables.row("night_exposures", expnum, night, _EXPOSURE) if night else None
            if exposure is None:
                continue
            predicted = self._tables.row("night_exposure_predictions", expnum, night, _PREDICTED) or {}
            known = predicted | exposure | {"night": night, "why": "", "mine": mine.get(expnum)}
            known["open"] = known["mine"] is None
            rows.append({name: known.get(name) for name in columns} | {"beside": True})
        return rows

    def own_verdicts_on(self, reviewer: str, expnums: Sequence[int]) -> dict[int, str | None]:
        """Return the reviewer's verdict on exposures as `of_reviewer` lists it (`mine`); None where there is none."""
        _, verdicts, known = self._read()
        verdicts, known = verdicts[verdicts["expnum"].isin(expnums)], known[known["expnum"].isin(expnums)]
        table = self._tables.read("review_candidates", columns=("expnum", "plver"))
        listed = table if table is None else table[table["expnum"].isin(expnums)]
        found = own_verdicts(pd.concat([verdicts, known]), reviewer).to_dict()
        if listed is not None:
            of_version = own_verdicts(answers_on_candidates(listed, verdicts), reviewer)
            found |= {int(expnum): of_version.get(expnum) for expnum in listed["expnum"]}
        return {expnum: found.get(expnum) for expnum in expnums}

    def answered_by(self, reviewer: str) -> set[int]:
        """Return the exposures that a reviewer has answered."""
        _, *tables = self._read()
        return {int(e) for table in tables for e in table.loc[is_reviewer(table["reviewer"], reviewer), "expnum"]}

    def _read(self) -> tuple[tuple[int, int], pd.DataFrame, pd.DataFrame]:
        """Return the state of the store, the answers to candidates, and those to known cases."""
        state = self._store.state()
        with self._lock:
            if self._answers is None or self._answers[0] != state:
                self._answers = (state, self._store.read(), self._store.read_known())
            return self._answers


def _progress(given: pd.DataFrame) -> dict[str, int]:
    return {
        "candidates": len(given),
        "mine": int(given["mine"].notna().sum()),
        "answered": int((given["n_answers"] > 0).sum()),
        "complete": int((given["n_answers"] >= given["n_wanted"]).sum()),
        "open": int(given["open"].sum()),
    }


def answers_on(store: VerdictStore, reviewer: str, expnum: int) -> dict[str, Any]:
    """Return `mine`, the reviewer's answers on an exposure, and `others`, which stays empty without `mine`."""
    visible = visible_answers(store.read_with_ids(expnum=expnum, known=True), reviewer)
    mine = is_reviewer(visible["reviewer"], reviewer)
    return {"mine": records(visible[mine][list(_OWN)]), "others": records(visible[~mine][list(_OF_OTHERS)])}


def latest_answers(store: VerdictStore, reviewer: str, n: int) -> list[dict[str, Any]]:
    """Return the reviewer's `n` latest answers that were not undone, latest first."""
    return records(store.read_with_ids(reviewer=reviewer, known=True).tail(n).iloc[::-1][list(_OWN)])
