"""Tags in a real browser against the real server."""

import signal
import time

import pytest

from badexp_assets.review.tags import MAX_TAGS, TagChange, TagStore
from badexp_assets_tests.browser import until
from badexp_assets_tests.review.app.test_browser import FIRST, N, stored, to_first, until_true, wait_shown
from badexp_assets_tests.review.app.test_browser_filters import add_condition, count
from badexp_assets_tests.waiting import LONGEST_WAIT

pytestmark = pytest.mark.slow


def type_tag(tab, words):
    tab.keyboard.press(",")
    tab.wait_for_selector("dialog.tags")
    tab.keyboard.type(words)
    tab.keyboard.press("Enter")


def tagged(server, *expected, reviewer="ann"):
    """Wait until a reviewer has these tags, each with its exposure."""
    store, deadline = TagStore(server.settings.verdicts), time.monotonic() + LONGEST_WAIT
    while True:
        table = store.read()
        own = table[table["reviewer"] == reviewer]
        found = sorted(zip(own["expnum"].tolist(), own["tag"].tolist(), strict=True))
        if found == sorted(expected) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert found == sorted(expected)


def chips(tab, query="#facts .tagged"):
    return [words.removesuffix(" ×") for words in tab.locator(query).all_inner_texts()]


def test_a_key_and_a_button_tag_the_exposure_on_screen_and_the_one_undo_takes_it_back(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    type_tag(tab, "Satellite?,  for-paper, b f u z ")
    tagged(server, (FIRST, "satellite?"), (FIRST, "for-paper"), (FIRST, "b f u z"))
    assert chips(tab) == ["satellite?", "for-paper", "b f u z"]
    tab.click("#facts .tagged:has-text('for-paper')")
    tagged(server, (FIRST, "satellite?"), (FIRST, "b f u z"))
    tab.keyboard.press("ArrowRight")
    wait_shown(tab, FIRST + 1)
    assert chips(tab) == []
    tab.click("#tag")
    assert tab.inner_text("dialog.tags h2") == f"Tags of {FIRST + 1}"
    tab.click("dialog.tags [data-tag='satellite?'][data-attached=true]")  # in use
    tagged(server, (FIRST, "satellite?"), (FIRST, "b f u z"), (FIRST + 1, "satellite?"))
    tab.keyboard.press("f")
    wait_shown(tab, FIRST + 2)
    stored(server, 1)
    tab.keyboard.press("z")  # the answer
    wait_shown(tab, FIRST + 1)
    stored(server, 0)
    tab.keyboard.press("z")  # the tag
    tagged(server, (FIRST, "satellite?"), (FIRST, "b f u z"))
    assert chips(tab) == []
    tab.keyboard.press("z")  # the removal
    wait_shown(tab, FIRST)
    tagged(server, (FIRST, "satellite?"), (FIRST, "b f u z"), (FIRST, "for-paper"))
    assert sorted(chips(tab)) == ["b f u z", "for-paper", "satellite?"]
    tab.keyboard.press("z")
    tagged(server)


def test_a_tag_is_given_in_full_resolution_and_not_while_another_exposure_is_shown(open_page, server):
    tab = open_page("ann")
    to_first(tab)
    tab.keyboard.press("l")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("dialog.zoom")
    type_tag(tab, "streak")
    tagged(server, (FIRST, "streak"))
    assert tab.locator("dialog.zoom").count() == 1
    tab.keyboard.press("Escape")
    tab.keyboard.press("ArrowRight")
    tab.wait_for_selector("body:not(.loading)")
    wait_shown(tab, FIRST + 1)
    tab.keyboard.press(",")
    tab.evaluate("history.back()")  # while the dialog is open
    wait_shown(tab, FIRST)
    assert tab.locator("dialog.tags").count() == 0


def test_all_selected_are_tagged_at_once_and_undone_at_once_and_those_that_had_the_tag_keep_it(open_page, server):
    TagStore(server.settings.verdicts).change("ann", [TagChange("key-1", FIRST + 1, "discuss", True)])
    tab = open_page("ann")
    assert chips(tab, f"[data-expnum='{FIRST + 1}'] .tagged") == ["discuss"]
    for _ in range(3):
        tab.keyboard.press("Shift+ArrowRight")
    assert tab.inner_text("#selected") == "4 selected"
    tab.click("#tag")
    assert tab.inner_text("dialog.tags h2") == "Tags of 4 exposures"
    assert "1 of 4" in tab.inner_text("dialog.tags [data-attached=false]")
    tab.click("dialog.tags [data-attached=true]")
    tagged(server, *((FIRST + k, "discuss") for k in range(4)))
    assert tab.inner_text("#selected") == "4 selected"
    assert len(chips(tab, ".cell .tagged")) == 4
    assert tab.inner_text(".toast").startswith("3 exposures: discuss attached")
    tab.click("#tag")
    tab.click("dialog.tags [data-attached=false]")
    tagged(server)
    tab.keyboard.press("z")
    tagged(server, *((FIRST + k, "discuss") for k in range(4)))
    tab.keyboard.press("z")
    tagged(server, (FIRST + 1, "discuss"))
    assert chips(tab, ".cell .tagged") == ["discuss"]
    tab.reload()
    tab.wait_for_selector(".cell")
    assert chips(tab, ".cell .tagged") == ["discuss"]


def test_tags_of_others_appear_after_the_answer_and_go_with_it_and_no_filter_finds_them_before(open_page, server):
    TagStore(server.settings.verdicts).change("bob", [TagChange("key-1", FIRST, "surely bad", True)])
    tab = open_page("ann")
    tab.select_option("[name=state]", "")
    add_condition(tab, "tags", text="surely")
    count(tab, 0)
    tab.click(".chip")
    to_first(tab)
    tab.keyboard.press(",")
    assert tab.locator("dialog.tags [data-tag]").count() == 0  # not even suggested
    tab.keyboard.press("Escape")
    assert chips(tab) == []
    tab.keyboard.press("f")
    wait_shown(tab, FIRST + 1)
    stored(server, 1)
    tab.keyboard.press("ArrowLeft")
    wait_shown(tab, FIRST)
    tab.wait_for_selector("#facts .tagged.of-other")
    assert chips(tab) == ["surely bad"]
    tab.goto("/")
    until(tab, "document.querySelectorAll('.cell .tagged').length === 1")
    tab.keyboard.press("z")  # in the grid, where the list knew the tag
    stored(server, 0)
    tab.keyboard.press(",")
    assert tab.locator("dialog.tags [data-tag]").count() == 0
    tab.keyboard.press("Escape")
    tab.keyboard.press("f")
    stored(server, 1)
    until(tab, "document.querySelectorAll('.cell .tagged').length === 1")
    add_condition(tab, "tags", text="Surely")
    count(tab, 1)
    tab.keyboard.press("z")
    until(tab, "document.querySelectorAll('.cell .tagged').length === 0")
    stored(server, 0)
    tab.reload()
    tab.wait_for_selector("#nothing:not([hidden])")
    count(tab, 0)


@pytest.mark.parametrize("page", ["grid", "exposure"])
def test_what_the_server_refuses_is_not_shown_as_if_it_was_stored(open_page, server, page):
    tab = open_page("ann")
    if page == "exposure":
        to_first(tab)
    elsewhere = [TagChange(f"key-{k}", FIRST, f"t{k}", True) for k in range(MAX_TAGS)]
    TagStore(server.settings.verdicts).change("ann", elsewhere)  # by the same reviewer in another browser
    tab.keyboard.press(",")
    tab.wait_for_selector("dialog.tags")
    tab.keyboard.type("one too many")
    tab.keyboard.press("Enter")
    query = f"[data-expnum='{FIRST}'] .tagged" if page == "grid" else "#facts .tagged"
    until(tab, f"document.querySelectorAll({query!r}).length === {MAX_TAGS}")
    assert set(chips(tab, query)) == {f"t{k}" for k in range(MAX_TAGS)}
    assert "would have 21 tags of ann" in tab.inner_text(".toast")
    tab.keyboard.press("f")
    stored(server, 1)


def test_tags_are_a_column_of_saved_filters(open_page, server):
    changes = [TagChange(f"key-{k}", FIRST + k, ("discuss", "for-paper")[k % 2], True) for k in range(5)]
    TagStore(server.settings.verdicts).change("ann", changes)
    tab = open_page("ann")
    add_condition(tab, "tags", text="DISC")
    count(tab, 3)
    assert chips(tab, ".chip") == ["tag contains DISC"]
    tab.click("#save")
    tab.fill("dialog.saving [name=name]", "to discuss")
    tab.keyboard.press("Enter")
    tab.click(".chip")
    count(tab, N)
    tab.select_option("#more select", "to discuss")
    count(tab, 3)


def test_tags_wait_for_the_server_like_answers_and_are_shown_meanwhile(open_page, server):
    tab = open_page("ann")
    for _ in range(2):
        tab.keyboard.press("Shift+ArrowRight")
    server.kill(signal.SIGKILL)
    type_tag(tab, "discuss, later")
    tab.wait_for_selector("#outbox.trouble")
    assert len(chips(tab, ".cell .tagged")) == 6
    server.start()
    tagged(server, *((FIRST + k, tag) for k in range(3) for tag in ("discuss", "later")))
    until(tab, "document.getElementById('outbox').textContent === ''")
    tab.route("**/api/tags*", lambda route: route.abort())
    tab.route("**/api/tags/**", lambda route: route.abort())
    type_tag(tab, "third")
    tab.keyboard.press("z")
    tab.keyboard.press("z")
    tab.reload()  # the list of the server has all six, and the undo is waiting
    tab.wait_for_selector(".cell")
    assert chips(tab, ".cell .tagged") == []
    tab.unroute("**/api/tags*")
    tab.unroute("**/api/tags/**")
    tagged(server)


def test_hostile_tags_are_text_on_every_page(open_page, server):
    words = ["x<img src=x onerror=document.title=1>", "a&amp;'\"", "0</button><b>"]
    changes = [TagChange(f"key-{k}", FIRST, tag, True) for k, tag in enumerate(words)]
    TagStore(server.settings.verdicts).change("ann", changes)
    tab = open_page("ann")
    assert chips(tab, ".cell .tagged") == words
    to_first(tab)
    assert chips(tab) == words
    type_tag(tab, "=1+1")
    assert "=1+1 is no tag" in tab.inner_text(".toast")
    tab.fill("dialog.tags input", "x" * 41)
    tab.keyboard.press("Enter")
    assert "at most 40 characters" in tab.inner_text(".toast")
    tab.fill("dialog.tags input", " , ")
    tab.keyboard.press("Enter")
    assert "a word is needed" in tab.inner_text(".toast")
    tab.fill("dialog.tags input", ", ".join(f"t{k}" for k in range(18)))
    tab.keyboard.press("Enter")
    until_true(tab, lambda: f"{FIRST} would have more than 20 tags" in tab.inner_text(".toast"))
    tagged(server, *((FIRST, tag) for tag in words))
