"""Summary of a night, from its stored tables and those of the nights before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.config.night_options import RANKING_SCORES, RankBy
from badexp_assets.config.operation_options import CheckParams
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.models import current_version
from badexp_assets.io.parquet import empty_table
from badexp_assets.io.parquet_reading import read_metadata, read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.pixels.night_progress import STATUSES
from badexp_assets.pixels.night_tables import MISSING
from badexp_assets.review.candidates import join_scores, robust_z
from badexp_assets.survey.arrivals.table_sources import MODELS, files_of
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.io.check_result import CheckResult

ALL = "all"
_SCORES = tuple(MODELS)
_Z_IS_HIGH = 5.0  # exposures above it are among the worst even if the classifier calls them good
_MIN_SOURCES, _MIN_STAMPS = 30, 8
_MOST_NAMED = 8
_FILE_NAME = r"[^/]*?\.(?:fits?|fts)(?:\.\w+)?(?:\[[^\]]*\])?:\s*"  # with the CCD's extension


@dataclass(frozen=True)
class NightSummary:
    """Summary of a night in tables.

    - `counts`: a row per filter and one for all: n, scored, failed, excluded (n is their sum), bad.
    - `failures`: status, reason, n, expnums (the first ones) of exposures that were not scored; `ccd_failures`:
      reason, n, expnums of CCDs that could not be read.
    - `worst`: exposures, worst first: expnum, filter, category, p_bad, n_bad, n_scored, kl_source, z_source,
      kl_background, z_background, z_mse, rank (among the review candidates, missing if it is none), path.
    - `versions`: names and versions of files and models; `drift`: the comparison with the training nights, None without
      a classifier.
    - `trends`: a row per night and filter, for this night and those before it: seeing (arcsec), sky (ADU/s), n, bad,
      failed.
    - `findings`: sentences on what needs attention.
    """

    night: str
    counts: pd.DataFrame
    failures: pd.DataFrame
    ccd_failures: pd.DataFrame
    worst: pd.DataFrame
    versions: dict[str, str]
    drift: CheckResult | None
    trends: pd.DataFrame
    findings: list[str] = field(default_factory=list)
    rank_by: RankBy = "z"

    @property
    def total(self) -> pd.Series:
        """The counts of the whole night."""
        return self.counts.iloc[-1]


def summarise_night(
    home: Home,
    night: str,
    camera: Camera,
    limits: CheckParams,
    n_worst: int = 12,
    n_trend: int = 30,
    rank_by: RankBy = "z",
    others: Mapping[str, str] | None = None,
    trends: NightTrends | None = None,
) -> NightSummary:
    """Summarise a night that was read; missing scores are left out.

    At most `n_worst` exposures are listed and `n_trend` nights compared. `rank_by`: option of [entropy]. `others`:
    files of the night that are not read, with the reason. `trends`: of the home, shared by the summaries of several
    nights. Raises InputError for a night that was not read.
    """
    exposures = read_table(home.table("night_exposures", night), schema=SCHEMAS["night_exposures"])
    scores = {name: _stored(home, name, night) for name in _SCORES}
    verdicts = scores["night_exposure_predictions"]
    bad = set(verdicts.loc[verdicts["is_bad"].astype(bool), "expnum"])
    counts = _counts(exposures, bad)
    ccds = _stored(home, "night_ccds", night)
    trends = trends or NightTrends(home, camera)
    summary = NightSummary(
        night=night,
        counts=counts,
        failures=_reasons(exposures[exposures["status"] != "scored"], ["status", "status_reason"], exposures),
        ccd_failures=_reasons(ccds[ccds["status"] == "failed"], ["status_reason"], exposures),
        worst=_worst(home, exposures, scores, rank_by).head(n_worst),
        versions=_versions(home, night, exposures, scores),
        drift=_drift(home, night, scores["night_predictions"], limits),
        trends=trends.until(night, n_trend),
        rank_by=rank_by,
    )
    summary.findings.extend(_findings(home, summary, scores))
    summary.findings.extend(f"The trends lack a night: {error}." for error in trends.damaged(night, n_trend))
    missing = ccds[ccds["status"] == MISSING]
    if len(missing):
        summary.findings.append(f"{len(missing)} CCDs are missing; the first: {missing['status_reason'].iloc[0]}.")
    if others:
        path, reason = next(iter(others.items()))
        summary.findings.append(f"{len(others)} FITS files of this night are not read; the first: {path} ({reason}).")
    return summary


class NightTrends:
    """Trends of the nights of a home; a night is read once, however many trends it is part of."""

    def __init__(self, home: Home, camera: Camera) -> None:
        self._home, self._camera = home, camera
        self._nights = home.nights("night_exposures")
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._damaged: dict[str, DamagedTableError] = {}

    def until(self, night: str, n_nights: int) -> pd.DataFrame:
        """Return night, filter, n, bad, failed, seeing and sky of `night` and the stored nights before it.

        At most `n_nights` of them, without those that are `damaged`. seeing: median FWHM of the CCDs, arcsec, as
        measured or else from their headers; sky: median over the CCDs of sky level / exposure time, ADU/s. NaN if no
        CCD has a value.
        """
        nights = self._read(night, n_nights)
        columns = ["night", "filter", "n", "bad", "failed", "seeing", "sky"]
        return pd.DataFrame([row for name in nights for row in self._rows[name]], columns=columns)

    def damaged(self, night: str, n_nights: int) -> list[DamagedTableError]:
        """Return why nights of `until` can't be read."""
        return [self._damaged[name] for name in self._read(night, n_nights) if name in self._damaged]

    def _read(self, night: str, n_nights: int) -> list[str]:
        nights = [name for name in self._nights if name <= night][-n_nights:]
        self._rows |= {name: self._readable(name) for name in nights if name not in self._rows}
        return nights

    def _readable(self, night: str) -> list[dict[str, Any]]:
        try:
            return self._of(night)
        except DamagedTableError as error:
            self._damaged[night] = error
            return []

    def _of(self, night: str) -> list[dict[str, Any]]:
        columns = ["expnum", "filter", "exptime", "status"]
        exposures = read_table(self._home.table("night_exposures", night), columns, SCHEMAS["night_exposures"])
        ccds = _stored(self._home, "night_ccds", night, ["expnum", "sky", "seeing", "fwhm"]).merge(
            exposures, on="expnum"
        )
        ccds["seeing"] = ccds["seeing"].fillna(ccds["fwhm"]).astype(float) * self._camera.pixel_scale
        ccds["sky"] = (ccds["sky"].astype(float) / ccds["exptime"].where(ccds["exptime"] > 0)).astype(float)
        verdicts = _stored(self._home, "night_exposure_predictions", night, ["expnum", "is_bad"])
        bad = set(verdicts.loc[verdicts["is_bad"].astype(bool), "expnum"])
        rows = []
        for band, part in exposures.groupby("filter"):
            own = ccds[ccds["filter"] == band]
            row = {"night": night, "filter": band, "n": len(part), "bad": int(part["expnum"].isin(bad).sum())}
            row |= {"failed": int((part["status"] == "failed").sum())}
            rows.append(row | {column: float(own[column].median()) for column in ("seeing", "sky")})
        return rows


