"""What surrounds an exposure: its night, its place in the band, and a good exposure to compare it with."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.review.app.ccd_overlay import ccds_of
from badexp_assets.review.app.home_tables import HomeTables, records
from badexp_assets.review.app.known_exposures import KnownExposures
from badexp_assets.review.app.survey_numbers import SurveyNumbers

SAME_FIELD = 0.5  # deg between pointings
_NEIGHBOURS = 5  # before, and as many after
_TRIED = 8  # comparison exposures whose preview is looked for
_PREVIEW = ("expnum", "width", "height", "ccds")
_TREND = ("expnum", "filter", "mjd_obs", "seeing", "sky_rate", "zero_point", "p_bad")
_HIGHEST_P_BAD = 0.5


class Surroundings:
    """Finds what surrounds an exposure. Nothing of it depends on answers of reviewers, which it must not reveal."""

    def __init__(self, tables: HomeTables, numbers: SurveyNumbers, known: KnownExposures) -> None:
        self._tables, self._numbers, self._known = tables, numbers, known

    def of(self, expnum: int, night: str) -> dict[str, Any]:
        """Return what surrounds an exposure of a night, as values for JSON.

        - `neighbours`: expnums of the same night that have pixels, in time, at most five before and five after it.
        - `night`: the exposures of the night in time, with mjd_obs (d), filter, seeing (arcsec), sky_rate (ADU/s),
          zero_point (mag) and p_bad.
        - `percentiles`: of `SurveyNumbers.percentiles`; None until all nights have been collected.
        - `comparison`: a good exposure, see `choose_comparison`, with `words` on why; None if there is none.
        """
        table = self._numbers.of_night(night)
        rows = table[table["expnum"] == expnum]
        exposure = {str(name): value for name, value in rows.iloc[-1].items()} if len(rows) else None
        shown = table[table["status"] == "scored"]
        return {
            "expnum": expnum,
            "neighbours": _neighbours(shown["expnum"].tolist(), expnum),
            "night": records(shown[list(_TREND)]),
            "percentiles": self._numbers.percentiles(exposure) if exposure else {},
            "comparison": self._comparison(exposure, table) if exposure else None,
        }

    def _comparison(self, exposure: dict[str, Any], of_night: pd.DataFrame) -> dict[str, Any] | None:
        """Return the first exposure whose preview shows the same CCDs, so that both pictures lie on each other."""
        expnum = int(exposure["expnum"])
        survey = self._numbers.of_survey()
        own = self._tables.row("night_previews", expnum, exposure["night"], _PREVIEW)
        if own is None:
            return None
        for row in choose_comparison(exposure, of_night if survey is None else survey, self._flagged(), _TRIED):
            other = self._tables.row("night_previews", int(row["expnum"]), row["night"], _PREVIEW)
            if other is not None and _on_each_other(own, other):
                return {name: row[name] for name in ("expnum", "night", "words")}
        return None

    def _flagged(self) -> set[int]:
        """Return the exposures that a method or a label flags, or that are mixed into queues."""
        found = set(self._known.gold_categories())
        for asset in ("review_candidates", "bad_ccd_labels"):
            table = self._tables.read(asset, columns=("expnum",))
            if table is not None:
                found.update(table["expnum"].dropna().astype("int64").tolist())
        return found


def choose_comparison(
    exposure: dict[str, Any], exposures: pd.DataFrame, flagged: Collection[int], n: int
) -> list[dict[str, Any]]:
    """Return up to `n` good exposures of the band to compare `exposure` with, best first.

    Good are exposures that were read, are not in `flagged`, and that the classifier, if there is one, does not call bad
    and gives P(bad) below 0.5. Those within 0.5 deg of its pointing come first, then the others, each by distance in
    time. Rows: expnum, night and `words`, which say why.
    """
    same_band = (exposures["filter"] == exposure["filter"]) & (exposures["expnum"] != exposure["expnum"])
    low = exposures["p_bad"].isna() | (exposures["p_bad"] < _HIGHEST_P_BAD)
    good = exposures[same_band & (exposures["status"] == "scored") & ~exposures["is_bad"] & low]
    good = good[~good["expnum"].isin(flagged)]
    if good.empty:
        return []
    apart = _separation(exposure["ra"], exposure["dec"], good["ra"].to_numpy(), good["dec"].to_numpy())
    days = (good["mjd_obs"] - exposure["mjd_obs"]).to_numpy(np.float64)
    elsewhere = ~(apart <= SAME_FIELD)  # also where a pointing is unknown
    order = np.lexsort((np.nan_to_num(np.abs(days), nan=np.inf), elsewhere))[:n]
    found = []
    for k in order:
        row = good.iloc[k]
        where = f"{apart[k]:.2f} deg away" if not elsewhere[k] else "another field"
        p_bad = "" if math.isnan(row["p_bad"]) else f", P(bad) {row['p_bad']:.2f}"
        words = f"no candidate and in no label list{p_bad}; {where}{_in_words(float(days[k]))}"
        found.append({"expnum": int(row["expnum"]), "night": str(row["night"]), "words": words})
    return found


def _separation(ra: float, dec: float, ras: Any, decs: Any) -> Any:
    """Return the angles between a pointing and others, deg (haversine formula)."""
    a, d, others_a, others_d = (np.radians(np.asarray(x, np.float64)) for x in (ra, dec, ras, decs))
    half = np.sin((others_d - d) / 2) ** 2 + np.cos(d) * np.cos(others_d) * np.sin((others_a - a) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def _in_words(days: float) -> str:
    if math.isnan(days):
        return ""
    size = abs(days)
    amount = f"{size * 1440:.0f} min" if size < 1 / 12 else f"{size * 24:.0f} h" if size < 2 else f"{size:.0f} days"
    return f", {amount} {'later' if days > 0 else 'earlier'}"


def _neighbours(in_time: list[int], expnum: int) -> list[int]:
    if expnum not in in_time:
        return []
    at = in_time.index(expnum)
    return in_time[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS + 1]


def _on_each_other(one: dict[str, Any], other: dict[str, Any]) -> bool:
    size = ("width", "height")
    return all(one[name] == other[name] for name in size) and ccds_of(one) == ccds_of(other)
