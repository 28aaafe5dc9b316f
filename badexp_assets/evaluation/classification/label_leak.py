"""Whether the measurements of an exposure tell if it has a label, which would make every score of it meaningless."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm, rankdata

from badexp_assets.io.check_result import CheckResult
from badexp_assets.survey.cameras import Camera

CONFIDENCE = 0.99
"""probability that no quantity is outside its interval if labels leave no trace"""
_OF_SAMPLING = ("n_ccds", "x_mm", "y_mm", "radius_mm")  # follow from the sampling alone
_OF_SKY = ("n_sources",)  # differ with how bad an exposure is, whatever the labels: not judged
_COLUMNS = ("quantity", "exposures", "n_labelled", "n_others", "auc", "low", "high", "apart")


def exposures_measured(
    nights: Iterable[tuple[str, pd.DataFrame]], exposures: pd.DataFrame, camera: Camera
) -> pd.DataFrame:
    """Return what was measured of each exposure: one row per expnum, with its night.

    `nights`: pairs of night and its `night_ccds` (expnum, ccdnum, status, n_sources); `exposures`: `night_exposures` of
    all nights (expnum, n_ccds). Columns: n_in_file (CCDs in the file), n_ccds (selected CCDs,
    read or not), x_mm, y_mm, radius_mm (means over the CCDs, of their centres in the focal plane; NaN for CCDs that the
    camera does not have), n_sources (mean per CCD that was read; NaN without any). An exposure in two nights counts in
    the first.
    """
    places = camera.by_number
    tables = []
    for night, ccds in nights:
        numbers = ccds["ccdnum"].astype(int)
        x, y = (
            numbers.map({n: getattr(ccd, name) for n, ccd in places.items()}).astype(float) for name in ("x_mm", "y_mm")
        )
        rows = pd.DataFrame({"expnum": ccds["expnum"], "x_mm": x, "y_mm": y, "radius_mm": np.hypot(x, y)})
        rows["n_sources"] = ccds["n_sources"].astype("Float64").where(ccds["status"] == "read").astype(float)
        grouped = rows.groupby("expnum")
        tables.append(grouped.mean().assign(n_ccds=grouped.size(), night=night))
    if not tables:
        return pd.DataFrame(columns=["expnum", *_OF_SAMPLING, *_OF_SKY, "night", "n_in_file"])
    in_file = exposures.drop_duplicates("expnum").set_index("expnum")["n_ccds"]
    found = pd.concat(tables).reset_index().drop_duplicates("expnum", ignore_index=True)
    return found.assign(n_in_file=found["expnum"].map(in_file))


def label_leak(measured: pd.DataFrame, labelled: Collection[int], bad: Collection[int] | None = None) -> pd.DataFrame:
    """Return for each quantity of `exposures_measured` how well it tells labelled exposures from others.

    `labelled`: exposures with a label. `bad`: exposures that are truly bad, with or without a label; None: not known.
    Columns: quantity, exposures (`all`; `bad` if only these were compared), n_labelled, n_others, auc (probability that
    a labelled exposure has the higher value, in pairs of exposures of the same night whose files have as many CCDs;
    0.5: no difference; NaN without pairs), low and high (the interval of the AUC if there is no difference), apart
    (outside of it; null: not judged).

    Numbers and places of CCDs are judged, because they follow from the sampling alone; exposures of which every CCD in
    the file was selected are left out. The number of sources depends on what is wrong with an exposure, and lists name
    some flaws sooner than others, so it is reported and not judged. Each interval is that of the Mann-Whitney test with
    ties, stratified; those that are judged hold together with CONFIDENCE.
    """
    chosen = measured[measured["n_ccds"] != measured["n_in_file"]]
    groups = {"all": chosen} | ({} if bad is None else {"bad": chosen[chosen["expnum"].isin(list(bad))]})
    comparisons = [(which, name, table) for which, table in groups.items() for name in (*_OF_SAMPLING, *_OF_SKY)]
    judged = [name in _OF_SAMPLING for _, name, _ in comparisons]
    sigmas = norm.isf((1 - CONFIDENCE) / 2 / sum(judged))
    rows = []
    for (which, name, table), counts in zip(comparisons, judged, strict=True):
        given = table[table[name].notna()]
        is_labelled = given["expnum"].isin(list(labelled)).to_numpy()
        strata = given.groupby(["night", "n_in_file"]).ngroup().to_numpy()
        auc, sd = _stratified_auc(given[name].to_numpy(float), is_labelled, strata)
        low, high = 0.5 - sigmas * sd, 0.5 + sigmas * sd
        apart = bool(abs(auc - 0.5) > sigmas * sd + 1e-9) if counts and np.isfinite(auc) else None
        n = int(is_labelled.sum())
        rows.append((name, which, n, len(given) - n, auc, low, high, apart))
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"apart": "boolean"})


def check_label_leak(found: pd.DataFrame) -> CheckResult:
    """No quantity tells labelled exposures from others. `found`: of `label_leak`; rows: the same."""
    apart = found[found["apart"].fillna(False).astype(bool)]
    n_judged = int(found["apart"].notna().sum())
    names = [f"AUC of {row.quantity} ({row.exposures} exposures)" for row in found.itertuples()]
    numbers = dict(zip(names, found["auc"].astype(float).tolist(), strict=True))
    if not n_judged:
        return CheckResult(
            True,
            "no night has labelled and other exposures of which some CCDs were sampled: nothing to compare",
            {},
            found,
        )
    text = f"{n_judged} quantities compared between labelled and other exposures"
    if len(apart):
        first = apart.iloc[(apart["auc"] - 0.5).abs().argmax()]
        text += (
            f"; {len(apart)} tell them apart, first of all {first['quantity']} with AUC {first['auc']:.3f} "
            f"({first['low']:.3f} to {first['high']:.3f} expected): scores of labelled exposures can't be trusted. "
            "Read the nights again (badexp run); their CCDs may have been chosen by an older version"
        )
    return CheckResult(apart.empty, text, {k: v for k, v in numbers.items() if np.isfinite(v)}, found)


def _stratified_auc(
    values: npt.NDArray[np.floating], labelled: npt.NDArray[np.bool_], strata: npt.NDArray[np.integer]
) -> tuple[float, float]:
    """Return the AUC over pairs of the same stratum, and its standard deviation if there is no difference."""
    wins = pairs = variance = 0.0
    for stratum in np.unique(strata):
        here = strata == stratum
        ranks, n, n1 = rankdata(values[here]), int(here.sum()), int(labelled[here].sum())
        n2 = n - n1
        if not (n1 and n2):
            continue
        _, times = np.unique(values[here], return_counts=True)
        ties = float((times**3 - times).sum()) / (n * (n - 1))
        wins += float(ranks[labelled[here]].sum()) - n1 * (n1 + 1) / 2
        pairs += n1 * n2
        variance += n1 * n2 / 12 * (n + 1 - ties)
    if not pairs:
        return float("nan"), float("nan")
    return wins / pairs, float(np.sqrt(max(variance, 0.0))) / pairs
