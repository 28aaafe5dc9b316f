"""What a home holds, in numbers: its latest night, the classifier's quality, completeness, rejects and reports."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from badexp_assets.config.home import REJECT_FILES, Home
from badexp_assets.io.parquet_reading import read_table

INDEX = "index.html"
SHOWN_SCORES = {
    "exposure average precision": "average precision, exposures",
    "exposure verdict: precision": "precision of the verdict",
    "exposure verdict: recall": "recall of the verdict",
    "CCD average precision of bad": "average precision, CCDs",
    "CCD macro-F1": "macro-F1 of categories, CCDs",
}
"""scores of the classification report that are key numbers, and their names"""
_PAGES = {
    "classification_report.html": ("Classification report", "how good the classifier is, with intervals"),
    "candidates.html": ("Candidates", "exposures to review, worst first, with explanations"),
    "embedding_clusters.html": ("Map of embeddings", "random CCD images in 2-D and 3-D, by label or cluster"),
}
_REASONS = 3  # why exposures of the latest night were not scored
_METHODS = ("either", "classifier", "entropy")  # of injection_completeness; the first that the table has is shown


@dataclass(frozen=True)
class LatestNight:
    """Counts of a night: exposures (scored + failed + excluded), called bad, candidates; most frequent reasons."""

    night: str
    n: int
    scored: int
    failed: int
    excluded: int
    bad: int
    candidates: int
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Score:
    """A score of the classifier and its 95 % interval; NaN where it is unknown."""

    name: str
    value: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """Value and interval, such as `0.93 (0.90 to 0.96)`; a dash if it is unknown."""
        if math.isnan(self.value):
            return "–"
        return f"{self.value:.2f}" + ("" if math.isnan(self.low) else f" ({self.low:.2f} to {self.high:.2f})")


@dataclass(frozen=True)
class InjectedCounts:
    """Injected anomalies of a severity: how many there were and how many were found; at severity 0, false alarms."""

    severity: float
    n: int
    n_found: int

    @property
    def words(self) -> str:
        """How many were found, such as `41 of 64 (64 %)`."""
        return f"{self.n_found} of {self.n}" + (f" ({100 * self.n_found / self.n:.0f} %)" if self.n else "")


@dataclass(frozen=True)
class Report:
    """A page: its path relative to the folder of reports, title, what it says, and when it was written (UTC)."""

    path: str
    title: str
    words: str
    written: str


@dataclass(frozen=True)
class HomeOverview:
    """Key numbers of a home; None or empty where a step has not run.

    `model`: version of the classifier that `scores` are of. `method`: of the injected anomalies that are counted.
    `rejects`: entries of the reject list for exposures and for single CCDs. `nights`: reports of nights, newest first.
    """

    latest: LatestNight | None = None
    n_nights: int = 0
    n_candidates: int | None = None
    model: str | None = None
    scores: tuple[Score, ...] = ()
    method: str | None = None
    completeness: tuple[InjectedCounts, ...] = ()
    rejects: tuple[int, int] | None = None
    simulated_rejects: bool = False
    reject_files: tuple[Path, ...] = ()
    pages: tuple[Report, ...] = ()
    nights: tuple[Report, ...] = ()


def summarise_home(home: Home, max_nights: int | None = None) -> HomeOverview:
    """Return the key numbers of a home, with its latest `max_nights` reports of nights (None: all).

    Of the nights, only the latest is read. Raises DamagedTableError if a table cannot be read.
    """
    candidates = _stored(home, "review_candidates", ("expnum", "night"))
    nights = home.nights("night_exposures")
    model, scores = _scores(home)
    method, completeness = _completeness(home)
    rejects = _stored(home, "reviewed_reject_list", ("expnum", "ccdnum", "simulated"))
    single = None if rejects is None else int(rejects["ccdnum"].notna().sum())
    return HomeOverview(
        latest=_latest(home, nights[-1], candidates) if nights else None,
        n_nights=len(nights),
        n_candidates=None if candidates is None else len(candidates),
        model=model,
        scores=scores,
        method=method,
        completeness=completeness,
        rejects=None if rejects is None or single is None else (len(rejects) - single, single),
        simulated_rejects=rejects is not None and bool(rejects["simulated"].any()),
        reject_files=tuple(path for name in REJECT_FILES.values() if (path := home.export / name).exists()),
        pages=_pages(home),
        nights=_night_reports(home, max_nights),
    )


def _stored(home: Home, asset: str, columns: tuple[str, ...], night: str | None = None) -> pd.DataFrame | None:
    path = home.table(asset, night)
    if not path.exists():
        return None
    return read_table(path, columns).reindex(columns=list(columns))


def _latest(home: Home, night: str, candidates: pd.DataFrame | None) -> LatestNight | None:
    exposures = _stored(home, "night_exposures", ("expnum", "status", "status_reason"), night)
    if exposures is None:
        return None
    verdicts = _stored(home, "night_exposure_predictions", ("expnum", "is_bad"), night)
    counts = exposures["status"].value_counts()
    reasons = exposures.loc[exposures["status"] != "scored", "status_reason"].fillna("no reason").value_counts()
    return LatestNight(
        night=night,
        n=len(exposures),
        scored=int(counts.get("scored", 0)),
        failed=int(counts.get("failed", 0)),
        excluded=int(counts.get("excluded", 0)),
        bad=0 if verdicts is None else int(verdicts["is_bad"].eq(True).sum()),
        candidates=0 if candidates is None else int((candidates["night"] == night).sum()),
        reasons=tuple((str(reason), int(n)) for reason, n in reasons.head(_REASONS).items()),
    )


def _scores(home: Home) -> tuple[str | None, tuple[Score, ...]]:
    """Return model and key scores, which are stored beside the classification report; earlier homes have none."""
    try:
        stored: dict[str, Any] = json.loads(home.report.with_suffix(".json").read_text(encoding="utf-8"))
        rows = {row["score"]: row for row in stored["scores"]}
        found = ((name, rows[score]) for score, name in SHOWN_SCORES.items() if score in rows)
        scores = tuple(
            Score(name, *(float("nan") if row[end] is None else float(row[end]) for end in ("value", "low", "high")))
            for name, row in found
        )
        return str(stored["model"]), scores
    except (OSError, ValueError, KeyError, TypeError):
        return None, ()


def _completeness(home: Home) -> tuple[str | None, tuple[InjectedCounts, ...]]:
    table = _stored(home, "injection_completeness", ("method", "severity", "n", "n_found"))
    if table is None or table.empty:
        return None, ()
    method = next((name for name in _METHODS if (table["method"] == name).any()), None)
    sums = table[table["method"] == method].groupby("severity")[["n", "n_found"]].sum()
    rows = zip(sums.index.tolist(), sums["n"].tolist(), sums["n_found"].tolist(), strict=True)
    return method, tuple(InjectedCounts(float(severity), int(n), int(n_found)) for severity, n, n_found in rows)


def _pages(home: Home) -> tuple[Report, ...]:
    names = sorted(path.name for path in home.reports.glob("*.html") if path.name != INDEX)
    known = [name for name in _PAGES if name in names] + [name for name in names if name not in _PAGES]
    return tuple(Report(name, *_PAGES.get(name, (name, "")), _written(home.reports / name)) for name in known)


def _night_reports(home: Home, n: int | None) -> tuple[Report, ...]:
    """Return the reports of nights; their words are the third line of the report as text."""
    found = []
    for page in sorted((home.reports / "nights").glob("*.html"), reverse=True)[:n]:
        try:
            words = page.with_suffix(".md").read_text(encoding="utf-8").split("\n", 3)[2]
        except (OSError, IndexError, UnicodeDecodeError):
            words = ""
        found.append(Report(f"nights/{page.name}", page.stem, words, _written(page)))
    return tuple(found)


def _written(path: Path) -> str:
    try:
        return f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d %H:%M}"
    except OSError:  # removed since it was listed
        return ""
