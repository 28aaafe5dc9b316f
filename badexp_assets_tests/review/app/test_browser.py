"""Reviewing in a real browser against the real server."""

import json
import signal
import time

import pandas as pd
import pytest

from badexp_assets.config.review_options import ReviewParams
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.pixels.focal_plane_svg import colour_of
from badexp_assets.review.queue import assign_candidates
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.browser import until
from badexp_assets_tests.waiting import LONGEST_WAIT

pytestmark = pytest.mark.slow

FIRST, N, OTHER = 1001, 34, 2001
SHOWN = "body[data-shown='{}']"


def stored(server, n, reviewer=None):
    """Answers of the store once there are `n`."""
    store, deadline = VerdictStore(server.settings.verdicts), time.monotonic() + LONGEST_WAIT
    while len(found := store.read(reviewer)) != n and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(found) == n
    return found


def wait_shown(tab, expnum):
    tab.wait_for_selector(SHOWN.format(expnum))


def until_true(tab, condition):
    """Wait for a condition of this process, which requests of the page change."""
    deadline = time.monotonic() + LONGEST_WAIT
    while not condition():
        assert time.monotonic() < deadline
        tab.wait_for_timeout(50)


def to_first(tab):
    """From the grid to the first candidate, by keyboard."""
    tab.keyboard.press("r")
    wait_shown(tab, FIRST)


