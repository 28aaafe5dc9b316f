"""Reports that the review app serves: their links lead into the app, and a lasso on the map makes a queue."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.io.parquet_reading import read_table
from badexp_assets.reports.candidates_page import write_candidates_page
from badexp_assets.reports.clusters_page import write_clusters_page
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.browser import until
from badexp_assets_tests.review.app.conftest import FIRST, NIGHTS, N

pytestmark = pytest.mark.slow
MAP = "/reports/embedding_clusters.html"


def write_map(home):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"expnum": range(FIRST, FIRST + N), "ccdnum": 28, "night": NIGHTS[0], "cluster": 0})
    table["category"] = "unlabelled"
    table[["tsne_x", "tsne_y", "tsne3_x", "tsne3_y", "tsne3_z"]] = rng.normal(size=(N, 5)).astype(np.float32)
    write_clusters_page(home.embedding_map, table, lambda _: iter(()), 0, load_camera())


def lasso(tab, corners):
    """Draw around an area of the map; corners: shares of its width and height."""
    tab.click(".modebar-btn[data-attr=dragmode][data-val=lasso]")
    box = tab.locator("#map .nsewdrag").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in [*places[1:], places[0]]:
        tab.mouse.move(*place, steps=6)
    tab.mouse.up()


def test_exposures_in_a_lasso_on_the_map_become_the_queue_of_the_app(open_page, server):
    tab = open_page("ann")
    assert tab.locator("nav a", has_text="Map").count() == 0  # there is none yet
    write_map(server.settings.home)
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.reload()
    tab.wait_for_selector("nav a:has-text('Map')")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.click("nav a:has-text('Map')")
    tab.wait_for_selector("#map .scatterlayer .trace")
    assert tab.url.endswith(MAP)
    lasso(tab, [(0.3, 0.02), (0.98, 0.02), (0.98, 0.98), (0.3, 0.98)])
    tab.wait_for_selector("#review")
    inside = {int(word) for word in tab.inner_text("#detail p").split()}
    assert 0 < len(inside) < N
    tab.click("#review")
    tab.wait_for_selector(".chip")
    until(tab, f"parseInt(document.querySelector('#count').textContent) === {len(inside)}")
    shown = tab.eval_on_selector_all(".cell", "cells => cells.map(cell => Number(cell.dataset.expnum))")
    assert 0 < len(shown) <= len(inside)  # the grid holds what is in sight
    assert set(shown) <= inside


def test_a_click_on_a_point_of_the_map_leads_to_its_exposure_in_the_app_and_back_to_the_list(open_page, server):
    write_map(server.settings.home)
    tab = open_page("ann")
    tab.goto(MAP)
    tab.wait_for_selector("#map .scatterlayer .trace")
    tab.evaluate(f"show(points.expnum.indexOf({FIRST + 4}))")
    assert "S4" in tab.inner_text("#detail table")
    tab.click("#open")
    tab.wait_for_selector(f"body[data-shown='{FIRST + 4}']")
    tab.go_back()
    tab.click("#app a >> nth=0")
    tab.wait_for_selector(".cell")


def test_candidates_of_the_report_link_to_their_pages_in_the_app(open_page, server):
    home = server.settings.home
    candidates, explained = (read_table(home.table(name)) for name in ("review_candidates", "candidate_explanations"))
    votes = pd.concat([read_table(home.table("night_predictions", night)) for night in NIGHTS])
    path = home.reports / "candidates.html"
    write_candidates_page(path, candidates, explained, votes, {}, {}, load_camera(), N)
    tab = open_page("ann")
    tab.goto("/reports/candidates.html")
    links = tab.eval_on_selector_all("summary a", "found => found.map(link => link.pathname)")
    assert links == [f"/exposure/{expnum}" for expnum in candidates.sort_values("rank")["expnum"]]
    tab.click("summary a >> nth=0")
    tab.wait_for_selector(f"body[data-shown='{FIRST}']")
