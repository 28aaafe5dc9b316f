"""Training the autoencoder of source stamps."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from torch.optim.adam import adam

from badexp_assets.autoencoder.model import HIDDEN, StampAutoencoder, build_network, flatten_stamps, scale_stamps
from badexp_assets.config.cpu_count import processors
from badexp_assets.config.night_options import AutoencoderParams
from badexp_assets.errors import InputError

_PIECE = 256  # validation stamps at a time, if a step has fewer


def train_autoencoder(
    stamps: ArrayLike,
    params: AutoencoderParams,
    progress: Callable[[int, float, float], None] | None = None,
) -> tuple[StampAutoencoder, pd.DataFrame]:
    """Train on stamps (n, 4096) float32 (or (n, side, side)), ADU; return the model and its history.

    A random validation_fraction is held out; the weights of the epoch with the lowest loss on it are kept. The
    history has a row per epoch: epoch (1-based), train_loss (mean over the epoch's steps) and validation_loss, both
    mean squared errors in scaled pixels, and best (whether this epoch's weights were kept). `progress(epoch,
    train_loss, validation_loss)` is called after each. Stamps without light are left out and counted in the model
    card. The same stamps, options and number of threads give the same weights; torch's global generator is left as it
    was. All stamps are used, even more than params.n_stamps; choose them with `sample_stamps`.

    Raises InputError for fewer than two stamps with light.
    """
    given = np.asarray(stamps, dtype=np.float32)
    flat = flatten_stamps(given, int(np.prod(given.shape[1:])))
    scaled = scale_stamps(flat, params.scaling) if flat.size else flat
    scaled = scaled[np.isfinite(scaled).all(axis=1)]
    if len(scaled) < 2:
        raise InputError(
            f"autoencoder: {len(scaled)} stamp(s) with light of {len(flat)}; at least 2 are needed: "
            "materialise night_stamps for nights with sources, or lower entropy.detection_sigma"
        )
    rng = np.random.default_rng(params.seed)
    order = rng.permutation(len(scaled))
    n_validation = min(max(1, round(params.validation_fraction * len(scaled))), len(scaled) - 1)
    with _threads(params.threads):
        data = torch.from_numpy(scaled).to(params.device)
        network, history = _fit(data, order[n_validation:], order[:n_validation], params, rng, progress)
    best = int(history.loc[history["best"], "epoch"].iloc[0])
    card = {
        "layers": [flat.shape[1], *HIDDEN, flat.shape[1]],
        "params": dataclasses.asdict(params),
        "n_train": len(scaled) - n_validation,
        "n_validation": n_validation,
        "n_without_light": len(flat) - len(scaled),
        "best_epoch": best,
        "validation_loss": float(history["validation_loss"].min()),
        "history": {c: history[c].tolist() for c in ("epoch", "train_loss", "validation_loss")},
    }
    return StampAutoencoder(network, flat.shape[1], params.scaling, card), history


def _fit(
    data: torch.Tensor,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    params: AutoencoderParams,
    rng: np.random.Generator,
    progress: Callable[[int, float, float], None] | None,
) -> tuple[nn.Sequential, pd.DataFrame]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        network = build_network(data.shape[1]).to(params.device)
    optimiser = Adam(network, params.learning_rate)
    held_out = data[torch.from_numpy(validation).to(params.device)]
    # Reused by all steps: new arrays of this size cost page faults, a tenth of the time.
    pixels = data.new_empty(min(params.batch_size, len(train)), data.shape[1])
    difference = data.new_empty(min(max(params.batch_size, _PIECE), len(data)), data.shape[1])
    rows: list[tuple[int, float, float]] = []
    best_loss, best_epoch, best_weights = math.inf, 0, copy.deepcopy(network.state_dict())
    for epoch in range(1, params.epochs + 1):
        shuffled = torch.from_numpy(rng.permutation(train)).to(params.device)
        total = 0.0
        for batch in shuffled.split(params.batch_size):
            stamps = torch.index_select(data, 0, batch, out=pixels[: len(batch)])
            network.zero_grad()
            output = network(stamps)
            error = torch.sub(output.detach(), stamps, out=difference[: len(batch)])
            total += _sum_of_squares(error)
            output.backward(error.mul_(2 / error.numel()))  # the gradient of the mean squared error
            optimiser.step()
        with torch.inference_mode():
            pieces = held_out.split(len(difference))
            missed = sum(_sum_of_squares(torch.sub(network(p), p, out=difference[: len(p)])) for p in pieces)
        validation_loss = missed / held_out.numel()
        rows.append((epoch, total / (len(train) * data.shape[1]), validation_loss))
        if validation_loss < best_loss:
            best_loss, best_epoch, best_weights = validation_loss, epoch, copy.deepcopy(network.state_dict())
        if progress is not None:
            progress(*rows[-1])
        if params.patience and epoch - best_epoch >= params.patience:
            break
    if not best_epoch:
        raise InputError(f"autoencoder: the loss is not finite at learning_rate {params.learning_rate}; lower it")
    network.load_state_dict(best_weights)
    history = pd.DataFrame(rows, columns=["epoch", "train_loss", "validation_loss"])
    history["best"] = history["epoch"] == best_epoch
    return network, history


class Adam:
    """Adam with torch's default decay rates, by the function that torch.optim.Adam(fused=True) calls.

    The class imports torch's compiler first, which takes 3 s, for a decorator that has no effect here.
    """

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        self._weights = list(network.parameters())
        self._means = [torch.zeros_like(w) for w in self._weights]
        self._squares = [torch.zeros_like(w) for w in self._weights]
        self._steps = [torch.zeros((), device=w.device) for w in self._weights]
        self._learning_rate = learning_rate

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights along the gradients that they hold."""
        adam(
            self._weights,
            [w.grad for w in self._weights],
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


def _sum_of_squares(error: torch.Tensor) -> float:
    flat = error.view(-1)
    return torch.dot(flat, flat).item()


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Use `n` CPU threads for a while; 0: as many as torch is set to, but no more than there are cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or min(before, processors()))
    try:
        yield
    finally:
        torch.set_num_threads(before)
