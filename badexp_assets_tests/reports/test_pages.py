"""The pages, looked at in a real browser where there is one; they ask for nothing from outside."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from badexp_assets.pixels.focal_plane_svg import colour_of, plane_svg
from badexp_assets.reports.candidates_page import write_candidates_page
from badexp_assets.reports.clusters_page import write_clusters_page
from badexp_assets.reports.page import small_previews
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.browser import chromium
from badexp_assets_tests.waiting import LONGEST_WAIT

NIGHT = "2018-03-10"


def png(shade: int, size: tuple[int, int] = (800, 600)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(stream, "PNG")
    return stream.getvalue()


def nights(expnums: list[int]) -> list[tuple[str, pd.DataFrame]]:
    return [(NIGHT, pd.DataFrame({"expnum": expnums, "png": [png(e % 200) for e in expnums]}))]


@pytest.fixture(scope="module")
def tab() -> Iterator:
    """A tab of a headless Chromium in which a request to anything but a file, or an error of a page, fails the test."""
    with chromium(webgl=True) as browser:
        opened = browser.new_page(viewport={"width": 1300, "height": 1000})
        opened.set_default_timeout(LONGEST_WAIT * 1000)
        opened.troubles = []
        opened.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or opened.troubles.append(r.url))
        opened.on("pageerror", lambda error: opened.troubles.append(str(error)))
        yield opened
        assert opened.troubles == []


def map_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"expnum": np.repeat(np.arange(1, 13), 5), "ccdnum": np.tile(np.arange(1, 6), 12)})
    table = table.assign(night=NIGHT, cluster=np.repeat([0, 1, -1], 20))
    table["category"] = np.repeat(["psf", "</script><b>", "unlabelled"], 20)
    table[["tsne_x", "tsne_y", "tsne3_x", "tsne3_y", "tsne3_z"]] = rng.normal(size=(60, 5)).astype(np.float32)
    table.loc[50:, ["tsne3_x", "tsne3_y", "tsne3_z"]] = np.nan
    return table


@pytest.fixture(scope="module")
def clusters_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "reports" / "embedding_clusters.html"
    table = map_table()
    assert write_clusters_page(path, table, lambda _: nights(list(range(1, 13))), 10, load_camera()) == 10
    return path


def test_previews_beside_the_page_are_bounded_and_labelled_exposures_come_first(clusters_page: Path) -> None:
    written = sorted(int(p.stem) for p in (clusters_page.parent / "previews").iterdir())
    assert written == list(range(1, 11))
    with Image.open(clusters_page.parent / "previews" / "3.jpg") as picture:
        assert picture.size == (400, 300)
    text = clusters_page.read_text(encoding="utf-8")
    assert "10 of their 12 exposures have a preview" in text
    assert "The 3-D view shows 50 of them" in text


def test_exposures_that_are_not_asked_for_or_have_no_preview_give_none() -> None:
    assert [e for e, _ in small_previews(nights([1, 2, 3]), {2, 9})] == [2]


@pytest.mark.slow
def test_a_click_on_a_point_shows_the_preview_of_its_exposure(tab, clusters_page: Path) -> None:
    tab.goto(clusters_page.as_uri())
    tab.wait_for_selector("#map .scatterlayer .trace")
    names = tab.eval_on_selector_all(".legendtext", "found => found.map(n => n.textContent)")
    assert names[0] == "unlabelled (20)"
    assert "psf (20)" in names
    place = tab.evaluate(
        """() => { const m = document.getElementById('map'), l = m._fullLayout, b = m.getBoundingClientRect();
                   const i = points.expnum.indexOf(3);
                   return [b.x + l.xaxis._offset + l.xaxis.d2p(points.x[i]),
                           b.y + l.yaxis._offset + l.yaxis.d2p(points.y[i])]; }"""
    )
    tab.mouse.move(*place)
    tab.wait_for_selector(".hoverlayer .hovertext")
    shown = tab.text_content(".hoverlayer .hovertext")
    tab.mouse.click(*place)
    tab.wait_for_selector("#detail img")
    expnum = tab.inner_text("#detail h2").removeprefix("Exposure ")
    assert expnum in shown
    tab.wait_for_function("document.querySelector('#detail img').naturalHeight === 300")
    assert tab.get_attribute("#detail img", "src") == f"previews/{expnum}.jpg"
    assert "label" in tab.inner_text("#detail table")
    ccd = load_camera().by_number[tab.evaluate("points.expnum.indexOf(3)") % 5 + 1].ccdname
    assert tab.evaluate("points.ccd[points.expnum.indexOf(3)]") == ccd
    assert "CCD " not in shown
    assert tab.locator("#open, #app").count() == 0  # no app serves the page


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["category", "cluster"])
def test_the_tools_of_the_map_cover_neither_its_legend_nor_its_points(tab, clusters_page: Path, colour: str) -> None:
    usual = tab.viewport_size
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.goto(clusters_page.as_uri())
    tab.check(f"input[value={colour}]")
    tab.wait_for_selector("#map .scatterlayer .trace")
    tools, legend, plot = (tab.locator(f"#map {of}").bounding_box() for of in (".modebar", ".legend .bg", ".nsewdrag"))
    assert tools["y"] + tools["height"] <= min(legend["y"], plot["y"])
    assert plot["x"] + plot["width"] <= legend["x"]
    tab.set_viewport_size(usual)


@pytest.mark.slow
def test_a_lasso_lists_the_exposures_of_its_points_and_without_the_app_has_no_link(tab, clusters_page: Path) -> None:
    tab.goto(clusters_page.as_uri())
    tab.wait_for_selector("#map .scatterlayer .trace")
    tab.click(".modebar-btn[data-attr=dragmode][data-val=lasso]")
    box = tab.locator("#map .nsewdrag").bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in places[1:]:
        tab.mouse.move(*place, steps=6)
    tab.mouse.up()
    tab.wait_for_selector("#detail h2:has-text('CCDs of')")
    n_ccds, n_exposures = (int(word) for word in tab.inner_text("#detail h2").split() if word.isdigit())
    assert 0 < n_exposures <= 12 < n_ccds <= 60
    assert len(tab.inner_text("#detail p").split()) == n_exposures
    assert tab.locator("#review").count() == 0


@pytest.mark.slow
def test_the_map_is_coloured_by_cluster_and_turned_in_3d_and_the_legend_hides_a_group(tab, clusters_page: Path) -> None:
    tab.goto(clusters_page.as_uri())
    tab.check("input[value=cluster]")
    names = "document.getElementById('map').data.map(t => t.name)"
    assert tab.evaluate(names) == ["no cluster (20)", "cluster 0 (20)", "cluster 1 (20)"]
    tab.locator(".legendtoggle").nth(1).click()
    tab.wait_for_function("document.getElementById('map').data[1].visible === 'legendonly'")
    tab.check("input[value='3']")
    tab.wait_for_selector("#map canvas")
    assert tab.evaluate(names) == ["no cluster (10)", "cluster 0 (20)", "cluster 1 (20)"]
    assert tab.evaluate("document.getElementById('map').data.every(t => t.type === 'scatter3d')")


@pytest.fixture
def candidates_page(tmp_path: Path) -> Path:
    candidates = pd.DataFrame({"rank": [2, 1], "expnum": [8, 7], "night": NIGHT, "filter": "r", "category": "psf"})
    candidates["category"] = ["stars & <dust>", "psf"]
    candidates = candidates.assign(
        why="z < 3 & more", p_bad=[np.nan, 0.8], z_source=1.0, z_background=np.nan, z_mse=2.0
    )
    example = [{"expnum": 3, "ccdnum": 1, "category": "good", "distance": 1.25}]
    explanations = pd.DataFrame(
        {
            "expnum": [7, 7, 8],
            "ccdnum": [21, 28, 21],
            "place": [1, 2, 1],
            "category": ["psf", "psf", None],
            "p_bad": [0.9, 0.8, np.nan],
            "examples": [json.dumps(example), json.dumps(example), "[]"],
            "anomaly": [1.5, np.nan, np.nan],
            "anomaly_x": [10, None, None],
            "anomaly_y": [20, None, None],
            "map_png": [png(9, (80, 20)), None, None],
            "reason": [None, None, "no map: file.fits.fz[S10]: can't be decompressed"],
        }
    ).astype({"anomaly_x": "Int32", "anomaly_y": "Int32"})
    votes = pd.DataFrame({"expnum": 7, "ccdnum": [21, 28], "category": ["psf", "good"], "p_bad": [0.9, 0.1]})
    votes["focal_plane_difference"] = [3.25, np.nan]
    path = tmp_path / "candidates.html"
    previews, thumbnails = {7: png(5, (40, 30))}, {(3, 1): png(7, (128, 64))}
    write_candidates_page(path, candidates, explanations, votes, previews, thumbnails, load_camera(), 5)
    return path


def test_the_page_of_candidates_says_all_it_knows_and_what_is_missing(candidates_page: Path) -> None:
    text = candidates_page.read_text(encoding="utf-8")
    assert "2 of 5 exposures" in text
    assert text.index("Exposure 7") < text.index("Exposure 8")
    assert "z &lt; 3 &amp; more" in text
    assert "around column\n10, row 20" in text
    assert "no map: file.fits.fz[S10]: can&#39;t be decompressed" in text
    assert text.count("no preview") == 1
    assert text.count("no classifier") == 1
    assert text.count('<img alt="good"') == 1  # of the worst CCD; the other's examples are words
    assert "nan" not in text.lower().replace("nance", "")


@pytest.mark.slow
def test_every_picture_of_the_page_of_candidates_is_shown(tab, candidates_page: Path) -> None:
    tab.goto(candidates_page.as_uri())
    sizes = tab.eval_on_selector_all("img", "found => found.map(p => p.naturalWidth)")
    assert sorted(sizes) == [40, 80, 128]
    assert tab.locator(".votes svg rect title").first.text_content()
    assert "differs from good CCDs by 3.25" in tab.locator(".differences svg").first.inner_html()


@pytest.mark.slow
def test_candidates_are_found_by_an_index_and_by_choices(tab, candidates_page: Path) -> None:
    tab.goto(candidates_page.as_uri())
    shown = tab.locator("article.card:visible")
    rows = tab.locator(".index tbody tr:visible")
    assert rows.all_inner_texts() == [
        f"1\t7\tpsf\t{NIGHT}\tr\t0.80\tz < 3 & more",
        f"2\t8\tstars & <dust>\t{NIGHT}\tr\t\tz < 3 & more",
    ]
    tab.select_option("select[data-of=category]", "stars & <dust>")
    assert shown.evaluate_all("cards => cards.map(card => card.id)") == ["e8"]
    assert (rows.count(), tab.locator("#shown").inner_text()) == (1, "1 shown")
    tab.select_option("select[data-of=category]", "")
    assert (shown.count(), rows.count(), tab.locator("#shown").inner_text()) == (2, 2, "2 shown")
    tab.locator(".index a", has_text="8").click()
    tab.wait_for_function("location.hash === '#e8'")


@pytest.mark.slow
def test_only_the_first_ten_candidates_are_open_and_a_link_opens_another(tab, tmp_path: Path) -> None:
    candidates = pd.DataFrame({"rank": range(1, 41), "expnum": range(101, 141), "night": NIGHT, "filter": "r"})
    candidates = candidates.assign(category="psf", why="z = 7", p_bad=0.8)
    votes = pd.DataFrame({"expnum": np.repeat(candidates["expnum"], 61), "ccdnum": np.tile(np.arange(1, 62), 40)})
    votes = votes.assign(category="psf", p_bad=0.9)
    explanations = pd.DataFrame(columns=["expnum", "ccdnum", "place"])
    path = tmp_path / "candidates.html"
    write_candidates_page(path, candidates, explanations, votes, {}, {}, load_camera(), 40)
    tab.goto(path.as_uri())
    assert tab.locator("article.card").count() == 40
    assert tab.locator("article details[open]").count() == 10
    assert tab.evaluate("document.documentElement.scrollHeight") < 12_000  # all open: 21,000 px
    tab.locator(".index a", has_text="135").click()
    tab.locator("#e135 .votes").wait_for()
    assert tab.locator("article details[open]").count() == 11
    tab.goto(f"{path.as_uri()}#e140")
    tab.reload()
    tab.locator("#e140 .votes").wait_for()


def test_votes_are_drawn_in_the_smallest_part_of_the_focal_plane_that_holds_them() -> None:
    camera = load_camera()
    one = plane_svg(camera, {28: (0.9, "psf, P(bad) 0.90")})
    assert one.count("<rect") == 1
    assert "psf, P(bad) 0.90" in one
    assert colour_of(0.9) in one
    assert plane_svg(camera, {c.ccdnum: (0.5, "good") for c in camera.ccds}).count("<rect") == len(camera.ccds)


def test_colours_go_from_blue_over_grey_to_orange() -> None:
    assert [colour_of(p) for p in (-1, 0, 0.5, 1, 2)] == ["#2e6fb5", "#2e6fb5", "#dedede", "#d55e00", "#d55e00"]
