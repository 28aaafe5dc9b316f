import dataclasses
import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from badexp_assets.autoencoder.model import StampAutoencoder
from badexp_assets.autoencoder.plots import plot_loss, plot_reconstructions
from badexp_assets.autoencoder.scores import score_reconstruction
from badexp_assets.autoencoder.training import Adam, train_autoencoder
from badexp_assets.config.night_options import AutoencoderParams
from badexp_assets.config.presets import load_preset
from badexp_assets.errors import InputError, ModelError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS

PARAMS = AutoencoderParams(epochs=12, batch_size=64, threads=1)


def star_stamps(n, seed=0, trail=0.0, size=64):
    """Round sources of any flux with noise; `trail` px long when not 0, at any angle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size // 2
    result = np.empty((n, size * size), np.float32)
    for k in range(n):
        angle, width = rng.uniform(0, math.pi), rng.uniform(1.8, 2.4)
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        beyond = np.maximum(np.abs(along) - trail / 2, 0)
        shape = np.exp(-0.5 * (beyond**2 + across**2) / width**2)
        stamp = 10 ** rng.uniform(2, 4) * (shape + rng.normal(0, 0.01, shape.shape))
        result[k] = stamp.ravel()
    return result


@pytest.fixture(scope="module")
def trained():
    return train_autoencoder(star_stamps(400), PARAMS)


@pytest.mark.slow
def test_the_layers_are_those_of_the_paper(trained):
    model, _ = trained
    sizes = [layer.in_features for layer in model.network if isinstance(layer, torch.nn.Linear)]
    assert sizes == [4096, 128, 64, 32, 32, 64, 128]
    assert model.network[-1].out_features == 4096


def test_the_loss_falls_and_the_epoch_of_lowest_validation_loss_is_kept(trained):
    model, history = trained
    assert list(history["epoch"]) == list(range(1, 13))
    assert history["train_loss"].iloc[-1] < 0.5 * history["train_loss"].iloc[0]
    assert history["best"].sum() == 1
    assert history.loc[history["best"], "validation_loss"].item() == history["validation_loss"].min()
    assert (model.card["n_train"], model.card["n_validation"]) == (320, 80)
    assert model.card["best_epoch"] == history.loc[history["best"], "epoch"].item()


def test_the_kept_weights_have_the_loss_that_the_history_says():
    stamps = star_stamps(20)
    params = dataclasses.replace(PARAMS, epochs=6, learning_rate=0.3)  # so rough that the last epoch is not the best
    model, history = train_autoencoder(stamps, params)
    validation = np.random.default_rng(params.seed).permutation(20)[:4]
    assert history["best"].idxmax() < 5
    assert model.errors(stamps[validation]).mean() == pytest.approx(history["validation_loss"].min(), rel=1e-4)


def test_trailed_sources_have_larger_errors_than_round_ones(trained):
    model, _ = trained
    plain, trailed = model.errors(star_stamps(60, seed=5)), model.errors(star_stamps(60, seed=6, trail=25.0))
    assert np.median(trailed) > 3 * np.median(plain)


def test_errors_do_not_depend_on_flux_and_are_mean_squares_of_scaled_pixels(trained):
    model, _ = trained
    stamps = star_stamps(5, seed=9)
    errors = model.errors(stamps)
    np.testing.assert_allclose(model.errors(stamps * 1000), errors, rtol=1e-4)
    np.testing.assert_allclose(((model.reconstruct(stamps) - model.scale(stamps)) ** 2).mean(axis=1), errors, rtol=1e-4)
    np.testing.assert_array_equal(model.errors(stamps.reshape(-1, 64, 64)), errors)
    assert errors.dtype == np.float64


def test_batches_give_what_single_stamps_give(trained):
    model, _ = trained
    few = star_stamps(5, seed=9)
    many = np.tile(few, (500, 1))
    np.testing.assert_allclose(model.errors(many), np.tile([model.errors(s[None])[0] for s in few], 500), rtol=1e-4)
    assert model.reconstruct(many).shape == (2500, 4096)
    assert model.errors(np.empty((0, 4096))).shape == (0,)


def test_masked_pixels_count_as_0_and_a_stamp_without_light_has_no_error(trained):
    model, _ = trained
    stamps = star_stamps(4)
    stamps[0, :10] = np.nan
    stamps[1] = np.nan
    stamps[2] = -3.0
    scaled = model.scale(stamps)
    assert np.all(scaled[0, :10] == 0)
    np.testing.assert_array_equal(np.isnan(model.errors(stamps)), [False, True, True, False])


@pytest.mark.parametrize("scaling", ["peak", "norm"])
def test_the_scaling_is_part_of_the_model(scaling):
    stamps = star_stamps(6)
    stamps[3] *= 1e30
    model, _ = train_autoencoder(stamps, dataclasses.replace(PARAMS, epochs=1, scaling=scaling))
    scaled = model.scale(stamps).astype(float)
    measure = scaled.max(axis=1) if scaling == "peak" else (scaled**2).sum(axis=1)
    np.testing.assert_allclose(measure, 1, rtol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    stamps = star_stamps(30)
    params = dataclasses.replace(PARAMS, epochs=2)
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = train_autoencoder(stamps, params)[0].version
    assert torch.rand(1) == expected
    assert train_autoencoder(stamps, params)[0].version == first
    assert train_autoencoder(stamps, dataclasses.replace(params, seed=1))[0].version != first


def test_progress_is_told_after_each_epoch_and_patience_stops_early():
    seen = []
    params = dataclasses.replace(PARAMS, epochs=50, learning_rate=0.3, patience=2)
    _, history = train_autoencoder(star_stamps(20), params, lambda *row: seen.append(row))
    assert [tuple(row) for row in history.drop(columns="best").itertuples(index=False)] == seen
    assert len(history) < 50
    assert len(history) == history.loc[history["best"], "epoch"].item() + 2


def test_the_default_stops_early_and_keeps_the_weights_that_the_published_epochs_give():
    stamps, preset = star_stamps(20), load_preset("entropy-2024").options.autoencoder
    assert (preset.epochs, preset.patience) == (500, 0)
    short = {"learning_rate": 0.3, "threads": 1, "epochs": 40, "patience": 12}
    stopped, history = train_autoencoder(stamps, dataclasses.replace(AutoencoderParams(), **short))
    published, all_epochs = train_autoencoder(stamps, dataclasses.replace(preset, **(short | {"patience": 0})))
    assert len(history) < len(all_epochs) == 40
    pd.testing.assert_frame_equal(history, all_epochs.iloc[: len(history)])
    assert published.version == stopped.version
    assert AutoencoderParams().patience > 0


def test_a_step_is_that_of_torchs_adam():
    ours, theirs = torch.nn.Linear(5, 3), torch.nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    steps = {ours: Adam(ours, 0.01), theirs: torch.optim.Adam(theirs.parameters(), lr=0.01, fused=True)}
    for x in torch.rand(20, 7, 5, generator=torch.Generator().manual_seed(0)):
        for network, optimiser in steps.items():
            network.zero_grad()
            network(x).square().mean().backward()
            optimiser.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_two_stamps_are_enough_and_fewer_say_what_to_do():
    model, history = train_autoencoder(star_stamps(2), dataclasses.replace(PARAMS, epochs=2))
    assert (model.card["n_train"], model.card["n_validation"]) == (1, 1)
    assert len(history) == 2
    for stamps in (np.empty((0, 4096)), star_stamps(1), np.zeros((9, 4096)), np.empty((0, 0))):
        with pytest.raises(InputError, match="at least 2 are needed: materialise night_stamps"):
            train_autoencoder(stamps, PARAMS)


def test_stamps_of_another_size_are_refused(trained):
    with pytest.raises(InputError, match=r"stamps have shape \(3, 100\); \(n, 4096\) is needed"):
        trained[0].errors(np.ones((3, 100)))


def test_a_saved_model_comes_back_with_version_card_and_errors(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path / "models" / "a")
    model.save(tmp_path / "models" / "a")  # over the old one
    loaded = StampAutoencoder.load(tmp_path / "models" / "a")
    stamps = star_stamps(5, seed=3)
    np.testing.assert_array_equal(loaded.errors(stamps), model.errors(stamps))
    assert (loaded.version, loaded.card) == (model.version, model.card)
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["a"]


def test_a_damaged_model_is_a_model_error_that_names_the_file(trained, tmp_path):
    trained[0].save(tmp_path / "good")

    def spoilt(change):
        shutil.rmtree(tmp_path / "bad", ignore_errors=True)
        shutil.copytree(tmp_path / "good", tmp_path / "bad")
        change(tmp_path / "bad")
        with pytest.raises(ModelError, match="bad") as error:
            StampAutoencoder.load(tmp_path / "bad")
        assert "\n" not in str(error.value)
        return str(error.value)

    def flip(folder):
        data = bytearray((folder / "weights.safetensors").read_bytes())
        data[-2] ^= 0x10
        (folder / "weights.safetensors").write_bytes(data)

    def other_layers(folder):
        card = json.loads((folder / "model_card.json").read_text())
        (folder / "model_card.json").write_text(json.dumps(card | {"hidden": [3]}))

    def other_pixels(folder):
        card = json.loads((folder / "model_card.json").read_text())
        (folder / "model_card.json").write_text(json.dumps(card | {"n_pixels": 100}))

    def cut(folder):
        data = (folder / "weights.safetensors").read_bytes()
        (folder / "weights.safetensors").write_bytes(data[: len(data) // 2])

    assert "no model_card.json" in spoilt(lambda f: (f / "model_card.json").unlink())
    assert "no weights.safetensors" in spoilt(lambda f: (f / "weights.safetensors").unlink())
    assert "not the card" in spoilt(lambda f: (f / "model_card.json").write_text("{"))
    assert "not the card" in spoilt(lambda f: (f / "model_card.json").write_text("[]"))
    assert "describes" in spoilt(other_layers)
    assert "can't be read" in spoilt(cut)
    assert "can't be read" in spoilt(other_pixels)
    assert "the card says" in spoilt(flip)


def test_every_exposure_gets_the_mean_over_its_stamps(trained, tmp_path):
    model, _ = trained
    pixels = star_stamps(5)
    pixels[4] = 0
    stamps = pd.DataFrame({"expnum": [1, 1, 2, 2, 2], "ccdnum": 1, "filter": "g", "x": 5, "y": range(5)})
    stamps["stamp"] = list(pixels)
    exposures = pd.DataFrame({"expnum": [3, 2, 1], "night": "2018-01-01", "filter": "g", "status": "scored"})
    scores = score_reconstruction(stamps, exposures, model)
    errors = model.errors(pixels)
    assert list(scores["expnum"]) == [3, 2, 1]
    assert list(scores["n_stamps"]) == [0, 2, 2]
    assert list(scores["n_without_light"]) == [0, 1, 0]
    np.testing.assert_allclose(scores["mean_mse"], [np.nan, errors[2:4].mean(), errors[:2].mean()], rtol=1e-6)
    write_table(scores, tmp_path / "scores.parquet", SCHEMAS["night_reconstruction_errors"])
    assert read_table(tmp_path / "scores.parquet")["mean_mse"].isna().tolist() == [True, False, False]
    none = score_reconstruction(stamps.iloc[:0], exposures, model)
    assert none["n_stamps"].tolist() == [0, 0, 0]
    write_table(none, tmp_path / "none.parquet", SCHEMAS["night_reconstruction_errors"])


@pytest.mark.slow
def test_the_pictures_are_small_pngs(trained):
    model, history = trained
    for picture in (plot_loss(history), plot_reconstructions(model, star_stamps(30)), plot_loss(history.iloc[:1])):
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 100_000
    with pytest.raises(InputError, match="no stamp with light"):
        plot_reconstructions(model, np.zeros((3, 4096)))


@pytest.mark.parametrize(
    ("option", "value"),
    [("epochs", 0), ("n_stamps", 1), ("batch_size", 1.5), ("validation_fraction", 1.0), ("scaling", "max")],
)
def test_an_option_out_of_range_is_refused_by_name(option, value):
    with pytest.raises(InputError, match=rf"^\[autoencoder\]: {option} is "):
        AutoencoderParams(**{option: value})
