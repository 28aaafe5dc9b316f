"""The whole focal plane as one image: CCDs in their places, on one scale, and gradients that no CCD shows."""

import numpy as np
import pytest

from badexp_assets.pixels.mosaic import MosaicPlan, level_and_scale, mosaic_aspect
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import CcdImage
from badexp_assets.vision.backbones import load_backbone
from badexp_assets.vision.embedder import Embedder
from badexp_assets.vision.recipes import load_recipe

CAMERA = load_camera()
SHAPE = (96, 48)


def ccd(ccdnum, image, mask=None):
    name = CAMERA.by_number[ccdnum].ccdname
    return CcdImage(ccdnum, name, np.asarray(image, np.float32), mask, None, None, None, None, {})


def plan():
    return MosaicPlan(CAMERA, 352, 384)


def sky(seed, level=200.0):
    return np.random.default_rng(seed).normal(level, 8, SHAPE)


def tiles_of(images):
    return {n: plan().tile(ccd(n, image)) for n, image in images.items()}


def drawn(images):
    """The mosaic in units of its scatter, as the recipe takes it."""
    tiles = tiles_of(images)
    level, scatter = level_and_scale(tiles)
    return (plan().draw(tiles) - level) / scatter


def place(ccdnum):
    """Middle of a CCD in the mosaic, (row, column): x grows downwards, y to the left."""
    ccds = CAMERA.ccds
    half = np.array(CAMERA.ccd_shape[::-1]) * CAMERA.pixel_size / 2
    x, y = np.array([c.x_mm for c in ccds]), np.array([c.y_mm for c in ccds])
    down = (CAMERA.by_number[ccdnum].x_mm - x.min() + half[0]) / (np.ptp(x) + 2 * half[0])
    left = (y.max() + half[1] - CAMERA.by_number[ccdnum].y_mm) / (np.ptp(y) + 2 * half[1])
    return down * 352, left * 384


@pytest.mark.parametrize("ccdnum", [1, 3, 28, 35, 62])
def test_a_ccd_lies_where_the_camera_says_and_the_rest_is_empty(ccdnum):
    image = drawn({ccdnum: sky(0)})
    rows, columns = np.nonzero(np.isfinite(image))
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx(place(ccdnum), abs=1)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height * width == len(rows)
    assert width / height == pytest.approx(4094 / 2046, rel=0.05)


def test_columns_grow_to_the_south_and_rows_to_the_east():
    image = sky(0)
    image[48:, :24] += 300  # where rows end and columns begin
    found = drawn({28: image})
    rows, columns = np.nonzero(found > 20)
    middle = place(28)
    assert rows.max() < middle[0] + 1
    assert columns.max() < middle[1] + 1


def test_steps_between_ccds_are_kept_whatever_the_exposures_level():
    images = {n: sky(n, 200 if n <= 31 else 230) for n in range(1, 63)}
    found, brighter = drawn(images), drawn({n: image * 7 + 1000 for n, image in images.items()})
    north, south = np.nanmedian(found[:170]), np.nanmedian(found[182:])
    scatter = np.nanstd(np.diff(found[20:40], axis=1)) / np.sqrt(2)
    assert south - north > 5 * scatter
    np.testing.assert_allclose(brighter, found, atol=0.02)


def test_a_gradient_over_the_plane_does_not_hide_itself_in_the_scale():
    flat = {n: sky(n) for n in range(1, 63)}
    tilted = {n: image + 0.5 * CAMERA.by_number[n].x_mm for n, image in flat.items()}
    _, before = level_and_scale(tiles_of(flat))
    _, after = level_and_scale(tiles_of(tilted))
    assert after == pytest.approx(before, rel=0.02)


def test_bad_pixels_stay_out_and_saturated_ones_stay_in():
    image, mask = sky(0), np.zeros(SHAPE, np.uint8)
    image[:, :24], mask[:, :24] = 5e4, 1
    image[40:50, 30:40] = np.nan
    tile = plan().tile(ccd(28, image, mask))
    assert np.nanmax(np.abs(tile - 200)) < 100
    assert np.isnan(tile).any()
    mask[:, :24] = 3
    assert np.nanmax(plan().tile(ccd(28, image, mask))) > 4e4


