"""Benchmark of the autoencoder's training: as published, with the default early stop, and a plain PyTorch loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.autoencoder.model import StampAutoencoder, build_network, scale_stamps
from badexp_assets.autoencoder.sampling import stamp_priority
from badexp_assets.autoencoder.training import train_autoencoder
from badexp_assets.config.night_options import AutoencoderParams, EntropyParams
from badexp_assets.config.presets import load_preset
from badexp_assets.entropy.ccd import measure_ccd
from badexp_assets.simulate.ccd_pixels import Plane, simulated_frames
from badexp_assets.simulate.exposure import simulate_exposure
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey_plan import plan_survey
from benchmarks.measure import BenchOptions, Record, compare

PRESET = "entropy-2024"
_QUICK_EPOCHS = 4


def bench_autoencoder(options: BenchOptions) -> Iterator[Record]:
    """Yield the speed of an epoch beside a plain PyTorch loop, and of a whole training beside the published one.

    The stamps are those of a simulated survey of 176 exposures. The published training (Alonso, Zhang & Li,
    arXiv:2310.15481) has 500 epochs without a stop; the default stops early. Each runs once. Their notes have the
    epochs done and the validation loss of the epoch that was kept. That of the default has the rank correlation
    (Spearman) of its scores with those of the published training, over all exposures.
    """
    survey = SurveyParams(n_ccds=6, seed=options.seed)
    if options.quick:
        survey = SurveyParams(nights=1, exposures=4, n_ccds=2, seed=options.seed)
    sources = _simulated_sources(survey)
    published = load_preset(PRESET).options.autoencoder
    default = AutoencoderParams()
    sampled = np.argsort(stamp_priority(sources, 0), kind="stable")[: default.n_stamps]
    stamps = np.stack(sources["stamp"].iloc[sampled].tolist())
    case, epochs = f"{len(stamps)} stamps", 1 if options.quick else 5
    variants: dict[str, Callable[[], object]] = {
        "plain PyTorch": partial(_plain, stamps, published, epochs),
        "ours": partial(train_autoencoder, stamps, replace(published, epochs=epochs)),
    }
    yield from compare("autoencoder", f"{case}, {epochs} epochs", epochs, "epochs", variants, options.repeats)
    rates: list[float] = []
    scores: list[pd.Series] = []
    for variant, params in {"published": published, "default": default}.items():
        if options.quick:
            params = replace(params, epochs=_QUICK_EPOCHS)
        started = time.perf_counter()
        model, history = train_autoencoder(stamps, params)
        seconds = time.perf_counter() - started
        rates.append(1 / seconds)
        scores.append(_scores(model, sources))
        kept = model.card["best_epoch"]
        note = f"{len(history)} epochs, validation loss {model.card['validation_loss']:.6f} of epoch {kept}"
        if options.quick:
            note += f", {seconds * published.epochs / len(history):.0f} s for {published.epochs} epochs"
        if len(scores) > 1:
            note += f", rank correlation {scores[1].corr(scores[0], method='spearman'):.4f}"
        yield Record(
            "autoencoder", case, variant, 1, "trainings", (seconds,), rates[-1], rates[-1] / rates[0], note=note
        )


def _simulated_sources(survey: SurveyParams) -> pd.DataFrame:
    """Return all sources of a simulated survey, in the columns of `night_stamps`."""
    params = EntropyParams(gradient_points=1)
    parts = []
    for plan in plan_survey(survey):
        frames = simulated_frames(plan.camera, plan.night, survey.n_ccds, survey.ccd_rows, survey.ccd_columns)
        for ccd in simulate_exposure(plan, frames, survey.seed, Plane()):
            pixels = ccd.pixels
            found = measure_ccd(pixels.image, pixels.mask, params, (0, plan.expnum, pixels.ccdnum), pixels.saturate)
            flat = found.stamps.reshape(len(found.x), params.stamp_size**2)
            columns = {"night": plan.night, "expnum": plan.expnum, "ccdnum": pixels.ccdnum, "filter": plan.band}
            parts.append(pd.DataFrame(columns | {"x": found.x, "y": found.y, "stamp": list(flat)}))
    return pd.concat(parts, ignore_index=True)


def _scores(model: StampAutoencoder, sources: pd.DataFrame) -> pd.Series:
    errors = model.errors(np.stack(sources["stamp"].tolist()))
    return pd.Series(errors).groupby(sources["expnum"].to_numpy()).mean()


def _plain(stamps: NDArray[np.float32], params: AutoencoderParams, epochs: int) -> None:
    """Train as PyTorch's tutorials do; without keeping the best weights."""
    import torch
    from torch import nn

    scaled = scale_stamps(stamps, params.scaling)
    data = torch.from_numpy(scaled[np.isfinite(scaled).all(axis=1)])
    held_out, train = data.tensor_split([round(params.validation_fraction * len(data))])
    network = build_network(data.shape[1])
    optimiser = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(train)).split(params.batch_size):
            pixels = train[batch]
            optimiser.zero_grad()
            loss = nn.functional.mse_loss(network(pixels), pixels)
            loss.backward()
            optimiser.step()
        with torch.inference_mode():
            nn.functional.mse_loss(network(held_out), held_out)
