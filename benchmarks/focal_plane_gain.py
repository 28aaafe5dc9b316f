"""What tokens of the focal plane add on a simulated survey: the same classifier fitted without and with them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets import classify
from badexp_assets.classify.focal_plane_tokens import ccd_boxes
from badexp_assets.config.settings import Settings
from badexp_assets.defs.classifier_inputs import ClassifierTables, HoldoutEvaluator
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import UnreadableImageError
from badexp_assets.evaluation.classification.holdout import HeldOut
from badexp_assets.evaluation.classification.ranking import Ranking, Resamples, with_interval
from badexp_assets.evaluation.completeness.scratch_folder import ScratchArchive
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.device_shares import load_pass_setup
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.cameras import Camera
from benchmarks.scores import Score

SPANNING = ("ghost_scatter", "clouds_transparency")
"""categories that span CCDs"""
N_FLAWED, SEVERITY = 4, 0.6
Array = npt.NDArray[np.floating]
Fitted = dict[str, classify.Classifier]


def bench_focal_plane_gain(
    case: str, survey: SurveyResource, tables: ClassifierTables, training: pd.DataFrame, truth: pd.DataFrame, n: int
) -> Iterator[Score]:
    """Yield scores of both fits, by the truth, for exposures that no model was trained on.

    F1 of SPANNING and average precision of bad CCDs over the CCDs that were read and over all CCDs (CCDs without a
    prediction count as good); average precision of bad exposures; recall of a flaw of N_FLAWED neighbours that were
    not sampled, in `n` good exposures. `truth`: expnum, ccdnum, category of every CCD.
    """
    train = training[training["split"] == "train"]
    inputs = tables.inputs(survey, train)
    given = inputs.vectors.values, inputs.vectors.rows, inputs.features, survey.settings().options.classifier
    kind = inputs.vectors.backbone, inputs.vectors.recipe, inputs.mosaics
    fitted: Fitted = {
        "without": classify.fit_two_step(*given, *kind),
        "with": classify.fit_two_step(*given, *kind, inputs.planes),
    }
    new = tables.unlabelled(survey, set(truth["expnum"]) - set(train["expnum"]))
    if new is None:
        return
    truth = truth[truth["expnum"].isin(new.rows["expnum"])]
    yield from _gains(case, survey, fitted, new, truth)
    yield from _flaws(case, survey, fitted, new, truth, n)


def _gains(case: str, survey: SurveyResource, fitted: Fitted, new: HeldOut, truth: pd.DataFrame) -> Iterator[Score]:
    key = ["expnum", "ccdnum"]
    evaluate = HoldoutEvaluator(survey)
    results = {name: evaluate(model, new) for name, model in fitted.items()}
    bad = (truth["category"] != "good").groupby(truth["expnum"]).any()
    expnums = bad.index.to_numpy(np.int64)
    resamples = Resamples(expnums, 300, 0)
    drawn: dict[str, Array] = {}
    for name, result in results.items():
        score = result.exposures["score"].reindex(bad.index).fillna(0.0).to_numpy(np.float64)
        drawn[name] = resamples.values(expnums, Ranking(bad.to_numpy(bool), score).average_precision)
    yield _score(case, "average precision of exposures", drawn)
    for which in ("read CCDs", "all CCDs"):
        rows = truth if which == "all CCDs" else truth.merge(new.rows[key], on=key)
        of = rows["expnum"].to_numpy(np.int64)
        found = {
            name: rows[key].merge(result.everything[[*key, "category", "p_bad"]], how="left", on=key)
            for name, result in results.items()
        }
        names = rows["category"].to_numpy(object)
        for name, table in found.items():
            ranking = Ranking(names != "good", table["p_bad"].fillna(0.0).to_numpy(np.float64))
            drawn[name] = resamples.values(of, ranking.average_precision)
        yield _score(case, f"average precision of {which}", drawn)
        for category in SPANNING:
            for name, table in found.items():
                called = (table["category"].fillna("good") == category).to_numpy()
                drawn[name] = _f1(names == category, called, of, resamples)
            yield _score(case, f"F1 of {category}, {which}", drawn)


def _f1(
    true: npt.NDArray[np.bool_], called: npt.NDArray[np.bool_], of: npt.NDArray[np.int64], resamples: Resamples
) -> Array:
    def f1(weight: Array) -> float:
        both = 2 * weight[true & called].sum()
        total = weight[true].sum() + weight[called].sum()
        return float(both / total) if total else float("nan")

    return resamples.values(of, f1)


def _score(case: str, name: str, drawn: dict[str, Array]) -> Score:
    values = with_interval("with", drawn["with"]) | with_interval("without", drawn["without"])
    return Score(
        "classifier", case, f"tokens: {name}", values | with_interval("difference", drawn["with"] - drawn["without"])
    )


def _flaws(
    case: str, survey: SurveyResource, fitted: Fitted, new: HeldOut, truth: pd.DataFrame, n: int
) -> Iterator[Score]:
    settings, camera = survey.settings(), survey.camera()
    good = (truth["category"] == "good").groupby(truth["expnum"]).all()
    ccds = truth.groupby("expnum")["ccdnum"].agg(set)
    read = new.rows.groupby("expnum")["ccdnum"].agg(set)
    nights = new.exposures.set_index("expnum")["night"]
    work = settings.home.root.parent / "flaws"
    hits: dict[str, list[float]] = {name: [] for name in fitted}
    for expnum in good.index[good][:n]:
        flawed = neighbours(camera, ccds[expnum] - read[expnum], N_FLAWED, seed=int(expnum))
        if flawed is None:
            continue
        night = str(nights[expnum])
        row = read_table(settings.home.table("night_exposures", night)).set_index("expnum").loc[expnum]
        archive = settings.archive_folder()
        scratch = ScratchArchive(
            work / "archive", night, archive / row["path"], archive / row["ood"] if row["ood"] else None
        )
        try:
            scratch.inject("ghost_scatter", SEVERITY, int(expnum), flawed)
        except UnreadableImageError:
            continue
        predicted = _predicted(settings, camera, scratch.root, night, work / "tables", fitted)
        for name, table in predicted.items():
            called = set(table.loc[table["p_bad"] >= settings.options.decision.ccd_probability, "ccdnum"])
            hits[name].append(len(called & flawed) / len(flawed))
    if not hits["with"]:
        return
    drawn: dict[str, Array] = {}
    for name, shares in hits.items():
        values = np.array(shares)
        places = np.arange(len(values))
        drawn[name] = Resamples(places, 300, 0).values(places, partial(np.average, values, 0))
    yield _score(
        case, f"recall of a flaw of {N_FLAWED} neighbours that were not sampled, {len(hits['with'])} exposures", drawn
    )


def neighbours(camera: Camera, allowed: set[int], n: int, seed: int) -> set[int] | None:
    """Return `n` of the `allowed` CCDs, each beside another one of them; None if there is no such group."""
    boxes = dict(zip([ccd.ccdnum for ccd in camera.ccds], ccd_boxes(camera), strict=True))
    gap = 0.2 * float(np.ptp(next(iter(boxes.values()))[[0, 2]]))

    def beside(a: int, b: int) -> bool:
        (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = boxes[a], boxes[b]
        return bool(ax0 - gap < bx1 and bx0 < ax1 + gap and ay0 - gap < by1 and by0 < ay1 + gap)

    order = np.random.default_rng(seed).permutation(sorted(allowed)).tolist()
    for first in order:
        group = {first}
        for _ in range(n - 1):
            more = [c for c in order if c not in group and any(beside(c, other) for other in group)]
            group |= set(more[:1])
        if len(group) == n:
            return group
    return None


def _predicted(
    settings: Settings, camera: Camera, archive: Path, night: str, out: Path, fitted: Fitted
) -> dict[str, pd.DataFrame]:
    shutil.rmtree(out, ignore_errors=True)
    paths = {name: out / f"{name}.parquet" for name in PASS_TABLES}
    run_pass(archive, night, camera, *load_pass_setup(settings), paths)
    tables = {name: read_table(path) for name, path in paths.items()}
    features = classify.describe_ccds(
        tables["night_ccds"], tables["night_exposures"], tables["night_orientations"], camera
    )
    planes = classify.FocalPlanes.of_table(tables["night_focal_planes"], camera)
    return {
        name: classify.predict_night(model, tables["night_embeddings"], tables["night_ccds"], features, planes)
        for name, model in fitted.items()
    }
