"""Filters by any column that can be saved, and bulk answers with undo, in a real browser against the real server."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.browser import until
from badexp_assets_tests.review.app.conftest import NIGHTS
from badexp_assets_tests.review.app.test_browser import FIRST, OTHER, N, stored, wait_shown

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(settings):
    """The home, whose candidates differ in P(bad) and reason."""
    path = settings.home.table("review_candidates")
    table = read_table(path)
    table["p_bad"] = (np.arange(N) / 100 + 0.5).astype(np.float32)  # 0.50, 0.51, ...
    table.loc[::2, "why"] = "entropy of sources z = 7.5"
    write_table(table, path, SCHEMAS["review_candidates"])
    return settings


def add_condition(tab, column, **values):
    tab.click("#condition")
    tab.select_option("dialog.conditions [name=column]", column)
    for name, value in values.items():
        tab.fill(f"dialog.conditions [name={name}]", value)
    tab.click("dialog.conditions button.main")


def count(tab, expected):
    until(tab, f"document.querySelector('#count').textContent.startsWith('{expected} of {N}')")


def test_conditions_on_any_column_are_combined_shown_and_removed_and_the_queue_follows(open_page):
    tab = open_page("ann")
    add_condition(tab, "p_bad", **{"from": "0.6"})
    count(tab, N - 10)
    add_condition(tab, "why", text="Entropy of sources")
    count(tab, (N - 10) // 2)
    assert [c.removesuffix(" ×") for c in tab.locator(".chip").all_inner_texts()] == [
        "P(bad) from 0.6",
        "reason contains Entropy of sources",
    ]
    tab.keyboard.press("r")
    wait_shown(tab, FIRST + 10)
    tab.keyboard.press("ArrowRight")
    wait_shown(tab, FIRST + 12)
    tab.goto("/")
    count(tab, (N - 10) // 2)  # they stay
    tab.click(".chip >> nth=0")
    count(tab, N // 2)
    tab.click(".chip")
    count(tab, N)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("p_bad", {"from": "0.5", "to": "0.549"}, 5),
        ("rank", {"to": "3"}, 3),
        ("night", {"from": "2018-05-18"}, N // 2),
        ("night", {"to": "2018-05"}, N),
        ("z_mse", {"from": "-100"}, 0),  # unknown
        ("expnum", {"from": str(FIRST + 1), "to": str(FIRST + 2)}, 2),
    ],
)
def test_both_ends_belong_to_a_range(open_page, column, values, expected):
    tab = open_page("ann")
    add_condition(tab, column, **values)
    count(tab, expected)


def test_a_wrong_condition_is_not_added(open_page):
    tab = open_page("ann")
    add_condition(tab, "p_bad", **{"from": "high"})
    assert "high is no number" in tab.inner_text(".toast")
    tab.keyboard.press("Escape")
    add_condition(tab, "category")
    assert "a text is needed" in tab.inner_text(".toast")
    assert tab.locator(".chip").count() == 0


def test_filters_are_saved_by_name_for_one_reviewer_and_can_be_deleted(open_page):
    tab = open_page("ann")
    add_condition(tab, "p_bad", **{"from": "0.7"})
    tab.select_option("[name=filter]", "r")
    tab.click("#save")
    tab.fill("dialog.saving [name=name]", "sure r")
    tab.keyboard.press("Enter")
    tab.select_option("[name=filter]", "")
    tab.click(".chip")
    count(tab, N)
    tab.reload()
    tab.wait_for_selector(".cell")
    tab.select_option("#more select", "sure r")
    count(tab, 7)  # every second one of 14
    assert tab.input_value("[name=filter]") == "r"
    tab.click("#save")
    tab.click("dialog.saving li button")
    tab.keyboard.press("Escape")
    assert tab.locator("#more select option").all_inner_texts() == ["No saved filters"]


def test_hidden_scores_can_not_be_found_by_a_condition(open_page):
    tab = open_page("ann")
    tab.check("[name=hide]")
    add_condition(tab, "p_bad", **{"from": "0"})
    count(tab, 0)


def test_all_that_match_are_answered_at_once_and_taken_back_with_one_key(open_page, server):
    tab = open_page("ann")
    add_condition(tab, "p_bad", **{"from": "0.6"})
    count(tab, N - 10)
    tab.keyboard.press("Shift+A")
    assert tab.inner_text("#selected") == f"{N - 10} selected"
    tab.keyboard.press("f")
    found = stored(server, N - 10)
    assert set(found["verdict"]) == {"fine"}
    assert found["expnum"].min() == FIRST + 10
    tab.keyboard.press("z")
    stored(server, 0)
    assert "24 exposures undone" in tab.inner_text(".toast")


def test_more_answers_than_the_server_takes_at_once_go_in_parts_and_are_taken_back_together(open_page, server):
    tab = open_page("ann")
    give = """async n => {
      const outbox = await import("/static/outbox.js");
      const one = k => ({expnum: 1001 + k % 34, verdict: "unsure", comment: String(k)});
      outbox.sendAnswers(Array.from({length: n}, (_, k) => one(k)));
    }"""
    tab.evaluate(give, 1000)
    assert stored(server, 1000)["comment"].astype(int).sort_values().tolist() == list(range(1000))
    tab.keyboard.press("z")
    stored(server, 0)
    assert VerdictStore(server.settings.verdicts).state()[1] == 1000


def test_a_queue_of_an_address_has_its_order_and_exposures_that_are_no_candidates(open_page, server):
    tab = open_page("ann")
    tab.goto(f"/#queue={FIRST + 5},{OTHER},{FIRST + 2}")
    tab.reload()
    tab.wait_for_selector(".chip")
    until(tab, "document.querySelector('#count').textContent.startsWith('3 of')")
    cells = tab.locator(".cell")
    assert [cells.nth(k).get_attribute("data-expnum") for k in range(3)] == [str(FIRST + 5), str(OTHER), str(FIRST + 2)]
    tab.keyboard.press("r")
    wait_shown(tab, FIRST + 5)
    tab.keyboard.press("f")
    wait_shown(tab, OTHER)
    tab.keyboard.press("u")
    wait_shown(tab, FIRST + 2)
    assert stored(server, 2)["expnum"].tolist() == [FIRST + 5, OTHER]
    assert "1 by me" in tab.inner_text("#progress")  # one of them is no candidate
    tab.goto("/")
    tab.click(".chip")
    count(tab, N)


def test_more_like_this_is_a_queue_of_the_nearest_exposures(open_page, settings):
    asset = "night_mosaic_embeddings"
    for night in NIGHTS:
        expnums = range(FIRST + (NIGHTS.index(night) != FIRST % 2), FIRST + N, 2)
        rng = np.random.default_rng(NIGHTS.index(night))
        vectors = [rng.normal(0, 0.2, 8).astype(np.float32) + 4 * np.eye(8, dtype=np.float32)[e % 5] for e in expnums]
        rows = {"expnum": expnums, "n_ccds": 4, "backbone": "b", "recipe": "r", "embedding": vectors}
        write_table(pd.DataFrame(rows), settings.home.table(asset, night), SCHEMAS[asset])
    tab = open_page("ann")
    tab.goto(f"/exposure/{FIRST}")
    wait_shown(tab, FIRST)
    tab.keyboard.press("m")
    tab.wait_for_selector(".chip")
    assert tab.inner_text(".chip").startswith(f"{N - 1} most like {FIRST}")
    cells = tab.locator(".cell")
    found = [int(cells.nth(k).get_attribute("data-expnum")) for k in range(7)]
    assert found[0] == FIRST
    assert {e % 5 for e in found} == {FIRST % 5}  # the seven of its kind


def test_the_end_of_the_queue_stays_when_the_scores_of_the_last_exposure_appear(open_page):
    tab = open_page("ann")
    tab.check("[name=hide]")
    add_condition(tab, "expnum", to=str(FIRST))
    count(tab, 1)
    tab.keyboard.press("r")
    wait_shown(tab, FIRST)
    assert "Scores and suggestions are hidden" in tab.inner_text("#facts")
    tab.keyboard.press("f")
    tab.wait_for_selector("#facts .scores")
    tab.wait_for_selector("dialog.done p:has-text('You gave 1 answers')")


def test_an_undo_in_the_list_brings_the_answer_before_back(open_page, server):
    tab = open_page("ann")
    tab.select_option("[name=state]", "")
    tab.wait_for_selector(".cell")
    said = ".cell[data-expnum='{}'] .answer"
    for verdict in "fu":
        tab.keyboard.press("A")
        tab.keyboard.press(verdict)
    stored(server, 2 * N)
    tab.keyboard.press("ArrowLeft")
    tab.reload()
    tab.wait_for_selector(".cell")
    tab.keyboard.press("z")
    stored(server, N)
    for expnum in (FIRST, FIRST + 5):
        until(tab, f"document.querySelector(`{said.format(expnum)}`).textContent === 'fine'")
    assert f"{N} by me" in tab.inner_text("#progress")
    tab.keyboard.press("z")
    stored(server, 0)
    until(tab, f"document.querySelector(`{said.format(FIRST)}`).textContent === ''")
    assert "0 by me" in tab.inner_text("#progress")


def test_a_saved_filter_with_the_order_of_the_home_brings_that_order_back(open_page):
    tab, first = open_page("ann"), "document.querySelector('.cell').dataset.expnum"
    tab.click("#save")
    tab.fill("dialog.saving [name=name]", "usual")
    tab.keyboard.press("Enter")
    assert tab.evaluate(first) == str(FIRST)
    tab.select_option("[name=order]", "night")
    until(tab, f"{first} === '{FIRST + 1}'")
    tab.select_option("#more select", "usual")
    until(tab, f"{first} === '{FIRST}'")
    assert tab.input_value("[name=order]") == "rank"


def test_a_capital_letter_means_no_category(open_page, server):
    tab = open_page("ann")
    tab.keyboard.press("b")
    tab.wait_for_selector("dialog.menu")
    tab.keyboard.press("A")  # selects all that match, where no category is asked for
    assert tab.locator("dialog.menu[open]").count() == 1
    tab.keyboard.press("a")
    assert stored(server, 1)["expnum"].tolist() == [FIRST]


def test_conditions_on_measured_numbers_find_what_was_measured(open_page, server):
    home, night = server.settings.home, "2018-05-18"
    table = read_table(home.table("night_exposures", night))
    table.loc[table["expnum"] == FIRST, "airmass"] = 1.9
    write_table(table, home.table("night_exposures", night), SCHEMAS["night_exposures"])
    tab = open_page("ann")
    until(tab, "fetch('/api/candidates').then(r => r.json()).then(l => !l.collecting)")
    tab.reload()
    add_condition(tab, "airmass", **{"from": "1.8"})
    count(tab, 1)
    tab.click(".chip")
    add_condition(tab, "seeing", **{"from": "1", "to": "1.3"})  # 4.5 px of 0.263 arcsec
    count(tab, N)
    tab.click(".chip")
    add_condition(tab, "plver", text="V5.6")
    count(tab, N)
