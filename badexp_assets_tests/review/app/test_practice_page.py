"""The practice page, in a real browser against the real server."""

import numpy as np
import pytest

from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.browser import until

pytestmark = pytest.mark.slow

LABELLED, GOOD, NIGHT = 2001, 3001, "2018-05-17"


@pytest.fixture
def tab(settings, open_page):
    """The practice page of a home with one exposure that is known to be bad and one that is good."""
    home = settings.home
    for asset in ("night_exposures", "night_ccds", "night_exposure_predictions", "night_previews"):
        table = read_table(home.table(asset, NIGHT))
        table = table[table["expnum"] == LABELLED].assign(expnum=GOOD)
        table["night"] = "2018-05-19"
        if "p_bad" in table:
            table = table.assign(is_bad=False, p_bad=np.float32(0.1))
        write_table(table, home.table(asset, "2018-05-19"), SCHEMAS[asset])
    page = open_page("ann", viewport={"width": 390, "height": 844})
    page.click("nav a[href='/practice']")
    page.wait_for_selector(".plane-picture")
    return page


def test_a_round_shows_what_is_known_after_each_answer_ends_with_a_tally_and_stores_nothing(tab, settings):
    right = {LABELLED: "psf", GOOD: None}
    for number in (1, 2):
        until(tab, "document.querySelector('.plane-picture')?.naturalWidth > 0")
        assert tab.inner_text("#count") == f"{number} of 2"
        expnum = int(tab.get_attribute(".plane-picture", "src").split("/")[2])
        assert str(expnum) not in tab.inner_text("main")
        if right.pop(expnum) is None:
            tab.keyboard.press("b")
            tab.keyboard.press("8")  # noise
            tab.wait_for_selector(".judged.wrong")
            assert "fine" in tab.inner_text("aside")
        else:
            tab.keyboard.press("b")
            tab.click(".menu .kinds button:has-text('psf')")
            tab.wait_for_selector(".judged.right")
            assert "bad · psf" in tab.inner_text("aside")
            assert "decals: <i>psf</i>" in tab.inner_text("aside")  # as text
            assert "Stars are not round" in tab.inner_text("aside")
        tab.keyboard.press("f")  # answers nothing more
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        tab.keyboard.press("Enter")
    tab.wait_for_selector(".tally")
    assert "You called 1 of 1 bad exposures bad, and 0 of 1 good ones fine." in tab.inner_text(".tally")
    assert tab.locator(".again li").count() == 1
    tab.click("#again")
    until(tab, "document.querySelector('#count').textContent === '1 of 2'")
    assert len(VerdictStore(settings.verdicts).read()) == 0
