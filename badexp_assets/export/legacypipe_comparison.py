"""Compares our rejects with the images that legacypipe leaves out: in both, only in ours, only in theirs.

Luo et al. 2025 (arXiv:2507.12784), sections 5.1 and 5.2, make the same comparison for their candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.ccd_cuts import CCD_CUTS, IMAGE_CUTS

ALL = "all"
ANY_CUT = "any cut"
LIST = "bad_expid list"
REVIEWED, CLASSIFIER = "reviewed", "classifier"
_HALF = 0.5


@dataclass(frozen=True)
class _Exclusion:
    """What one cut or list excludes: whole exposures, single CCDs of other exposures; and the exposures it covers."""

    exposures: frozenset[int]
    ccds: frozenset[tuple[int, int]]
    known: frozenset[int]


def compare_with_legacypipe(
    exposures: pd.DataFrame,
    predictions: pd.DataFrame,
    rejects: pd.DataFrame,
    survey_ccds: pd.DataFrame,
    listed: pd.DataFrame,
) -> pd.DataFrame:
    """Return the `legacypipe_comparison` table: counts by level, ours, theirs and our category.

    `exposures`: `night_exposures`, of which only processed ones are compared. Ours are `classifier` (bad exposures of
    `predictions`, a `night_exposure_predictions` table) and `reviewed` (`rejects`, a `reviewed_reject_list`). Theirs
    are each bit of ccd_cuts in `survey_ccds` (expnum, ccdnum, ccd_cuts), `any cut` of the bits about the image (0 to
    18), and `bad_expid list` (`listed`: expnum, ccdnum of bad_expid lines, null for a whole exposure). Lines
    whose status is `unmatched` count only if whole_exposure is true: for others legacypipe leaves out nothing.

    Level `exposure`: an exposure counts as cut if the bit is set on at least half of its CCDs, and as listed if the
    list names it as a whole. Exposures without a row in `survey_ccds` are not compared with cuts (n_known). Level
    `ccd`: single CCDs that reviewers reject or legacypipe leaves out, of exposures that neither rejects as a whole.
    n_theirs_only is null except in the rows of all categories.
    """
    scored = exposures.loc[exposures["status"] == "scored", "expnum"].astype("int64")
    survey = survey_ccds.dropna(subset=["ccd_cuts"])[["expnum", "ccdnum", "ccd_cuts"]].astype("int64")
    listed = _applied(listed)
    survey, listed = survey[survey["expnum"].isin(scored)], listed[listed["expnum"].isin(scored)]
    exclusions = dict(_exclusions(survey, listed, frozenset(scored)))
    rejects = rejects[rejects["expnum"].isin(scored)]
    whole, single = rejects[rejects["ccdnum"].isna()], rejects[rejects["ccdnum"].notna()]
    bad = predictions[predictions["is_bad"].astype(bool) & predictions["expnum"].isin(scored)]
    ours = {REVIEWED: _categories(whole, ["expnum"]), CLASSIFIER: _categories(bad, ["expnum"])}
    ours_ccds = _categories(single, ["expnum", "ccdnum"])
    rows: list[dict[str, Any]] = []
    for theirs, excluded in exclusions.items():
        for who, found in ours.items():
            label = {"level": "exposure", "ours": who, "theirs": theirs}
            rows += [label | counts for counts in _counts(found, excluded.exposures, excluded.known)]
    for theirs, excluded in exclusions.items():
        stay = excluded.known - excluded.exposures - set(ours[REVIEWED])
        named = frozenset(key for key in {*ours_ccds, *excluded.ccds} if key[0] in stay)
        label = {"level": "ccd", "ours": REVIEWED, "theirs": theirs}
        rows += [label | counts for counts in _counts(ours_ccds, excluded.ccds, named)]
    table = pd.DataFrame(rows, columns=SCHEMAS["legacypipe_comparison"].column_names)
    return table.astype({"n_known": "int64", "n_mutual": "int64", "n_ours_only": "int64", "n_theirs_only": "Int64"})


def _applied(listed: pd.DataFrame) -> pd.DataFrame:
    """Return the lines for which legacypipe leaves something out; tables of earlier versions lack whole_exposure."""
    if "status" not in listed:
        return listed
    whole = listed["whole_exposure"].fillna(False).astype(bool) if "whole_exposure" in listed else False
    return listed[(listed["status"] != "unmatched") | whole]


def _exclusions(survey: pd.DataFrame, listed: pd.DataFrame, scored: frozenset[int]) -> Iterator[tuple[str, _Exclusion]]:
    whole = listed["ccdnum"].isna()
    of_list = frozenset(listed.loc[whole, "expnum"].astype("int64").tolist())
    yield LIST, _Exclusion(of_list, frozenset(_pairs(listed[~whole])), scored)
    known = frozenset(survey["expnum"].tolist())
    cuts = survey["ccd_cuts"].to_numpy(dtype=np.int64)
    for name, mask in {ANY_CUT: IMAGE_CUTS, **{name: 1 << bit for name, bit in CCD_CUTS.items()}}.items():
        cut = survey[(cuts & mask) != 0]
        share = cut["expnum"].value_counts() / survey["expnum"].value_counts()
        out = frozenset(share.index[share >= _HALF].tolist())
        yield name, _Exclusion(out, frozenset(_pairs(cut[~cut["expnum"].isin(out)])), known)


def _pairs(table: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(table["expnum"].astype("int64").tolist(), table["ccdnum"].astype("int64").tolist(), strict=True))


def _categories(table: pd.DataFrame, key: list[str]) -> dict[Any, str]:
    keys = table["expnum"].astype("int64").tolist() if len(key) == 1 else _pairs(table)
    return dict(zip(keys, table["category"].astype(str).tolist(), strict=True))


def _counts(ours: Mapping[Any, str], theirs: frozenset, known: frozenset) -> Iterator[dict[str, Any]]:
    ours = {key: category for key, category in ours.items() if key in known}
    theirs = theirs & known
    for category in (ALL, *sorted(set(ours.values()))):
        keys = {key for key, found in ours.items() if category in (ALL, found)}
        yield {
            "category": category,
            "n_known": len(known),
            "n_mutual": len(keys & theirs),
            "n_ours_only": len(keys - theirs),
            "n_theirs_only": len(theirs - keys) if category == ALL else None,
        }