def _stored(home: Home, asset: str, night: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Return a night's table, or an empty one."""
    path = home.table(asset, night)
    if path.exists():
        return read_table(path, columns, SCHEMAS[asset])
    return empty_table(SCHEMAS[asset])[columns or SCHEMAS[asset].column_names]


def _counts(exposures: pd.DataFrame, bad: set[int]) -> pd.DataFrame:
    rows = []
    for band, part in [*exposures.groupby("filter"), (ALL, exposures)]:
        status = {name: int((part["status"] == name).sum()) for name in STATUSES}
        rows.append({"filter": band, "n": len(part), **status, "bad": int(part["expnum"].isin(bad).sum())})
    return pd.DataFrame(rows)


def _reasons(rows: pd.DataFrame, by: list[str], exposures: pd.DataFrame) -> pd.DataFrame:
    """Return each reason (without the file name) with its count and exposures, most frequent first."""
    reasons = rows["status_reason"].fillna("no reason given").astype(str)
    paths = rows["expnum"].map(exposures.drop_duplicates("expnum").set_index("expnum")["path"]).fillna("")
    rows = rows.assign(status_reason=list(map(_without_file, reasons, paths)))
    found = []
    for key, part in rows.groupby(by):
        expnums = part["expnum"].unique().tolist()
        named = ", ".join(map(str, expnums[:_MOST_NAMED])) + (" …" if len(expnums) > _MOST_NAMED else "")
        found.append((*key, len(part), named))
    table = pd.DataFrame(found, columns=[*by, "n", "expnums"]).rename(columns={"status_reason": "reason"})
    return table.sort_values("n", ascending=False, kind="stable", ignore_index=True)


def _without_file(reason: str, path: str) -> str:
    """Return a reason without the file that it begins with, one in the folder of `path` (relative to the archive).

    Paths may have blanks and colons.
    """
    folder, slash, _ = path.rpartition("/")
    return re.sub(rf"(?i)\A(?:(?:/|[\w+:]+//).*?)?{re.escape(folder + slash)}{_FILE_NAME}", "", reason)


def _worst(home: Home, exposures: pd.DataFrame, scores: dict[str, pd.DataFrame], rank_by: RankBy) -> pd.DataFrame:
    """Return exposures that are called bad, are candidates, or have a high score of another method, worst first.

    KL divergences are compared with the other scores as the autoencoder's error is: by their robust z in the band.
    """
    table = join_scores(
        exposures,
        scores["night_exposure_predictions"],
        scores["night_entropy_scores"],
        scores["night_reconstruction_errors"],
        _MIN_SOURCES,
        _MIN_STAMPS,
    )
    ranks = pd.DataFrame({"expnum": [], "rank": []})
    if home.table("review_candidates").exists():
        ranks = read_table(home.table("review_candidates"), ["expnum", "rank"])
    table = table.merge(ranks.astype({"expnum": "int64"}), on="expnum", how="left")
    z = table[[*RANKING_SCORES[rank_by], "z_mse"]]
    if rank_by == "kl":
        z = z.assign(**{name: robust_z(table[name], table["filter"]) for name in RANKING_SCORES[rank_by]})
    table["z"] = z.max(axis=1)
    chosen = table[table["is_bad"] | table["rank"].notna() | (table["z"] > _Z_IS_HIGH)]
    return chosen.sort_values(["is_bad", "p_bad", "z"], ascending=False, ignore_index=True)


def _versions(home: Home, night: str, exposures: pd.DataFrame, scores: dict[str, pd.DataFrame]) -> dict[str, str]:
    stored = read_metadata(home.table("night_exposures", night))
    found = {"files": str(stored.get("fingerprint", "unknown"))}
    plvers = exposures["plver"].dropna().value_counts()
    found["Community Pipeline"] = ", ".join(f"{version} ({n})" for version, n in plvers.items()) or "unknown"
    found |= {"backbone": str(stored.get("backbone", "unknown")), "preprocessing": str(stored.get("recipe", "unknown"))}
    for name, (asset, column) in {
        "classifier": ("night_exposure_predictions", "model"),
        "entropy reference": ("night_entropy_scores", "reference"),
        "autoencoder": ("night_reconstruction_errors", "model"),
    }.items():
        versions = ", ".join(sorted(set(scores[asset][column].dropna())))
        found[name] = versions or "not scored by it"
    return found


def _drift(home: Home, night: str, predictions: pd.DataFrame, limits: CheckParams) -> CheckResult | None:
    from badexp_assets import classify
    from badexp_assets.evaluation import classification

    models = sorted(set(predictions["model"]))
    if not models:
        return None
    record = classify.TrainingRecord.load(home.models / "fitted_classifier" / models[-1])
    nights = {}
    if record is not None:
        nights[night] = classification.night_drift(
            record, classify.by_image(predictions), _stored(home, "night_embeddings", night), limits
        )
    return classification.check_drift(nights, record, limits)


def _findings(home: Home, summary: NightSummary, scores: dict[str, pd.DataFrame]) -> list[str]:
    total = summary.total
    found = []
    exposures = read_table(home.table("night_exposures", summary.night), ["expnum", "status"])
    scored = exposures.loc[exposures["status"] == "scored", "expnum"]
    if not total["n"]:
        found.append("The archive has no exposure of this night.")
    if total["failed"]:
        found.append(f"{total['failed']} of {total['n']} exposures could not be read.")
    if len(summary.ccd_failures):
        found.append(f"{summary.ccd_failures['n'].sum()} CCD images could not be read.")
    read = files_of(home, "night_exposures", summary.night)
    for name, table in scores.items():
        if len(scored) and not home.table(name, summary.night).exists():
            found.append(f"This night has no table {name}.")
        elif files_of(home, name, summary.night) not in (read, None):
            found.append(f"The table {name} was made from files that have changed since: score the night again.")
        elif missing := int((~scored.isin(table["expnum"])).sum()):
            found.append(f"{missing} scored exposures are not in {name}.")
    if summary.drift is not None and not summary.drift.passed:
        found.append(f"Drift: {summary.drift.description}.")
    current = current_version(home.models / "fitted_classifier")
    if current and summary.versions["classifier"] not in (current, "not scored by it"):
        found.append(f"The night was scored by an earlier classifier; {current} is in use now.")
    return found
