"""Options of watching the archive and of reading a night: [arrivals], [night_pass], [entropy], [autoencoder].

The Entropy Method and its autoencoder are those of Alonso, Zhang & Li; defaults are their values where they give them.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator

from badexp_assets.config.section import AS_GIVEN, NumberOrInfinity, Seed, Share, section

MAX_PREVIEW_HEIGHT = 4096
Scaling = Literal["peak", "norm"]
SCALINGS = get_args(Scaling)
RankBy = Literal["z", "kl"]
RANKING_SCORES: dict[RankBy, tuple[str, str]] = {
    "z": ("z_source", "z_background"),
    "kl": ("kl_source", "kl_background"),
}
_Seconds = Annotated[float, Field(ge=0), AS_GIVEN]
_Trim = Annotated[float, Field(ge=0, lt=0.5), AS_GIVEN]
_Sigma = Annotated[float, Field(gt=0), AS_GIVEN]
_Rate = Annotated[float, Field(gt=0, lt=1), AS_GIVEN]


@section("arrivals")
class ArrivalParams:
    """Scans of the archive for new files, and when a file counts as written."""

    first_look: Literal["record", "run"] = "record"
    """Nights without tables at the first scan: `record` lists them (a backfill reads them), `run` reads them."""
    settle_seconds: _Seconds = 300
    """A file counts as written once it has not changed for this time, s."""
    incomplete_seconds: _Seconds = 21600
    """The same for a file whose size is not that of a whole FITS file, s; it is then read as it is."""
    max_wait_seconds: _Seconds = 3600
    """A night in which files keep arriving is read after this time, s, with the files written so far, then again."""
    recent_nights: int = Field(default=3, ge=0)
    """Newest nights that every scan lists. An older night is listed when one of its folders has changed."""
    reread_hours: _Seconds = 24
    """Every night is listed once in this time, h: a file written again in its place does not change its folder."""
    scan_seconds: _Seconds = 30
    """A scan stops after this time, s; the next scan continues it."""
    max_requests: int = Field(default=20, ge=1)
    """Nights requested per scan, and per day of those that were missed; the others wait for the next scan or day."""
    max_deleted_nights: int = Field(default=10, ge=0)
    """If more nights than this vanish at once, the scan ignores it: a disk may not be mounted."""


@section("night_pass")
class PassParams:
    """The pass over a night's pixels.

    `recipe`, `rows`, `columns`, `batch_size`, `device` and `precision` define the embedder; the pass itself does not
    use them.
    """

    n_draw: int = Field(default=20, ge=1)
    """CCDs of an exposure that are sampled to vote (Luo et al. 2025: 20)."""
    all_ccds: bool = False
    """Read every CCD of an exposure, not only the sampled ones."""
    seed: Seed = 0
    """Seed of the sampled CCDs, of the points of the Entropy Method and of the stamps that are kept."""
    recipe: str = "scaled"
    """Preprocessing of CCD images for the backbone: `scaled`, or `paper` for raw counts (Luo et al. 2025)."""
    rows: int = Field(default=512, ge=0)
    """Rows of the image that the backbone gets, px; 0, with `columns`: those of the recipe."""
    columns: int = Field(default=256, ge=0)
    """Columns of the image that the backbone gets, px; 0, with `rows`: those of the recipe."""
    batch_size: int = Field(default=16, ge=1)
    """CCD images that the backbone embeds together."""
    device: str = "auto"
    """Where the backbone runs: auto (all GPUs, else the CPU), cpu, cuda, or several, separated by commas.

    Several devices share the exposures, with one process each; "cpu,cpu" are two processes, each with half the cores.
    """
    precision: str = "auto"
    """Precision of the backbone: auto (bfloat16 for DINOv2 on GPUs, else float32), float32 or bfloat16."""
    focal_plane_step: int = Field(default=8, ge=0)
    """Of CCDs that are not sampled, every how many-th row is read, for images of the whole focal plane; 0: none is."""
    focal_plane_size: int = Field(default=608, ge=64)
    """Longer side of the image of the whole focal plane from which the network describes all CCDs, px; half of it takes
    a quarter of the time."""
    stamps_per_exposure: int = Field(default=64, ge=0)
    """Source stamps kept per exposure, chosen at random."""
    preview_height: int = Field(default=512, ge=0, le=MAX_PREVIEW_HEIGHT)
    """Height of the image of an exposure's focal plane, px, from 64; 0: no images."""
    workers: int = Field(default=-1, ge=-1)
    """Processes that read and measure CCDs ahead of the backbone; 0: a thread for each core; -1: on GPUs, one fewer
    than the allocated cores for each GPU, else threads.

    Several devices share the processes; each has at least one. Processes are faster than threads with many cores. A
    file that kills the process which reads it then costs only its CCD.
    """

    @field_validator("preview_height")
    @classmethod
    def _visible(cls, height: int) -> int:
        if 0 < height < 64:
            raise ValueError(f"preview_height is {height}; 0, or 64 to {MAX_PREVIEW_HEIGHT}, is needed")
        return height


