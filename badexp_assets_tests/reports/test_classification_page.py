"""The page of the classification report: what it holds, how it reads, and where its links lead."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from badexp_assets.reports.classification_page import write_classification_page
from badexp_assets.reports.model_card import card_rows
from badexp_assets_tests.browser import chromium

CARD = {
    "categories": ["good", "bad_ccd"],
    "n_per_category": {"good": 20, "bad_ccd": 3},
    "base_rate": 0.5007209665104342,
    "calibration": {"kind": "sigmoid", "log_loss": {"isotonic": 0.30811, "sigmoid": 0.29}},
    "pool": {"penalty": 1.0, "tokens": None, "used": False},
    "suspects": [{"expnum": 7, "p_bad": 0.98765432}, {"expnum": 8, "p_bad": float("nan")}],
    "features": [f"feature_{i}" for i in range(200)],
    "params": {"n_components": [24, 48], "weights": {}, "candidates": []},
    "selection": [{"head": "logistic"}],
    "findings": ["few exposures"],
}


def test_a_model_card_is_rows_of_nested_names_short_numbers_and_lists_with_commas():
    rows = card_rows(CARD)
    assert rows[-1] == ("finding", "few exposures")
    found = dict(rows)
    assert len(found) == len(rows) == 16
    assert found["features"].startswith("feature_0, feature_1, ")
    assert len(found.pop("features")) < 610
    assert found == {
        "categories": "good, bad_ccd",
        "n per category: good": "20",
        "n per category: bad_ccd": "3",
        "base rate": "0.5007",
        "calibration: kind": "sigmoid",
        "calibration: log loss: isotonic": "0.3081",
        "calibration: log loss: sigmoid": "0.29",
        "pool: penalty": "1",
        "pool: tokens": "–",
        "pool: used": "no",
        "suspects": "expnum 7, p_bad 0.9877; expnum 8, p_bad –",
        "params: n components": "24, 48",
        "params: weights": "none",
        "params: candidates": "none",
        "finding": "few exposures",
    }


@pytest.fixture(scope="module")
def page(planted_evaluation, planted_model, tmp_path_factory) -> Path:
    """The page of an evaluation with wrong verdicts, a long name in each row of views, and parts of CARD."""
    exposures = planted_evaluation.found.exposures.copy()
    exposures.iloc[:2, exposures.columns.get_loc("is_bad")] = ~exposures["bad"].iloc[:2]
    views = {
        name: table.assign(
            category="nonoptimal_exposure",
            view="all CCDs of the focal plane, pooled",
            **dict.fromkeys(("difference", "difference_low", "difference_high"), -0.123),
        )
        for name, table in planted_evaluation.views.items()
    }
    found = replace(planted_evaluation.found, exposures=exposures)
    path = tmp_path_factory.mktemp("classification") / "reports" / "page.html"
    card = planted_model.card | {name: CARD[name] for name in ("base_rate", "calibration", "pool", "suspects")}
    write_classification_page(replace(planted_evaluation, found=found, views=views), card, {"a": "<b>&"}, path, b"map")
    return path


@pytest.mark.slow
def test_the_page_is_whole_and_asks_nobody_for_anything(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "&lt;b&gt;&amp;" in text
    assert not re.findall(r"(?:src|href)=\"(?!data:|#|nights/\d{4}-\d\d-\d\d\.html#e\d+\")", text)
    assert "url(" not in text
    assert text.count("data:image/png;base64,") == 7
    for heading in ("Risk and coverage", "Calibration", "Model card", "could not be measured", "Table 3"):
        assert heading in text
    assert "nan" not in re.sub(r"base64,[^\"]*|nan?o", "", text.lower()).split()
    assert len(text) < 1_000_000


@pytest.mark.slow
def test_the_page_shows_no_python_values_and_no_sixteen_digits(page):
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert "calibration: log loss: isotonic" in text
    for raw in (r"\{'", r"\['", r"\d\.\d{8}", r">None<"):
        assert re.findall(raw, text) == []


@pytest.mark.slow
def test_tables_are_within_the_window_and_wrong_verdicts_link_to_the_report_of_their_night(page):
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1440, "height": 1000})
        tab.goto(page.as_uri())
        last = tab.locator("td.paper:last-child").first.bounding_box()
        assert last["x"] + last["width"] <= 1440
        wide = "parts => parts.filter(part => part.scrollWidth > part.clientWidth).map(part => part.innerText)"
        assert tab.eval_on_selector_all(".wide", wide) == []
        links = tab.locator("#wrong ~ .wide a")
        assert links.count() >= 2
        for link in links.all():
            row = link.locator("xpath=ancestor::tr").locator("td").all_inner_texts()
            assert link.get_attribute("href") == f"nights/{row[1]}.html#e{row[0]}"
        assert tab.locator("#app").count() == 0
        tab.set_viewport_size({"width": 390, "height": 844})
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
