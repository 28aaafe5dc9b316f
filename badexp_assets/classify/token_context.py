"""What a head sees of a CCD's token: the token itself, its surroundings and the mean over the exposure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
MARGIN = 0.5
"""surroundings of a CCD: its box, made larger on each side by this part of its longer side"""


class TokenBlock(NamedTuple):
    """Columns `start` to `stop` of a vector, which describe one rendering.

    `part`: `ccd` (the CCD's own token), `surroundings` or `plane` (mean over the exposure).
    """

    start: int
    stop: int
    rendering: str
    part: str


def token_blocks(dim: int) -> tuple[TokenBlock, ...]:
    """Return the blocks of the vectors of `TokenContext` for tokens of length `dim`."""
    from badexp_assets.vision.focal_plane_renderings import RENDERINGS

    n = dim // len(RENDERINGS)
    kinds = [(rendering, part) for part in ("ccd", "surroundings", "plane") for rendering in RENDERINGS]
    return tuple(TokenBlock(i * n, (i + 1) * n, *kind) for i, kind in enumerate(kinds))


class TokenContext:
    """Adds surroundings and the plane to the tokens of CCDs. boxes: (n_ccds, 4) x0, y0, x1, y1, in any unit."""

    def __init__(self, boxes: npt.ArrayLike) -> None:
        found = np.asarray(boxes, np.float64)
        margin = MARGIN * np.maximum(found[:, 2] - found[:, 0], found[:, 3] - found[:, 1])
        larger = found + margin[:, None] * np.array([-1, -1, 1, 1])
        self._shared = _overlaps(larger, found, 0) * _overlaps(larger, found, 1)

    def vectors(self, tokens: Array) -> Array:
        """Return token, surroundings and plane of each CCD, (n_ccds, 3 dim) float32; NaN for missing CCDs.

        tokens: (n_ccds, dim) of one exposure, NaN for missing CCDs. The surroundings of a CCD are the mean of the
        tokens in its larger box, itself included, by shared area; the plane is the mean of all. Missing CCDs have no
        weight in either.
        """
        tokens = np.asarray(tokens, np.float32)
        found = np.full((len(tokens), 3 * tokens.shape[1]), np.nan, np.float32)
        there = np.isfinite(tokens).all(axis=1)
        if not there.any():
            return found
        shared = self._shared[np.ix_(there, there)]
        known = tokens[there]
        around = shared @ known / shared.sum(axis=1, keepdims=True)
        found[there] = np.hstack([known, around, np.broadcast_to(known.mean(axis=0), known.shape)])
        return found


def _overlaps(a: Array, b: Array, axis: int) -> Array:
    """Return the length that boxes `a` (n, 4) and `b` (m, 4) share along x (0) or y (1), (n, m)."""
    low, high = (pick(a[:, None, i], b[None, :, i]) for pick, i in ((np.maximum, axis), (np.minimum, axis + 2)))
    return np.clip(high - low, 0, None)
