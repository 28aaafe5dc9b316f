"""The dense autoencoder of source stamps (Alonso, Zhang & Li): scaling, reconstruction errors, storage."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from badexp_assets.config.night_options import SCALINGS
from badexp_assets.errors import InputError, ModelError
from badexp_assets.io.model_folder import write_model_folder

HIDDEN = (128, 64, 32, 32, 64, 128)
"""Units of the hidden layers, between as many inputs and outputs as a stamp has pixels (64 x 64 = 4096)."""

BATCH = 2048
_ROWS = 64  # stamps whose errors are in the processor's cache at once
_WEIGHTS, _CARD, _KIND = "weights.safetensors", "model_card.json", "stamp_autoencoder"


class StampAutoencoder:
    """Dense autoencoder of source stamps with a code of 32 numbers. Stamps unlike the training set give large errors.

    Dense layers 4096-128-64-32-32-64-128-4096 (Alonso, Zhang & Li), all but the last with ReLU. `n_pixels` is the
    length of a flattened stamp. The model scales the stamps itself, so errors are comparable whatever the flux.
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
        return scale_stamps(flatten_stamps(stamps, self.n_pixels), self.scaling)

    def reconstruct(self, stamps: ArrayLike) -> NDArray[np.float32]:
        """Return the reconstructions of stamps (n, n_pixels), in scaled pixels; NaN for a stamp without light."""
        flat = flatten_stamps(stamps, self.n_pixels)
        parts = [self._pass(scale_stamps(flat[k : k + BATCH], self.scaling)) for k in range(0, len(flat), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_pixels), np.float32)

    def errors(self, stamps: ArrayLike) -> NDArray[np.float64]:
        """Mean squared error (float64, (n,)) over the scaled pixels of each stamp of (n, n_pixels) or (n, side, side).

        NaN for a stamp without light (no finite pixel above 0).
        """
        flat = flatten_stamps(stamps, self.n_pixels)
        result = np.empty(len(flat))
        for start in range(0, len(flat), BATCH):
            scaled = scale_stamps(flat[start : start + BATCH], self.scaling)
            difference = np.subtract(self._pass(scaled), scaled, out=scaled)
            for row in range(0, len(scaled), _ROWS):
                squares = np.square(difference[row : row + _ROWS], dtype=np.float64)
                result[start + row : start + row + len(squares)] = squares.mean(axis=1)
        return result

    def _pass(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return self.network(torch.from_numpy(scaled)).numpy()

    def save(self, folder: Path) -> None:
        """Store the model as `folder`: `weights.safetensors` and `model_card.json`, all or nothing.

        If the same version is there already, it is left as it is. Raises ModelError if `folder` holds anything else,
        and StorageError if the disk can't be written to.
        """
        write_model_folder(self, Path(folder), self._write)

    def _write(self, folder: Path) -> None:
        from safetensors.torch import save

        card = {
            "kind": _KIND,
            "n_pixels": self.n_pixels,
            "hidden": list(HIDDEN),
            "scaling": self.scaling,
            "version": self.version,
            "training": self.card,
        }
        # not `save_file`, whose error for a full disk is no OSError
        (folder / _WEIGHTS).write_bytes(save(self.network.state_dict()))
        (folder / _CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> StampAutoencoder:
        """Read what `save` wrote.

        Raises ModelError if it is missing, damaged or of another kind, or if the weights do not have the version that
        the card names.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        for name in (_CARD, _WEIGHTS):
            if not (folder / name).is_file():
                raise ModelError(f"{folder}: no {name}; materialise stamp_autoencoder first")
        try:
            card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
            kind, hidden, scaling = card["kind"], card["hidden"], card["scaling"]
            n_pixels, version, training = int(card["n_pixels"]), card["version"], dict(card["training"])
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder / _CARD}: not the card of a model ({type(error).__name__}: {error})") from error
        if (kind, hidden) != (_KIND, list(HIDDEN)) or scaling not in SCALINGS or n_pixels < 1:
            needed = f"a {_KIND} {list(HIDDEN)} is needed"
            raise ModelError(f"{folder / _CARD}: describes a {kind} with layers {hidden}; {needed}")
        try:
            with torch.random.fork_rng(devices=[]):
                network = build_network(n_pixels)
            network.load_state_dict(load_file(folder / _WEIGHTS))
        except (SafetensorError, RuntimeError, OSError, ValueError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{folder / _WEIGHTS}: the weights can't be read ({first})") from error
        model = cls(network, n_pixels, scaling, training)
        if model.version != version:
            raise ModelError(f"{folder / _WEIGHTS}: weights are version {model.version}; the card says {version}")
        return model


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
    finite = np.isfinite(stamps)
    clean = stamps if finite.all() else np.where(finite, stamps, np.float32(0))
    peak = clean.max(axis=1, keepdims=True)
    unit = np.divide(clean, np.where(peak > 0, peak, np.float32(np.nan)), dtype=np.float32)
    if scaling == "norm":
        # From the peak's units, where squares neither overflow nor vanish.
        unit /= np.sqrt(np.mean(np.square(unit, dtype=np.float64), axis=1, keepdims=True) * unit.shape[1])
    return unit


def flatten_stamps(stamps: ArrayLike, n_pixels: int) -> NDArray[np.float32]:
    """Return stamps (n, n_pixels) or (n, rows, columns) as float32 (n, n_pixels). InputError for another size."""
    array = np.asarray(stamps, dtype=np.float32)
    if array.ndim < 2 or math.prod(array.shape[1:]) != n_pixels:
        raise InputError(f"stamps have shape {array.shape}; (n, {n_pixels}) is needed")
    return array.reshape(len(array), n_pixels)
