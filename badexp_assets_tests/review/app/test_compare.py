"""Comparing an exposure with others and with its night, in a real browser against the real server."""

import io

import numpy as np
import pytest
from PIL import Image

from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.browser import until

pytestmark = pytest.mark.slow

FIRST, LABELLED, GOOD = 1001, 2001, 3001
NIGHTS = ("2018-05-17", "2018-05-18", "2018-05-19")
SHOWN = "body[data-shown='{}']"
ON_SCREEN = "[...document.querySelectorAll('#plane img')].at(-1).alt"


@pytest.fixture
def tab(settings, open_page):
    """The page of the first candidate, in a home that has a good exposure of its band and a night with times."""
    home = settings.home
    for asset in ("night_exposures", "night_ccds", "night_exposure_predictions", "night_previews"):
        table = read_table(home.table(asset, NIGHTS[0]))
        table = table[table["expnum"] == LABELLED].assign(expnum=GOOD)
        table["night"] = NIGHTS[2]
        if "p_bad" in table:
            table = table.assign(is_bad=False, p_bad=np.float32(0.1))
        write_table(table, home.table(asset, NIGHTS[2]), SCHEMAS[asset])
    table = read_table(home.table("night_exposures", NIGHTS[1]))
    table["mjd_obs"] = 58256.1 + np.arange(len(table)) / 500
    write_table(table, home.table("night_exposures", NIGHTS[1]), SCHEMAS["night_exposures"])
    ccds = read_table(home.table("night_ccds", NIGHTS[1]))
    ccds.loc[(ccds["expnum"] == FIRST) & (ccds["ccdname"] == "S4"), ["sky", "saturated_fraction"]] = 65_000, 0.97
    write_table(ccds, home.table("night_ccds", NIGHTS[1]), SCHEMAS["night_ccds"])
    page = open_page("ann")
    page.goto(f"/exposure/{FIRST}")
    page.wait_for_selector(SHOWN.format(FIRST))
    page.wait_for_selector(".strip a")
    until(page, "document.querySelector('.of-band').textContent.includes('among')")
    return page


def test_a_tapped_or_held_key_blinks_with_a_good_exposure_and_nothing_is_answered_while_it_is_on_screen(tab, settings):
    own = tab.evaluate(ON_SCREEN)
    place = tab.locator("#plane img").bounding_box()
    tab.keyboard.press("x")
    until(tab, f"{ON_SCREEN} === 'for comparison {GOOD}'")
    words = tab.inner_text(".compared")
    assert f"{GOOD} of {NIGHTS[2]}" in words
    assert "no candidate and in no label list, P(bad) 0.10; 0.00 deg away" in words
    assert tab.locator("#plane .other").bounding_box() == place
    for key in "fub":
        tab.keyboard.press(key)
        tab.wait_for_selector(".toast:has-text('nothing was answered')")
    assert not tab.locator("dialog[open]").count()
    tab.keyboard.press("x")
    until(tab, f"{ON_SCREEN} === '{own}'")
    assert len(VerdictStore(settings.verdicts).read()) == 0
    tab.keyboard.press("x")
    tab.keyboard.press("n")
    tab.wait_for_selector(SHOWN.format(FIRST + 1))
    assert not tab.locator("#plane.comparing").count()
    tab.keyboard.press("f")
    tab.wait_for_selector(SHOWN.format(FIRST + 2))
    until(tab, "document.querySelector('.strip .here')")
    tab.keyboard.down("x")
    tab.wait_for_selector("#plane .other")
    tab.wait_for_timeout(500)
    tab.keyboard.up("x")
    until(tab, "!document.querySelector('#plane .other')")


