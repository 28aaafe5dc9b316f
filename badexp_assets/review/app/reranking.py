"""What reviewers' answers teach about the candidates of a home, kept up to date while they answer."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.errors import BadExpError
from badexp_assets.io.place import change_token
from badexp_assets.review.answer_targets import answered_exposures
from badexp_assets.review.exposure_vectors import gather_vectors, read_rows_of_home
from badexp_assets.review.learned_ranking import Learned, LearnedRanking
from badexp_assets.review.queue import answers_on_candidates
from badexp_assets.survey.cameras import Camera

MAX_CANDIDATES = 5000
"""candidates whose vectors are kept in memory, those with the lowest ranks; the others follow them in every learned
order"""


class Reranking:
    """Learns from the answers on the candidates of a home. It is thread-safe.

    Vectors of the candidates are gathered in the background when they are first needed, and again for new candidates;
    until then nothing is learned. `refit_after`: new answers after which the model is fitted again.
    """

    def __init__(self, home: Home, camera: Camera, refit_after: int) -> None:
        self._home, self._camera, self._refit_after = home, camera, refit_after
        self._lock = threading.Lock()
        self._fitting = threading.Lock()  # held for seconds, while nobody holds the other
        self._gathered_for: str | None = None  # change token of review_candidates
        self._ranking: LearnedRanking | None = None
        self._trouble = ""
        self._learned: Learned | None = None
        self._fitted_at = (0, 0)

    def learn(
        self, candidates: pd.DataFrame, verdicts: pd.DataFrame, state: tuple[int, int], now: bool = False
    ) -> Learned | None:
        """Return what the answers teach; None while vectors are gathered or if they could not be.

        `state`: that of the verdict store whose answers `verdicts` are. `now`: learn from the latest answer too, and
        not only if there are `refit_after` new ones. While one call fits, others return what was learned before, unless
        they want it `now`.
        """
        with self._lock:
            self._gather(candidates)
            ranking, learned = self._ranking, self._learned
        if ranking is None or not self._is_due(state, now):
            return learned
        if not self._fitting.acquire(blocking=now):
            return learned  # another reviewer's request fits; nobody waits for it
        try:
            if self._is_due(state, now):  # else it was done meanwhile
                learned = self._fit(ranking, candidates, verdicts)
                with self._lock:
                    if ranking is self._ranking:  # else there are newer candidates
                        self._learned, self._fitted_at = learned, state
                return learned
            with self._lock:
                return self._learned
        finally:
            self._fitting.release()

    def _is_due(self, state: tuple[int, int], now: bool) -> bool:
        with self._lock:
            new = abs(state[0] - self._fitted_at[0]) + abs(state[1] - self._fitted_at[1])
            return self._learned is None or new >= (1 if now else self._refit_after)

    def status(self, learned: Learned | None) -> dict[str, Any]:
        """Return how far this has learned, for the pages; `learned`: what `learn` returned.

        state: `preparing`, `ready`, or why nothing is learned; n_answers; refit_after.
        """
        with self._lock:
            state = "ready" if learned is not None else self._trouble or "preparing"
        n_answers = learned.n_answers if learned is not None else 0
        return {"state": state, "n_answers": n_answers, "refit_after": self._refit_after}

    def _gather(self, candidates: pd.DataFrame) -> None:
        written = change_token(self._home.table("review_candidates"))
        if written == self._gathered_for:
            return
        self._gathered_for, self._ranking, self._learned, self._trouble = written, None, None, ""
        first = candidates.sort_values("rank", kind="stable").head(MAX_CANDIDATES)
        threading.Thread(target=self._gather_vectors, args=(first, written), daemon=True).start()

    def _gather_vectors(self, candidates: pd.DataFrame, written: str | None) -> None:
        ranking, trouble = None, ""
        try:
            vectors = gather_vectors(candidates, partial(read_rows_of_home, self._home), self._camera)
            ranking = LearnedRanking(candidates["rank"].to_numpy(), vectors)
        except BadExpError as error:
            trouble = f"nothing is learned: {error}"
        except Exception as error:  # else the pages would wait for ever
            trouble = f"nothing is learned ({type(error).__name__}: {error})"
        with self._lock:
            if written == self._gathered_for:  # else there are newer candidates
                self._ranking, self._trouble = ranking, trouble

    def _fit(self, ranking: LearnedRanking, candidates: pd.DataFrame, verdicts: pd.DataFrame) -> Learned:
        targets = answered_exposures(answers_on_candidates(candidates, verdicts))
        places = pd.Index(ranking.expnum).get_indexer(pd.Index(targets.index.to_numpy(np.int64)))
        return ranking.fit(places[places >= 0], targets.to_numpy()[places >= 0])
