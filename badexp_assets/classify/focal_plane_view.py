"""The focal plane as a view of each CCD: P(bad) by its token, also of CCDs that were not sampled."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.calibration import Calibration, limit_evidence
from badexp_assets.classify.focal_plane_tokens import FocalPlanes
from badexp_assets.classify.made_by import check_made_by
from badexp_assets.classify.pooling import Pool
from badexp_assets.classify.token_difference import ALL_BANDS

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from badexp_assets.classify.token_difference import TokenDifference
    from badexp_assets.classify.token_head import MeanDecision

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class FocalPlaneView:
    """Head of tokens and what it is used for.

    - `head`, `calibration`: score of a token, and the log-odds at the training rate that it means.
    - `kinds`: classifier of the kind of bad by the token; None with one kind, which `only_kind` names then.
    - `both`: weight of the log-odds by the image, weight of those by the token, and offset; None if the token does not
      help CCDs whose image was read, by the held-out scores.
    - `difference`: how much a token differs from those of good CCDs of its band; None with too few of them.
    - `pool`: pools all CCDs of an exposure, read or not. `used`: whether it decides about exposures.
    """

    head: MeanDecision
    calibration: Calibration
    kinds: Pipeline | None
    only_kind: str
    both: tuple[float, float, float] | None
    difference: TokenDifference | None
    pool: Pool
    used: bool
    backbone: str
    recipe: str

    def content(self) -> dict[str, Any]:
        """Return the fields as plain values, except the heads."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        difference = None if self.difference is None else asdict(self.difference)
        parts = {"calibration": asdict(self.calibration), "difference": difference, "pool": asdict(self.pool)}
        return values | parts

    def log_odds(self, planes: FocalPlanes) -> Array:
        """Return the log-odds that CCDs are bad by their tokens, at the training rate, (n,).

        Raises ModelError for tokens of another backbone or recipe.
        """
        from badexp_assets.classify.token_head import score_tokens

        self._check(planes)
        scores = [score_tokens(self.head, vectors) for _, vectors in planes.chunks()]
        return self.calibration(np.concatenate(scores))

    def differences(self, planes: FocalPlanes, bands: pd.Series | None) -> Array:
        """Return how much CCDs differ from good ones of their band (see TokenDifference), (n,).

        NaN without a reference. bands: by expnum; None, or an exposure that is not in it: compared with all bands.
        Raises ModelError for tokens of another backbone or recipe.
        """
        self._check(planes)
        if self.difference is None:
            return np.full(len(planes.keys), np.nan)
        of = {} if bands is None else bands.to_dict()
        named = np.array([str(of.get(expnum, ALL_BANDS)) for expnum in planes.keys["expnum"]], str)
        expnums = planes.keys["expnum"].to_numpy(np.int64)
        return np.concatenate([self.difference(v, named[places], expnums[places]) for places, v in planes.chunks()])

    def _check(self, planes: FocalPlanes) -> None:
        properties = (("backbone", self.backbone, planes.backbone), ("recipe", self.recipe, planes.recipe))
        check_made_by("tokens", properties)

    def kind_shares(self, planes: FocalPlanes, kinds: list[str]) -> Array:
        """Return the probabilities of `kinds` of bad by the tokens, (n, k), that add up to 1."""
        shares = np.zeros((len(planes.keys), len(kinds)))
        if self.kinds is None:
            shares[:, kinds.index(self.only_kind)] = 1.0
            return shares
        columns = [kinds.index(kind) for kind in self.kinds[-1].classes_]
        for places, vectors in planes.chunks():
            shares[places, columns] = self.kinds.predict_proba(vectors)
        return shares


def combined_log_odds(
    both: tuple[float, float, float] | None, of_images: Array, of_tokens: Array, rate: float
) -> Array:
    """Return the log-odds of CCDs by image and token, (n,): those by the image where the token is NaN.

    both: weights of image and token, and an offset; None: tokens are not used. rate: share of bad for which all hold.
    """
    if both is None:
        return of_images
    image, token, offset = both
    together = limit_evidence(image * of_images + token * of_tokens + offset, rate)
    return np.where(np.isfinite(of_tokens), together, of_images)
