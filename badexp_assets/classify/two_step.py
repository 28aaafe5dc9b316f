"""Two-step classifier: P(bad) of a CCD image first, then the kind of bad."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from badexp_assets.classify.calibration import LIMIT, Calibration, clipped_logit, limit_evidence, shift_prior
from badexp_assets.classify.classifier import GOOD, Classifier
from badexp_assets.classify.embedding_space import Novelty, Space, sum_by_group
from badexp_assets.classify.features import FeatureScaler
from badexp_assets.classify.focal_plane_view import FocalPlaneView
from badexp_assets.classify.mosaic_view import MosaicHead, MosaicView
from badexp_assets.classify.pooling import STATISTICS, Pool
from badexp_assets.classify.skops_folder import read_content
from badexp_assets.classify.token_difference import GoodTokens, TokenDifference
from badexp_assets.errors import InputError, ModelError

Array = npt.NDArray[np.floating]
_CHUNK = 16_384  # vectors classified at once, exposures kept whole
# The parts are stored as plain values, so that the stored form does not depend on our classes.
_PARTS = {"space": Space, "scaler": FeatureScaler, "calibration": Calibration, "novelty": Novelty, "pool": Pool}
_STORED_AS_IS = ("bad_head", "kind_head", "n_bad", "n_kind", "temperature")
_TRUSTED = (
    "badexp_assets.classify.heads.",
    "badexp_assets.classify.token_head.",
    "sklearn.decomposition.",
    "sklearn.pipeline.",
    "sklearn.svm.",
    "sklearn.ensemble._hist_gradient_boosting.",
    "sklearn._loss.",
    "sklearn.tree.",
    "sklearn.linear_model.",
)


@dataclass(frozen=True)
class TwoStepClassifier(Classifier):
    """A fitted two-step classifier of CCD images, and of exposures (`pool`, and `mosaic` if it is used).

    The inputs of `bad_head` are the first `n_bad` principal components and the features of a CCD. Those of `kind_head`
    are the first `n_kind` components, the features, and the mean of both over the exposure's CCDs, weighted by P(bad).
    `mosaic`, `focal_plane`: None if it was fitted without mosaics, or without tokens of CCDs.
    """

    space: Space
    scaler: FeatureScaler
    bad_head: Any
    n_bad: int
    kind_head: Any
    n_kind: int
    calibration: Calibration
    temperature: float
    novelty: Novelty
    pool: Pool
    categories: tuple[str, ...]
    card: dict[str, Any] = field(repr=False)
    mosaic: MosaicView | None = None
    focal_plane: FocalPlaneView | None = None

    @property
    def base_rate(self) -> float:
        """Share of bad CCD images that the probabilities assume."""
        return float(self.card["base_rate"])

    @property
    def exposure_base_rate(self) -> float:
        """Share of bad exposures that their probabilities assume: [classifier] base_rate, or else that of the training
        exposures. The share of bad CCD images is no substitute: far more of them are taken of a bad exposure.
        """
        return float(self.card["params"].get("base_rate") or self.pool.training_rate)

    @property
    def highest_p_bad(self) -> float:
        """Highest P(bad) of a CCD at the base rate: the training set limits how much evidence an image can be."""
        rate = float(self.card["training_rate"])
        highest = [float(self.calibration(np.array([LIMIT]))[0])]  # LIMIT: of the log-odds of heads
        if self.focal_plane is not None:
            highest.append(self.focal_plane.calibration.y[-1])
            if self.focal_plane.both is not None:
                highest.append(float(limit_evidence(np.array([np.inf]), rate)[0]))
        return float(expit(shift_prior(np.array([max(highest)]), rate, self.base_rate))[0])

    def predict(self, vectors: Array, features: pd.DataFrame | None = None) -> pd.DataFrame:
        """Classify (n, dim) vectors with their rows of `describe_ccds`, in the same order (None: nothing was measured).

        Columns, float32: category (the most probable), probability (of that category), p_bad (calibrated, at the base
        rate), p_<category>, novelty (share of training images that were nearer to a category; 1: farther than all of
        them) and abstain (novelty is at least `max_novelty`: do not trust the category). The kind of bad takes all CCDs
        of the exposure (expnum of the features) into account; without features each CCD is classified by itself.
        Raises ModelError for vectors of another length, InputError for non-finite ones.
        """
        vectors = self._checked(vectors)
        if features is not None and len(features) != len(vectors):
            raise InputError(f"features: {len(features)} rows for {len(vectors)} vectors; equal numbers needed")
        groups = np.arange(len(vectors)) if features is None else features["expnum"].to_numpy(np.int64)
        shares, novelty = np.zeros((len(vectors), len(self.categories))), np.zeros(len(vectors))
        for rows in _whole_groups(groups, _CHUNK):
            part = None if features is None else features.iloc[rows]
            shares[rows], novelty[rows] = self._shares(vectors[rows], part, groups[rows])
        return self.table_of(shares).assign(
            novelty=novelty.astype(np.float32), abstain=novelty >= float(self.card["params"]["max_novelty"])
        )

    @property
    def metric(self) -> str:
        """Distance between `positions`."""
        return "euclidean"

    def positions(self, vectors: Array) -> Array:
        """Return the principal components that the first step uses, (n, n_bad) float32."""
        return self.space.transform(self._checked(vectors))[:, : self.n_bad]

    def _shares(
        self, vectors: Array, features: pd.DataFrame | None, groups: npt.NDArray[np.int64]
    ) -> tuple[Array, Array]:
        z = self.space.transform(vectors)
        named = self.scaler.transform(features, len(vectors))
        x = np.hstack([z[:, : self.n_bad], named])
        fitted = self.calibration(bad_log_odds(self.bad_head, x))
        p_bad = expit(shift_prior(fitted, float(self.card["training_rate"]), self.base_rate))
        y = with_context(np.hstack([z[:, : self.n_kind], named]), groups, expit(fitted))
        kinds = self.kind_head.predict_proba(y) if self.kind_head is not None else np.ones((len(y), 1))
        kinds = np.power(np.maximum(kinds, 1e-9), 1 / self.temperature)
        kinds /= kinds.sum(axis=1, keepdims=True)
        shares = np.zeros((len(vectors), len(self.categories)))
        shares[:, [i for i, c in enumerate(self.categories) if c != GOOD]] = kinds * p_bad[:, None]
        shares[:, self.categories.index(GOOD)] = 1 - p_bad
        return shares, self.novelty(x)

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {name: getattr(self, name) for name in _STORED_AS_IS}
        content |= {name: asdict(getattr(self, name)) for name in _PARTS}
        content |= {"mosaic": None if self.mosaic is None else asdict(self.mosaic)}
        return content | {"focal_plane": None if self.focal_plane is None else self.focal_plane.content()}

    @classmethod
    def load(cls, folder: Path) -> TwoStepClassifier:
        """Read a model that `save` wrote. Raises ModelError if it is missing, damaged or holds foreign types."""
        content, card = read_content(Path(folder), _TRUSTED)
        try:
            parts = {name: _part(kind, content[name]) for name, kind in _PARTS.items()}
            parts |= {name: content[name] for name in _STORED_AS_IS}
            mosaic = content.get("mosaic")  # models from before there were mosaics have none
            card["training_rate"], card["base_rate"], card["params"]["max_novelty"]
            plane = content.get("focal_plane")
            return cls(
                **parts,
                categories=tuple(card.pop("categories")),
                card=card,
                mosaic=_mosaic(mosaic) if mosaic else None,
                focal_plane=_focal_plane(plane) if plane else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            reason = f"not a two-step classifier of this version ({error!r}); fit it again"
            raise ModelError(f"{folder}: {reason}") from error


def _part(kind: Any, values: dict[str, Any]) -> Any:
    if kind is Pool:
        values = {"names": STATISTICS} | values  # models from before there were mosaics name none
    lost = {f.name for f in fields(kind)} ^ set(values)
    if lost:
        raise KeyError(", ".join(sorted(lost)))
    return kind(**values)


def _mosaic(values: dict[str, Any]) -> MosaicView:
    head = values["head"]
    head = _part(MosaicHead, head | {"space": _part(Space, head["space"])})
    return _part(MosaicView, values | {"head": head, "pool": _part(Pool, values["pool"])})


def _focal_plane(values: dict[str, Any]) -> FocalPlaneView:
    difference = values["difference"] and _difference(values["difference"])
    parts = {"calibration": _part(Calibration, values["calibration"]), "pool": _part(Pool, values["pool"])}
    return _part(FocalPlaneView, values | parts | {"difference": difference})


def _difference(values: dict[str, Any]) -> TokenDifference:
    if "points" in values:  # models from before there were folds have one reference
        values = dict(values)
        nothing, typical = np.zeros(0, np.int64), values.pop("typical")
        values = {"references": [values], "expnums": nothing, "folds": nothing, "typical": typical}
    references = [_part(GoodTokens, part) for part in values["references"]]
    difference: TokenDifference = _part(TokenDifference, values | {"references": references})
    return difference


def bad_log_odds(head: Any, x: Array) -> Array:
    """Return ln(P(bad) / P(good)), (n,), by a head that has `good` among its categories."""
    good = head.predict_proba(x)[:, list(head.classes_).index(GOOD)]
    return clipped_logit(1.0 - good)


def with_context(x: Array, groups: npt.NDArray[np.int64], weights: Array) -> Array:
    """Append to (n, d) positions the weighted mean over the group of each row, (n, 2 d). `weights` (n,): above 0."""
    _, codes = np.unique(groups, return_inverse=True)
    weights = np.maximum(weights, 1e-6).astype(np.float32)
    total = sum_by_group(codes, np.hstack([x * weights[:, None], weights[:, None]]))
    mean = total[:, :-1] / total[:, -1:]
    return np.hstack([x, mean[codes].astype(np.float32)])


def _whole_groups(groups: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield row numbers in pieces of about `size`; the rows of a group stay together."""
    order = np.argsort(groups, kind="stable")
    start = 0
    while start < len(order):
        stop = int(np.searchsorted(groups[order], groups[order[min(start + size, len(order)) - 1]], side="right"))
        yield order[start:stop]
        start = stop
