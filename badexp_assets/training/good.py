"""Good candidates: exposures that no list names and that nothing else speaks against."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import pandas as pd

from badexp_assets.survey.draw import draw_ccds
from badexp_assets.training.params import TrainingParams
from badexp_assets.training.split import priority

if TYPE_CHECKING:
    from badexp_assets.training.training_set import Funnel


def choose_good(
    exposures: pd.DataFrame,
    read: pd.DataFrame,
    listed: Collection[int],
    survey_ccds: pd.DataFrame | None,
    params: TrainingParams,
    funnel: Funnel,
) -> tuple[pd.DataFrame, list[str]]:
    """Return (expnum, ccdnum) of the good images that were drawn, and warnings; every cut is added to the funnel.

    `read`: (expnum, ccdnum) of every CCD image that was read, so every count of CCDs is of images that can be used.
    """
    warnings: list[str] = []

    def keep(expnums: pd.Series, step: str, note: str = "") -> pd.Series:
        funnel.add(f"good: {step}", read[read["expnum"].isin(expnums)], note)
        return expnums

    scored = exposures.loc[exposures["status"] == "scored", "expnum"]
    left = keep(scored[scored.isin(read["expnum"])], "scored exposures with a CCD that was read")
    left = keep(left[~left.isin(list(listed))], "in no list")
    survey = survey_ccds if survey_ccds is not None and len(survey_ccds) else None
    if survey is not None:
        survey = survey[survey["expnum"].isin(left)]
    cuts = survey["ccd_cuts"].dropna() if survey is not None else pd.Series(dtype="Int64")
    if survey is None or cuts.empty:
        warnings.append("no survey table gives ccd_cuts for these exposures: no cut on them")
    else:
        cut = survey.loc[cuts.index[cuts != 0], "expnum"]
        unknown = int((~left.isin(survey.loc[cuts.index, "expnum"])).sum())
        left = keep(
            left[~left.isin(cut)], "no ccd_cuts bit on any CCD", f"{unknown} exposures not in the survey table stay"
        )
    left = _cut_ebv(left, survey, params, keep, warnings)
    chosen = sorted((int(e) for e in left), key=lambda e: priority(params.seed, e, "good"))[: params.good_exposures]
    good = draw_per_exposure(read[read["expnum"].isin(chosen)], params.ccds_per_exposure, params.seed)
    asked = f"asked for {params.good_exposures} exposures of {params.ccds_per_exposure} CCDs"
    funnel.add("good: drawn", good, asked)
    return good, warnings


def draw_per_exposure(ccds: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Return (expnum, ccdnum) of up to `n` CCDs of each exposure in `ccds`, drawn by `draw_ccds`."""
    lists = ccds.groupby("expnum")["ccdnum"].agg(list)
    drawn = [draw_ccds(e, found, n, seed) for e, found in zip(lists.index.tolist(), lists.tolist(), strict=True)]
    pairs = [(e, c) for e, chosen in zip(lists.index.tolist(), drawn, strict=True) for c in chosen]
    return pd.DataFrame(pairs, columns=["expnum", "ccdnum"]).astype({"expnum": "int64", "ccdnum": "int16"})


def _cut_ebv(
    left: pd.Series,
    survey: pd.DataFrame | None,
    params: TrainingParams,
    keep: Callable[[pd.Series, str, str], pd.Series],
    warnings: list[str],
) -> pd.Series:
    ebv = survey[["expnum", "ebv"]].dropna() if survey is not None else pd.DataFrame({"expnum": [], "ebv": []})
    if ebv.empty:
        warnings.append(f"no E(B-V) is known for these exposures: no cut at {params.max_ebv} mag")
        return left
    mean = ebv.groupby("expnum")["ebv"].mean()
    unknown = int((~left.isin(mean.index)).sum())
    dusty = mean.index[mean >= params.max_ebv]
    note = f"{unknown} exposures without a known E(B-V) stay"
    return keep(left[~left.isin(dusty)], f"E(B-V) < {params.max_ebv} mag", note)
