"""Selects good CCD images: exposures that nobody calls bad and that pass the cuts on quality and extinction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from badexp_assets.config.classifier_options import TrainingParams
from badexp_assets.survey.ccd_cuts import IMAGE_CUTS
from badexp_assets.survey.seeded_sampling import priority, sample_ccds
from badexp_assets.training.extinction import ORIGINS, UNKNOWN, exposure_ebv


@dataclass
class Funnel:
    """Numbers of exposures and CCD images after each selection step, in order.

    A step belongs to the path `bad`, `good` or `both`. The images after the last `bad` and the last `good` step
    together are the training set; `both` splits them in train and test.
    """

    rows: list[tuple[str, str, int, int, str]] = field(default_factory=list)

    def add(self, path: Literal["bad", "good", "both"], step: str, ccds: pd.DataFrame, note: str = "") -> None:
        """Count the images `ccds` (a table with expnum, one row per CCD image) that remain after a step."""
        self.rows.append((path, step, int(ccds["expnum"].nunique()), len(ccds), note))

    def table(self) -> pd.DataFrame:
        """Return the counts as columns path, step, exposures, ccds, note."""
        return pd.DataFrame(self.rows, columns=["path", "step", "exposures", "ccds", "note"])


@dataclass(frozen=True)
class GoodImages:
    """(expnum, ccdnum) of all good candidates that were read and of the sample taken from them; and warnings."""

    candidates: pd.DataFrame
    sample: pd.DataFrame
    warnings: tuple[str, ...]


def choose_good(
    exposures: pd.DataFrame,
    read: pd.DataFrame,
    listed: Collection[int],
    survey_ccds: pd.DataFrame | None,
    params: TrainingParams,
    funnel: Funnel,
    reviewed_fine: Collection[int] = (),
) -> GoodImages:
    """Return the good images, and add every cut to the funnel.

    `exposures`: `night_exposures`; `read`: (expnum, ccdnum) of every CCD image that was read; `listed`: exposures that
    a label list names or reviewers call bad; `survey_ccds`: the survey's CCD table. An exposure without values in
    `survey_ccds` passes the cut, and is counted in the note of the step. `reviewed_fine`: exposures that a method
    flagged and reviewers called fine. Those that pass the cuts are sampled first, because they are few and the
    classifier learns most from them.
    """
    warnings: list[str] = []

    def keep(rows: pd.DataFrame, step: str, note: str = "") -> pd.DataFrame:
        funnel.add("good", step, read[read["expnum"].isin(rows["expnum"])], note)
        return rows

    left = keep(exposures[exposures["expnum"].isin(read["expnum"])], "scored exposures with a CCD that was read")
    left = keep(left[~left["expnum"].isin(list(listed))], "in no list")
    survey = survey_ccds if survey_ccds is not None and len(survey_ccds) else None
    if survey is not None:
        survey = survey[survey["expnum"].isin(left["expnum"])]
    cuts = survey[["expnum", "ccd_cuts"]].dropna() if survey is not None else pd.DataFrame({"expnum": []})
    if cuts.empty:
        warnings.append("no survey table has ccd_cuts of these exposures: they are not cut")
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
    hard = set(reviewed_fine)
    order = sorted((int(e) for e in left["expnum"]), key=lambda e: (e not in hard, priority(params.seed, e, "good")))
    chosen = candidates[candidates["expnum"].isin(order[: params.good_exposures])]
    sample = sample_per_exposure(chosen, params.ccds_per_exposure, params.seed)
    asked = f"asked for {params.good_exposures} exposures of {params.ccds_per_exposure} CCDs"
    if hard:
        asked += f"; {len(hard.intersection(sample['expnum']))} exposures that reviewers called fine come first"
    funnel.add("good", "sampled", sample, asked)
    return GoodImages(candidates, sample, tuple(warnings))


def sample_per_exposure(ccds: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Return (expnum, ccdnum) of up to `n` CCDs of each exposure in `ccds`, sampled by `sample_ccds`."""
    numbers = ccds.groupby("expnum")["ccdnum"].agg(list)
    pairs = [
        (e, c) for e, found in zip(numbers.index.tolist(), numbers, strict=True) for c in sample_ccds(e, found, n, seed)
    ]
    return pd.DataFrame(pairs, columns=["expnum", "ccdnum"]).astype({"expnum": "int64", "ccdnum": "int16"})