def test_a_ccd_without_a_value_is_neutral_and_alone_gives_no_scale():
    nothing = np.full(SHAPE, np.nan)
    image = drawn({28: sky(0), 35: nothing})
    row, column = (int(v) for v in place(35))
    assert np.isnan(image[row, column])
    assert level_and_scale(tiles_of({35: nothing})) is None
    assert level_and_scale({}) is None
    assert level_and_scale(tiles_of({28: np.full(SHAPE, 7.0)})) == (7.0, 1.0)


@pytest.fixture(scope="module")
def ccd_embedder():
    backbone = load_backbone("efficientnet_lite0")
    return Embedder(backbone, load_recipe("scaled", backbone, 192, 96))


@pytest.fixture(scope="module")
def embedder(ccd_embedder):
    return ccd_embedder.for_mosaics(mosaic_aspect(CAMERA))


def test_what_is_missing_has_the_value_of_the_level_for_the_network(embedder, ccd_embedder):
    tiles = tiles_of({28: sky(0)})
    level, scatter = level_and_scale(tiles)
    shape = embedder.recipe.rows, embedder.recipe.columns
    holes = embedder.recipe.prepare(MosaicPlan(CAMERA, *shape).draw(tiles), None, level, scatter)
    flat = embedder.recipe.prepare(np.full(shape, level), None, level, scatter)
    assert holes[0, 0] == pytest.approx(flat[0, 0], abs=1e-5)
    assert embedder.recipe_id == f"mosaic-1-{shape[0]}x{shape[1]}" != ccd_embedder.recipe_id


def vectors(embedder, exposures):
    """(n, dim) of a real backbone."""
    place = MosaicPlan(CAMERA, embedder.recipe.rows, embedder.recipe.columns)
    found = []
    for images in exposures:
        tiles = {n: place.tile(ccd(n, image)) for n, image in images.items()}
        found += embedder.embed(["one"], [embedder.recipe.prepare(place.draw(tiles), None, *level_and_scale(tiles))])
    return np.stack([vector for _, vector in found])


def planted(n=16):
    """Exposures of the same CCD levels, in random order on the plane or along x: no CCD by itself tells which."""
    levels = np.linspace(-60, 60, 31)
    chosen = sorted(CAMERA.ccds, key=lambda c: c.x_mm)[::2]
    exposures = []
    for i in range(n):
        rng = np.random.default_rng(i)
        order = np.arange(31) if i % 2 else rng.permutation(31)
        exposures.append({c.ccdnum: sky([i, c.ccdnum], 200 + levels[order[j]]) for j, c in enumerate(chosen)})
    return exposures, np.arange(n) % 2 == 1


@pytest.mark.slow
def test_a_gradient_over_the_plane_that_no_ccd_shows_is_seen_by_the_mosaic_alone(embedder):
    exposures, bad = planted()
    # in the array: levels against x
    slopes = []
    for images in exposures:
        image = drawn(images)
        there = np.isfinite(image).any(axis=1)
        slopes.append(np.corrcoef(np.flatnonzero(there), np.nanmean(image[there], axis=1))[0, 1])
    assert np.min(np.array(slopes)[bad]) > np.max(np.array(slopes)[~bad])
    # by the network: nearest class mean of the other exposures
    found = vectors(embedder, exposures)
    found = (found - found.mean(axis=0)) / (found.std(axis=0) + 1e-6)
    right = 0
    for i in range(len(found)):
        rest = np.arange(len(found)) != i
        far = [np.linalg.norm(found[i] - found[rest & (bad == kind)].mean(axis=0)) for kind in (False, True)]
        right += (far[1] < far[0]) == bad[i]
    assert right >= 14
    # no statistic of the CCDs' own levels tells them apart
    levels = np.array([sorted(np.median(image) for image in images.values()) for images in exposures])
    assert np.abs(levels[bad].mean(axis=0) - levels[~bad].mean(axis=0)).max() < 1.5
