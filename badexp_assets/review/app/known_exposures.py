"""Exposures of a home whose answer is known: some for practice and as examples, some to mix into queues."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pandas as pd

from badexp_assets.config.review_options import ReviewParams
from badexp_assets.errors import StorageError
from badexp_assets.io.place import change_token
from badexp_assets.review.app.home_tables import HomeTables
from badexp_assets.review.app.survey_numbers import SurveyNumbers
from badexp_assets.review.consensus import exposures_called_bad
from badexp_assets.review.gold_standards import choose_gold, is_reserved, n_wanted
from badexp_assets.review.practice import known_cases

_LABEL = ("expnum", "category", "source", "reason", "whole_exposure")
_TABLES = ("bad_ccd_labels", "review_candidates", "review_outcomes")


@dataclass(frozen=True)
class _Known:
    """Known cases for practice, those that are mixed into queues, and the categories of these by expnum.

    `reserved`: exposures that are no examples, because they are mixed into queues, or may be later.
    """

    practice: pd.DataFrame
    reserved: frozenset[int]
    gold: pd.DataFrame
    category_of: dict[int, str]


class KnownExposures:
    """Finds the known cases of a home, again only if labels, candidates, outcomes or exposures have changed.

    It is thread-safe. Methods raise StorageError, which asks to try again, while the exposures of the survey are being
    collected.
    """

    def __init__(self, tables: HomeTables, numbers: SurveyNumbers, params: ReviewParams) -> None:
        self._tables, self._numbers, self._params = tables, numbers, params
        self._lock = threading.Lock()
        self._found: tuple[pd.DataFrame, list[str | None], _Known] | None = None

    def for_practice(self) -> pd.DataFrame:
        """Return the known cases (see `known_cases`) that are not mixed into queues, now or later."""
        return self._known().practice

    def reserved(self) -> frozenset[int]:
        """Return the exposures that are mixed into queues, or may be later; none without `gold_share`."""
        return self._known().reserved if self._params.gold_share else frozenset()

    def gold(self) -> pd.DataFrame:
        """Return the cases that are mixed into queues, with filter, plver and model; none without `gold_share`."""
        return self._known().gold

    def gold_categories(self) -> dict[int, str]:
        """Return the known category of each exposure that is mixed into queues; none without `gold_share`."""
        return self._known().category_of if self._params.gold_share else {}

    def has_picture(self, expnum: int, night: str) -> bool:
        """Return whether an exposure of a night can be shown."""
        return self._tables.row("night_previews", expnum, night, ("expnum",)) is not None

    def _known(self) -> _Known:
        exposures = self._numbers.of_survey()
        if exposures is None:
            raise StorageError("the exposures of the survey are being collected; try again in some seconds")
        versions = [change_token(self._tables.home.table(asset)) for asset in _TABLES]
        with self._lock:
            if self._found is None or self._found[0] is not exposures or self._found[1] != versions:
                self._found = (exposures, versions, self._find(exposures))
            return self._found[2]

    def _find(self, exposures: pd.DataFrame) -> _Known:
        labels, candidates = self._tables.read(_TABLES[0], columns=_LABEL), self._tables.read(_TABLES[1])
        outcomes = self._tables.read(_TABLES[2])
        none = pd.DataFrame(columns=list(_LABEL)).astype({"expnum": "int64", "whole_exposure": bool})
        cases = known_cases(
            none if labels is None else labels,
            exposures,
            set() if candidates is None else set(candidates["expnum"]),
            set() if outcomes is None else exposures_called_bad(outcomes),
        )
        share, n = self._params.gold_share, 0 if candidates is None else len(candidates)
        gold = choose_gold(cases, n_wanted(n, share), self._params.seed, self.has_picture)
        bands = exposures.drop_duplicates("expnum").set_index("expnum")["filter"].astype(object)
        rows = [self._row(int(e), str(night)) for e, night in zip(gold["expnum"], gold["night"], strict=True)]
        gold = gold.assign(
            filter=gold["expnum"].map(bands),
            plver=pd.Series([plver for plver, _ in rows], dtype=object),
            model=pd.Series([model for _, model in rows], dtype=object),
        )
        categories = dict(zip(gold["expnum"].tolist(), gold["category"].tolist(), strict=True))
        apart = is_reserved(cases, self._params.seed) & (share > 0)
        reserved = frozenset(cases.loc[apart, "expnum"].tolist())
        return _Known(cases[~apart].reset_index(drop=True), reserved, gold, categories)

    def _row(self, expnum: int, night: str) -> tuple[str | None, str | None]:
        """Return the CP version of an exposure, and the version of the classifier that scored it."""
        exposure = self._tables.row("night_exposures", expnum, night, ("expnum", "plver")) or {}
        predicted = self._tables.row("night_exposure_predictions", expnum, night, ("expnum", "model")) or {}
        return exposure.get("plver"), predicted.get("model")
