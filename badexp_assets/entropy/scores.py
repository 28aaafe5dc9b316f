"""Entropy scores of the exposures of a night against a stored reference, with a reason for every missing score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.divergence import preferred_angle, z_against_null
from badexp_assets.entropy.reference import (
    MIN_EXPOSURES,
    ExposureHistograms,
    divergence,
    exposure_histograms,
    shared,
    usable,
)
from badexp_assets.errors import InputError

COLUMNS = (
    "expnum",
    "night",
    "filter",
    "n_sources",
    "kl_source",
    "z_source",
    "kl_background",
    "z_background",
    "source_angle",
    "reason",
    "reference",
    "background_angle",
    "n_ccds",
    "n_ccds_background",
    "shared_background",
)


def score_exposures(
    orientations: pd.DataFrame, exposures: pd.DataFrame, reference: pd.DataFrame, params: EntropyParams
) -> pd.DataFrame:
    """Return the `night_entropy_scores` table: a row per row of `exposures` (columns expnum, night, filter), in order.

    kl_source (nats): KL divergence of the source counts, summed over the exposure's CCDs, from the band's reference;
    z_source: by how many standard deviations it exceeds the mean by chance for that number of sources (`kl_null`) plus
    excess_median of the reference, with its scatter excess_sd between exposures, so that neither few nor many sources
    give a high score; by chance alone if the reference, of an earlier version, has no excess. kl_background
    (nats): mean over the exposure's CCDs of the KL divergence of their gradient histograms (Alonso, Zhang & Li);
    shared_background (nats): mean of the `shared_divergences` of the CCDs' halves, which noise does not increase;
    z_background: (shared_background - shared_median) / sqrt(shared_between_sd^2 + shared_ccd_sd^2 / n) of the
    reference, with n the CCDs in the mean; / shared_sd if the reference is of an earlier version. source_angle and
    background_angle (rad in [0, pi)): orientation in which the counts exceed the reference. n_ccds: measured CCDs;
    n_ccds_background: those with enough gradient points. A score that is missing is NaN, with the cause in `reason`
    (None if nothing is missing): too few sources or points, no reference for the band, no CCD measured, or a reference
    of fewer than MIN_EXPOSURES, which gives no z. Raises InputError if orientations, reference and params have
    different numbers of bins.
    """
    lookup = _lookup(reference, params)
    version = str(reference["version"].iloc[0]) if len(reference) else None
    measured = {e.expnum: e for e in exposure_histograms(orientations, params)}
    rows = []
    for number, night, band in zip(exposures["expnum"], exposures["night"], exposures["filter"], strict=True):
        expnum = int(number)
        row: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
        row |= {"expnum": expnum, "night": night, "filter": band}
        row |= {"n_sources": 0, "n_ccds": 0, "n_ccds_background": 0}
        exposure = measured.get(expnum)
        if exposure is None:
            reasons = ["no CCD was measured"]
        else:
            row |= {
                "n_sources": exposure.n_sources,
                "n_ccds": exposure.n_ccds,
                "n_ccds_background": len(exposure.background),
            }
            reasons = _score_source(row, exposure, lookup.get((band, "source")), params)
            reasons += _score_background(row, exposure, lookup.get((band, "background")), params)
        row["reason"] = "; ".join(reasons) or None
        row["reference"] = version if any((band, kind) in lookup for kind in ("source", "background")) else None
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _lookup(reference: pd.DataFrame, params: EntropyParams) -> dict[tuple[str, str], dict[str, Any]]:
    column = "p" if params.reference == "mean" else "p_trimmed"
    result: dict[tuple[str, str], dict[str, Any]] = {}
    for row in reference.to_dict("records"):
        p = np.asarray(row[column], dtype=np.float64)
        if len(p) != params.bins:
            raise InputError(
                f"entropy_reference: {row['filter']} {row['kind']} has {len(p)} bins and entropy.bins is {params.bins}"
                "; build the reference again"
            )
        result[str(row["filter"]), str(row["kind"])] = {str(k): v for k, v in row.items()} | {"chosen": p}
    return result


def _score_source(
    row: dict[str, Any], exposure: ExposureHistograms, reference: dict[str, Any] | None, params: EntropyParams
) -> list[str]:
    if not usable(exposure, "source", params):
        return [f"too few sources ({exposure.n_sources} < {params.min_sources})"]
    if reference is None:
        return [f"no reference for sources in band {exposure.filter}"]
    p = reference["chosen"]
    row["kl_source"] = divergence(exposure, "source", p)
    row["source_angle"] = preferred_angle(exposure.source, p)
    if reference["n_exposures"] < MIN_EXPOSURES:
        return [f"too few exposures in the reference of sources ({reference['n_exposures']} < {MIN_EXPOSURES})"]
    # references of earlier versions have no excess: z is relative to chance alone, as when they were built
    excess, scatter = reference.get("excess_median", 0.0), reference.get("excess_sd", 0.0)
    row["z_source"] = z_against_null(row["kl_source"], p, exposure.n_sources, excess, scatter)
    return []


def _score_background(
    row: dict[str, Any], exposure: ExposureHistograms, reference: dict[str, Any] | None, params: EntropyParams
) -> list[str]:
    if not usable(exposure, "background", params):
        return [f"too few gradient points ({exposure.most_points} < {params.min_points}) in every CCD"]
    if reference is None:
        return [f"no reference for background in band {exposure.filter}"]
    p = reference["chosen"]
    row["kl_background"] = divergence(exposure, "background", p)
    share = exposure.background / exposure.background.sum(axis=1, keepdims=True)
    row["background_angle"] = preferred_angle(share.mean(axis=0), p)
    by_ccd = shared(exposure, p, params)
    if not len(by_ccd):
        return [f"too few gradient points (< {params.min_half_points}) in one of the halves of every CCD"]
    row["shared_background"] = float(by_ccd.mean())
    # references of earlier versions have one scatter for any number of CCDs
    between = reference.get("shared_between_sd", reference["shared_sd"])
    sd = math.hypot(between, reference.get("shared_ccd_sd", 0.0) / math.sqrt(len(by_ccd)))
    if not sd > 0:
        return [f"no scatter of shared_background in the reference ({reference['n_exposures']} exposures)"]
    row["z_background"] = (row["shared_background"] - reference["shared_median"]) / sd
    return []
