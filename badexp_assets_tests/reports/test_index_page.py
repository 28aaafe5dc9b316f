"""The list of reports with key numbers, and what it is made from."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.reports.index_page import write_index_page
from badexp_assets.review.home_overview import InjectedCounts, Score, summarise_home

NIGHT = "2018-05-17"


def store(home: Home, asset: str, rows: list[dict], night: str | None = None) -> None:
    columns = dict.fromkeys([*SCHEMAS[asset].column_names, *(rows[0] if rows else ())])
    write_table(pd.DataFrame(rows, columns=[*columns]), home.table(asset, night), SCHEMAS[asset])


@pytest.fixture
def home(tmp_path) -> Home:
    """A home with a night of four exposures, two candidates, one reject and reports."""
    home = Home(tmp_path / "my & home")
    exposure = {"night": NIGHT, "filter": "r", "path": "p", "n_ccds": 4, "n_ccds_read": 4, "n_ccds_failed": 0}
    status = [("scored", None), ("scored", None), ("failed", "<b>no pixels</b>"), ("excluded", "focus")]
    rows = [
        exposure | {"expnum": e, "status": s, "status_reason": r, "fingerprint": "f"} for e, (s, r) in enumerate(status)
    ]
    store(home, "night_exposures", rows, NIGHT)
    verdict = {"night": NIGHT, "filter": "r", "n_scored": 4, "category": "psf", "rule": "r", "model": "m"}
    verdicts = [verdict | {"expnum": e, "n_bad": 0, "is_bad": e == 1, "p_bad": 0.5} for e in (0, 1)]
    store(home, "night_exposure_predictions", verdicts, NIGHT)
    candidate = {"filter": "r", "category": "psf", "why": "w", "path": "p"}
    nights = ((1, NIGHT), (9, "2018-05-16"))
    store(home, "review_candidates", [candidate | {"expnum": e, "night": n, "rank": e} for e, n in nights])
    reject = {"category": "psf", "n_bad": 2, "n_fine": 0, "n_unsure": 0, "single_reviewer": False, "rule": "r"}
    rejects = [reject | {"expnum": 1, "ccdnum": ccd, "simulated": False} for ccd in (None, 3, 4)]
    table = pd.DataFrame(rejects, columns=SCHEMAS["reviewed_reject_list"].column_names)
    table["ccdnum"] = table["ccdnum"].astype("Int16")
    write_table(table, home.table("reviewed_reject_list"), SCHEMAS["reviewed_reject_list"])
    home.reports.joinpath("nights").mkdir(parents=True)
    home.export.mkdir()
    (home.export / "bad_expid.txt").write_text("1 1 psf\n")
    home.report.write_text("<html></html>")
    scores = [
        {"score": "exposure average precision", "value": 0.9, "low": 0.85, "high": 0.95},
        {"score": "CCD macro-F1", "value": 0.5, "low": None, "high": None},
        {"score": "exposure verdict: recall", "value": None, "low": None, "high": None},
        {"score": "another", "value": 1.0, "low": 1.0, "high": 1.0},
    ]
    home.report.with_suffix(".json").write_text(json.dumps({"model": "m1", "scores": scores}))
    for night in ("2018-05-16", NIGHT):
        home.night_report(night).write_text("<html></html>")
        home.night_report(night, "md").write_text(f"# Night {night}\n\n4 exposures: 2 scored.\n")
    return home


def test_the_overview_has_the_numbers_of_the_tables(home):
    found = summarise_home(home)
    assert found.latest is not None
    counts = (found.latest.n, found.latest.scored, found.latest.failed, found.latest.excluded, found.latest.bad)
    assert counts == (4, 2, 1, 1, 1)
    assert (found.latest.night, found.latest.candidates, found.n_candidates) == (NIGHT, 1, 2)
    assert found.latest.reasons == (("<b>no pixels</b>", 1), ("focus", 1))
    assert (found.rejects, found.simulated_rejects) == ((1, 2), False)
    assert [score.words for score in found.scores] == ["0.90 (0.85 to 0.95)", "–", "0.50"]
    assert found.model == "m1"
    assert [page.title for page in found.pages] == ["Classification report"]
    assert [(r.path, r.words) for r in found.nights] == [
        (f"nights/{night}.html", "4 exposures: 2 scored.") for night in (NIGHT, "2018-05-16")
    ]
    assert len(summarise_home(home, 1).nights) == 1


def test_injected_anomalies_of_all_categories_are_counted_together(home):
    row = {"found_as": "exposure", "n_unscored": 0, "completeness": 0.5, "low": 0.1, "high": 0.9, "backbone": "b"}
    rows = [
        row | {"category": c, "severity": s, "method": m, "n": 8, "n_found": k, "recipe": "r", "seed": 0}
        for m, shift in (("either", 1), ("classifier", 0))
        for c in ("psf", "noise")
        for s, k in ((0.0, shift), (1.0, 5 + shift))
    ]
    store(home, "injection_completeness", rows)
    found = summarise_home(home)
    assert found.method == "either"
    assert found.completeness == (InjectedCounts(0.0, 16, 2), InjectedCounts(1.0, 16, 12))
    assert found.completeness[1].words == "12 of 16 (75 %)"


def test_an_empty_home_has_an_index_too(tmp_path):
    page = write_index_page(Home(tmp_path)).read_text()
    assert page.count("Not measured yet") == 2
    assert "No reports of nights yet." in page


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": "m", "scores": [{"score": "CCD macro-F1"}]}'])
def test_scores_that_can_not_be_read_are_not_measured(home, content):
    home.report.with_suffix(".json").write_text(content)
    assert summarise_home(home).scores == ()


def test_the_index_leads_to_every_report_and_to_the_reject_list(home):
    page = write_index_page(home)
    text = page.read_text()
    links = re.findall(r'href="([^"]+)"', text)
    assert links == [
        "../export/bad_expid.txt",
        "classification_report.html",
        *(r.path for r in summarise_home(home).nights),
    ]
    assert all((page.parent / link).exists() for link in links)
    assert "my &amp; home" in text
    assert "&lt;b&gt;no pixels&lt;/b&gt;" in text
    assert "1 exposures and 2 single CCDs are rejected." in text


@pytest.mark.slow
def test_a_finished_home_has_an_index_of_its_reports_with_the_scores_of_the_classification_report(finished_home: Path):
    home = Home(finished_home)
    page = home.reports / "index.html"
    links = [link for link in re.findall(r'href="([^"]+)"', page.read_text()) if not link.startswith("http")]
    assert all((page.parent / link).exists() for link in links)
    written = {str(path.relative_to(home.reports)) for path in home.reports.rglob("*.html")} - {"index.html"}
    assert written == {link for link in links if link.endswith(".html")}
    found = summarise_home(home)
    assert found.latest is not None
    assert found.latest.n == len(read_table(home.table("night_exposures", found.latest.night)))
    assert [score.name for score in found.scores] == [
        "average precision, exposures",
        "precision of the verdict",
        "recall of the verdict",
        "average precision, CCDs",
        "macro-F1 of categories, CCDs",
    ]
    macro = next(score for score in found.scores if score.name.startswith("macro"))
    assert isinstance(macro, Score)
    assert f"{macro.value:.3f}" in home.report.read_text()
