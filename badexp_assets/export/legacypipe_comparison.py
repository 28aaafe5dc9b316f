"""What we reject beside what legacypipe leaves out: mutual, ours only, theirs only."""

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
class _Way:
    """A way in which legacypipe leaves images out: exposures, single CCDs of others, and the exposures it knows."""

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
    """Return `legacypipe_comparison`: that of the ViT + kNN paper's sections 5.1 and 5.2, by cut and category.

    `exposures`: `night_exposures`; only scored ones are compared. `predictions`: `night_exposure_predictions`; ours,
    `classifier`: those that are bad. `rejects`: `reviewed_reject_list`; ours, `reviewed`. `survey_ccds`: expnum,
    ccdnum, ccd_cuts; theirs: each bit, and `any cut` of those that speak of the image (0 to 18). `listed`: expnum,
    ccdnum (null: the whole exposure) of bad_expid lists; theirs, `bad_expid list`.

    Level `exposure`: legacypipe leaves an exposure out when the bit is set on at least half of its CCDs, or the list
    names it as a whole; exposures that no survey table knows are left out of the comparison with cuts (n_known).
    Level `ccd`: single CCDs that reviewers reject, or legacypipe leaves out, of exposures that neither rejects as a
    whole. n_theirs_only is counted once, in the rows of all categories.
    """
    scored = exposures.loc[exposures["status"] == "scored", "expnum"].astype("int64")
    survey = survey_ccds.dropna(subset=["ccd_cuts"])[["expnum", "ccdnum", "ccd_cuts"]].astype("int64")
    ways = dict(_ways(survey[survey["expnum"].isin(scored)], listed[listed["expnum"].isin(scored)], frozenset(scored)))
    rejects = rejects[rejects["expnum"].isin(scored)]
    whole, single = rejects[rejects["ccdnum"].isna()], rejects[rejects["ccdnum"].notna()]
    bad = predictions[predictions["is_bad"].astype(bool) & predictions["expnum"].isin(scored)]
    ours = {REVIEWED: _categories(whole, ["expnum"]), CLASSIFIER: _categories(bad, ["expnum"])}
    ours_ccds = _categories(single, ["expnum", "ccdnum"])
    rows: list[dict[str, Any]] = []
    for theirs, way in ways.items():
        for who, found in ours.items():
            label = {"level": "exposure", "ours": who, "theirs": theirs}
            rows += [label | counts for counts in _counts(found, way.exposures, way.known)]
    for theirs, way in ways.items():
        stay = way.known - way.exposures - set(ours[REVIEWED])
        named = frozenset(key for key in {*ours_ccds, *way.ccds} if key[0] in stay)
        label = {"level": "ccd", "ours": REVIEWED, "theirs": theirs}
        rows += [label | counts for counts in _counts(ours_ccds, way.ccds, named)]
    table = pd.DataFrame(rows, columns=SCHEMAS["legacypipe_comparison"].column_names)
    return table.astype({"n_known": "int64", "n_mutual": "int64", "n_ours_only": "int64", "n_theirs_only": "Int64"})


def _ways(survey: pd.DataFrame, listed: pd.DataFrame, scored: frozenset[int]) -> Iterator[tuple[str, _Way]]:
    whole = listed["ccdnum"].isna()
    of_list = frozenset(listed.loc[whole, "expnum"].astype("int64").tolist())
    yield LIST, _Way(of_list, frozenset(_pairs(listed[~whole])), scored)
    known = frozenset(survey["expnum"].tolist())
    cuts = survey["ccd_cuts"].to_numpy(dtype=np.int64)
    for name, mask in {ANY_CUT: IMAGE_CUTS, **{name: 1 << bit for name, bit in CCD_CUTS.items()}}.items():
        cut = survey[(cuts & mask) != 0]
        share = cut["expnum"].value_counts() / survey["expnum"].value_counts()
        out = frozenset(share.index[share >= _HALF].tolist())
        yield name, _Way(out, frozenset(_pairs(cut[~cut["expnum"].isin(out)])), known)


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
