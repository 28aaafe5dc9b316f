"""Good candidates: exposures that no list names and that nothing else speaks against."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from badexp_assets.config.training import TrainingParams
from badexp_assets.survey.ccd_cuts import IMAGE_CUTS
from badexp_assets.survey.seeded_sampling import draw_ccds, priority
from badexp_assets.training import selection_counts as steps
from badexp_assets.training.extinction import ORIGINS, UNKNOWN, exposure_ebv
from badexp_assets.training.selection_counts import Funnel


@dataclass(frozen=True)
class GoodImages:
    """(expnum, ccdnum) of all good candidates that were read, of those drawn from them, and warnings."""

    candidates: pd.DataFrame
    drawn: pd.DataFrame
    warnings: tuple[str, ...]


def choose_good(
    exposures: pd.DataFrame,
    read: pd.DataFrame,
    listed: Collection[int],
    survey_ccds: pd.DataFrame | None,
    params: TrainingParams,
    funnel: Funnel,
    judged_fine: Collection[int] = (),
) -> GoodImages:
    """Return the good images; every cut is added to the funnel.

    `judged_fine`: exposures that a method flagged and reviewers call fine. Those that pass the cuts are drawn first:
    they teach the classifier most, and there are few.

    `read`: (expnum, ccdnum) of every CCD image that was read, so every count of CCDs is of images that can be used.
    An exposure of which the survey table says nothing stays, and is counted in the note of the step.
    """
    warnings: list[str] = []

    def keep(rows: pd.DataFrame, step: str, note: str = "") -> pd.DataFrame:
        funnel.add(steps.GOOD, step, read[read["expnum"].isin(rows["expnum"])], note)
        return rows

    left = keep(exposures[exposures["expnum"].isin(read["expnum"])], "scored exposures with a CCD that was read")
    left = keep(left[~left["expnum"].isin(list(listed))], "in no list")
    survey = survey_ccds if survey_ccds is not None and len(survey_ccds) else None
    if survey is not None:
        survey = survey[survey["expnum"].isin(left["expnum"])]
    cuts = survey[["expnum", "ccd_cuts"]].dropna() if survey is not None else pd.DataFrame({"expnum": []})
    if cuts.empty:
        warnings.append("no survey table gives ccd_cuts for these exposures: no cut on them")
    else:
        cut = cuts.loc[(cuts["ccd_cuts"].astype("int64") & IMAGE_CUTS) != 0, "expnum"]
        unknown = int((~left["expnum"].isin(cuts["expnum"])).sum())
        note = f"{unknown} exposures not in the survey table stay"
        left = keep(left[~left["expnum"].isin(cut)], "no ccd_cuts bit (0 to 18) on any CCD", note)
    dust = exposure_ebv(left, survey, params.sfd_maps)
    if dust["ebv"].isna().all():
        known_by = "" if params.sfd_maps else ", and no SFD maps are given (option sfd_maps)"
        warnings.append(f"no E(B-V) is known for these exposures{known_by}: no cut at {params.max_ebv} mag")
    else:
        n = dust["origin"].value_counts()
        note = ", ".join(f"{name} {n[name]}" for name in ORIGINS if name in n and name != UNKNOWN)
        note = f"E(B-V) of exposures: {note}; {n.get(UNKNOWN, 0)} without a known one stay"
        dusty = dust.index[dust["ebv"] >= params.max_ebv]
        left = keep(left[~left["expnum"].isin(dusty)], f"E(B-V) < {params.max_ebv} mag", note)
    candidates = read[read["expnum"].isin(left["expnum"])]
    hard = set(judged_fine)
    order = sorted((int(e) for e in left["expnum"]), key=lambda e: (e not in hard, priority(params.seed, e, "good")))
    chosen = candidates[candidates["expnum"].isin(order[: params.good_exposures])]
    drawn = draw_per_exposure(chosen, params.ccds_per_exposure, params.seed)
    asked = f"asked for {params.good_exposures} exposures of {params.ccds_per_exposure} CCDs"
    if hard:
        asked += f"; {len(hard.intersection(drawn['expnum']))} exposures that reviewers call fine come first"
    funnel.add(steps.GOOD, "drawn", drawn, asked)
    return GoodImages(candidates, drawn, tuple(warnings))


def draw_per_exposure(ccds: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Return (expnum, ccdnum) of up to `n` CCDs of each exposure in `ccds`, drawn by `draw_ccds`."""
    lists = ccds.groupby("expnum")["ccdnum"].agg(list)
    drawn = [draw_ccds(e, found, n, seed) for e, found in zip(lists.index.tolist(), lists.tolist(), strict=True)]
    pairs = [(e, c) for e, chosen in zip(lists.index.tolist(), drawn, strict=True) for c in chosen]
    return pd.DataFrame(pairs, columns=["expnum", "ccdnum"]).astype({"expnum": "int64", "ccdnum": "int16"})
