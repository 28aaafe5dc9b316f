"""The browser in which tests look at pages."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

from badexp_assets_tests.waiting import LONGEST_WAIT

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
)
_PLAIN = ("--disable-gpu",)
_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@contextlib.contextmanager
def chromium(webgl: bool = False) -> Iterator[Any]:
    """A headless Chromium; skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"no browser to look at pages with: none of {', '.join(_NAMES)} is on PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*_OPTIONS, *(_WEBGL if webgl else _PLAIN)])
        yield browser
        browser.close()


def until(tab: Any, condition: str) -> None:
    """Wait for a condition in JavaScript; Playwright's own way to wait needs what the page's CSP forbids."""
    deadline = time.monotonic() + LONGEST_WAIT
    while not tab.evaluate(condition):
        assert time.monotonic() < deadline, condition
        tab.wait_for_timeout(20)
