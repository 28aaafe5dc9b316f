"""The dense autoencoder of the paper: scaling of stamps, training, errors."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from badexp_assets.config.autoencoder import SCALINGS, AutoencoderParams
from badexp_assets.errors import InputError

HIDDEN = (128, 64, 32, 32, 64, 128)
"""Units of the hidden layers, between as many inputs and outputs as a stamp has pixels (64 x 64 = 4096)."""

_BATCH = 2048


class StampAutoencoder:
    """Reproduces stamps through 32 numbers; what it can't reproduce is unlike what it was trained on.

    Dense layers 4096-128-64-32-32-64-128-4096 (the paper's), rectified but for the last. `n_pixels` is the length of a
    flattened stamp. The scaling belongs to the model: errors of any stamps are comparable, whatever their flux.
    """

    def __init__(
        self, network: nn.Sequential, n_pixels: int, scaling: str = "peak", card: dict[str, Any] | None = None
    ) -> None:
        self.network = network.cpu().eval()
        self.n_pixels = n_pixels
        self.scaling = scaling
        self.card = dict(card or {})

    @property
    def version(self) -> str:
        """Hash of layers, scaling and weights: 16 hexadecimal digits."""
        digest = hashlib.sha256(f"{self.n_pixels} {HIDDEN} {self.scaling}".encode())
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.numpy(), dtype="<f4").tobytes())
        return digest.hexdigest()[:16]

    def scale(self, stamps: ArrayLike) -> NDArray[np.float32]:
        """Return stamps (n, n_pixels) as the network sees them: NaN and infinite pixels 0, then divided by the stamp's
        largest pixel (`peak`) or the root of its sum of squares (`norm`). A stamp without light is NaN all over.
        """
        return scale_stamps(_flat(stamps, self.n_pixels), self.scaling)

    def reconstruct(self, stamps: ArrayLike) -> NDArray[np.float32]:
        """Return what the network makes of stamps (n, n_pixels), in scaled pixels; NaN for a stamp without light."""
        flat = _flat(stamps, self.n_pixels)
        parts = [self._pass(scale_stamps(flat[k : k + _BATCH], self.scaling)) for k in range(0, len(flat), _BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_pixels), np.float32)

    def errors(self, stamps: ArrayLike) -> NDArray[np.float64]:
        """Mean squared error (float64, (n,)) over the scaled pixels of each stamp of (n, n_pixels) or (n, side, side).

        Done in batches of 2048. NaN for a stamp without light (no finite pixel above 0).
        """
        flat = _flat(stamps, self.n_pixels)
        result = np.empty(len(flat))
        for start in range(0, len(flat), _BATCH):
            scaled = scale_stamps(flat[start : start + _BATCH], self.scaling)
            difference = self._pass(scaled) - scaled
            result[start : start + _BATCH] = np.mean(np.square(difference, dtype=np.float64), axis=1)
        return result

    def _pass(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return self.network(torch.from_numpy(scaled)).numpy()

    def save(self, folder: Path) -> None:
        """Write weights and card into `folder`, all or nothing; see `storage.save_autoencoder`."""
        from badexp_assets.autoencoder.storage import save_autoencoder

        save_autoencoder(self, Path(folder))

    @classmethod
    def load(cls, folder: Path) -> StampAutoencoder:
        """Read what `save` wrote. Raises ModelError when it is missing, damaged or of another kind."""
        from badexp_assets.autoencoder.storage import load_autoencoder

        return load_autoencoder(Path(folder))


def build_network(n_pixels: int) -> nn.Sequential:
    """Layers n_pixels-128-64-32-32-64-128-n_pixels, with torch's default first weights."""
    sizes = (n_pixels, *HIDDEN, n_pixels)
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(inputs, outputs))
        if i < len(sizes) - 2:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def scale_stamps(stamps: NDArray[np.float32], scaling: str) -> NDArray[np.float32]:
    """Scale flattened stamps (n, pixels) as `StampAutoencoder.scale` says."""
    if scaling not in SCALINGS:
        raise InputError(f"scaling {scaling!r}; {' or '.join(SCALINGS)} is allowed")
    clean = np.where(np.isfinite(stamps), stamps, np.float32(0))
    peak = clean.max(axis=1, keepdims=True)
    unit = np.divide(clean, peak, out=np.full_like(clean, np.nan), where=peak > 0)
    if scaling == "norm":
        # From the peak's units, where squares neither overflow nor vanish.
        unit /= np.sqrt(np.mean(np.square(unit, dtype=np.float64), axis=1, keepdims=True) * unit.shape[1])
    return unit


def train_autoencoder(
    stamps: ArrayLike,
    params: AutoencoderParams,
    progress: Callable[[int, float, float], None] | None = None,
) -> tuple[StampAutoencoder, pd.DataFrame]:
    """Train on stamps (n, 4096) float32 (or (n, side, side)), ADU; return the model and its history.

    A random validation_fraction is held back; the weights of the epoch with the lowest loss on it are kept. The
    history has a row per epoch: epoch (1-based), train_loss (mean over the epoch's steps) and validation_loss, both
    mean squared errors in scaled pixels, and best (whether this epoch's weights were kept). `progress(epoch,
    train_loss, validation_loss)` is called after each. Stamps without light are left out and counted in the model's
    card. The same stamps, options and number of threads give the same weights; torch's global generator is left as it
    was. More stamps than params.n_stamps are all used; draw them with `sample_stamps`.

    Raises InputError for fewer than two stamps with light.
    """
    given = np.asarray(stamps, dtype=np.float32)
    flat = _flat(given, int(np.prod(given.shape[1:])))
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
    optimiser = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    held_back = data[torch.from_numpy(validation).to(params.device)]
    rows: list[tuple[int, float, float]] = []
    best_loss, best_epoch, best_weights = math.inf, 0, copy.deepcopy(network.state_dict())
    for epoch in range(1, params.epochs + 1):
        shuffled = torch.from_numpy(rng.permutation(train)).to(params.device)
        total = 0.0
        for batch in shuffled.split(params.batch_size):
            pixels = data[batch]
            optimiser.zero_grad(set_to_none=True)
            loss = nn.functional.mse_loss(network(pixels), pixels)
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        with torch.inference_mode():
            parts = [nn.functional.mse_loss(network(p), p).item() * len(p) for p in held_back.split(_BATCH)]
        validation_loss = sum(parts) / len(validation)
        rows.append((epoch, total / len(train), validation_loss))
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


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Use `n` CPU threads for a while; 0: as many as torch is set to."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _flat(stamps: ArrayLike, n_pixels: int) -> NDArray[np.float32]:
    array = np.asarray(stamps, dtype=np.float32)
    if array.ndim < 2 or math.prod(array.shape[1:]) != n_pixels:
        raise InputError(f"stamps have shape {array.shape}; (n, {n_pixels}) is needed")
    return array.reshape(len(array), n_pixels)
