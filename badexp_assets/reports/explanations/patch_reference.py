"""Anomaly score of each patch of a CCD image: its distance to the nearest patch in a bank of good images.

This is PatchCore (Roth et al. 2022, arXiv:2106.08265) with the last features of the backbone: the bank is a greedy
coreset, and the score of a patch is its distance to the nearest patch of the bank. Unlike PatchCore it neither averages
neighbouring patches nor reweights image scores.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.config.review_options import ExplanationParams
from badexp_assets.errors import InputError, ModelError, StorageError, UnreadableImageError
from badexp_assets.io.parquet import folder_to_move, sync, sync_folder

if TYPE_CHECKING:
    from badexp_assets.pixels.ccd_reader import CcdReader
    from badexp_assets.vision.backbones import Backbone

Array = npt.NDArray[np.float32]
BANK, CARD = "bank.npy", "model_card.json"
_PROJECTED = 128  # dimensions that the coreset is chosen in (PatchCore, too, uses a random projection)
_CHUNK = 1024  # patches compared with the bank at once
_ASIDE = 5  # every fifth exposure sets the unit of the score instead of being in the bank


@dataclass(frozen=True)
class PatchReference:
    """Patches of good images. `bank`: (n, dim) float32; `card`: what it was made from, and the `unit` of the scores."""

    bank: Array
    card: dict[str, Any] = field(repr=False)

    @property
    def version(self) -> str:
        """Hash of everything it was made from: backbone, recipe, good images and their files, options, seed."""
        return str(self.card["version"])

    def check_fits(self, backbone: str, recipe: str) -> None:
        """Raise ModelError unless the bank was made with this backbone and recipe (their ids)."""
        for what, found in (("backbone", backbone), ("recipe", recipe)):
            if found != self.card[what]:
                raise ModelError(
                    f"patch_reference {self.version} holds patches of {what} {self.card[what]}; {found} found: "
                    "materialise patch_reference again"
                )

    def score(self, patches: Array) -> Array:
        """Return the (h, w) score of (dim, h, w) patches.

        1 is the most unusual patch of a typical good image (the median over the images kept out of the bank), 0 a patch
        of the bank. Raises InputError for another dim or non-finite values.
        """
        return _distances(patches, self.bank) / np.float32(self.card["unit"])

    def save(self, folder: Path) -> None:
        """Store as `folder`, completely or not at all. Raises StorageError if it cannot be written."""
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
        """Read what `save` wrote. Raises ModelError if it is missing or damaged."""
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
    """Make the bank of patches of good images, and the unit of the score from images kept out of the bank.

    `images`: pairs of (whether the image is kept out, its (dim, h, w) patches), those kept out last. At most n_good x
    patches_per_image patches are in memory. `card`: version, backbone, recipe and any other facts. Raises InputError if
    there are no images of either kind, or if those kept out do not differ from the bank.
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
    """Return `n` of the points by greedy k-center selection in a random projection."""
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


def make_patch_reference(
    good: pd.DataFrame,
    reader: CcdReader,
    backbone: Backbone,
    params: ExplanationParams,
    stored: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PatchReference:
    """Return the patch reference of `good` images (expnum, ccdnum; see `choose_good_images`).

    If the folder `stored` (`<home>/models/patch_reference`) has one from the same images, files, backbone, recipe and
    options, it is loaded. Otherwise the images are read, one at a time. Unreadable images are left out and named in the
    findings of the card. Raises InputError if too few are left.
    """
    recipe = reader.recipe.id
    version = _version(good, reader.paths, params, backbone.id, recipe)
    if (stored / version).exists():
        try:
            return PatchReference.load(stored / version)
        except ModelError:
            pass  # it is made again, and storing it moves the damaged folder away
    wanted: list[list[int]] = _ordered(good).astype(int).to_numpy().tolist()
    findings: list[str] = []

    def images() -> Iterator[tuple[bool, Array]]:
        import torch

        for done, (expnum, ccdnum, aside) in enumerate(wanted, start=1):
            try:
                prepared = reader.read(expnum, ccdnum).prepared
            except UnreadableImageError as error:
                findings.append(str(error))
            else:
                image = reader.recipe.channels(torch.from_numpy(prepared[None]))
                yield bool(aside), backbone.patches(image)[0].numpy()
            progress(done, len(wanted))

    card = {
        "version": version,
        "backbone": backbone.id,
        "recipe": recipe,
        "params": _options(params),
        "images": wanted,  # expnum, ccdnum, kept out of the bank
        "findings": findings,
    }
    return fit_patch_reference(images(), params, card)


def _version(images: pd.DataFrame, files: dict[int, str], params: ExplanationParams, backbone: str, recipe: str) -> str:
    """Return a hash of what a reference is made from: good `images` (in order), their `files`, and the options."""
    keys = [(int(e), int(c), files.get(int(e))) for e, c in zip(images["expnum"], images["ccdnum"], strict=True)]
    made_of = json.dumps([keys, _options(params), backbone, recipe], sort_keys=True)
    return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def _ordered(images: pd.DataFrame) -> pd.DataFrame:
    """Return good images (expnum, ccdnum) in order of exposure, with `aside` for those kept out of the bank, last.

    All images of an exposure are either in the bank or kept out, and each side has at least one exposure.
    """
    exposures = pd.unique(images["expnum"])
    n_aside = max(1, len(exposures) // _ASIDE)
    aside = images["expnum"].isin(exposures[-n_aside:])
    return images.assign(aside=aside).sort_values(["aside", "expnum", "ccdnum"]).reset_index(drop=True)


def _options(params: ExplanationParams) -> dict[str, int]:
    """Return the options that change the bank, except n_good, which has already limited the images."""
    return {name: v for name, v in asdict(params).items() if name in ("patches_per_image", "bank_size", "seed")}
