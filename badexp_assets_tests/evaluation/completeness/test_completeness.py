"""What counts as found, how it is counted, and the loop over exposures, categories and severities."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image

from badexp_assets.config.classifier_options import VoteRule
from badexp_assets.config.evaluation_options import InjectionParams
from badexp_assets.config.review_options import CandidateParams
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.evaluation.completeness.entropy_cuts import EntropyCuts
from badexp_assets.evaluation.completeness.exposure_chain import called_bad_ccds
from badexp_assets.evaluation.completeness.measure import InjectionPlan, measure_completeness
from badexp_assets.evaluation.completeness.results import (
    Outcome,
    Verdict,
    completeness_figure,
    completeness_lines,
    completeness_table,
)
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.cameras import load_camera

BAD = Verdict(True, "psf", frozenset(), False)
SOME_CCDS = Verdict(False, "noise", frozenset({3, 4}), False)
NOTHING = Verdict(False, "good", frozenset(), True)
EVERY = frozenset(range(1, 63))
UNREAD = Verdict(None, None, frozenset(), None)


@pytest.mark.parametrize(
    ("category", "hit", "verdict", "classifier", "entropy", "either"),
    [
        ("psf", {1, 2, 3, 4}, BAD, True, False, True),
        ("psf", {1, 2, 3, 4}, SOME_CCDS, False, False, False),  # the whole exposure is bad, and was not called so
        ("noise", {4, 5}, SOME_CCDS, True, False, True),
        ("noise", {5, 6}, SOME_CCDS, False, False, False),  # other CCDs than those that were hit
        ("noise", {5, 6}, BAD, True, False, True),
        ("noise", None, SOME_CCDS, True, False, True),  # nothing injected: a false alarm on any CCD
        ("psf", None, NOTHING, False, True, True),
        ("psf", {1}, UNREAD, None, None, None),
        ("psf", {1}, Verdict(None, None, frozenset(), True), None, True, True),
        ("psf", {1}, Verdict(False, "good", frozenset(), None), False, None, False),
    ],
)
def test_an_anomaly_is_found_when_what_it_hit_is_called_bad(category, hit, verdict, classifier, entropy, either):
    outcome = Outcome(1, category, 0.5, None if hit is None else frozenset(hit), verdict)
    found = {method: outcome.found(method) for method in ("classifier", "entropy", "either")}
    assert found == {"classifier": classifier, "entropy": entropy, "either": either}
    assert outcome.named == (bool(classifier) and verdict.category == category)


def table_of(outcomes: list[Outcome]) -> pd.DataFrame:
    return completeness_table(outcomes, "model-1", "reference-1", "net", "scaled", 3)


def planted() -> list[Outcome]:
    """psf: 1 of 4 found at 0.2 (one unread), 3 of 4 at 1; no false alarm of the classifier, entropy flags all."""
    cells = {0.0: [NOTHING] * 4, 0.2: [BAD, NOTHING, NOTHING, UNREAD], 1.0: [BAD, BAD, BAD, NOTHING]}
    return [
        Outcome(e, category, severity, frozenset({1}) if severity else None, verdict)
        for category in ("psf", "noise")
        for severity, verdicts in cells.items()
        for e, verdict in enumerate(verdicts)
    ]


def test_the_table_counts_what_was_found_what_was_not_and_what_had_no_score():
    table = table_of(planted())
    assert to_arrow(table, SCHEMAS["injection_completeness"]).num_rows == 2 * 3 * 3
    rows = table.set_index(["category", "severity", "method"])
    assert rows.loc[("psf", 0.2, "classifier"), ["n", "n_found", "n_unscored", "n_named"]].tolist() == [4, 1, 1, 1]
    assert rows.loc[("noise", 1.0, "classifier"), ["n_found", "n_named"]].tolist() == [3, 0]
    assert rows.loc[("psf", 0.0, "entropy"), "completeness"] == 1.0
    assert pd.isna(rows.loc[("psf", 0.0, "classifier"), "n_named"])
    found = rows.loc[("psf", 1.0, "classifier")]
    assert (found["low"], found["high"]) == wilson_interval(3, 4)
    assert rows.loc[("psf", 1.0, "entropy"), "found_as"] == "exposure"
    assert rows.loc[("noise", 1.0, "classifier"), "found_as"] == "ccds"
    assert rows.loc[("noise", 1.0, "entropy"), "found_as"] == "exposure"
    assert pd.isna(rows.loc[("psf", 1.0, "entropy"), "model"])
    assert table.drop_duplicates("category")["category"].tolist() == ["psf", "noise"]
    assert table["severity"].iloc[:9].is_monotonic_increasing


def test_the_lines_of_the_command_say_the_share_by_severity():
    lines = completeness_lines(table_of(planted()))
    assert lines[0].split()[-4:] == ["as", "is", "0.2", "1"] or lines[0].split()[-2:] == ["0.2", "1"]
    assert lines[1].split() == ["psf", "classifier", "0.00", "0.25", "0.75"]


def test_the_picture_is_small_and_has_a_panel_per_category():
    with Image.open(io.BytesIO(completeness_figure(table_of(planted())))) as picture:
        assert picture.width > picture.height


def test_cuts_are_reached_by_the_stated_share_of_good_exposures_of_the_band_and_not_below_the_floor():
    scores = pd.DataFrame({"expnum": range(100), "filter": "r", "n_sources": 50, "z_source": range(100)})
    scores["z_background"] = 0.1
    scores.loc[50:, "z_source"] = 1e6  # bad ones must not raise the cut
    params = CandidateParams(entropy_top_fraction=0.1, entropy_min_z=3)
    cuts = EntropyCuts.of_good(scores, set(range(50)), params)
    assert cuts.cuts == {("r", "z_source"): pytest.approx(44.1), ("r", "z_background"): 3.0}

    def flagged(**values) -> bool | None:
        row = {"filter": "r", "n_sources": 50, "z_source": float("nan"), "z_background": float("nan")}
        return cuts.flagged(pd.Series(row | values))

    assert flagged(z_source=45.0) is True
    assert flagged(z_source=44.0) is False
    assert flagged(z_source=0.0, z_background=3.5) is True
    assert flagged(z_source=45.0, n_sources=5) is None  # too few sources to count
    assert flagged() is None
    assert flagged(filter="z", z_source=99.0) is None  # a band without good exposures has no cut


def test_with_rank_by_kl_the_cuts_are_of_the_plain_divergence():
    scores = pd.DataFrame({"expnum": range(50), "filter": "r", "n_sources": 50, "kl_source": np.arange(50) / 100})
    scores = scores.assign(kl_background=0.1, z_source=99.0, z_background=99.0)
    params = CandidateParams(entropy_top_fraction=0.1, entropy_min_kl=0.2)
    cuts = EntropyCuts.of_good(scores, set(range(50)), params, "kl")
    assert cuts.cuts == {("r", "kl_source"): pytest.approx(0.441), ("r", "kl_background"): 0.2}
    row = {"filter": "r", "n_sources": 50, "z_source": 99.0, "z_background": 99.0}
    assert cuts.flagged(pd.Series(row | {"kl_source": 0.43, "kl_background": 0.1})) is False
    assert cuts.flagged(pd.Series(row | {"kl_source": 0.45, "kl_background": 0.1})) is True
    assert cuts.flagged(pd.Series(row | {"filter": "z", "kl_source": 0.45, "kl_background": 0.1})) is None


def test_called_ccds_are_those_that_the_verdict_names_or_those_that_vote_bad():
    predictions = pd.DataFrame(
        {"ccdnum": [1, 2, 3], "category": ["good", "psf", "psf"], "probability": np.float32([1, 0.9, 0.8])}
    )
    assert called_bad_ccds(pd.Series({"bad_ccds": "3,17"}), predictions, VoteRule()) == {3, 17}
    assert called_bad_ccds(pd.Series({"bad_ccds": ""}), predictions, VoteRule()) == set()
    assert called_bad_ccds(pd.Series({"is_bad": True}), predictions, VoteRule(min_probability=0.9)) == {2}


class SeverityReader:
    """Stands where the chain would be: calls bad what an injected file says of itself, from a severity of 0.5 on."""

    camera = load_camera()

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def check(self, night: str) -> None:
        assert night == "2018-03-10"

    def __call__(self, archive: Path, night: str, expnum: int, out: Path) -> Verdict:
        (path,) = archive.rglob("*_ooi_*.fits.fz")
        header = fits.getheader(path)
        assert header["EXPNUM"] == expnum
        assert len(list(archive.rglob("*_ood_*.fits.fz"))) == 1
        severity = float(header.get("SIMSEV", 0.0)) if "HISTORY" in header else 0.0
        self.seen.append((expnum, severity))
        return Verdict(severity >= 0.5, "psf", frozenset(), False, EVERY)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("good")
    write_survey(
        out,
        SurveyParams(
            ccd_rows=64, ccd_columns=48, n_ccds=2, nights=1, exposures=3, bad_fraction=0, hard_negative_fraction=0
        ),
    )
    return out / "images"


def plan_of(archive: Path) -> InjectionPlan:
    images = sorted(archive.rglob("*_ooi_*.fits.fz"))
    rows = [
        {
            "expnum": int(fits.getheader(path)["EXPNUM"]),
            "night": "2018-03-10",
            "filter": "r",
            "ooi": path.relative_to(archive).as_posix(),
            "ood": path.relative_to(archive).as_posix().replace("_ooi_", "_ood_"),
        }
        for path in images
    ]
    return InjectionPlan(pd.DataFrame(rows), InjectionParams(severities=(0.2, 0.8), categories=("psf", "noise")))


@pytest.mark.slow
def test_every_exposure_is_read_as_it_is_and_with_every_anomaly_at_every_severity(archive, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in archive.rglob("*")}
    chain, steps = SeverityReader(), []
    plan = plan_of(archive)
    found = measure_completeness(plan, archive, chain, tmp_path, lambda done, total: steps.append((done, total)))
    assert found.findings == ()
    assert steps == [(i, 15) for i in range(16)]
    assert [severity for _, severity in chain.seen] == [0.0, 0.2, 0.8, 0.2, 0.8] * 3
    rows = table_of(list(found.outcomes)).set_index(["category", "severity", "method"])["completeness"]
    for category in ("psf", "noise"):
        assert [rows[category, s, "classifier"] for s in (0.0, 0.2, 0.8)] == [0, 0, 1]
    assert {path: path.stat().st_mtime_ns for path in archive.rglob("*")} == before


@pytest.mark.slow
def test_an_exposure_that_cannot_be_injected_into_is_left_out_everywhere_and_named(archive, tmp_path):
    plan = plan_of(archive)
    lost = int(plan.exposures["expnum"].iloc[1])
    damaged = tmp_path / plan.exposures["ooi"].iloc[1]
    damaged.parent.mkdir(parents=True)
    exposures = plan.exposures.copy()
    exposures.loc[exposures.index == 1, "ooi"] = str(damaged)  # an absolute path stands for itself
    whole = bytearray((archive / plan.exposures["ooi"].iloc[1]).read_bytes())
    damaged.write_bytes(bytes(whole[: len(whole) // 2 // 2880 * 2880 - 1440]))

    class Patient(SeverityReader):
        def __call__(self, archive, night, expnum, out):
            return replace(NOTHING, seen=EVERY) if expnum == lost else super().__call__(archive, night, expnum, out)

    steps = []
    found = measure_completeness(
        InjectionPlan(exposures, plan.params), archive, Patient(), tmp_path / "w", lambda *step: steps.append(step)
    )
    assert len(found.findings) == 1
    assert f"exposure {lost} left out: {damaged}" in found.findings[0]
    assert lost not in {outcome.expnum for outcome in found.outcomes}
    assert set(table_of(list(found.outcomes))["n"]) == {2}
    assert steps[-1] == (15, 15)

    alone = InjectionPlan(exposures.iloc[[1]], plan.params)
    with pytest.raises(InputError, match="no exposure could be injected into"):
        measure_completeness(alone, archive, Patient(), tmp_path / "w", lambda *step: None)
