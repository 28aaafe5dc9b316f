"""Content and model card of a classifier in a folder; skops runs no code on loading."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from badexp_assets.errors import ModelError

MODEL_FILE = "pipeline.skops"
CARD_FILE = "model_card.json"


def write_content(content: dict[str, Any], card: dict[str, Any], folder: Path) -> None:
    """Write `content` and `card`, with the checksum of the content, into `folder`."""
    import skops.io

    skops.io.dump(content, folder / MODEL_FILE)
    card = card | {"sha256": _sha256(folder / MODEL_FILE)}
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_content(folder: Path, trusted: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return content and card of `folder`. Raises ModelError if it is damaged or has types that are not `trusted`.

    `trusted`: prefixes of the names of types to load besides skops' own list.
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
        raise ModelError(f"{path}: damaged: its content does not match the model card; fit the model again")
    found = skops.io.get_untrusted_types(file=path)
    foreign = [t for t in found if not t.startswith(trusted)]
    if foreign:
        raise ModelError(f"{path}: holds type(s) that no fitted pipeline has: {', '.join(foreign)}")
    try:
        return skops.io.load(path, trusted=found), card
    except Exception as error:  # an incompatible scikit-learn raises many kinds
        raise ModelError(
            f"{path}: can't be read with the installed libraries ({error}); "
            f"the model was made with {card.get('libraries')}"
        ) from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
