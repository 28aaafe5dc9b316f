"""Options of the Entropy Method, with the paper's values as defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from badexp_assets.errors import InputError


@dataclass(frozen=True)
class EntropyParams:
    """Options of detection, orientations, gradients, reference and scores. Raises InputError for a value out of range.

    The paper does not give the number of bins. 18 bins are 10 degrees each: narrower than the spread that noise gives
    a stretched source, and wide enough for the smallest exposure scored (30 sources) to have more than one count a bin.
    """

    bins: int = 18
    """equal bins of orientation over [0, pi)"""
    detection_sigma: float = 4.0
    """a source's peak is above this many standard deviations of the sky"""
    segment_sigma: float = 2.0
    """a source's segment is its peak and what hangs together with it (8-connected) above this many"""
    min_segment_pixels: int = 7
    """pixels of a segment ("more than 6")"""
    stamp_size: int = 64
    """side of a stamp, px; a source is the maximum of its stamp"""
    light_fraction: float = 0.02
    """moments are summed over pixels above this share of the peak"""
    moments: str = "sources"
    """pixels of the stamp, above light_fraction of the peak, that moments are summed over: `stamp`, all of them, as the
    paper's sum reads; there noise far from the peak, weighted by distance squared, drowns a faint source. `sources`:
    those of the source and of other sources in the stamp, without the noise between them. `segment`: the source's own;
    blind to a telescope that jumped, which leaves two round images of everything"""
    core_fraction: float = 0.1
    """a source is dropped when its segment above this share of the peak touches a masked pixel"""
    background_points: int = 1000
    """random pixels that the background polynomial is fitted to"""
    background_trim: float = 0.1
    """share of them left out at the bright and at the dark end"""
    clip_sigma: float = 0.5
    """pixels are cut off at this many standard deviations above the sky around them before gradients are taken, so that
    stars don't pass for structure of the background; inf: not at all, as in the paper"""
    smoothing: int = 10
    """side of the box that the image is averaged over before gradients are taken, px"""
    gradient_points: int = 10_000
    """random points of a CCD where the gradient is taken"""
    half_width: int = 5
    """half-width of the gradient's window, smoothed px"""
    min_sources: int = 30
    """an exposure with fewer sources gets no source score and is no part of the reference"""
    min_points_fraction: float = 0.1
    """a CCD with fewer than this share of `gradient_points` does not count in the background score"""
    reference: str = "mean"
    """distribution that scores are against: `mean` (the paper) or `trimmed`, which anomalies don't pull"""
    reference_trim: float = 0.1
    """share of exposures left out at both ends of each bin in the trimmed mean"""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "clip_sigma" and value == math.inf:
                continue
            if field.type != "str" and (isinstance(value, bool) or not math.isfinite(value)):
                raise InputError(f"entropy.{field.name}: {value!r}; a finite number is needed")
            if field.type == "int" and value != int(value):
                raise InputError(f"entropy.{field.name}: {value!r}; a whole number is needed")
        least = {
            "bins": 2,
            "min_segment_pixels": 1,
            "stamp_size": 4,
            "background_points": 50,
            "smoothing": 1,
            "gradient_points": 1,
            "half_width": 1,
            "min_sources": 1,
        }
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InputError(f"entropy.{name}: {getattr(self, name)}; at least {low} is needed")
        if self.bins > 360:
            raise InputError(f"entropy.bins: {self.bins}; at most 360")
        for name in ("detection_sigma", "segment_sigma"):
            if getattr(self, name) <= 0:
                raise InputError(f"entropy.{name}: {getattr(self, name)}; more than 0 is needed")
        if self.clip_sigma < 0:
            raise InputError(f"entropy.clip_sigma: {self.clip_sigma}; at least 0, or inf, is needed")
        for name in ("light_fraction", "core_fraction", "min_points_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"entropy.{name}: {getattr(self, name)}; between 0 and 1 is needed")
        for name in ("background_trim", "reference_trim"):
            if not 0 <= getattr(self, name) < 0.5:
                raise InputError(f"entropy.{name}: {getattr(self, name)}; at least 0 and below 0.5 is needed")
        if self.moments not in ("sources", "segment", "stamp"):
            raise InputError(f"entropy.moments: {self.moments!r}; `sources`, `segment` or `stamp` is allowed")
        if self.reference not in ("mean", "trimmed"):
            raise InputError(f"entropy.reference: {self.reference!r}; `mean` or `trimmed` is allowed")

    @property
    def min_points(self) -> int:
        """Gradient points that a CCD needs to count in the background score."""
        return max(1, math.ceil(self.min_points_fraction * self.gradient_points))

    @property
    def min_half_points(self) -> int:
        """Fewest gradient points in each half of a CCD; about 23 % of its points are in one (see `halves`)."""
        return math.ceil(self.min_points / 8)
