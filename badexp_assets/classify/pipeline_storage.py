"""Storing classifiers: skops (no code is run on loading) and a model card, in a folder that appears whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from badexp_assets.errors import ModelError, StorageError
from badexp_assets.io.parquet import folder_to_move, sync, sync_folder

if TYPE_CHECKING:
    from badexp_assets.classify.pipeline import FittedPipeline

MODEL_FILE = "pipeline.skops"
CARD_FILE = "model_card.json"
# Types beyond skops' own list that a pipeline may hold: scikit-learn's distances and search trees.
_TRUSTED_PREFIXES = ("sklearn.metrics._dist_metrics.", "sklearn.neighbors._kd_tree.", "sklearn.neighbors._ball_tree.")


def save_pipeline(model: FittedPipeline, folder: Path) -> None:
    """Write `model` as `folder`; see FittedPipeline.save."""
    content = {"steps": model.steps, "codes": model.codes, "votes": model.votes}
    save_folder(model, content, model.card | {"categories": list(model.categories)}, folder, load_pipeline)


def load_pipeline(folder: Path) -> FittedPipeline:
    """Read the model in `folder`; see FittedPipeline.load."""
    from badexp_assets.classify.pipeline import FittedPipeline

    stored, card = load_folder(folder, _TRUSTED_PREFIXES)
    try:
        codes, votes = np.asarray(stored["codes"]), np.asarray(stored["votes"])
        return FittedPipeline(stored["steps"], tuple(card.pop("categories")), codes, votes, card)
    except KeyError as error:
        raise ModelError(f"{folder}: not a fitted pipeline of this version ({error}); fit it again") from error


def save_folder(
    model: Any, content: dict[str, Any], card: dict[str, Any], folder: Path, load: Callable[[Path], Any]
) -> None:
    """Write `content` and `card` as `folder`, all or nothing. The same version there, by `load`, is left as it is."""
    import skops.io

    if folder.exists():
        if not folder.is_dir():
            raise ModelError(f"{folder}: a file is there; a folder that does not exist yet is needed")
        if any(folder.iterdir()):
            _keep(model, folder, load)
            return
    try:
        with folder_to_move(folder) as temporary:
            skops.io.dump(content, temporary / MODEL_FILE)
            card = card | {"sha256": _sha256(temporary / MODEL_FILE)}
            (temporary / CARD_FILE).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            sync_folder(temporary)
            os.rename(temporary, folder)
            sync(folder.parent)
    except OSError as error:
        if folder.is_dir() and any(folder.iterdir()):  # another process was faster
            _keep(model, folder, load)
            return
        raise StorageError(f"{folder}: the model could not be written ({error.strerror or error})") from error


def load_folder(folder: Path, trusted: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return content and card of `folder`. Raises ModelError when it is damaged or has types that are not `trusted`.

    `trusted`: beginnings of the names of types beyond skops' own list.
    """
    import skops.io

    for name in (CARD_FILE, MODEL_FILE):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: no {name} in it; a model is written there when its asset is materialised")
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        wanted = card.pop("sha256")
        for key in ("version", "backbone", "recipe", "dim", "findings", "categories"):
            card[key]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / CARD_FILE}: damaged model card ({error})") from error
    path = folder / MODEL_FILE
    if _sha256(path) != wanted:
        raise ModelError(f"{path}: damaged, its content is not what the model card says; fit the model again")
    foreign = [t for t in skops.io.get_untrusted_types(file=path) if not t.startswith(trusted)]
    if foreign:
        raise ModelError(f"{path}: holds type(s) that no fitted pipeline has: {', '.join(foreign)}")
    try:
        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path)), card
    except Exception as error:  # whatever an incompatible scikit-learn makes of it
        raise ModelError(
            f"{path}: can't be read with the installed libraries ({error}); "
            f"the model was made with {card.get('libraries')}"
        ) from error


def _keep(model: Any, folder: Path, load: Callable[[Path], Any]) -> None:
    """Accept a folder that holds this very version, whole; refuse to overwrite anything else."""
    found = load(folder)
    if found.version != model.version:
        raise ModelError(
            f"{folder}: holds model {found.version}; model {model.version} is not written over it: use another folder"
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
