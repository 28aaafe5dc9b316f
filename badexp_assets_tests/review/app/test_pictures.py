"""Pictures: what is where in them, and how many are kept."""

import errno
import io
import os
import threading

import numpy as np
import pytest
from PIL import Image

from badexp_assets.errors import InputError
from badexp_assets.pixels.previews import FocalPlane, Tile
from badexp_assets.review.app.ccd_overlay import plane
from badexp_assets.review.app.ccd_pictures import MASK_COLOURS, STRETCHES, ccd_jpeg, mask_png
from badexp_assets.review.app.picture_cache import PictureCache
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import CcdImage


def ccd(image, mask=None):
    return CcdImage(28, "S4", image.astype(np.float32), mask, None, None, None, None, {})


def pixels(picture: bytes, mode: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert(mode))


@pytest.mark.parametrize("stretch", STRETCHES)
def test_a_ccd_is_shown_pixel_by_pixel_with_columns_down_and_rows_to_the_left(stretch):
    rng = np.random.default_rng(0)
    image = rng.normal(200, 8, (160, 80))
    image[0:20, 0:10] += 400  # first rows and columns: top right
    image[140:, 60:] = np.nan  # last rows and columns: bottom left
    shown = pixels(ccd_jpeg(ccd(image), stretch), "L")
    assert shown.shape == (80, 160)
    assert shown[2:8, -18:-2].min() > (80 if stretch == "absolute" else 200)
    assert shown[64:, :16].max() < 12
    assert 10 < np.median(shown) < 200


@pytest.mark.parametrize(("level", "grey"), [(0, 0), (200, 51), (65_535, 255), (1e6, 255), (-50, 0)])
def test_the_absolute_stretch_is_the_same_for_every_image_and_for_the_levels_of_the_focal_plane(level, grey):
    shown = pixels(ccd_jpeg(ccd(np.full((40, 20), level)), "absolute"), "L")
    assert np.abs(shown.astype(int) - grey).max() <= 1
    measured = {28: {"status": "read", "status_reason": None, "sky": float(level), "saturated_fraction": 0.5}}
    found = next(c for c in plane(load_camera(), None, measured, {}, {})["ccds"] if c["ccdnum"] == 28)
    assert abs(int(found["level_colour"][1:3], 16) - grey) <= 1
    assert (found["sky"], found["saturated"]) == (level, 0.5)


@pytest.mark.parametrize("value", [np.nan, 0.0, 1e29])
def test_a_ccd_without_contrast_is_a_picture_too(value):
    for stretch in STRETCHES:
        assert pixels(ccd_jpeg(ccd(np.full((40, 20), value)), stretch), "L").shape == (20, 40)
    with pytest.raises(InputError, match="stretch 'x' is not known"):
        ccd_jpeg(ccd(np.zeros((4, 4))), "x")


def test_a_mask_covers_what_it_masks_and_nothing_else():
    mask = np.zeros((160, 80), np.uint8)
    for code in MASK_COLOURS:
        mask[10 * code, 2 * code] = code
    shown = pixels(mask_png(ccd(np.zeros((160, 80)), mask)), "RGBA")
    assert (shown[..., 3] > 0).sum() == len(MASK_COLOURS)
    for code, (_, colour) in MASK_COLOURS.items():
        assert tuple(shown[2 * code, 159 - 10 * code, :3]) == colour


def test_the_overlay_is_where_the_preview_has_its_ccds():
    camera, ccds = load_camera(), [28, 32, 35, 43, 60]
    for chosen in range(len(ccds)):
        picture = FocalPlane(camera, 300, ccds)
        for n, ccdnum in enumerate(ccds):
            picture.add(ccdnum, Tile(np.full(picture.slot, 50.0 * (n == chosen), np.float32), False))
        shown = pixels(picture.render(), "L")
        preview = {"width": picture.size[0], "height": picture.size[1], "ccds": ",".join(map(str, ccds))}
        found = plane(camera, preview, {}, {}, {})
        box = {c["ccdnum"]: c for c in found["ccds"]}[ccds[chosen]]
        scale = picture.size[0] / found["width"]
        x, y, w, h = (round(box[name] * scale) for name in ("x", "y", "width", "height"))
        bright = shown == shown.max()
        assert bright[y + 2 : y + h - 2, x + 2 : x + w - 2].all()
        bright[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2] = False
        assert not bright.any()


