"""What the tables of a night depend on, as metadata that are stored with them and as a key per exposure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from badexp_assets.config.night_pass import PassParams
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.config.entropy import EntropyParams
    from badexp_assets.vision.embedder import Embedder

CODE_VERSION = 6
"""raised whenever the same pixels would give other tables"""

# The first three are in recipe_id, precision is in backbone_id; the others change how the work is done and, at most,
# the last bits of a vector.
_ELSEWHERE = ("recipe", "rows", "columns", "precision", "batch_size", "device", "workers")


class MadeBy(NamedTuple):
    """What the vectors of a pass are made by: ids of the network and of its preprocessing of CCDs and of mosaics."""

    backbone: str
    recipe: str
    mosaic_recipe: str

    @classmethod
    def of(cls, embedder: Embedder, mosaics: Embedder) -> MadeBy:
        """The ids of two embedders."""
        return cls(embedder.backbone_id, embedder.recipe_id, mosaics.recipe_id)


def describe_pass(
    night: str, camera: Camera, made_by: MadeBy, entropy: EntropyParams, params: PassParams
) -> dict[str, Any]:
    """Return all that the rows of an exposure depend on, but for its files and labels, as it comes back from a file."""
    description = {
        "night": night,
        "camera": camera.name,
        **made_by._asdict(),
        "pass": {name: value for name, value in asdict(params).items() if name not in _ELSEWHERE},
        "entropy": asdict(entropy),
        "code_version": CODE_VERSION,
    }
    return json.loads(json.dumps(description))


def exposure_key(description: Mapping[str, Any], row: Mapping[str, Any], labelled: Collection[int]) -> str:
    """Return the hash of all that an exposure's rows depend on.

    `row`: of `list_exposures`, its fingerprint of the files included; `labelled`: CCDNUMs with a label.
    """
    parts = [description, dict(row), sorted(map(int, labelled))]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def labels_digest(expnums: Iterable[int], labelled: Mapping[int, set[int]]) -> str:
    """Hash of the labels that belong to these exposures; the labels of other nights must not matter."""
    mine = [(int(e), sorted(map(int, labelled[int(e)]))) for e in sorted(expnums) if labelled.get(int(e))]
    return hashlib.blake2b(repr(mine).encode(), digest_size=8).hexdigest()