def test_full_resolution_blinks_with_the_same_ccd_at_the_same_place(tab, settings):
    tab.keyboard.press("Enter")
    until(tab, "document.querySelector('.stage .picture')?.naturalWidth === 120")
    tab.keyboard.press("+")
    place = "document.querySelector('.stage .{}').getBoundingClientRect().toJSON()"
    before = tab.evaluate(place.format("picture"))
    tab.keyboard.press("x")
    until(tab, "document.querySelector('.stage .other').naturalWidth === 120")
    assert f"/picture/{GOOD}/ccd/28?" in tab.get_attribute(".stage .other", "src")
    assert tab.inner_text(".zoom .tools b") == f"S4 of {GOOD}"
    assert tab.is_visible(".stage .other")
    assert not tab.is_visible(".stage .picture")
    assert tab.evaluate(place.format("other")) == before
    tab.keyboard.press("f")
    tab.wait_for_selector("dialog .toast:has-text('nothing was answered')")
    for _ in range(3):
        tab.keyboard.press("t")
    until(tab, "document.querySelector('.zoom .words').textContent.includes('absolute, 0 to 65,535 ADU')")
    assert tab.is_visible(".stage .picture")
    assert tab.inner_text(".zoom .tools b") == f"S4 of {FIRST}"
    assert len(VerdictStore(settings.verdicts).read()) == 0
    tab.keyboard.press("f")
    tab.wait_for_selector(SHOWN.format(FIRST + 1))


def test_a_key_held_since_before_the_viewer_opened_does_not_end_its_comparison(tab, settings):
    tab.keyboard.down("x")
    tab.wait_for_selector("#plane .other")
    tab.wait_for_timeout(500)
    tab.keyboard.press("Enter")
    tab.click(".zoom button:has-text('Compare')")
    until(tab, "document.querySelector('.stage .other').naturalWidth === 120")
    tab.keyboard.up("x")
    tab.keyboard.press("f")
    tab.wait_for_selector("dialog .toast:has-text('nothing was answered')")
    assert len(VerdictStore(settings.verdicts).read()) == 0


def test_full_resolution_blinks_with_the_previous_reduction_where_there_is_one(settings, open_page, tiny_cp):
    older = {"S4": np.tile(np.linspace(0, 500, 90, dtype=np.float32), (120, 1))}
    place = {"folder": "decam/CP/V4.8.2/CP20180517", "header": {"PLVER": "V4.8.2"}}
    path = tiny_cp.write_cp(settings.archive, FIRST, images=older, **place).relative_to(settings.archive)
    exposures = settings.home.table("night_exposures", NIGHTS[1])
    table = read_table(exposures)
    table["previous_path"] = [str(path) if n == FIRST else None for n in table["expnum"]]
    write_table(table, exposures, SCHEMAS["night_exposures"])
    page = open_page("ann")
    page.goto(f"/exposure/{FIRST}")
    page.wait_for_selector(SHOWN.format(FIRST))
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.stage .picture')?.naturalWidth === 120")
    page.keyboard.press("r")
    until(page, "document.querySelector('.stage .other').naturalWidth === 120")
    until(page, "document.querySelector('.zoom .words').textContent === 'previous reduction: V4.8.2'")
    assert page.inner_text(".zoom .tools b") == f"S4 of {FIRST}"
    assert page.is_visible(".stage .other")
    newest, previous = (
        page.evaluate(f"async () => (await (await fetch(document.querySelector('.stage .{name}').src)).blob()).size")
        for name in ("picture", "other")
    )
    assert newest != previous
    page.keyboard.press("f")
    page.wait_for_selector("dialog .toast:has-text('nothing was answered')")
    page.keyboard.press("x")
    until(page, "!document.querySelector('.zoom.comparing')")
    page.click(".zoom button:has-text('Reduction')")
    page.wait_for_selector(".zoom.comparing")
    page.click(".zoom button:has-text('Reduction')")
    until(page, "!document.querySelector('.zoom.comparing')")
    assert len(VerdictStore(settings.verdicts).read()) == 0
    page.goto(f"/exposure/{FIRST + 2}")
    page.wait_for_selector(SHOWN.format(FIRST + 2))
    page.keyboard.press("Enter")
    page.wait_for_selector(".zoom button:has-text('Compare')")
    assert not page.locator(".zoom button:has-text('Reduction')").count()
    table["previous_path"] = "../outside.fits"
    write_table(table, exposures, SCHEMAS["night_exposures"])
    for query in ("reduction=previous", "reduction=../x"):
        answer = page.request.get(f"/picture/{FIRST}/ccd/28?{query}")
        assert not answer.ok
        assert "outside.fits" in answer.text() or "not known" in answer.text()


