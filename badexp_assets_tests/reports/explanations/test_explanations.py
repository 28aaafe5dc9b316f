"""Reading CCDs again: the reference, the map of a planted blemish, and CCDs that are gone."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import Home
from badexp_assets.config.review_options import ExplanationParams
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.pixels.ccd_picture import MAX_MAP_BYTES, map_picture, read_thumbnails
from badexp_assets.pixels.ccd_reader import CcdReader
from badexp_assets.reports.explanations.candidate_explanations import Example, explain_candidates, pictured_examples
from badexp_assets.reports.explanations.patch_reference import make_patch_reference
from badexp_assets.survey.archive import list_exposures, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import CcdImage, open_exposure
from badexp_assets.vision.backbones import load_backbone
from badexp_assets.vision.recipes import load_recipe


@pytest.fixture(scope="module")
def archive(simulated_survey: Path) -> Path:
    return simulated_survey / "images"


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def exposures(archive: Path) -> pd.DataFrame:
    table = list_exposures(archive, list_nights(archive, load_camera())[0], load_camera())
    return table[table["status"] == "ready"].assign(path=table["ooi"])[["expnum", "path", "ood"]]


@pytest.fixture
def reader(archive: Path, exposures: pd.DataFrame, backbone):
    with CcdReader(archive, exposures, load_camera(), load_recipe("scaled", backbone, 96, 64)) as opened:
        yield opened


@pytest.fixture(scope="module")
def ccdnums(archive: Path, exposures: pd.DataFrame) -> tuple[int, int]:
    """Two CCDs that every simulated exposure has."""
    with open_exposure(archive / exposures["path"].iloc[0]) as exposure:
        return exposure.ccds[0].ccdnum, exposure.ccds[1].ccdnum


def test_a_reference_is_read_once_and_then_taken_from_its_place(reader, exposures, ccdnums, backbone, tmp_path) -> None:
    numbers = exposures["expnum"].astype(int).tolist()[:6]
    ccdnum = ccdnums[0]
    good = pd.DataFrame({"expnum": [999, *numbers], "ccdnum": ccdnum})
    seen: list[tuple[int, int]] = []
    params = ExplanationParams()
    made = make_patch_reference(good, reader, backbone, params, tmp_path, lambda *done: seen.append(done))
    assert seen[-1] == (7, 7)
    assert made.card["n_bank_images"] + made.card["n_aside"] == 6
    assert made.card["findings"] == ["exposure 999: night_exposures has no row with its path"]
    made.save(tmp_path / made.version)
    seen.clear()
    again = make_patch_reference(good, reader, backbone, params, tmp_path, lambda *done: seen.append(done))
    assert again.version == made.version
    assert not seen
    assert make_patch_reference(good[1:], reader, backbone, params, tmp_path).version != made.version


def test_every_candidate_keeps_its_row_and_one_that_is_gone_says_so(
    reader, exposures, ccdnums, backbone, tmp_path
) -> None:
    numbers = exposures["expnum"].astype(int).tolist()[:4]
    first, second = ccdnums
    good = pd.DataFrame({"expnum": numbers[:3], "ccdnum": first})
    reference = make_patch_reference(good, reader, backbone, ExplanationParams(), tmp_path)
    rows = [(1, numbers[3], first, 1), (1, numbers[3], second, 2), (2, 999, first, 1)]
    ccds = pd.DataFrame(rows, columns=["rank", "expnum", "ccdnum", "place"])
    ccds = ccds.assign(night="2018-03-10", category="psf", p_bad=0.9, kl=np.nan)
    examples = {(numbers[3], first): [Example(numbers[0], first, "good", 1.5), Example(999, 1, "noise", 2.0)]}
    table = explain_candidates(ccds, examples | {(999, first): []}, reference, reader, backbone, "m1")
    assert table["reason"][1].startswith("no examples: this CCD was not sampled")
    assert to_arrow(table, SCHEMAS["candidate_explanations"]).num_rows == 3
    assert table["anomaly"].notna().tolist() == [True, False, False]
    assert table["map_png"].notna().tolist() == [True, False, False]
    assert table["reason"][2] == "no map: exposure 999: night_exposures has no row with its path"
    assert json.loads(table["examples"][0])[0] == {
        "expnum": numbers[0],
        "ccdnum": first,
        "category": "good",
        "distance": 1.5,
    }
    wanted = pictured_examples(table)
    assert wanted == {(numbers[0], first), (999, 1)}
    thumbnails = read_thumbnails(reader, wanted)
    assert set(thumbnails) == {(numbers[0], first)}
    unlabelled = explain_candidates(ccds, None, reference, reader, backbone, None)
    assert unlabelled["reason"].str.startswith("no classifier, so no examples").all()


def image_of(pixels: np.ndarray) -> CcdImage:
    return CcdImage(1, "S29", pixels.astype(np.float32), None, None, None, None, None, {})


def test_the_map_lies_on_the_picture_as_the_ccd_does_north_up_and_east_left() -> None:
    noise = np.random.default_rng(0).normal(1000, 10, (400, 200))
    noise[:50, 150:] = 5000  # first rows (West, right), last columns (South, below)
    score = np.zeros((8, 4), np.float32)
    score[0, 3] = 2.0
    with Image.open(io.BytesIO(map_picture(image_of(noise), score))) as picture:
        rgb = np.asarray(picture.convert("RGB")).astype(int)
    height, width = rgb.shape[:2]
    half = (width - 6) // 2
    assert abs(half / height - 2) < 0.02
    bright = rgb[:, :half].sum(axis=2) > 700
    rows, columns = np.nonzero(bright)
    assert rows.min() >= height * 0.7
    assert columns.min() >= half * 0.85
    heat = rgb[:, half + 6 :]
    frame = (heat[:, :, 1] - heat[:, :, 0] > 80) & (heat[:, :, 1] > 200)
    rows, columns = np.nonzero(frame)
    assert rows.min() >= height * 0.7
    assert columns.min() >= half * 0.85


def test_a_map_stays_small_even_of_pure_noise_and_of_a_ccd_without_any_pixel() -> None:
    noise = np.random.default_rng(0).normal(1000, 200, (600, 300))
    assert len(map_picture(image_of(noise), np.ones((4, 2), np.float32))) <= MAX_MAP_BYTES
    assert len(map_picture(image_of(np.full((40, 20), np.nan)), np.ones((4, 2), np.float32))) <= MAX_MAP_BYTES


def test_a_finished_run_has_explained_its_candidates_on_a_page_with_all_its_pictures(finished_home: Path) -> None:
    home = Home(finished_home)
    candidates, table = load(home, "review_candidates"), load(home, "candidate_explanations")
    assert len(candidates) > 0
    assert set(table["expnum"]) == set(candidates["expnum"])
    worst = table[table["place"] == 1]
    assert worst["anomaly"].notna().all()
    training = load(home, "training_set").query("split == 'train'")
    named = set(map(tuple, training[["expnum", "ccdnum"]].to_numpy().tolist()))
    votes = load(home, "night_predictions").set_index(["expnum", "ccdnum"])["seen"]
    for row in table.itertuples():
        examples = json.loads(row.examples)
        if votes[row.expnum, row.ccdnum] == "focal plane":
            assert not examples
            assert "not sampled" in row.reason
            continue
        assert len(examples) == 5
        assert [e["distance"] for e in examples] == sorted(e["distance"] for e in examples)
        assert {(e["expnum"], e["ccdnum"]) for e in examples} <= named
        assert row.expnum not in {e["expnum"] for e in examples}
    page = (home.reports / "candidates.html").read_text(encoding="utf-8")
    assert page.count("<article") == len(candidates)
    assert page.count('alt="anomaly map of') == len(candidates)
    assert page.count('alt="preview of') == len(candidates)
    assert page.count('<div class="votes"><svg') == len(candidates)
    assert "not readable" not in page
