import copy
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from badexp_assets.errors import InputError, ModelError
from badexp_assets.vision.backbones import Backbone, load_backbone
from badexp_assets.vision.embedder import Embedder
from badexp_assets.vision.engines import TorchEngine
from badexp_assets.vision.recipes import Recipe, load_recipe
from badexp_assets_tests.repository import REPOSITORY

SKY, NOISE = 200.0, 10.0


@pytest.fixture(scope="module")
def lite() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def scaled(lite: Backbone) -> Recipe:
    return load_recipe("scaled", lite, 64, 32)


def sky_image(rows: int = 128, columns: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(SKY, NOISE, (rows, columns)).astype(np.float32)


def grey(prepared: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Undo the backbone's normalisation."""
    channels = recipe.channels(torch.from_numpy(prepared)[None])[0].numpy()
    assert all(np.array_equal(channel, channels[0]) for channel in channels)
    return channels[0] * recipe.std[0] + recipe.mean[0]


def test_sizes_are_rounded_to_the_patch_and_stand_in_the_id(lite: Backbone) -> None:
    assert load_recipe("scaled", lite).id == "scaled-2-512x256"
    assert load_recipe("scaled", lite, 500, 10).id == "scaled-2-512x32"
    dino = replace(lite, name="dinov2_vitb14_reg", patch=14)
    assert load_recipe("paper", dino).id == "paper-1-2352x1176"
    assert load_recipe("scaled", dino, 518, 250).id == "scaled-2-518x252"


def test_unknown_recipes_and_half_given_sizes_are_refused(lite: Backbone) -> None:
    with pytest.raises(InputError, match=r"'raw' is not known; known: paper, scaled"):
        load_recipe("raw", lite)
    for sizes in ((64, 0), (0, 64), (-32, 64)):
        with pytest.raises(InputError, match="rows, columns"):
            load_recipe("scaled", lite, *sizes)


def test_paper_keeps_raw_counts_copies_the_channel_and_zeroes_what_is_not_finite(lite: Backbone) -> None:
    recipe = load_recipe("paper", lite, 64, 32)
    image = np.arange(64 * 32, dtype=np.float32).reshape(64, 32)
    expected = image.copy()
    image[3, 4], image[5, 6], expected[3, 4], expected[5, 6] = np.nan, np.inf, 0, 0
    prepared = recipe.prepare(image)
    assert prepared.dtype == np.float32
    assert prepared.shape == (64, 32)
    channels = recipe.channels(torch.from_numpy(prepared)[None])
    assert channels.shape == (1, 3, 64, 32)
    for channel in channels[0].numpy():
        np.testing.assert_array_equal(channel, expected)
    assert np.isnan(image[3, 4])  # the caller's pixels are left alone


def test_paper_takes_single_pixels_where_scaled_averages(lite: Backbone, scaled: Recipe) -> None:
    image = np.full((640, 320), SKY, np.float32)
    image[::10, ::10] += 10 * NOISE  # never at the centre of an output pixel
    paper = load_recipe("paper", lite, 64, 32).prepare(image)
    assert np.ptp(paper) == 0
    level = grey(scaled.prepare(image, None, SKY, NOISE), scaled)
    flat = grey(scaled.prepare(np.full_like(image, SKY), None, SKY, NOISE), scaled)
    assert (level - flat).mean() > 0.002


def test_scaled_maps_sky_and_the_ends_of_its_range_onto_known_grey_levels(scaled: Recipe) -> None:
    low, high = np.arcsinh(-4), np.arcsinh(1000)
    for value, expected in ((0, -low / (high - low)), (-400, 0), (1e6, 1), (10, (np.arcsinh(10) - low) / (high - low))):
        image = np.full((100, 60), SKY + value * NOISE, np.float32)
        np.testing.assert_allclose(grey(scaled.prepare(image, None, SKY, NOISE), scaled), expected, atol=1e-6)


def test_scaled_is_the_formula_on_the_whole_image(lite: Backbone) -> None:
    image, mask = sky_image(300, 70), np.random.default_rng(1).integers(0, 9, (300, 70), np.uint8)
    image[::5] *= 40
    values = np.clip((image.astype(np.float64) - SKY) / NOISE, -4, 1000)
    values[np.isin(mask, (1, 2, 5, 6))], values[np.isin(mask, (3, 4))] = 0, 1000
    grey_levels = (np.arcsinh(values) - np.arcsinh(-4)) / (np.arcsinh(1000) - np.arcsinh(-4))
    recipe = replace(load_recipe("scaled", lite, 320, 64), rows=300, columns=70)  # nothing is resized
    np.testing.assert_allclose(grey(recipe.prepare(image, mask, SKY, NOISE), recipe), grey_levels, atol=2e-6)


def test_scaled_does_not_see_gain_and_sky_level(scaled: Recipe) -> None:
    image = sky_image()
    prepared = scaled.prepare(image, None, SKY, NOISE)
    brighter = scaled.prepare(3 * image + 500, None, 3 * SKY + 500, 3 * NOISE)
    np.testing.assert_allclose(prepared, brighter, atol=1e-4)


@pytest.mark.parametrize("code", [1, 2, 5, 6])
def test_scaled_fills_pixels_that_say_nothing_with_sky(scaled: Recipe, code: int) -> None:
    image = np.full((64, 32), SKY, np.float32)
    empty = scaled.prepare(image, None, SKY, NOISE)
    mask = np.zeros(image.shape, np.uint8)
    image[10, 10], mask[10, 10] = 60_000, code
    image[20, 20] = np.nan
    image[21, 21] = -np.inf
    np.testing.assert_array_equal(scaled.prepare(image, mask, SKY, NOISE), empty)


@pytest.mark.parametrize("code", [3, 4])
def test_scaled_keeps_saturated_pixels_bright_whatever_their_value(scaled: Recipe, code: int) -> None:
    image = np.full((64, 32), SKY, np.float32)
    image[10, 10] = np.nan
    mask = np.zeros(image.shape, np.uint8)
    mask[10, 10] = code
    level = grey(scaled.prepare(image, mask, SKY, NOISE), scaled)
    assert level[10, 10] == pytest.approx(1)
    assert level[12, 10] == pytest.approx(level[0, 0])


def test_scaled_keeps_streaks_visible(scaled: Recipe) -> None:
    image = np.full((64, 32), SKY, np.float32)
    image[10], mask = SKY + 20 * NOISE, np.zeros(image.shape, np.uint8)
    mask[10] = 8
    np.testing.assert_array_equal(scaled.prepare(image, mask, SKY, NOISE), scaled.prepare(image, None, SKY, NOISE))


@pytest.mark.parametrize(
    ("sky", "noise", "named"),
    [(None, 1.0, "sky"), (np.nan, 1.0, "sky"), (1.0, None, "noise"), (1.0, 0.0, "noise"), (1.0, -2.0, "noise")],
)
def test_scaled_names_the_sky_or_noise_it_can_not_use(
    scaled: Recipe, sky: float | None, noise: float | None, named: str
) -> None:
    with pytest.raises(InputError, match=f"^{named}:"):
        scaled.prepare(sky_image(), None, sky, noise)


@pytest.mark.parametrize("name", ["paper", "scaled"])
@pytest.mark.parametrize("shape", [(41, 51), (1, 1), (251, 30), (400, 200)])
def test_any_size_and_pixel_type_comes_out_at_the_recipe_size(
    lite: Backbone, name: str, shape: tuple[int, int]
) -> None:
    recipe = load_recipe(name, lite, 64, 32)
    reference = recipe.prepare(sky_image(*shape).round(), None, SKY, NOISE)
    assert reference.shape == (64, 32)
    assert np.isfinite(reference).all()
    for kind in ("f8", ">f4", "i2", ">i2", "u2"):
        image = sky_image(*shape).round().astype(kind)
        image.flags.writeable = False
        np.testing.assert_array_equal(recipe.prepare(image, None, SKY, NOISE), reference)


def test_rows_stay_rows(scaled: Recipe) -> None:
    image = np.full((128, 64), SKY, np.float32)
    image[:64] += 100 * NOISE
    level = scaled.prepare(image, None, SKY, NOISE)
    assert level[:30].min() > level[34:].max()
    np.testing.assert_allclose(level, level[:, :1].repeat(32, axis=1), atol=1e-6)


def test_images_and_masks_of_impossible_shape_are_refused(scaled: Recipe) -> None:
    for image in (np.zeros((0, 5), np.float32), np.zeros(5, np.float32)):
        with pytest.raises(InputError, match=r"^image:"):
            scaled.prepare(image, None, SKY, NOISE)
    with pytest.raises(InputError, match=r"^mask:"):
        scaled.prepare(sky_image(), np.zeros((2, 2), np.uint8), SKY, NOISE)


def test_a_recipe_can_be_sent_to_another_process(scaled: Recipe) -> None:
    assert pickle.loads(pickle.dumps(scaled)) == scaled


@pytest.mark.slow
def test_the_embedder_returns_every_key_once_in_order(lite: Backbone, scaled: Recipe) -> None:
    embedder = Embedder(lite, scaled, batch_size=7)
    prepared = [scaled.prepare(sky_image(seed=i), None, SKY, NOISE) for i in range(7)]
    done = embedder.embed([(1, i) for i in range(7)], prepared)
    assert [key for key, _ in done] == [(1, i) for i in range(7)]
    for i in (0, 6):
        ((_, vector),) = embedder.embed([i], prepared[i : i + 1])
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, done[i][1], rtol=1e-5, atol=1e-5)  # float32 sums in another order
    assert (embedder.dim, embedder.recipe_id) == (1280, "scaled-2-64x32")
    assert embedder.backbone_id.startswith("efficientnet_lite0-")


@pytest.mark.parametrize("name", ["paper", "scaled"])
def test_channels_made_on_the_device_give_the_vectors_of_three_channels_to_the_bit(lite: Backbone, name: str) -> None:
    recipe = load_recipe(name, lite, 64, 32)
    prepared = [recipe.prepare(sky_image(seed=i), None, SKY, NOISE) for i in range(3)]
    images = recipe.channels(torch.from_numpy(np.stack(prepared)))
    eager = replace(lite, engine=TorchEngine(lite.model, torch.device("cpu"), "float32"))
    for backbone in (lite, eager):
        assert torch.equal(backbone.embed_prepared(prepared, recipe.channels), backbone.embed(images.contiguous()))


def test_a_vector_that_is_not_finite_is_an_error_that_names_its_image(lite: Backbone, scaled: Recipe) -> None:
    model = copy.deepcopy(lite.model)
    model._conv_head.bias.data[7] = float("nan")
    engine = TorchEngine(model, torch.device("cpu"), "float32")
    embedder = Embedder(replace(lite, model=model, engine=engine), scaled, batch_size=2)
    prepared = scaled.prepare(sky_image(), None, SKY, NOISE)
    with pytest.raises(ModelError, match=r"non-finite vector for 'first' \(2 of a batch of 2\)"):
        embedder.embed(["first", "second"], [prepared, prepared])


def test_an_embedder_refuses_batch_size_zero_and_a_recipe_of_another_backbone(lite: Backbone, scaled: Recipe) -> None:
    with pytest.raises(InputError, match="batch_size"):
        Embedder(lite, scaled, batch_size=0)
    with pytest.raises(InputError, match="load_recipe"):
        Embedder(replace(lite, mean=(0.0, 0.0, 0.0)), scaled)


def test_importing_the_rooms_loads_no_heavy_library() -> None:
    code = (
        "import sys, badexp_assets.vision, badexp_assets.classify;"
        "print([m for m in ('torch', 'sklearn', 'matplotlib', 'transformers', 'hdbscan') if m in sys.modules])"
    )
    root = REPOSITORY
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
