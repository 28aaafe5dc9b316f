"""How long a key takes to the decoded picture of the next candidate, in a home of real size.

BADEXP_REVIEW_HOME=/data/picture python -m pytest -n0 -s badexp_assets_tests/review/app/test_speed.py
"""

import os
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from badexp_assets.config.settings import Settings, load_settings
from badexp_assets.review.accounts import Reviewers

HOME = os.environ.get("BADEXP_REVIEW_HOME")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(HOME is None, reason="BADEXP_REVIEW_HOME names no home to measure")]
MOST_KEYS = 60
REVIEWER = "speed test"


@pytest.fixture
def settings() -> Iterator[Settings]:
    found = load_settings(Path(str(HOME)))
    yield found
    Reviewers(found.verdicts).remove(REVIEWER)


@pytest.mark.parametrize("stay", [100, 1000])
def test_the_next_picture_comes_in_100_ms_in_the_median_and_250_ms_at_most(open_page, stay):
    """`stay`: ms on each candidate; after 1000 ms, its night and the comparison are there, too."""
    tab = open_page(REVIEWER, viewport={"width": 1440, "height": 900})
    tab.keyboard.press("r")
    tab.wait_for_selector(".strip a")
    keys = min(MOST_KEYS, tab.evaluate("fetch('/api/candidates').then(r => r.json()).then(l => l.progress.open)") - 1)
    for _ in range(keys):
        before = tab.evaluate("document.body.dataset.shown")
        tab.keyboard.press("ArrowRight")
        while tab.evaluate("document.body.dataset.shown") == before:
            tab.wait_for_timeout(5)
        tab.wait_for_timeout(stay)
    times = tab.evaluate("performance.getEntriesByName('candidate').map(entry => entry.duration)")[1:]
    ccds = tab.locator("#plane .ccd").count()
    strip = tab.locator(".strip a").count()
    print(f"\n{len(times)} keys, {stay} ms each, {ccds} CCDs, {strip} in the strip:", end=" ")
    print(f"median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms")
    assert len(times) == keys > 0
    assert statistics.median(times) < 100
    assert max(times) < 250