def test_thirty_candidates_are_reviewed_with_the_keyboard_alone(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    expected = []
    for n in range(30):
        wait_shown(tab, FIRST + n)
        kind = n % 5
        if kind == 0:
            tab.keyboard.press("f")
            expected.append((None, "fine", None, None))
        elif kind == 1:
            tab.keyboard.press("b")
            tab.keyboard.press("Enter")
            expected.append((None, "bad", "psf", None))
        elif kind == 2:
            tab.keyboard.press("b")
            tab.keyboard.press("5")
            expected.append((None, "bad", "ghost_scatter", None))
        elif kind == 3:
            tab.keyboard.press("u")
            expected.append((None, "unsure", None, None))
        else:  # the worst CCD, with words
            tab.keyboard.press("j")
            tab.keyboard.press("Space")
            tab.keyboard.press("c")
            tab.keyboard.type("b f u? half of it")
            tab.keyboard.press("Enter")
            tab.keyboard.press("b")
            tab.keyboard.press("7")
            expected.append((28, "bad", "bad_ccd", "b f u? half of it"))
    wait_shown(tab, FIRST + 30)
    found = stored(server, 30)
    assert found["expnum"].tolist() == list(range(FIRST, FIRST + 30))
    rows = found[["ccdnum", "verdict", "category", "comment"]].astype(object)
    assert list(rows.where(rows.notna(), None).itertuples(index=False, name=None)) == expected
    assert set(found["reviewer"]) == {"ann"}
    assert set(found["plver"]) == {"V5.6S"}
    assert set(found["model"]) == {"m1"}
    assert found["shown"].str.contains('"p_bad": 0.8').all()
    assert f"30 by me · 30 answered · {N} candidates" in tab.inner_text("#progress")


def test_keys_that_come_before_the_next_candidate_answer_nothing_and_arrows_count_from_it(open_page, server):
    tab, held = open_page("ann"), []

    def hold(route):
        route.continue_() if route.request.url.endswith(f"/{FIRST}") else held.append(route)

    tab.route("**/api/exposure/*", hold)
    to_first(tab)
    tab.keyboard.press("f")
    tab.wait_for_selector("body.loading")
    tab.keyboard.press("u")  # meant for the next one, which is not here
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_selector("body:not(.loading)")
    wait_shown(tab, FIRST)
    answers = stored(server, 1)
    assert answers[["expnum", "verdict"]].values.tolist() == [[FIRST, "fine"]]
    assert held


def test_an_answer_before_the_candidates_are_loaded_is_stored_and_the_next_one_is_shown_once_they_are(
    open_page, server
):
    tab, held, holds = open_page("ann"), [], True
    tab.route(
        "**/api/candidates*",
        lambda route: held.append(route) if holds and "/exposure/" in tab.url else route.continue_(),
    )
    to_first(tab)
    tab.keyboard.press("f")
    stored(server, 1)
    tab.keyboard.press("b")  # meant for the next one, which nobody knows yet
    tab.keyboard.press("ArrowRight")
    assert tab.query_selector("dialog") is None
    assert held
    holds = False  # a busy page that has given up waiting asks again
    held.pop().continue_()
    wait_shown(tab, FIRST + 1)
    assert stored(server, 1)[["expnum", "verdict"]].values.tolist() == [[FIRST, "fine"]]


def test_candidates_that_could_not_be_loaded_are_asked_for_again_on_both_pages(open_page):
    tab, left = open_page("ann"), 1

    def fail_once(route):
        nonlocal left
        left -= 1
        route.abort() if left >= 0 else route.continue_()

    tab.route("**/api/candidates*", fail_once)
    tab.reload()
    tab.wait_for_selector("#nothing:has-text('no connection')")
    tab.wait_for_selector(".cell")
    assert not tab.is_visible("#nothing")
    left = 1
    to_first(tab)
    tab.wait_for_selector(".toast:has-text('Candidates not loaded')")
    tab.keyboard.press("f")
    wait_shown(tab, FIRST + 1)


def test_the_order_that_was_chosen_last_is_shown_though_the_list_of_another_comes_later(open_page):
    tab, held = open_page("ann"), []
    tab.route("**/api/candidates?order=night", lambda route: held.append(route))
    tab.select_option("[name=order]", "night")
    until_true(tab, lambda: held)
    tab.select_option("[name=order]", "rank")
    until(tab, "performance.getEntriesByType('resource').some(e => e.responseEnd && e.name.endsWith('order=rank'))")
    with tab.expect_response("**/api/candidates?order=night"):
        held.pop().continue_()
    tab.keyboard.press("r")
    wait_shown(tab, FIRST)
    tab.keyboard.press("n")
    wait_shown(tab, FIRST + 1)


def test_two_reviewers_at_once_are_blind_to_each_other_until_they_have_answered(open_page, server):
    ann, bob = open_page("ann"), open_page("bob")
    for tab, key in ((ann, "f"), (bob, "u")):
        to_first(tab)
        assert "Answers of others" not in tab.inner_text("#facts")
        tab.keyboard.press(key)
        wait_shown(tab, FIRST + 1)
    stored(server, 2)
    bob.keyboard.press("c")
    bob.keyboard.type("<b>not</b> shown before")
    bob.keyboard.press("Escape")
    bob.keyboard.press("f")
    stored(server, 3)
    ann.reload()
    wait_shown(ann, FIRST + 1)
    assert "not</b> shown" not in ann.content()
    ann.keyboard.press("b")
    ann.keyboard.press("-")
    stored(server, 4)
    ann.keyboard.press("ArrowLeft")
    wait_shown(ann, FIRST + 1)
    ann.wait_for_selector(".others li")
    assert "bob" in ann.inner_text(".others")
    assert "<b>not</b> shown before" in ann.inner_text(".others")
    assert ann.query_selector(".others q b") is None


def test_answers_are_taken_back_the_last_one_by_key_and_earlier_ones_from_the_list(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    for n in range(3):
        tab.keyboard.press("f")
        wait_shown(tab, FIRST + n + 1)
    stored(server, 3)
    tab.keyboard.press("z")
    wait_shown(tab, FIRST + 2)
    assert stored(server, 2)["expnum"].tolist() == [FIRST, FIRST + 1]
    tab.keyboard.press("y")
    tab.wait_for_selector(".history li")
    tab.click(f".history li:has-text('{FIRST}') >> text=undo")
    assert stored(server, 1)["expnum"].tolist() == [FIRST + 1]
    tab.keyboard.press("Escape")
    tab.keyboard.press("b")
    tab.keyboard.press("3")
    assert stored(server, 2)["verdict"].tolist() == ["fine", "bad"]


def test_votes_and_differences_from_good_ccds_are_overlays_by_key_and_button(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    first, legends = "[data-ccdnum='28'] text.value", ".legend [data-of]"

    def shown():
        texts = [node.inner_text().split(" 0")[0] for node in tab.query_selector_all(legends) if node.is_visible()]
        return texts, tab.text_content(first) if tab.is_visible(first) else None

    assert shown() == ([], None)
    tab.keyboard.press("v")
    assert shown() == (["P(bad)"], "0.95")
    tab.keyboard.press("d")
    assert shown() == (["difference from good CCDs of the band"], "1.90")
    assert tab.get_attribute("[data-ccdnum='28'] rect", "fill") == colour_of(0.95)
    tab.keyboard.press("f")  # the overlay stays
    wait_shown(tab, FIRST + 1)
    assert shown()[0] == ["difference from good CCDs of the band"]
    tab.click("#difference")
    assert shown() == ([], None)


def test_several_ccds_get_one_answer_and_one_undo(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    tab.keyboard.press("v")
    tab.keyboard.press("w")
    assert "for S4" in tab.inner_text("#target")
    tab.click("[data-ccdnum='35']", modifiers=["Shift"])
    tab.keyboard.press("b")
    tab.keyboard.press("7")
    wait_shown(tab, FIRST + 1)
    assert sorted(stored(server, 3)["ccdnum"]) == [28, 32, 35]
    tab.keyboard.press("y")
    tab.wait_for_selector(".history li")
    assert [words.split(" · ")[-1] for words in tab.locator(".history .verdict").all_inner_texts()] == [
        "N4",
        "N1",
        "S4",
    ]
    tab.keyboard.press("Escape")
    tab.keyboard.press("z")
    stored(server, 0)


def test_a_ccd_opens_in_full_resolution_blinks_with_its_mask_and_is_answered_from_there(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    tab.keyboard.press("Enter")
    until(tab, "document.querySelector('.stage img')?.naturalWidth === 120")
    assert "S4" in tab.inner_text(".zoom .tools b")
    tab.keyboard.press("m")
    until(tab, "document.querySelector('.stage .mask').naturalWidth === 120")
    assert tab.is_visible(".stage .mask")
    tab.keyboard.press("m")
    assert not tab.is_visible(".stage .mask")
    tab.keyboard.press("t")
    until(tab, "document.querySelector('.zoom .words').textContent.includes('deep')")
    tab.keyboard.press("]")
    until(tab, "document.querySelector('.zoom .tools b').textContent.startsWith('N1 ')")
    tab.keyboard.press("Space")
    tab.keyboard.press("b")
    tab.keyboard.press("Enter")
    wait_shown(tab, FIRST + 1)
    assert not tab.is_visible("dialog.zoom")
    assert stored(server, 1)["ccdnum"].tolist() == [32]


def test_many_are_answered_from_the_grid_and_filters_leave_what_they_say(open_page, server):
    tab = open_page("ann")
    for _ in range(2):
        tab.keyboard.press("Shift+ArrowRight")
    assert "3 selected" in tab.inner_text("#bar")
    tab.keyboard.press("b")
    tab.keyboard.press("Enter")
    found = stored(server, 3)
    assert found["expnum"].tolist() == [FIRST, FIRST + 1, FIRST + 2]
    assert set(found["model"]) == {"m1"}
    tab.select_option("[name=state]", "mine")
    assert f"3 of {N}" in tab.inner_text("#count")
    tab.select_option("[name=state]", "open")
    tab.select_option("[name=filter]", "g")
    shown = set(tab.eval_on_selector_all(".cell", "cells => cells.map(c => Number(c.dataset.expnum))"))
    assert shown <= {e for e in range(FIRST + 3, FIRST + N) if e % 2 == 0}
    tab.keyboard.press("z")
    stored(server, 0)
    tab.reload()
    tab.wait_for_selector(".cell")
    tab.keyboard.press("Enter")  # the filters hold on the page of an exposure too
    wait_shown(tab, FIRST + 1)
    tab.keyboard.press("f")
    wait_shown(tab, FIRST + 3)
    tab.keyboard.press("z")
    wait_shown(tab, FIRST + 1)
    stored(server, 0)


def test_one_candidate_of_the_grid_looks_like_the_one_that_keys_answer_and_it_is(open_page, server):
    tab, at_cursor = open_page("ann"), "cells => cells.map(cell => Number(cell.dataset.expnum))"
    for n, modifiers in ((3, []), (1, ["Shift"])):
        tab.click(f"[data-expnum='{FIRST + n}'] {'a' if modifiers else '.tick'}", modifiers=modifiers)
        assert tab.eval_on_selector_all(".cell.cursor", at_cursor) == [FIRST + n]
    tab.keyboard.press("Escape")
    tab.keyboard.press("f")
    assert stored(server, 1)["expnum"].tolist() == [FIRST + 1]


def test_nothing_is_lost_when_the_server_goes_and_comes_back(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    fetched = "performance.getEntriesByType('resource').some(e => e.responseEnd && e.name.endsWith('{}'))"
    for expnum in (FIRST + 1, FIRST + 2):  # what comes next is fetched ahead
        until(tab, fetched.format(f"/picture/{expnum}/mosaic"))
        until(tab, fetched.format(f"/api/exposure/{expnum}"))
    server.kill(signal.SIGKILL)
    for n in range(2):
        tab.keyboard.press("f")
        wait_shown(tab, FIRST + n + 1)
    tab.wait_for_selector("#outbox.trouble")
    assert "2 not stored yet" in tab.inner_text("#outbox")
    server.start()
    assert stored(server, 2)["expnum"].tolist() == [FIRST, FIRST + 1]
    until(tab, "document.getElementById('outbox').textContent === ''")


def test_a_candidate_that_could_not_be_fetched_comes_when_the_server_is_back(open_page, server):
    tab = open_page("ann")
    tab.select_option("[name=state]", "none")
    tab.goto(f"/exposure/{OTHER}")
    wait_shown(tab, OTHER)
    tab.evaluate("performance.clearMeasures()")
    server.kill(signal.SIGKILL)
    tab.evaluate(f"history.pushState({{expnum: {FIRST + 20}}}, '', '/exposure/{FIRST + 20}')")
    tab.evaluate("history.back()")
    wait_shown(tab, OTHER)
    tab.evaluate("history.forward()")
    tab.wait_for_selector(".toast:has-text('no connection')")
    server.start()
    wait_shown(tab, FIRST + 20)


def test_a_shared_link_leads_to_its_exposure_after_the_login(browser, server):
    context = browser.new_context(base_url=server.url)
    tab = context.new_page()
    tab.goto(f"/exposure/{OTHER}")
    assert tab.url.endswith(f"/login?next=/exposure/{OTHER}")
    tab.fill("#token", "wrong")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".error")
    assert tab.context.cookies() == []
    token = server.token("ann")
    tab.fill("#token", token)
    tab.keyboard.press("Enter")
    wait_shown(tab, OTHER)
    assert "not a candidate" in tab.inner_text("#facts")
    assert token not in tab.url
    assert "badexp_session" not in tab.evaluate("document.cookie")
    assert token not in server.log.read_text()
    context.close()


def test_a_phone_needs_no_sideways_scrolling_and_reaches_every_button(open_page):
    tab = open_page("ann", viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True)
    for path in ("/", "/gallery", "/tutorial", f"/exposure/{FIRST}"):
        tab.goto(path)
        tab.wait_for_load_state("networkidle")
        buttons_are_reachable(tab)
    tab.tap("[data-ccdnum='28']")
    until(tab, "document.querySelector('.stage img').naturalWidth === 120")
    buttons_are_reachable(tab)
    tab.tap("text=Close")
    tab.tap("footer [data-verdict=bad]")
    buttons_are_reachable(tab)
    tab.tap(".menu .suggested")
    wait_shown(tab, FIRST + 1)
    tab.tap("#undo")
    wait_shown(tab, FIRST)


def buttons_are_reachable(tab):
    assert tab.evaluate("document.documentElement.scrollWidth") <= 375
    buttons = tab.locator("button:visible, select:visible, input:visible, nav a:visible")
    assert buttons.count() > 2
    for button in buttons.all():
        box = button.bounding_box()
        assert box["x"] >= 0, button.inner_text()
        assert box["x"] + box["width"] <= 375, button.inner_text()
        assert button.inner_text().strip() or button.get_attribute("aria-label") or button.get_attribute("name")


def test_the_order_on_the_page_is_that_of_the_queue(open_page, server):
    tab = open_page("ann")
    tab.select_option("[name=order]", "night")
    until(tab, "document.querySelector('.cell')?.dataset.expnum === '1002'")
    candidates = read_table(server.settings.home.table("review_candidates"))
    answers = VerdictStore(server.settings.verdicts).read()
    expected = assign_candidates(candidates, answers, "ann", ReviewParams(), "night")["expnum"].tolist()
    tab.keyboard.press("r")
    for expnum in expected[:4]:
        wait_shown(tab, expnum)
        tab.keyboard.press("ArrowRight")


def test_keys_in_full_resolution_answer_the_exposure_on_screen_or_nothing(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    tab.keyboard.press("Enter")
    until(tab, "document.querySelector('.stage img')?.naturalWidth === 120")
    for key in ("n", "ArrowRight", "p", "s", "w", "h"):
        tab.keyboard.press(key)
    assert tab.is_visible("dialog.zoom")
    assert str(FIRST) in tab.inner_text(".zoom .tools b")
    tab.keyboard.press("f")
    wait_shown(tab, FIRST + 1)
    assert not tab.is_visible("dialog.zoom")
    assert stored(server, 1)[["expnum", "ccdnum"]].fillna(0).astype(int).to_numpy().tolist() == [[FIRST, 0]]


@pytest.mark.parametrize("ratio", [1, 2])
def test_pixel_by_pixel_means_pixels_of_the_screen_however_small_the_ccd(open_page, ratio):
    tab = open_page("ann", device_scale_factor=ratio)
    to_first(tab)
    tab.keyboard.press("Enter")
    until(tab, "document.querySelector('.zoom .words').textContent.includes('120 × 90 px')")
    tab.keyboard.press("1")
    assert tab.locator(".stage img").first.bounding_box()["width"] * ratio == pytest.approx(120)
    tab.keyboard.press("0")
    tab.click("text=1:1")
    assert tab.locator(".stage img").first.bounding_box()["height"] * ratio == pytest.approx(90)


def test_escape_closes_the_viewer_and_keeps_the_selected_ccds(open_page):
    tab = open_page("ann")
    to_first(tab)
    tab.keyboard.press("w")
    tab.keyboard.press("Enter")
    until(tab, "document.querySelector('.stage img')?.naturalWidth === 120")
    tab.keyboard.press("Escape")
    until(tab, "document.querySelector('dialog.zoom') === null")
    assert "for S4" in tab.inner_text("#target")
    tab.keyboard.press("Escape")
    assert tab.inner_text("#target") == "whole exposure"


def test_a_dialog_of_one_exposure_does_not_stay_over_the_next(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    tab.keyboard.press("n")
    wait_shown(tab, FIRST + 1)
    for key, dialog in (("b", "dialog.menu"), ("Enter", "dialog.zoom")):
        tab.keyboard.press(key)
        assert tab.is_visible(dialog)
        tab.go_back()
        wait_shown(tab, FIRST)
        assert tab.query_selector("dialog") is None
        tab.go_forward()
        wait_shown(tab, FIRST + 1)
    stored(server, 0)


def test_keys_of_answers_choose_no_category(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    tab.keyboard.press("b")
    for key in "bfuz":
        tab.keyboard.press(key)
    assert tab.is_visible("dialog.menu")
    tab.keyboard.press("Escape")
    stored(server, 0)
    assert tab.evaluate("document.body.dataset.shown") == str(FIRST)


def test_a_key_right_after_that_of_a_category_chooses_no_other(open_page, server):
    tab = open_page("ann")
    tab.wait_for_selector(".cell.cursor")
    tab.keyboard.press("b")
    tab.wait_for_selector("dialog.menu")
    tab.evaluate(
        """() => { for (const key of ["1", "-"]) document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true})); }"""
    )
    until(tab, "document.getElementById('outbox').textContent === ''")
    assert stored(server, 1)["category"].notna().all()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_categories_are_chosen_beside_the_picture_with_an_example_picture_of_each(open_page, width, height):
    tab = open_page("ann", viewport={"width": width, "height": height})
    tab.goto(f"/exposure/{FIRST}")
    wait_shown(tab, FIRST)
    tab.keyboard.press("b")
    menu, picture = (tab.locator(query).bounding_box() for query in ("dialog.menu", "#plane img"))
    aside = menu["x"] >= picture["x"] + picture["width"] or menu["y"] >= picture["y"] + picture["height"]
    assert aside, (menu, picture)
    assert menu["x"] + menu["width"] <= width
    until(tab, "document.querySelector('[data-example=psf]').naturalWidth > 0")
    assert tab.locator(".menu [data-example][src]").count() == 1  # no other category has a labelled exposure here


def test_the_page_of_a_labelled_exposure_says_its_label(open_page):
    tab = open_page("ann")
    tab.goto(f"/exposure/{OTHER}")
    wait_shown(tab, OTHER)
    assert tab.inner_text("#labels").split("\n") == ["Labels", "psf", "whole exposure", "decals: <i>psf</i>"]


def test_labels_of_a_candidate_are_shown_with_the_answer_and_go_with_it(open_page, server):
    home = server.settings.home
    labels = read_table(home.table("bad_ccd_labels"))
    labels = labels.assign(expnum=FIRST, whole_exposure=False)
    write_table(labels, home.table("bad_ccd_labels"), SCHEMAS["bad_ccd_labels"])
    tab = open_page("ann")
    to_first(tab)
    assert tab.inner_text("#labels") == ""
    tab.keyboard.press("f")
    stored(server, 1)
    wait_shown(tab, FIRST + 1)
    tab.keyboard.press("p")
    wait_shown(tab, FIRST)
    until(tab, "document.getElementById('labels').innerText.includes('psf')")
    assert tab.inner_text("#labels").split("\n")[1:3] == ["psf", "S4"]
    tab.keyboard.press("z")
    assert tab.inner_text("#labels") == ""
    stored(server, 0)
    tab.reload()
    wait_shown(tab, FIRST)
    assert tab.inner_text("#labels") == ""


def test_after_an_answer_is_undone_those_of_others_are_hidden_again(open_page, server):
    rows = [{"expnum": FIRST, "reviewer": "ben", "verdict": "bad", "category": "psf"}]
    VerdictStore(server.settings.verdicts).add(pd.DataFrame(rows))
    tab = open_page("ann")
    tab.route("**/api/retractions", lambda route: (time.sleep(1.0), route.continue_()))
    to_first(tab)
    tab.keyboard.press("f")
    stored(server, 2)
    wait_shown(tab, FIRST + 1)
    tab.keyboard.press("p")
    wait_shown(tab, FIRST)
    assert "ben" in tab.inner_text("#answers")
    tab.keyboard.press("z")
    assert tab.inner_text("#answers") == ""
    tab.keyboard.press("n")
    wait_shown(tab, FIRST + 1)
    tab.keyboard.press("p")
    wait_shown(tab, FIRST)
    assert tab.inner_text("#answers") == ""
    stored(server, 1)
    tab.wait_for_timeout(300)
    assert tab.inner_text("#answers") == ""


def test_pictures_of_the_panel_are_fetched_once_the_exposure_has_stayed_for_a_moment(open_page):
    tab = open_page("ann")
    to_first(tab)
    tab.locator("#facts img").first.scroll_into_view_if_needed()
    asked = "performance.getEntriesByType('resource').filter(entry => entry.name.includes('/ccd/'))"
    until(tab, f"{asked}.length > 0")
    waited = tab.evaluate(f"{asked}[0].startTime - performance.getEntriesByName('candidate')[0].startTime")
    assert waited >= 100


def only_first(tab, n):
    """Show only the first `n` open candidates."""
    condition = {"state": "open", "conditions": [{"column": "rank", "to": str(n)}]}
    tab.evaluate(f"sessionStorage.setItem('badexp.filter', {json.dumps(json.dumps(condition))})")
    tab.reload()
    tab.wait_for_selector(".cell")


@pytest.mark.parametrize("by", ["key", "button"])
def test_the_last_answer_is_undone_from_the_end_of_the_queue(open_page, server, by):
    tab = open_page("ann")
    only_first(tab, 2)
    to_first(tab)
    tab.keyboard.press("f")
    wait_shown(tab, FIRST + 1)
    tab.keyboard.press("f")
    tab.wait_for_selector("dialog.done")
    stored(server, 2)
    tab.keyboard.press("z") if by == "key" else tab.click("dialog.done .undo")
    stored(server, 1)
    until(tab, "document.getElementById('outbox').textContent === ''")
    stored(server, 1)  # one answer, not two
    assert tab.query_selector("dialog") is None
    tab.keyboard.press("z")
    stored(server, 0)


def test_progress_after_answers_and_undo_is_that_after_a_reload(open_page, server):
    rows = [{"expnum": FIRST + 5, "reviewer": "ben", "verdict": "fine"}]
    VerdictStore(server.settings.verdicts).add(pd.DataFrame(rows))
    tab = open_page("ann")
    words = "document.querySelector('#progress span').textContent"
    to_first(tab)
    for k in range(2):
        tab.keyboard.press("f")
        wait_shown(tab, FIRST + k + 1)
    until(tab, f"{words} === '2 by me · 3 answered · {N} candidates'")
    tab.keyboard.press("z")
    tab.keyboard.press("z")
    until(tab, f"{words} === '0 by me · 1 answered · {N} candidates'")
    stored(server, 1)
    tab.reload()
    until(tab, f"{words} === '0 by me · 1 answered · {N} candidates'")


def test_an_exposure_is_back_in_the_list_when_its_answer_is_undone(open_page, server):
    tab = open_page("ann")
    only_first(tab, 1)
    tab.keyboard.press("f")
    stored(server, 1)
    tab.reload()
    tab.wait_for_selector("#nothing:not([hidden])")
    tab.keyboard.press("z")
    tab.wait_for_selector(f".cell.cursor[data-expnum='{FIRST}']")
    assert tab.is_hidden("#nothing")
    stored(server, 0)


@pytest.mark.parametrize("viewport", [(1440, 900), (390, 844)])
def test_a_list_that_fits_on_the_screen_has_no_scrollbar(open_page, viewport):
    tab = open_page("ann", viewport=dict(zip(("width", "height"), viewport, strict=True)))
    only_first(tab, 2)
    assert tab.evaluate("document.documentElement.scrollHeight <= innerHeight")
    tab.keyboard.press("Space")
    tab.wait_for_selector("#bar:not([hidden])")
    last = "[...document.querySelectorAll('.cell')].at(-1).getBoundingClientRect().bottom"
    tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert tab.evaluate(f"{last} <= document.getElementById('bar').getBoundingClientRect().top")


def test_a_ccd_whose_p_bad_no_single_kind_explains_is_not_called_good(open_page, server):
    home, night = server.settings.home, "2018-05-18"
    table = read_table(home.table("night_predictions", night))
    ccdnum = int(table["ccdnum"].min())
    one = (table["expnum"] == FIRST) & (table["ccdnum"] == ccdnum)
    table.loc[one, ["category", "p_bad"]] = ["good", 0.71]
    write_table(table, home.table("night_predictions", night), SCHEMAS["night_predictions"])
    tab = open_page("ann")
    to_first(tab)
    title = tab.text_content(f"#plane [data-ccdnum='{ccdnum}'] title")
    assert "P(bad) 0.71, no single kind" in title


def test_as_many_ccds_are_selected_as_the_page_says_are_called_bad(open_page):
    tab = open_page("ann")
    to_first(tab)
    assert "2 of 4 CCDs called bad" in tab.inner_text("#facts")
    tab.keyboard.press("w")
    assert tab.locator("#plane .ccd.selected").count() == 2
