"""Fingerprints of everything that a night's tables depend on: metadata of the tables, and a key per exposure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from badexp_assets.config.night_options import PassParams
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.config.night_options import EntropyParams

CODE_VERSION = 7
"""increased whenever the same pixels would give other tables"""

# Options left out of the fingerprint. The first four are part of the recipes' ids, precision of backbone_id; the rest
# change how the work is done and at most the last bits of a vector.
_ELSEWHERE = ("recipe", "rows", "columns", "focal_plane_size", "precision", "batch_size", "device", "workers")


class EmbeddingIds(NamedTuple):
    """Ids of the backbone and of its preprocessing recipes for CCDs, for mosaics and for tokens of CCDs in them."""

    backbone: str
    recipe: str
    mosaic_recipe: str
    focal_plane_recipe: str


def describe_pass(
    night: str, camera: Camera, ids: EmbeddingIds, entropy: EntropyParams, params: PassParams
) -> dict[str, Any]:
    """Return everything that an exposure's rows depend on, except its files, in the form JSON stores it."""
    description = {
        "night": night,
        "camera": camera.identity,
        **ids._asdict(),
        "pass": {name: value for name, value in asdict(params).items() if name not in _ELSEWHERE},
        "entropy": entropy.fingerprint,
        "code_version": CODE_VERSION,
    }
    return json.loads(json.dumps(description))


def exposure_key(description: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Return the hash of everything that an exposure's rows depend on.

    `row`: of `list_exposures`, which includes the fingerprint of its files. Exposures without a previous reduction keep
    the keys that they had before its path was noted.
    """
    known = {name: value for name, value in row.items() if name != "previous_path" or not pd.isna(value)}
    parts = [description, known]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
