"""Everything that the page shows of one exposure, as values for JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from badexp_assets.classify.classifier import kind_in_words
from badexp_assets.classify.vote import votes_bad
from badexp_assets.config.classifier_options import VoteRule
from badexp_assets.config.review_options import format_link
from badexp_assets.errors import InputError
from badexp_assets.review.app.ccd_overlay import ccds_of, plane
from badexp_assets.review.app.home_tables import HomeTables, records
from badexp_assets.review.app.known_exposures import KnownExposures
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.ccd_cuts import names_of_cuts
from badexp_assets.survey.cp_files import version_of_path

_CCD = ("expnum", "ccdnum", "status", "status_reason", "fwhm", "sky", "noise", "saturated_fraction", "n_sources")
_VOTE = ("expnum", "ccdnum", "category", "probability", "p_bad", "drawn", "model", "focal_plane_difference")
_PREVIEW = ("expnum", "width", "height", "ccds")
_EXPLANATION = ("rank", "expnum", "ccdnum", "place", "category", "p_bad", "kl", "examples", "anomaly", "anomaly_x")
_MAPPED = ("anomaly_y", "reason")
_LABEL = ("expnum", "ccdnum", "category", "source", "reason", "whole_exposure")
_SURVEY = ("expnum", "ccdnum", "ccd_cuts", "ccdzpt", "ebv")
_SCORES = ("p_bad", "z_source", "z_background", "z_mse")
_HEADER = ("exptime", "mjd_obs", "airmass", "ra", "dec", "n_ccds", "n_ccds_read", "n_ccds_failed", "path", "note")


class UnknownExposureError(InputError):
    """An exposure that is not in the home."""


class Exposures:
    """Collects the facts about an exposure from the tables of a home."""

    def __init__(
        self, tables: HomeTables, camera: Camera, links: Sequence[str], known: KnownExposures, rule: VoteRule
    ) -> None:
        """`links`: option of [review]. `known`: exposures that are mixed into queues are not shown as examples.

        `rule`: that of the vote, which calls CCDs bad where the classifier has no rule of its own.
        """
        self._tables, self._camera, self._links, self._known, self._rule = tables, camera, links, known, rule

    def night_of(self, expnum: int) -> str:
        """Return the night of an exposure. Raises UnknownExposureError for one that is not in the home."""
        night = self._tables.night_of(expnum)
        if night is None:
            raise UnknownExposureError(f"exposure {expnum} is not in this home")
        return night

    def ccds(self, expnum: int, night: str) -> set[int]:
        """Return the CCDNUMs that an answer on this exposure may refer to."""
        preview = self._tables.row("night_previews", expnum, night, _PREVIEW)
        return ccds_of(preview) or set(self._camera.by_number)

    def facts(self, expnum: int, night: str) -> dict[str, Any]:
        """Return what is shown of an exposure; missing facts are None or left out of lists."""
        exposure = self._tables.row("night_exposures", expnum, night) or {}
        candidate = self._tables.row("review_candidates", expnum)
        predicted = self._tables.row("night_exposure_predictions", expnum, night)
        entropy = self._tables.row("night_entropy_scores", expnum, night) or {}
        error = self._tables.row("night_reconstruction_errors", expnum, night) or {}
        measured = _by_ccd(self._tables.of_exposure("night_ccds", expnum, night, _CCD))
        votes = _by_ccd(self._tables.of_exposure("night_predictions", expnum, night, _VOTE))
        survey = self._tables.few("survey_ccds", expnum, _SURVEY)
        preview = self._tables.row("night_previews", expnum, night, _PREVIEW)
        known = (predicted or {}) | entropy | (candidate or {})
        scores = {name: known.get(name) for name in _SCORES}
        return {
            "expnum": expnum,
            "night": night,
            "filter": exposure.get("filter") or known.get("filter"),
            "plver": exposure.get("plver"),
            "previous": version_of_path(older) if (older := exposure.get("previous_path")) else None,
            "status": exposure.get("status"),
            "status_reason": exposure.get("status_reason"),
            "rank": candidate["rank"] if candidate else None,
            "why": candidate["why"] if candidate else None,
            "category": candidate["category"] if candidate else (predicted or {}).get("category"),
            "model": predicted["model"] if predicted else None,
            "n_bad": predicted["n_bad"] if predicted else None,
            "n_scored": predicted["n_scored"] if predicted else None,
            "scores": scores | {"n_sources": entropy.get("n_sources"), "mean_mse": error.get("mean_mse")},
            "header": {name: exposure.get(name) for name in _HEADER} | self._seeing(measured, exposure.get("exptime")),
            "links": self._links_of(expnum, exposure),
            "survey": _survey(survey),
            "labels": [],
            "has_mosaic": preview is not None,
            "has_whiskers": bool(entropy.get("n_sources")),
            "plane": plane(self._camera, preview, measured, votes, _cuts(survey), self._called_bad(predicted, votes)),
            "explanations": self._explanations(expnum),
        }

    def labels_of(self, expnum: int) -> list[dict[str, Any]]:
        """Return the labels of an exposure: category, source, reason and the names of its CCDs, none for the whole one.

        Exposures that are mixed into queues as known cases, or may be later, have none here.
        """
        rows = records(self._tables.of_exposure("bad_ccd_labels", expnum, None, _LABEL))
        found: dict[tuple[Any, ...], list[str]] = {}
        for row in rows if expnum not in self._known.reserved() else []:
            ccds = found.setdefault((row["category"], row["source"], row["reason"]), [])
            if not row["whole_exposure"]:
                ccds.append(self._name(row["ccdnum"]))
        return [
            dict(zip(("category", "source", "reason"), label, strict=True)) | {"ccds": ccds}
            for label, ccds in found.items()
        ]

    def _name(self, ccdnum: int) -> str:
        ccd = self._camera.by_number.get(ccdnum)
        return ccd.ccdname if ccd else str(ccdnum)

    def _called_bad(self, predicted: dict[str, Any] | None, ccds: dict[int, dict[str, Any]]) -> set[int]:
        """Return the CCDs that `n_bad` counts."""
        if predicted is None:
            return set()
        if predicted.get("bad_ccds") is not None:
            return {int(n) for n in predicted["bad_ccds"].split(",") if n}
        votes = pd.DataFrame(list(ccds.values()), columns=list(_VOTE))
        drawn = votes[votes["drawn"].astype(bool)]
        return {int(n) for n in drawn.loc[votes_bad(drawn, self._rule), "ccdnum"]}

    def _links_of(self, expnum: int, exposure: dict[str, Any]) -> list[tuple[str, str]]:
        made = (format_link(link, expnum, exposure.get("ra"), exposure.get("dec")) for link in self._links)
        return [link for link in made if link is not None]

    def _seeing(self, measured: dict[int, dict[str, Any]], exptime: float | None) -> dict[str, Any]:
        ccds = pd.DataFrame(list(measured.values()), columns=["fwhm", "sky", "noise"], dtype="float64").median()
        values = {"seeing": ccds["fwhm"] * self._camera.pixel_scale, "sky": ccds["sky"], "noise": ccds["noise"]}
        values["sky_rate"] = ccds["sky"] / exptime if exptime else None
        return {name: None if pd.isna(value) else float(value) for name, value in values.items()}

    def _explanations(self, expnum: int) -> list[dict[str, Any]]:
        names, gold = self._camera.by_number, self._known.gold_categories()
        found = []
        for row in records(self._tables.of_exposure("candidate_explanations", expnum, None, (*_EXPLANATION, *_MAPPED))):
            examples = [e for e in json.loads(row.pop("examples") or "[]") if e["expnum"] not in gold]
            for example in examples:
                example["name"] = names[example["ccdnum"]].ccdname if example["ccdnum"] in names else None
            row |= {"name": self._name(row["ccdnum"]), "category": kind_in_words(row["category"], row["p_bad"])}
            found.append(row | {"examples": examples, "has_map": row.get("anomaly") is not None})
        return sorted(found, key=lambda row: row["place"])


def _by_ccd(rows: pd.DataFrame) -> dict[int, dict[str, Any]]:
    return {int(row["ccdnum"]): row for row in records(rows)}


def _cuts(survey: pd.DataFrame) -> dict[int, int]:
    return {int(row["ccdnum"]): int(row["ccd_cuts"] or 0) for row in records(survey)}


def _survey(rows: pd.DataFrame) -> dict[str, Any] | None:
    """Return the facts of survey_ccds: number of CCDs per cut bit, medians of zero point and E(B-V)."""
    if rows.empty:
        return None
    bits: dict[str, int] = {}
    for cuts in rows["ccd_cuts"].dropna():
        for name in names_of_cuts(int(cuts)):
            bits[name] = bits.get(name, 0) + 1
    medians = {name: rows[name].median() for name in ("ccdzpt", "ebv") if name in rows}
    return {"n_ccds": len(rows), "cuts": bits} | {k: None if pd.isna(v) else float(v) for k, v in medians.items()}
