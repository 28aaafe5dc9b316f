"""Ranking again while answering, in a real browser against the real server."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.io.parquet import write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.review.app.conftest import NIGHTS
from badexp_assets_tests.review.app.test_browser import FIRST, N, stored, until, wait_shown

pytestmark = pytest.mark.slow

LEARNED = "fetch('/api/candidates?order=learned').then(response => response.json())"
OPEN = f"{LEARNED}.then(found => found.candidates.filter(row => row.open).map(row => row.expnum))"


@pytest.fixture
def settings(settings):
    """The home with planted embeddings, in which candidates are ranked again after three answers."""
    for night in NIGHTS:
        expnums = range(FIRST + (NIGHTS.index(night) != FIRST % 2), FIRST + N, 2)
        rows = [{"expnum": e, "n_ccds": 4, "backbone": "b", "recipe": "r", "embedding": embedding(e)} for e in expnums]
        write_table(
            pd.DataFrame(rows),
            settings.home.table("night_mosaic_embeddings", night),
            SCHEMAS["night_mosaic_embeddings"],
        )
    path = settings.home.root / "settings.toml"
    path.write_text(path.read_text() + '[review]\nrefit_after = 3\norder = "learned"\n')
    return settings


def embedding(expnum):
    """Every third exposure, from FIRST + 1 on, is of a kind of its own."""
    vector = np.random.default_rng(expnum).normal(0, 0.2, 8).astype(np.float32)
    vector[:6] += 4 * (expnum % 3 == (FIRST + 1) % 3)
    return vector


def shown(tab):
    return int(tab.evaluate("document.body.dataset.shown"))


def answer(tab, *keys):
    """Answer the exposure on screen and wait for the next one; return its number."""
    before = shown(tab)
    for key in keys:
        tab.keyboard.press(key)
    until(tab, f"Number(document.body.dataset.shown) !== {before} && !document.body.classList.contains('loading')")
    return before


def learned(tab):
    """Wait until the server can learn."""
    until(tab, f"{LEARNED}.then(found => found.learning.state === 'ready')")


def test_after_some_answers_candidates_are_ranked_again_and_the_one_on_screen_stays(open_page, server):
    tab = open_page("ann")
    learned(tab)
    tab.reload()
    tab.wait_for_selector(".cell")
    assert "learned from 0 answered" in tab.inner_text("#count")
    tab.keyboard.press("r")
    wait_shown(tab, FIRST)  # nothing is learned yet: by rank
    answered = [answer(tab, "f"), answer(tab, "b", "Enter"), answer(tab, "u")]
    assert answered == [FIRST, FIRST + 1, FIRST + 2]
    stays = shown(tab)
    tab.wait_for_selector(".reranked:has-text('moved up')")
    assert "learned from 2 answered" in tab.inner_text(".reranked")  # unsure teaches nothing
    assert shown(tab) == stays == FIRST + 3
    order = [e for e in tab.evaluate(OPEN) if e != stays]
    assert {e % 3 for e in order[:4]} == {(FIRST + 1) % 3}  # those like the bad one
    for expnum in order[:4]:  # what comes next in the new order is fetched ahead
        until(tab, f"performance.getEntriesByType('resource').some(e => e.name.includes('/api/exposure/{expnum}'))")
    tab.keyboard.press("p")
    wait_shown(tab, FIRST + 2)  # the way back is the one that was gone
    tab.keyboard.press("n")
    wait_shown(tab, stays)
    assert answer(tab, "f") == stays
    assert shown(tab) == order[0]
    tab.keyboard.press("z")
    wait_shown(tab, stays)
    assert set(stored(server, 3)["expnum"]) == set(answered)


def test_every_open_candidate_comes_once_though_the_ranking_changes_on_the_way(open_page, server):
    tab = open_page("ann")
    learned(tab)
    tab.keyboard.press("r")
    wait_shown(tab, FIRST)
    for n in range(N - 1):
        answer(tab, "f" if n % 3 else "u")
    tab.keyboard.press("f")
    tab.wait_for_selector("dialog.done")
    assert sorted(stored(server, N)["expnum"]) == list(range(FIRST, FIRST + N))


def test_a_key_ranks_again_at_once_and_the_grid_keeps_cursor_and_selection(open_page, server):
    tab = open_page("ann")
    learned(tab)
    tab.reload()
    tab.wait_for_selector(".cell")
    for _ in range(2):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press(" ")
    rows = [{"expnum": FIRST + n, "reviewer": "ben", "verdict": "bad" if n > 1 else "fine"} for n in range(7)]
    VerdictStore(server.settings.verdicts).add(pd.DataFrame(rows))
    tab.keyboard.press("q")
    tab.wait_for_selector(".reranked:has-text('learned from 7 answered')")
    assert "learned from 7 answered" in tab.inner_text("#count")
    for which in ("selected", "cursor"):
        assert tab.get_attribute(f".cell.{which}", "data-expnum") == str(FIRST + 2)
    assert "1 selected" in tab.inner_text("#bar")
    tab.select_option("[name=order]", "rank")
    tab.wait_for_selector("#rerank", state="hidden")
    tab.keyboard.press("q")
    tab.wait_for_selector(".toast:has-text('does not depend on answers')")


def test_scores_are_hidden_until_the_answer_where_a_reviewer_wants_that(open_page, server):
    tab = open_page("ann")
    assert "psf" in tab.inner_text(".cell")
    tab.check("[name=hide]")
    until(tab, "!document.querySelector('.cell').textContent.includes('psf')")
    tab.keyboard.press("r")
    wait_shown(tab, FIRST)
    assert "hidden until you have answered" in tab.inner_text("#facts")
    for word in ("psf", "P(bad)", "rank 1", "of 4 CCDs", "Most similar"):
        assert word not in tab.inner_text("#facts"), word
    tab.keyboard.press("w")
    assert tab.inner_text("#target") == "whole exposure"
    tab.keyboard.press("b")
    tab.wait_for_selector(".menu")
    assert tab.query_selector(".menu .suggested") is None
    tab.keyboard.press("Enter")
    wait_shown(tab, FIRST + 1)
    row = stored(server, 1).iloc[0]
    assert row["category"] is None or row["category"] != row["category"]
    assert '"p_bad": null' in row["shown"]
    tab.keyboard.press("p")
    wait_shown(tab, FIRST)
    until(tab, "document.querySelector('#facts').textContent.includes('P(bad)')")
    assert "rank 1" in tab.inner_text("#facts")


def test_keys_do_nothing_in_a_grid_without_candidates(open_page, server):
    tab = open_page("ann")
    tab.select_option("[name=state]", "mine")
    tab.wait_for_selector("#nothing:has-text('No candidate matches')")
    for key in ("ArrowRight", "Shift+ArrowRight", " ", "b", "Enter", "f", "q", "a"):
        tab.keyboard.press(key)
    assert not tab.is_visible("#bar")
    assert tab.query_selector("dialog") is None
    stored(server, 0)


def test_an_answer_is_taken_back_in_the_grid_before_its_candidates_are_loaded(open_page, server):
    tab, held = open_page("ann"), []
    tab.keyboard.press("f")
    stored(server, 1)
    tab.route("**/api/candidates*", lambda route: held.append(route))
    tab.reload()
    tab.keyboard.press("z")
    stored(server, 0)
    held.pop().continue_()
    tab.wait_for_selector(".cell")