def test_a_home_without_a_good_exposure_of_the_band_says_so(open_page):
    page = open_page("bob")
    page.goto(f"/exposure/{FIRST}")
    page.wait_for_selector(".strip a")
    page.keyboard.press("x")
    page.wait_for_selector(".toast:has-text('No good exposure of this band')")


def test_strip_and_trends_of_the_night_are_in_time_mark_this_exposure_and_open_others(tab):
    shown = tab.eval_on_selector_all(".strip a", "cells => cells.map(c => Number(c.getAttribute('href').slice(10)))")
    assert shown == [FIRST + 2 * k for k in range(6)]  # the first of the night, and five after it
    assert tab.get_attribute(".strip .here", "href") == f"/exposure/{FIRST}"
    assert tab.get_attribute(".strip a >> nth=1", "aria-label") == f"{FIRST + 2}, r, 02:26, P(bad) 0.80"
    until(tab, "[...document.querySelectorAll('.strip img')].every(image => image.naturalWidth > 0)")
    tab.click(".strip a >> nth=3")
    tab.wait_for_selector(SHOWN.format(FIRST + 6))
    until(tab, f"document.querySelector('.strip .here')?.getAttribute('href') === '/exposure/{FIRST + 6}'")
    tab.go_back()
    tab.wait_for_selector(SHOWN.format(FIRST))
    tab.wait_for_selector(".trend")
    labels = tab.eval_on_selector_all(".trend", "plots => plots.map(p => p.getAttribute('aria-label'))")
    assert [label.split(" through")[0] for label in labels] == ["sky", "seeing", "P(bad)"]  # without zero points
    assert labels[2] == "P(bad) through the night: here 0.80, median in r 0.80; from 0.00 to 1.00"
    assert [tab.locator(f".trend >> nth={k} >> .point.here").count() for k in range(3)] == [1, 1, 1]
    assert tab.locator(".trend >> nth=0 >> .point").count() == 17
    tab.locator(".trend >> nth=0 >> .point:not(.here)").first.click()
    tab.wait_for_selector(SHOWN.format(FIRST + 2))
    tab.keyboard.press("i")
    assert not tab.is_visible("#night")
    tab.reload()
    tab.wait_for_selector(SHOWN.format(FIRST + 2))
    assert not tab.is_visible("#night")
    tab.keyboard.press("i")
    tab.wait_for_selector(".strip a")


def test_levels_of_the_sky_numbers_with_percentiles_links_and_orientations_are_on_the_page(tab):
    assert "percentile among 19 exposures in r" in tab.inner_text(".of-band")
    assert tab.inner_text("[data-number=sky] .percentile") == "50 %"
    colour = "getComputedStyle(document.querySelector('[data-ccdnum=\"{}\"] rect')).fill"
    tab.keyboard.press("a")
    assert tab.text_content("[data-ccdnum='28'] text.value") == "65000"
    assert tab.text_content("[data-ccdnum='28'] text.note") == "97 % saturated"
    assert tab.text_content("[data-ccdnum='32'] text.value") == "200"
    assert tab.evaluate(colour.format(28)) == "rgb(255, 255, 255)"
    assert tab.evaluate(colour.format(32)) == "rgb(51, 51, 51)"
    assert tab.evaluate("getComputedStyle(document.querySelector('[data-ccdnum=\"28\"] rect')).fillOpacity") == "1"
    tab.keyboard.press("a")
    assert tab.get_attribute("#plane", "data-overlay") == ""

    assert tab.get_attribute(".links a >> nth=0", "href") == (
        "https://www.legacysurvey.org/viewer?ra=150.00000&dec=2.00000&layer=ls-dr10&zoom=11"
    )
    assert tab.get_attribute(".links a >> nth=0", "rel") == "noopener noreferrer"

    tab.keyboard.press("o")
    until(tab, "document.querySelector('.orientations img')?.naturalWidth > 0")
    shade = tab.locator(".orientations img").screenshot()
    assert np.median(np.asarray(Image.open(io.BytesIO(shade)).convert("L"))) < 60