@section("entropy")
class EntropyParams:
    """Detection, orientations, gradients, reference and scores of the Entropy Method.

    Alonso, Zhang & Li do not give the number of bins. 18 bins are 10 degrees each: narrower than the spread that noise
    gives a stretched source, and wide enough for the smallest scored exposure (30 sources) to average more than one
    count per bin.
    """

    bins: int = Field(default=18, ge=2, le=360)
    """Equal bins of orientation over [0, pi)."""
    detection_sigma: _Sigma = 4.0
    """The peak of a source is above this many standard deviations of the sky."""
    segment_sigma: _Sigma = 2.0
    """The segment of a source: its peak and the pixels connected with it (8 neighbours) above this many."""
    min_segment_pixels: int = Field(default=7, ge=1)
    """Fewest pixels of a segment ("more than 6")."""
    stamp_size: int = Field(default=64, ge=4)
    """Side of a stamp, px; a source is the maximum of its stamp."""
    light_fraction: Share = 0.02
    """Moments are summed over pixels above this share of the peak."""
    moments: Literal["sources", "segment", "stamp"] = "sources"
    """Pixels of the stamp, above `light_fraction` of the peak, that moments are summed over.

    `stamp`: all, as in the published sum; there noise far from the peak, weighted by distance squared, hides a faint
    source. `sources`: those of the source and of other sources in the stamp, without the noise between them. `segment`:
    those of the source alone, which misses a telescope that jumped: it leaves two round images of everything.
    """
    core_fraction: Share = 0.1
    """A source is dropped when its segment above this share of the peak touches a masked pixel."""
    background_points: int = Field(default=1000, ge=50)
    """Random pixels that the background polynomial is fitted to."""
    background_trim: _Trim = 0.1
    """Share of these pixels left out at the bright and at the dark end."""
    clip_sigma: NumberOrInfinity = Field(default=0.5, ge=0)
    """Before gradients are taken, pixels are clipped at this many standard deviations above the sky around them, so
    that stars do not count as structure of the background; inf: no clipping, as published."""
    smoothing: int = Field(default=10, ge=1)
    """Side of the box over which the image is averaged before gradients are taken, px."""
    gradient_points: int = Field(default=10_000, ge=1)
    """Random points of a CCD where the gradient is taken."""
    half_width: int = Field(default=5, ge=1)
    """Half-width of the gradient's window, smoothed px."""
    min_sources: int = Field(default=30, ge=1)
    """An exposure with fewer sources gets no source score and is not part of the reference."""
    min_points_fraction: Share = 0.1
    """A CCD with fewer than this share of `gradient_points` does not count in the background score."""
    reference: Literal["mean", "trimmed"] = "mean"
    """Distribution that exposures are compared with: `mean` (published), or `trimmed`, which anomalies do not shift."""
    reference_trim: _Trim = 0.1
    """Share of exposures left out at both ends of each bin of the trimmed mean."""
    rank_by: RankBy = "z"
    """Score by which exposures are ranked: `z`, relative to chance, or `kl`, the plain divergence, as published."""

    @property
    def ranking_scores(self) -> tuple[str, str]:
        """Columns of `night_entropy_scores` by which exposures are ranked, for sources and for the background."""
        return RANKING_SCORES[self.rank_by]

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The options on which measurements and scores depend: all but the choice of the score that ranks."""
        return {name: value for name, value in asdict(self).items() if name != "rank_by"}

    @property
    def min_points(self) -> int:
        """Gradient points that a CCD needs to count in the background score."""
        return max(1, math.ceil(self.min_points_fraction * self.gradient_points))

    @property
    def min_half_points(self) -> int:
        """Fewest gradient points in each half of a CCD; about 23 % of its points are in one (see `halves`)."""
        return math.ceil(self.min_points / 8)


@section("autoencoder")
class AutoencoderParams:
    """Training of the stamp autoencoder.

    Number of stamps, split, epochs and layers are published; optimiser (Adam), batch size, learning rate, scaling and
    the early stop are choices of this project.
    """

    n_stamps: int = Field(default=10_000, ge=2)
    """Stamps sampled from the survey, all bands together."""
    epochs: int = Field(default=500, ge=1)
    """Passes over the training stamps, at most."""
    batch_size: int = Field(default=256, ge=1)
    """Stamps per step."""
    learning_rate: _Rate = 1e-3
    """Step size of Adam."""
    validation_fraction: _Rate = 0.2
    """Share of the stamps that is not trained on; the epoch with their lowest loss is kept."""
    patience: int = Field(default=20, ge=0)
    """Training stops after this many epochs without a lower validation loss; 0: never, as published."""
    scaling: Scaling = "peak"
    """A stamp is divided by its largest pixel (`peak`) or by the root of its sum of squares (`norm`)."""
    seed: Seed = 0
    """Seed of the split, of the first weights and of the order of stamps."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of the training; 0: all cores of this process, or OMP_NUM_THREADS if it is less."""
    device: str = "cpu"
    """PyTorch device to train on."""
