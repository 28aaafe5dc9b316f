"""A stored autoencoder: weights as safetensors (no pickle), and a card that says what it is and where it comes from."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from badexp_assets.autoencoder.model import HIDDEN, StampAutoencoder, build_network
from badexp_assets.config.autoencoder import SCALINGS
from badexp_assets.errors import ModelError, StorageError
from badexp_assets.io.parquet import folder_to_move, sync, sync_folder

WEIGHTS = "weights.safetensors"
CARD = "model_card.json"
KIND = "stamp_autoencoder"


def save_autoencoder(model: StampAutoencoder, folder: Path) -> None:
    """Write `weights.safetensors` and `model_card.json` into a temporary folder, then move it to `folder`.

    An older model there is replaced. Raises StorageError, and leaves what was there, when the disk refuses.
    """
    from safetensors.torch import save_file

    card = {
        "kind": KIND,
        "n_pixels": model.n_pixels,
        "hidden": list(HIDDEN),
        "scaling": model.scaling,
        "version": model.version,
        "training": model.card,
    }
    try:
        with folder_to_move(folder) as temporary:
            save_file(model.network.state_dict(), temporary / WEIGHTS)
            (temporary / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
            sync_folder(temporary)
            _replace(temporary, folder)
            sync(folder.parent)
    except OSError as error:
        raise StorageError(f"{folder}: the model could not be written ({error.strerror or error})") from error


def _replace(temporary: Path, folder: Path) -> None:
    if not folder.exists():
        os.rename(temporary, folder)
        return
    # A folder can't be renamed onto a full one: the old model steps aside and comes back if the new one can't move in.
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
    os.rename(folder, old / folder.name)
    try:
        os.rename(temporary, folder)
    except OSError:
        os.rename(old / folder.name, folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def load_autoencoder(folder: Path) -> StampAutoencoder:
    """Read what `save_autoencoder` wrote; raises ModelError unless the weights have the version that the card names."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: no {name}; has stamp_autoencoder been materialised?")
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        kind, hidden, scaling = card["kind"], card["hidden"], card["scaling"]
        n_pixels, version, training = int(card["n_pixels"]), card["version"], dict(card["training"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / CARD}: not the card of a model ({type(error).__name__}: {error})") from error
    if (kind, hidden) != (KIND, list(HIDDEN)) or scaling not in SCALINGS or n_pixels < 1:
        raise ModelError(f"{folder / CARD}: describes a {kind} with layers {hidden}; a {KIND} {list(HIDDEN)} is needed")
    try:
        with torch.random.fork_rng(devices=[]):
            network = build_network(n_pixels)
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{folder / WEIGHTS}: the weights can't be read ({first})") from error
    model = StampAutoencoder(network, n_pixels, scaling, training)
    if model.version != version:
        raise ModelError(f"{folder / WEIGHTS}: weights are version {model.version}; the card says {version}")
    return model