def test_ccds_that_were_not_sampled_have_the_votes_of_their_tokens_in_the_overlay():
    camera = load_camera()
    present = sorted(camera.by_number)
    votes = {n: {"p_bad": 0.9 if n == 40 else 0.1, "category": "ghost_scatter"} for n in present if n != 61}
    rows = {n: {"status": "read", "status_reason": None} for n in present[:20]}
    preview = {"width": 1, "height": 1, "ccds": ",".join(map(str, present))}
    ccds = {ccd["ccdnum"]: ccd for ccd in plane(camera, preview, rows, votes, {})["ccds"]}
    assert (ccds[40]["status"], ccds[40]["p_bad"], ccds[40]["category"]) == ("not sampled", 0.9, "ghost_scatter")
    assert ccds[40]["colour"] != ccds[41]["colour"]
    assert (ccds[61]["status"], ccds[61]["p_bad"], ccds[61]["colour"]) == ("not sampled", None, None)


def test_the_overlay_of_an_older_home_fits_what_was_read_or_the_whole_plane():
    camera = load_camera()
    for present, measured in (([28, 32, 35], [28, 32, 35]), ([c.ccdnum for c in camera.ccds], [28, 32, 35])):
        size = FocalPlane(camera, 512, present).size
        rows = {n: {"status": "read"} for n in measured}
        found = plane(camera, {"width": size[0], "height": size[1], "ccds": None}, rows, {}, {})
        assert found["width"] / found["height"] == pytest.approx(size[0] / size[1], rel=0.02)


def test_a_picture_is_made_once_for_all_who_ask_at_the_same_time(tmp_path):
    cache, made, start = PictureCache(tmp_path / "p", 10**6), [], threading.Barrier(8)

    def ask():
        start.wait()
        assert cache.get("key", lambda: made.append(1) or b"picture") == b"picture"

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_picture_that_cannot_be_stored_is_shown_all_the_same_and_said_once(tmp_path, caplog, monkeypatch):
    cache, made = PictureCache(tmp_path, 10**6), []

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for _ in range(2):
        assert cache.get("key", lambda: made.append(1) or b"picture") == b"picture"
    assert len(made) == 2
    assert [
        record.getMessage().endswith("pictures are not kept: No space left on device") for record in caplog.records
    ] == [True]
    assert not list(tmp_path.iterdir())


def test_the_pictures_used_last_are_kept_within_the_size(tmp_path):
    cache = PictureCache(tmp_path / "p", 1000)
    for n in range(9):
        cache.get(f"key {n}", lambda: b"x" * 100)
    first = next(p for p in (tmp_path / "p").iterdir())
    before = {p.name for p in (tmp_path / "p").iterdir()}
    for path in (tmp_path / "p").iterdir():
        os.utime(path, (1, 1) if path != first else None)
    for n in range(20, 23):
        cache.get(f"key {n}", lambda: b"y" * 100)
    left = list((tmp_path / "p").iterdir())
    assert sum(p.stat().st_size for p in left) <= 1000
    assert first in left
    assert before - {p.name for p in left}


def test_a_picture_that_is_larger_than_the_cache_or_fails_is_not_kept(tmp_path):
    cache = PictureCache(tmp_path / "p", 10)
    assert cache.get("a", lambda: b"x" * 11) == b"x" * 11
    with pytest.raises(ZeroDivisionError):
        cache.get("b", lambda: bytes(1 // 0))
    assert cache.get("b", lambda: b"now") == b"now"
