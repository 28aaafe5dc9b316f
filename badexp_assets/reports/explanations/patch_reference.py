"""Making the patch reference: good CCDs are read again, unless the same reference is stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.config.explanations import ExplanationParams
from badexp_assets.errors import ModelError, UnreadableImageError
from badexp_assets.reports.explanations.patch_distance import PatchReference, fit_patch_reference

if TYPE_CHECKING:
    from badexp_assets.pixels.ccd_reader import CcdReader
    from badexp_assets.vision.backbones import Backbone

_ASIDE = 5  # every so many-th exposure gives the unit of the score, not the bank


def make_patch_reference(
    good: pd.DataFrame,
    reader: CcdReader,
    backbone: Backbone,
    params: ExplanationParams,
    stored: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PatchReference:
    """Return the reference of `good` images (expnum, ccdnum; see `choose_good_images`).

    The one in the folder `stored` (`<home>/models/patch_reference`) when it was made from the same images, files,
    backbone, recipe and options; else they are read, one at a time. An image that can't be read is left out and named
    in the card's findings. Raises InputError when too few are left.
    """
    recipe = reader.recipe.id
    version = _version(good, reader.paths, params, backbone.id, recipe)
    if (stored / version).exists():
        try:
            return PatchReference.load(stored / version)
        except ModelError:
            pass  # made again; the damaged folder is set aside when it is stored
    wanted: list[list[int]] = _ordered(good).astype(int).to_numpy().tolist()
    findings: list[str] = []

    def images() -> Iterator[tuple[bool, npt.NDArray[np.float32]]]:
        import torch

        for done, (expnum, ccdnum, aside) in enumerate(wanted, start=1):
            try:
                prepared = reader.read(expnum, ccdnum).prepared
            except UnreadableImageError as error:
                findings.append(str(error))
            else:
                yield bool(aside), backbone.patches(torch.from_numpy(prepared[None]))[0].numpy()
            progress(done, len(wanted))

    card = {
        "version": version,
        "backbone": backbone.id,
        "recipe": recipe,
        "params": _options(params),
        "images": wanted,  # expnum, ccdnum, kept aside
        "findings": findings,
    }
    return fit_patch_reference(images(), params, card)


def _version(images: pd.DataFrame, files: dict[int, str], params: ExplanationParams, backbone: str, recipe: str) -> str:
    """Hash of what a reference is made from: good `images` (expnum, ccdnum) in order, their `files`, the options."""
    keys = [(int(e), int(c), files.get(int(e))) for e, c in zip(images["expnum"], images["ccdnum"], strict=True)]
    made_of = json.dumps([keys, _options(params), backbone, recipe], sort_keys=True)
    return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def _ordered(images: pd.DataFrame) -> pd.DataFrame:
    """Return good images (expnum, ccdnum), exposure by exposure, with `aside`; those kept aside come last.

    No exposure is on both sides, and both have one at least.
    """
    exposures = pd.unique(images["expnum"])
    n_aside = max(1, len(exposures) // _ASIDE)
    aside = images["expnum"].isin(exposures[-n_aside:])
    return images.assign(aside=aside).sort_values(["aside", "expnum", "ccdnum"]).reset_index(drop=True)


def _options(params: ExplanationParams) -> dict[str, int]:
    """Options that change the bank; n_good has already chosen the images."""
    return {name: v for name, v in asdict(params).items() if name in ("patches_per_image", "bank_size", "seed")}
