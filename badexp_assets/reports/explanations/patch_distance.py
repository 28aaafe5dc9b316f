"""How unlike good images each patch of a CCD image is: distance to the nearest patch of a stored bank.

PatchCore (Roth et al. 2022, arXiv:2106.08265) with the backbone's last features: the bank is a greedy coreset, the
score of a patch is its distance to the nearest one of the bank. Neighbouring patches are not averaged and image scores
not weighted again, as there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from badexp_assets.config.explanations import ExplanationParams
from badexp_assets.errors import InputError, ModelError, StorageError
from badexp_assets.io.parquet import folder_to_move, sync, sync_folder

Array = npt.NDArray[np.float32]
BANK, CARD = "bank.npy", "model_card.json"
_PROJECTED = 128  # dimensions that the coreset is chosen in (the paper: a random projection, Johnson-Lindenstrauss)
_CHUNK = 1024  # patches compared with the bank at once


@dataclass(frozen=True)
class PatchReference:
    """Patches of good images. `bank`: (n, dim) float32. `card`: what it was made from; `unit` is that of the scores."""

    bank: Array
    card: dict[str, Any] = field(repr=False)

    @property
    def version(self) -> str:
        """Hash of all that it was made from: backbone, recipe, good images and their files, options, seed."""
        return str(self.card["version"])

    def check_fits(self, backbone: str, recipe: str) -> None:
        """Raise ModelError unless patches of this backbone and recipe (their ids) are what the bank holds."""
        for what, found in (("backbone", backbone), ("recipe", recipe)):
            if found != self.card[what]:
                raise ModelError(
                    f"patch_reference {self.version} holds patches of {what} {self.card[what]}; {found} found: "
                    "materialise patch_reference again"
                )

    def score(self, patches: Array) -> Array:
        """Return the (h, w) score of (dim, h, w) patches.

        1 is the worst patch of a typical good image (the median over those kept aside), 0 a patch of the bank. Raises
        InputError for another dim or non-finite values.
        """
        return _distances(patches, self.bank) / np.float32(self.card["unit"])

    def save(self, folder: Path) -> None:
        """Store as `folder`, all or nothing. Raises StorageError when the disk refuses."""
        card = self.card | {"sha256": _content(self.bank)}
        try:
            with folder_to_move(folder) as temporary:
                np.save(temporary / BANK, self.bank, allow_pickle=False)
                (temporary / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
                sync_folder(temporary)
                os.rename(temporary, folder)
                sync(folder.parent)
        except OSError as error:
            raise StorageError(f"{folder}: the model could not be written ({error.strerror or error})") from error

    @classmethod
    def load(cls, folder: Path) -> PatchReference:
        """Read what `save` wrote. Raises ModelError when it is missing or damaged."""
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            bank = np.load(folder / BANK, allow_pickle=False)
            expected = card.pop("sha256")
            card["version"], card["unit"], card["backbone"], card["recipe"]
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise ModelError(f"{folder}: not a patch reference ({error}); materialise patch_reference") from error
        if _content(bank) != expected:
            raise ModelError(f"{folder / BANK}: damaged; materialise patch_reference again")
        return cls(bank, card)


def fit_patch_reference(
    images: Iterable[tuple[bool, Array]], params: ExplanationParams, card: dict[str, Any]
) -> PatchReference:
    """Make the bank of patches of good images, and its unit from those kept aside.

    `images`: (kept aside, (dim, h, w) patches) of one image after the other, those kept aside last; at most
    n_good x patches_per_image patches are held. `card`: version, backbone, recipe, and whatever else is to be known.
    Raises InputError when either side is empty, or the images kept aside don't differ from the bank.
    """
    rng = np.random.default_rng(params.seed)
    pieces: list[Array] = []
    bank: Array | None = None
    worst: list[float] = []
    for aside, patches in images:
        if not aside:
            flat = _flat(patches)
            pieces.append(flat[np.sort(rng.permutation(len(flat))[: params.patches_per_image])])
            continue
        if bank is None and pieces:
            bank = _coreset(np.concatenate(pieces), params.bank_size, rng)
        if bank is not None:
            worst.append(float(_distances(patches, bank).max()))
    if bank is None or not worst:
        raise InputError(
            f"patch_reference: {len(pieces)} good images for the bank and {len(worst)} kept aside could be read; "
            "one of each at least is needed"
        )
    unit = float(np.median(worst))
    if not unit > 0:
        raise InputError("patch_reference: the good images kept aside are the same as those of the bank")
    found = {"unit": unit, "n_bank_images": len(pieces), "n_aside": len(worst), "worst_aside": sorted(worst)}
    return PatchReference(bank, card | found | {"n_patches": len(bank), "dim": bank.shape[1]})


def _coreset(points: Array, n: int, rng: np.random.Generator) -> Array:
    """Return `n` of the points, each the farthest from those before it (greedy k-center), in a random projection."""
    if len(points) <= n:
        return points
    axes = rng.normal(size=(points.shape[1], min(_PROJECTED, points.shape[1]))).astype(np.float32)
    small = points @ axes
    squares = (small**2).sum(axis=1)
    chosen = np.empty(n, np.int64)
    chosen[0] = rng.integers(len(points))
    nearest = np.full(len(points), np.inf, np.float32)
    for i in range(n):
        if i:
            chosen[i] = nearest.argmax()
        last = small[chosen[i]]
        np.minimum(nearest, squares - 2 * (small @ last) + last @ last, out=nearest)
        nearest[chosen[i]] = -np.inf
    return points[np.sort(chosen)]


def _distances(patches: Array, bank: Array) -> Array:
    """Return the (h, w) distances of (dim, h, w) patches to the nearest row of the bank."""
    flat = _flat(patches)
    if flat.shape[1] != bank.shape[1]:
        raise InputError(f"patches: {flat.shape[1]} dimensions found; those of the bank have {bank.shape[1]}")
    squares = (bank**2).sum(axis=1)
    found = np.empty(len(flat), np.float32)
    for start in range(0, len(flat), _CHUNK):
        part = flat[start : start + _CHUNK]
        nearest = (squares - 2 * part @ bank.T).argmin(axis=1)
        found[start : start + _CHUNK] = np.linalg.norm(part - bank[nearest], axis=1)
    return found.reshape(patches.shape[1:])


def _flat(patches: Array) -> Array:
    """Return (dim, h, w) patches as (h x w, dim), row by row."""
    if patches.ndim != 3 or not np.isfinite(patches).all():
        raise InputError(f"patches: shape {patches.shape} found; finite (dim, h, w) needed")
    return np.ascontiguousarray(patches.reshape(len(patches), -1).T)


def _content(bank: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(bank).tobytes()).hexdigest()
